"""Collect one session on every mail port of every host, open ports, and the configuration that was given."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pandas as pd

from smtplab.case import Case
from smtplab.names.routing import implicit
from smtplab.net import Network
from smtplab.net.dns import addresses, query
from smtplab.net.session import PORTS, Transcript, gather_sessions, knock
from smtplab.servers import clients, configuration
from smtplab.servers.autodiscover import discover
from smtplab.servers.capabilities import Offer, read_offer
from smtplab.servers.clients import ClientEvidence
from smtplab.servers.configuration import Configuration
from smtplab.servers.passwords import Stored
from smtplab.servers.probes import Probe, Target, may, probe
from smtplab.servers.transcripts import Transcripts
from smtplab.tables import Inventory

PORTS_OF = {"mx": (25,), "submission": (587, 465), "imap": (143, 993), "pop3": (110, 995), "sieve": (4190,)}


@dataclass(frozen=True)
class Door:
    """A port that no role of the host needs: open, refused, or unknown with its reason."""

    host: str
    address: str
    port: int
    state: str


@dataclass(frozen=True)
class ServerEvidence:
    """Sessions, what each server offers before and after TLS, and configuration files.

    `mx` are the MX names of our domains, `implicit` those of them that are the domain itself, for want of a record;
    `unreached` hosts that could not be asked, with the reason. `doors` are the ports of our own hosts that none of
    their roles needs, `used` the connections made ("address:port": count), `probes` intrusive tests where case.toml
    allows them, `passwords` the schemes of files that hold some, `clients` what the domains tell mail programs.
    """

    sessions: tuple[Transcript, ...]
    offers: tuple[Offer, ...]
    configuration: tuple[Configuration, ...]
    mx: tuple[str, ...]
    unreached: tuple[tuple[str, str], ...]
    problems: pd.DataFrame
    doors: tuple[Door, ...] = ()
    used: Mapping[str, int] = field(default_factory=dict)
    probes: tuple[Probe, ...] = ()
    passwords: tuple[Stored, ...] = ()
    clients: tuple[ClientEvidence, ...] = ()
    implicit: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        hosts = {s.host for s in self.sessions}
        return f"ServerEvidence({len(hosts)} hosts, {len(self.sessions)} sessions, {len(self.configuration)} files)"

    def transcripts(self, *ports: int) -> Transcripts:
        """The first welcomed session on each port, side by side; says so where there is none."""
        columns = []
        for port in ports:
            found = next((s for s in self.sessions if s.port == port and s.greeted), None)
            name = f"{PORTS[port][0].upper()}, port {port}"
            columns.append((f"{name}: {found.host}", found.text()) if found else (name, "No session was recorded."))
        return Transcripts(tuple(columns))

    def features(self, protocol: str) -> pd.DataFrame:
        """A row a capability, a column a service: announced before TLS, inside, or both; ? where it was not heard."""
        shown = [o for o in self.offers if o.protocol == protocol]
        names = dict.fromkeys(c for o in shown for c in (*o.before, *o.after))
        columns = {
            o.service: [_when(name in o.before, name in o.after) if o.heard else "?" for name in names] for o in shown
        }
        return pd.DataFrame({"capability": list(names), **columns})

    def extensions(self) -> pd.DataFrame:
        """A row a service that speaks SMTP: what it offers of size, speed, safety and sign-in, typed."""
        rows = []
        for o in self.offers:
            if (e := o.extensions) is None:
                continue
            limits = " ".join(f"{name}={value}" for name, value in e.limits.items())
            gained = " ".join(o.gained)
            facts = (e.pipelining, e.chunking, e.eight_bit_mime, e.smtputf8, e.dsn, e.enhanced_status_codes)
            rows.append((o.service, e.size, *facts, e.requiretls, e.mt_priority, limits, " ".join(e.auth), gained))
        columns = ["service", "size", "PIPELINING", "CHUNKING", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES"]
        columns += ["REQUIRETLS", "MT-PRIORITY", "LIMITS", "AUTH", "only inside TLS"]
        return pd.DataFrame(rows, columns=columns).astype({"size": "Int64"})

    def ports(self) -> pd.DataFrame:
        """A row a host, a column a mail port: open, refused, unknown; blank where it was not tried."""
        states = {(s.host, s.port): _state(s) for s in reversed(self.sessions)}
        states |= {(d.host, d.port): d.state for d in self.doors}
        hosts = dict.fromkeys(host for host, _ in states)
        rows = [(h, *(states.get((h, p), "") for p in PORTS)) for h in hosts]
        return pd.DataFrame(rows, columns=["host", *map(str, PORTS)])

    def pointers(self) -> pd.DataFrame:
        """A row a server that mail programs are sent to: domain, source, protocol, host, port, tls."""
        rows = [(p.domain, p.source, p.protocol, p.host, p.port, p.tls) for c in self.clients for p in c.pointers]
        return pd.DataFrame(rows, columns=["domain", "source", "protocol", "host", "port", "tls"])

    def times(self) -> pd.DataFrame:
        """A row a phase: host, port, phase, ms, and the bytes sent and received."""
        rows = [(s.host, s.port, t.phase, t.ms, t.bytes_out, t.bytes_in) for s in self.sessions for t in s.steps]
        made = pd.DataFrame(rows, columns=["host", "port", "phase", "ms", "sent", "received"])
        return made.astype({"sent": "Int64", "received": "Int64"})


def _state(session: Transcript) -> str:
    return f"unknown ({session.why})" if session.why else "refused" if session.refused else "open"


def _when(before: bool, after: bool) -> str:
    return "both" if before and after else "before TLS" if before else "inside TLS" if after else "–"


def collect(case: Case, inventory: Inventory) -> ServerEvidence:
    """Talk to the MX of every domain and to the hosts of the inventory; read configuration files.

    IPv4 and IPv6 are both asked. Hosts of our own are tried for ports that they do not need. Raises NotRecorded when
    the case has a recording that holds no session at all.
    """
    if case.tape:
        case.network.demand("session", "dns")
    files, stored, problems = configuration.read(case)
    told = case.network.run(_clients(case))
    sessions, doors, mx, unreached = case.network.run(_ask(case, inventory, told))
    probes = case.network.run(_probes(case, sessions)) if case.network.settings.intrusive else ()
    return ServerEvidence(
        tuple(sessions),
        tuple(map(read_offer, sessions)),
        files,
        mx,
        unreached,
        problems,
        tuple(doors),
        case.network.connections_used(),
        probes,
        stored,
        told,
        case.network.run(_without_record(case.network, set(mx) & set(inventory.domains()))),
    )


async def _clients(case: Case) -> tuple[ClientEvidence, ...]:
    """What every domain tells mail programs, by DNS, autoconfig, Autodiscover and files among the sources."""
    asked = await asyncio.gather(*(_client(case, d) for d in case.domains))
    files = [p for p in case.sources("configuration") if p.suffix == ".xml" and p.is_file()]
    given = [x for p in files for x in clients.read_file(p, case.domains[0], case.rel(p))]
    return (replace(asked[0], pointers=(*asked[0].pointers, *given)), *asked[1:])


async def _client(case: Case, domain: str) -> ClientEvidence:
    told = await clients.collect(case.network, domain)
    outlook = await discover(case.network, domain, case.as_of)
    return replace(told, pointers=(*told.pointers, *outlook.pointers), unknown=(*told.unknown, *outlook.unknown))


async def _probes(case: Case, sessions: list[Transcript]) -> tuple[Probe, ...]:
    """Intrusive tests of our own hosts, at the ports that answered."""
    found: list[Probe] = []
    for session in sessions:
        if session.greeted and may(case.network.settings, session.host, session.address):
            target = Target(session.host, session.address, session.port, session.port)
            found += await probe(case.network, target, domain=case.domains[0])
    return tuple(found)


async def _ask(
    case: Case, inventory: Inventory, told: tuple[ClientEvidence, ...]
) -> tuple[list[Transcript], list[Door], tuple[str, ...], tuple[tuple[str, str], ...]]:
    found = [await mail_exchangers(case.network, d) for d in inventory.domains()]
    mx = tuple(dict.fromkeys(name for names in found for name in names))
    wanted = [(name, 25) for name in mx]
    for role, ports in PORTS_OF.items():
        wanted += [(name, port) for name in inventory.hosts(role) for port in ports]
    # A server of somebody else that programs are sent to is left alone.
    ours = {name for name, _ in wanted}
    wanted += [(p.host, p.port) for c in told for p in c.pointers if p.host in ours and p.port in PORTS]
    asked, unreached = [], {}
    for name, port in dict.fromkeys(wanted):
        usable, why = await usable_addresses(case, name)
        asked += [(name, address, port) for address in usable]
        if not usable:
            unreached[name] = why
    sessions = await gather_sessions(case.network, asked)
    return sessions, await _doors(case, {(h, p) for h, _, p in asked}), mx, tuple(unreached.items())


async def _doors(case: Case, asked: set[tuple[str, int]]) -> list[Door]:
    """The mail ports of our own hosts that no session tried; one connection each, and nothing is said."""
    made = []
    for host in (h for h in case.hosts if h.own):
        usable, _ = await usable_addresses(case, host.name)
        # What sends mail for others takes it from them on port 25.
        spared = (25,) if "outbound" in host.roles else ()
        for port in PORTS:
            if usable and (host.name, port) not in asked and port not in spared:
                state = await knock(case.network, usable[0], port)
                made.append(Door(host.name, usable[0], port, state))
    return made


async def mail_exchangers(network: Network, domain: str) -> list[str]:
    """The MX names of a domain, most preferred first; [] for a null MX (RFC 7505) or none that is known.

    Without any MX the domain itself takes its mail, where it has an address (RFC 5321 section 5.1).
    """
    answer = await query(network, domain, "MX")
    if answer.absent:
        return [domain] if await implicit(network, answer) else []
    ranked = sorted((int(n), name) for n, _, name in (r.partition(" ") for r in answer.records) if n.isdigit())
    return [name for _, name in ranked if name != "."]


async def _without_record(network: Network, domains: set[str]) -> frozenset[str]:
    return frozenset([d for d in domains if (await query(network, d, "MX")).absent])


async def usable_addresses(case: Case, name: str) -> tuple[list[str], str]:
    """The first public address of each family, of DNS or else of case.toml; or why there is none."""
    network = case.network
    ips, a, _ = await addresses(network, name)
    declared = [ip for h in case.hosts if h.name == name for ip in h.addresses]
    own = network.settings.own
    usable = [ip for ip in dict.fromkeys((*ips, *declared)) if network.settings.is_public(ip) or ip in own]
    if usable:
        families = {":" in ip: ip for ip in reversed(usable)}
        return [families[six] for six in (False, True) if six in families], ""
    return [], "it has only private addresses" if ips or declared else a.why or "it has no address"
