"""Collect one session on every mail port of every host, and the configuration the analyst was given."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from smtplab.case import Case
from smtplab.net import Network
from smtplab.net.dns import addresses, query
from smtplab.net.session import PORTS, Transcript, gather_sessions
from smtplab.servers import configuration
from smtplab.servers.capabilities import Offer, read_offer
from smtplab.servers.configuration import Configuration
from smtplab.servers.transcripts import Transcripts
from smtplab.tables import Inventory

PORTS_OF = {"mx": (25,), "submission": (587, 465), "imap": (143, 993), "pop3": (110, 995)}


@dataclass(frozen=True)
class ServerEvidence:
    """Sessions, what each server offers before and after TLS, and configuration files.

    `mx` are the MX names of our domains, `unreached` hosts that could not be asked, with the reason.
    """

    sessions: tuple[Transcript, ...]
    offers: tuple[Offer, ...]
    configuration: tuple[Configuration, ...]
    mx: tuple[str, ...]
    unreached: tuple[tuple[str, str], ...]
    problems: pd.DataFrame

    def __repr__(self) -> str:
        hosts = {s.host for s in self.sessions}
        return f"ServerEvidence({len(hosts)} hosts, {len(self.sessions)} sessions, {len(self.configuration)} files)"

    def session(self, host: str, port: int) -> Transcript:
        """The session with a host and port; raises KeyError without one."""
        for session in self.sessions:
            if (session.host, session.port) == (host, port):
                return session
        raise KeyError(f"no session with {host}:{port}")

    def transcripts(self, *ports: int) -> Transcripts:
        """The first welcomed session on each port, side by side; says so where there is none."""
        columns = []
        for port in ports:
            found = next((s for s in self.sessions if s.port == port and s.greeted), None)
            name = f"{PORTS[port][0].upper()}, port {port}"
            columns.append((f"{name}: {found.host}", found.text()) if found else (name, "No session was recorded."))
        return Transcripts(tuple(columns))

    def capabilities(self) -> pd.DataFrame:
        """A row a host and port: before TLS, only after TLS, sign-in before TLS, TLS version."""
        rows = [
            (
                o.host,
                o.port,
                o.protocol,
                " ".join(o.before),
                " ".join(c for c in o.after if c not in o.before),
                " ".join(o.auth_before),
                o.tls,
                o.state,
            )
            for o in self.offers
        ]
        columns = ["host", "port", "protocol", "before TLS", "only after TLS", "sign-in before TLS", "TLS", "state"]
        return pd.DataFrame(rows, columns=columns)

    def features(self, protocol: str) -> pd.DataFrame:
        """A row a capability, a column a service: announced before TLS, inside, or both; ? where it was not heard."""
        shown = [o for o in self.offers if o.protocol == protocol]
        names = dict.fromkeys(c for o in shown for c in (*o.before, *o.after))
        columns = {
            f"{o.host}:{o.port}": [_when(name in o.before, name in o.after) if o.heard else "?" for name in names]
            for o in shown
        }
        return pd.DataFrame({"capability": list(names), **columns})

    def times(self) -> pd.DataFrame:
        """A row a phase: host, port, phase, ms."""
        rows = [(s.host, s.port, t.phase, t.ms) for s in self.sessions for t in s.steps]
        return pd.DataFrame(rows, columns=["host", "port", "phase", "ms"])


def _when(before: bool, after: bool) -> str:
    return "both" if before and after else "before TLS" if before else "inside TLS" if after else "–"


def collect(case: Case, inventory: Inventory) -> ServerEvidence:
    """Talk to the MX of every domain and to the hosts of the inventory; read configuration files.

    Raises NotRecorded when the case has a recording that holds no session at all.
    """
    if case.tape:
        case.network.demand("session", "dns")
    files, problems = configuration.read(case)
    sessions, mx, unreached = case.network.run(_sessions(case, inventory))
    return ServerEvidence(tuple(sessions), tuple(map(read_offer, sessions)), files, mx, unreached, problems)


async def _sessions(
    case: Case, inventory: Inventory
) -> tuple[list[Transcript], tuple[str, ...], tuple[tuple[str, str], ...]]:
    found = [await mail_exchangers(case.network, d) for d in inventory.domains()]
    mx = tuple(dict.fromkeys(name for names in found for name in names))
    wanted = [(name, 25) for name in mx]
    for role, ports in PORTS_OF.items():
        wanted += [(name, port) for name in inventory.hosts(role) for port in ports]
    asked, unreached = [], {}
    for name, port in dict.fromkeys(wanted):
        address, why = await _address(case, name)
        if address:
            asked.append((name, address, port))
        else:
            unreached[name] = why
    return await gather_sessions(case.network, asked), mx, tuple(unreached.items())


async def mail_exchangers(network: Network, domain: str) -> list[str]:
    """The MX names of a domain, most preferred first; [] for a null MX (RFC 7505) or none that is known."""
    answer = await query(network, domain, "MX")
    ranked = sorted((int(n), name) for n, _, name in (r.partition(" ") for r in answer.records) if n.isdigit())
    return [name for _, name in ranked if name != "."]


async def _address(case: Case, name: str) -> tuple[str, str]:
    """The address to probe: the first public one of DNS, else the one case.toml gives; or why there is none."""
    network = case.network
    ips, a, _ = await addresses(network, name)
    declared = [ip for h in case.hosts if h.name == name for ip in h.addresses]
    own = network.settings.own
    usable = [ip for ip in dict.fromkeys((*ips, *declared)) if network.settings.is_public(ip) or ip in own]
    if usable:
        return usable[0], ""
    return "", "it has only private addresses" if ips or declared else a.why or "it has no address"
