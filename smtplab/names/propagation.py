"""Propagation: the same question to every authoritative server, and who disagrees.

"We changed the DNS and it still fails" has two causes: caches that live until the TTL ends, and a name server that
never got the change. The first passes by itself, the second does not (RFC 1034 section 4.3.5, RFC 1996).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import spftrace
from spftrace.parser import parse

from smtplab.net import Network
from smtplab.net.dns import DnsAnswer, State, addresses, query

TYPES = ("SOA", "TXT", "MX", "A")
COMPARED = ("TXT", "MX")
"""Types that decide about mail; A is asked for its TTL."""
MAX_SERVERS = 13


@dataclass(frozen=True)
class Zone:
    """What each authoritative server of a domain answers.

    `servers` is (name, address); `answers` maps (address, type) to the answer; `cached` is what the resolver says.
    """

    domain: str
    servers: tuple[tuple[str, str], ...]
    answers: dict[tuple[str, str], DnsAnswer]
    cached: dict[str, DnsAnswer]

    def serials(self) -> dict[str, int]:
        """SOA serial by server name; a server that does not answer is not in it."""
        made = {}
        for name, address in self.servers:
            answer = self.answers[address, "SOA"]
            if answer.present:
                made[name] = int(answer.records[0].split()[2])
        return made

    def differing(self) -> list[str]:
        """Record types of which two servers give different answers; unknown answers differ from nothing."""
        made = []
        for rtype in COMPARED:
            said = {a.records for _, ip in self.servers if (a := self.answers[ip, rtype]).state is not State.UNKNOWN}
            if len(said) > 1:
                made.append(rtype)
        return made

    def stale(self) -> list[str]:
        """Servers whose serial is behind the newest."""
        serials = self.serials()
        newest = max(serials.values(), default=0)
        return [name for name, serial in serials.items() if serial < newest]

    def missing_networks(self) -> list[str]:
        """Networks that SPF authorises by its own terms at one server and not at another."""
        sets: list[set[str]] = [
            {t for r in a.records for t in literal_networks(r)}
            for _, ip in self.servers
            if (a := self.answers[ip, "TXT"]).state is not State.UNKNOWN
        ]
        if not sets:
            return []
        every = sets[0].intersection(*sets[1:])
        return sorted(sets[0].union(*sets[1:]) - every)

    def ttl(self, rtype: str) -> int | None:
        """Seconds a cache may keep the record, as the newest server says."""
        ttls = [t for _, ip in self.servers if (t := self.answers[ip, rtype].ttl) is not None]
        return max(ttls, default=None)


def literal_networks(record: str) -> list[str]:
    """The networks that an SPF record names itself, without its includes; none for any other text."""
    if not record.lower().startswith("v=spf1"):
        return []
    try:
        terms = parse(record).terms
    except spftrace.SpfError:
        return []
    return [
        f"{t.arg}/{t.cidr4 or t.cidr6}" if t.cidr4 or t.cidr6 else str(t.arg) for t in terms if t.name in ("ip4", "ip6")
    ]


async def collect(network: Network, domain: str) -> Zone | None:
    """Ask all authoritative servers of a domain; None where it has no name servers of its own."""
    ns = await query(network, domain, "NS")
    if not ns.present:
        return None
    servers: list[tuple[str, str]] = []
    for name in ns.records[:MAX_SERVERS]:
        ips, _, _ = await addresses(network, name)
        servers += [(name, ip) for ip in ips if network.settings.is_public(ip)][:1]
    asked = [(ip, rtype) for _, ip in servers for rtype in TYPES]
    answers = await asyncio.gather(*(query(network, domain, t, server=ip) for ip, t in asked))
    cached = {t: await query(network, domain, t) for t in TYPES}
    return Zone(domain, tuple(servers), dict(zip(asked, answers, strict=True)), cached)
