"""One DNS question through the tape: present, absent and unknown kept apart.

RFC 1034, 1035, 2308 (negative answers), 6840 (the AD bit asked for in the question), 8914 (extended errors).
"""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.reversename

from smtplab.net import Network, Unknown, endpoint
from smtplab.net.exchange import PAYLOAD, exchange

MAX_RECORDS = 500
"""Records kept of one answer: more is somebody's attack, not a mail set-up."""
MAX_RESOLVERS = 3
AT_ONE_SERVER = 20
"""Questions at once to a server of somebody else's; the resolver takes as many as the network allows."""
MAX_ALIASES = 8
_RCODES = frozenset(dns.rcode.Rcode.__members__)


class State(StrEnum):
    """What is known of a name and type."""

    PRESENT = "present"
    ABSENT = "absent"
    """The zone says so: NXDOMAIN, or the name exists without this type."""
    UNKNOWN = "unknown"
    """Timeout, SERVFAIL, refused, not recorded: nothing is known."""


@dataclass(frozen=True)
class DnsAnswer:
    """The answer to one question.

    `records` are in presentation form, sorted; TXT strings are joined (RFC 7208 section 3.3) and stand apart in
    `strings`. `ttl` is the smallest of the chain in seconds, `ad` whether the resolver vouches by DNSSEC, `aa`
    whether a server asked by itself holds the zone (None: not asked), `referral` the name servers it points to
    instead, `negative_ttl` the seconds for which an absence is remembered, `loop` whether the aliases lead nowhere
    but round in a circle, `ms` the time it took, `why` the reason of an unknown; its `rcode` tells a server that
    answered with an error from silence.
    """

    name: str
    rtype: str
    state: State
    rcode: str = ""
    records: tuple[str, ...] = ()
    strings: tuple[tuple[str, ...], ...] = ()
    ttl: int | None = None
    ad: bool = False
    aa: bool | None = None
    referral: tuple[str, ...] = ()
    negative_ttl: int | None = None
    loop: bool = False
    cname: str = ""
    server: str = ""
    ms: float = 0.0
    why: str = ""

    @property
    def present(self) -> bool:
        """There is at least one record."""
        return self.state is State.PRESENT

    @property
    def absent(self) -> bool:
        """There is none, for sure."""
        return self.state is State.ABSENT

    @property
    def exists(self) -> bool | None:
        """Whether the name exists at all (RFC 9989 np needs it); None where unknown."""
        return None if self.state is State.UNKNOWN else self.rcode != "NXDOMAIN"

    def __str__(self) -> str:
        if self.state is State.PRESENT:
            return " | ".join(self.records)
        if self.loop:
            return "none (alias loop)"
        return f"unknown ({self.why})" if self.state is State.UNKNOWN else f"none ({self.rcode})"


@lru_cache(maxsize=4_096)
def _named(name: str) -> tuple[dns.name.Name, str]:
    """A name for the wire and for the tape: most are asked for several times."""
    asked = dns.name.from_text(name, idna_codec=dns.name.IDNA_2008_Practical)
    return asked, asked.to_text(omit_final_dot=True).lower()


async def query(
    network: Network, name: str, rtype: str, *, server: str | None = None, resolver: str | None = None
) -> DnsAnswer:
    """Ask for a name and type: the case's resolver, another `resolver`, or `server` as an authoritative one.

    Both are ADDRESS or ADDRESS:PORT. Never raises for what the network or a hostile name does: the state is then
    unknown, with its reason.
    """
    try:
        asked, text = _named(name)
    except (dns.exception.DNSException, UnicodeError, ValueError) as e:
        return DnsAnswer(name[:255], rtype, State.UNKNOWN, why=f"not a domain name: {type(e).__name__}")

    async def perform() -> dict[str, Any]:
        targets = [endpoint(at)] if (at := server or resolver) else resolvers(network)
        return await _perform(network, targets, asked, rtype, bool(server))

    params = {"rtype": rtype, "server": server or "", "resolver": resolver or ""}
    entry = await network.ask("dns", text, params, perform)
    if entry.value is not None:
        return _answer(text, rtype, entry.value, entry.ms)
    why = entry.unknown or ""
    rcode = said if (said := why.partition(":")[0]) in _RCODES else ""
    if rcode == "SERVFAIL" and rtype != "CNAME" and not server and await _circular(network, text):
        return DnsAnswer(text, rtype, State.ABSENT, rcode, loop=True, ms=entry.ms)
    return DnsAnswer(text, rtype, State.UNKNOWN, rcode, server=server or resolver or "", ms=entry.ms, why=why)


async def _circular(network: Network, name: str) -> bool:
    """Whether the aliases of a name lead back to one of them: many resolvers call that a failure (SERVFAIL)."""
    seen: set[str] = set()
    while name not in seen and len(seen) < MAX_ALIASES:
        seen.add(name)
        alias = await query(network, name, "CNAME")
        if not alias.present:
            return False
        name = alias.records[0]
    return name in seen


async def reverse(network: Network, address: str) -> DnsAnswer:
    """The PTR records of an address."""
    try:
        name = dns.reversename.from_address(address).to_text()
    except (dns.exception.DNSException, ValueError):
        return DnsAnswer(address, "PTR", State.UNKNOWN, why="not an address")
    return await query(network, name, "PTR")


async def addresses(network: Network, name: str) -> tuple[list[str], DnsAnswer, DnsAnswer]:
    """IPv4 and IPv6 addresses of a host, with both answers."""
    a, aaaa = await asyncio.gather(query(network, name, "A"), query(network, name, "AAAA"))
    return [*a.records, *aaaa.records], a, aaaa


def _answer(name: str, rtype: str, value: dict[str, Any], ms: float) -> DnsAnswer:
    records = tuple(map(str, value.get("records", ())))
    return DnsAnswer(
        name,
        rtype,
        State.PRESENT if records else State.ABSENT,
        rcode=str(value.get("rcode", "")),
        records=records,
        strings=tuple(tuple(map(str, s)) for s in value.get("strings", ())),
        ttl=value.get("ttl"),
        ad=bool(value.get("ad")),
        aa=value.get("aa"),
        referral=tuple(map(str, value.get("referral", ()))),
        negative_ttl=value.get("negative_ttl"),
        loop=bool(value.get("loop")),
        cname=str(value.get("cname", "")),
        server=str(value.get("server", "")),
        ms=ms,
    )


def resolvers(network: Network) -> list[tuple[str, int]]:
    """The resolvers asked in turn, as (address, port): the case's, else this machine's."""
    if text := network.settings.resolver:
        return [endpoint(text)]
    try:
        return [(str(s), 53) for s in dns.resolver.Resolver().nameservers][:MAX_RESOLVERS]
    except dns.exception.DNSException:
        return []


async def _perform(
    network: Network, targets: list[tuple[str, int]], name: dns.name.Name, rtype: str, authoritative: bool
) -> dict[str, Any]:
    why = "no resolver: set network.resolver in case.toml"
    flags = dns.flags.AD if authoritative else dns.flags.RD | dns.flags.AD
    for host, port in targets:
        try:
            ipaddress.ip_address(host)
            question = dns.message.make_query(name, rtype, use_edns=0, payload=PAYLOAD, flags=flags)
            async with network.turn(host, port, AT_ONE_SERVER if authoritative else None):
                response = await exchange(question, host, port, network.settings.timeout)
        except Unknown as e:
            why = e.reason
            continue
        except (dns.exception.DNSException, ValueError) as e:
            why = f"{type(e).__name__}: {e}"[:200]
            continue
        if response.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            return _value(response, rtype, host, authoritative)
        # Extended errors (RFC 8914) tell a broken signature from a dead server.
        causes = [dns.edns.EDECode.to_text(e.code) for e in response.extended_errors()[:3]]
        why = ": ".join([dns.rcode.to_text(response.rcode()), *([", ".join(causes)] if causes else [])])
    raise Unknown(why)


def _value(response: dns.message.Message, rtype: str, server: str, authoritative: bool) -> dict[str, Any]:
    value: dict[str, Any] = {"rcode": dns.rcode.to_text(response.rcode()), "records": [], "server": server}
    if authoritative:
        value["aa"] = bool(response.flags & dns.flags.AA)
        if not response.answer and (pointed := _referral(response)):
            value["referral"] = pointed
    try:
        chain = response.resolve_chaining()  # type: ignore[attr-defined]
    except dns.message.ChainTooLong as e:
        if _leads_back(response):
            return value | {"loop": True}
        raise Unknown("more aliases in a row than resolvers follow") from e
    except dns.exception.DNSException as e:
        raise Unknown(f"contradicts itself: {type(e).__name__}") from e
    rrset = chain.answer
    rdatas = list(rrset or ())[:MAX_RECORDS]
    strings = sorted([s.decode("utf-8", "replace") for s in r.strings] for r in rdatas) if rtype == "TXT" else []
    value["records"] = ["".join(s) for s in strings] if strings else sorted(_text(r) for r in rdatas)
    if strings:
        value["strings"] = strings
    if rrset is not None:
        value["ttl"] = min([rrset.ttl, *(c.ttl for c in chain.cnames)])
    elif any(r.rdtype == dns.rdatatype.SOA for r in response.authority):
        value["negative_ttl"] = chain.minimum_ttl
    if chain.cnames:
        value["cname"] = chain.canonical_name.to_text(omit_final_dot=True).lower()
    if response.flags & dns.flags.AD:
        value["ad"] = True
    return value


def _leads_back(response: dns.message.Message) -> bool:
    """Whether the aliases of an answer come back to one of them."""
    follow = {r.name: next(iter(r)).target for r in response.answer if r.rdtype == dns.rdatatype.CNAME}
    name, seen = response.question[0].name, set()
    while name in follow and name not in seen:
        seen.add(name)
        name = follow[name]
    return name in seen


def _referral(response: dns.message.Message) -> list[str]:
    """The name servers that a parent zone names for exactly the name asked for."""
    question = response.question[0].name
    sets = (r for r in response.authority if r.rdtype == dns.rdatatype.NS and r.name == question)
    return sorted(_host(n.target) for r in sets for n in list(r)[:MAX_RECORDS])


def _text(rdata: Any) -> str:
    """Presentation form; host names without the final dot, in lower case."""
    kind = dns.rdatatype.to_text(rdata.rdtype)
    if kind == "MX":
        return f"{rdata.preference} {_host(rdata.exchange)}"
    if kind in ("NS", "PTR", "CNAME"):
        return _host(rdata.target)
    if kind == "SRV":
        return f"{rdata.priority} {rdata.weight} {rdata.port} {_host(rdata.target)}"
    return str(rdata.to_text())


def _host(name: dns.name.Name) -> str:
    return str(name.to_text(omit_final_dot=True).lower()) if name != dns.name.root else "."
