"""Collect one session on every mail port of every host, and the configuration the analyst was given."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from smtplab.case import Case
from smtplab.net import Network
from smtplab.net.dns import addresses, query
from smtplab.net.session import Transcript, gather_sessions
from smtplab.servers import configuration
from smtplab.servers.capabilities import Offer, read_offer
from smtplab.servers.configuration import Configuration
from smtplab.tables import Inventory

PORTS_OF = {"mx": (25,), "submission": (587, 465), "imap": (143, 993), "pop3": (110, 995)}


@dataclass(frozen=True)
class ServerEvidence:
    """Sessions, what each server offers before and after TLS, and configuration files."""

    sessions: tuple[Transcript, ...]
    offers: tuple[Offer, ...]
    configuration: tuple[Configuration, ...]
    mx: tuple[str, ...]
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

    def transcript(self, port: int) -> str:
        """The first session that was greeted on a port, in words; says so where there is none."""
        return next((s.text() for s in self.sessions if s.port == port and s.known), f"No session on port {port}.")

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

    def times(self) -> pd.DataFrame:
        """A row a phase: host, port, phase, ms."""
        rows = [(s.host, s.port, t.phase, t.ms) for s in self.sessions for t in s.steps]
        return pd.DataFrame(rows, columns=["host", "port", "phase", "ms"])


def collect(case: Case, inventory: Inventory) -> ServerEvidence:
    """Talk to the MX of every domain and to the hosts of the inventory; read configuration files."""
    case.network.demand("dns")
    files, problems = configuration.read(case)
    sessions, mx = case.network.run(_sessions(case.network, inventory))
    return ServerEvidence(tuple(sessions), tuple(map(read_offer, sessions)), files, mx, problems)


async def _sessions(network: Network, inventory: Inventory) -> tuple[list[Transcript], tuple[str, ...]]:
    mx: list[str] = []
    for domain in inventory.domains():
        answer = await query(network, domain, "MX")
        mx += [name for r in answer.records if (name := r.split()[-1]) != "."]
    mx = list(dict.fromkeys(mx))
    hosts = [(name, 25) for name in mx]
    for role, ports in PORTS_OF.items():
        hosts += [(name, port) for name in inventory.hosts(role) for port in ports]
    asked = []
    for name, port in dict.fromkeys(hosts):
        ips, _, _ = await addresses(network, name)
        asked += [(name, ip, port) for ip in ips if network.settings.is_public(ip)][:1]
    return await gather_sessions(network, asked), tuple(mx)
