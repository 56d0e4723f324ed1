"""Propagation: the same question to every authoritative server and to the resolvers, who disagrees, and until when.

"We changed the DNS and it still fails" has two causes: caches that live until the TTL ends, and a name server that
never got the change. The first passes by itself, the second does not (RFC 1034 section 4.3.5, RFC 1996, RFC 2308).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from smtplab.names.listed import terms
from smtplab.net import Network
from smtplab.net.dns import DnsAnswer, State, addresses, query

MAX_SERVERS = 13
MAX_SELECTORS = 10
MAX_UP = 4
"""Names above a domain that are asked for the zone it is delegated from."""
LAME = ("REFUSED", "NOTAUTH", "SERVFAIL")
"""What a server says of a zone that it was never given, or that has expired there."""

COLUMNS = ["asked", "record", "answer", "version", "serial", "ttl", "full_ttl", "fresh_by"]
Asked = tuple[str, str]
"""A name and a record type."""


@dataclass(frozen=True)
class Place:
    """Who was asked: an authoritative server (`name`), or a resolver; the case's own has no `address`."""

    name: str
    address: str
    resolver: bool = False

    def __str__(self) -> str:
        if not self.resolver:
            return f"{self.name} ({self.address})"
        return f"resolver {self.address}" if self.address else "the resolver"


@dataclass(frozen=True)
class Zone:
    """What each authoritative server of a domain answers, and what resolvers hold of it.

    `servers` and `resolvers` are who was asked, `questions` what, `answers` maps (place, question) to the answer.
    `ns` is the set of name servers that the zone names, `delegated` the one its parent names (None: not known).
    """

    domain: str
    servers: tuple[Place, ...]
    resolvers: tuple[Place, ...]
    questions: tuple[Asked, ...]
    answers: Mapping[tuple[Place, Asked], DnsAnswer]
    ns: tuple[str, ...] = ()
    delegated: tuple[str, ...] | None = None

    @property
    def compared(self) -> tuple[Asked, ...]:
        """Questions whose answers must agree; A is asked for its TTL alone, shops and load balancers change it."""
        return tuple(q for q in self.questions if q[1] not in ("SOA", "A"))

    def answer(self, place: Place, asked: Asked) -> DnsAnswer:
        """What one place says to one question."""
        return self.answers[place, asked]

    def serials(self) -> dict[str, int]:
        """SOA serial by server name; a server that does not hold the zone is not in it."""
        made: dict[str, int] = {}
        for place in self.holding():
            if (serial := self.serial(place)) is not None:
                made[place.name] = min(made.get(place.name, serial), serial)
        return made

    def serial(self, place: Place) -> int | None:
        """The SOA serial at one place."""
        return self._soa(place, 2)

    def _soa(self, place: Place, number: int) -> int | None:
        """A number of the SOA record: its serial stands third, the negative TTL last."""
        answer = self.answer(place, (self.domain, "SOA"))
        fields = answer.records[0].split() if answer.present else []
        return int(fields[number]) if len(fields) == 7 and fields[number].isdecimal() else None

    def lame(self) -> dict[str, str]:
        """Servers that are named and do not hold the zone, with what they say instead."""
        made = {}
        for place in self.servers:
            answer = self.answer(place, (self.domain, "SOA"))
            if answer.aa is False or answer.rcode in LAME:
                made[str(place)] = answer.rcode if answer.rcode in LAME else "an answer without authority"
        return made

    def silent(self) -> dict[str, str]:
        """Servers that do not answer at all, with the reason."""
        soa = ((str(p), self.answer(p, (self.domain, "SOA"))) for p in self.servers)
        return {name: a.why for name, a in soa if a.state is State.UNKNOWN and a.rcode not in LAME}

    def holding(self) -> list[Place]:
        """Servers whose answers count: they answer, and do not deny that the zone is theirs."""
        out = {*self.lame(), *self.silent()}
        return [p for p in self.servers if str(p) not in out]

    def versions(self, asked: Asked, places: Iterable[Place]) -> dict[tuple[str, ...], list[Place]]:
        """The different answers to a question, as far as mail is concerned, with who gives each; newest zone first."""
        made: dict[tuple[str, ...], list[Place]] = {}
        for place in sorted(places, key=lambda p: (p.resolver, self._ahead(self.serial(p)))):
            answer = self.answer(place, asked)
            if answer.state is not State.UNKNOWN:
                made.setdefault(matter(answer), []).append(place)
        return made

    def differing(self) -> list[Asked]:
        """Questions to which two servers give different answers; unknown answers differ from nothing."""
        holding = self.holding()
        return [q for q in self.compared if len(self.versions(q, holding)) > 1]

    def cached(self) -> dict[Asked, list[Place]]:
        """Resolvers that answer otherwise than all servers do: what they hold is older."""
        made: dict[Asked, list[Place]] = {}
        for asked in self.compared:
            now = self.versions(asked, self.holding())
            if len(now) == 1:
                known = self.versions(asked, self.resolvers)
                if old := [p for answer, places in known.items() if answer not in now for p in places]:
                    made[asked] = old
        return made

    def stale(self) -> list[str]:
        """Servers whose serial is behind the newest."""
        return [name for name, serial in self.serials().items() if self._ahead(serial)]

    def _ahead(self, serial: int | None) -> int:
        """How many servers have a newer zone; serials go round after 32 bits (RFC 1982 section 3.2)."""
        known = self.serials().values()
        return len(known) + 1 if serial is None else sum(0 < (s - serial) % 2**32 < 2**31 for s in known)

    def missing_networks(self) -> list[str]:
        """Networks that SPF authorises by its own terms at one server and not at another."""
        sets: list[set[str]] = [
            {t for r in a.records for t in literal_networks(r)}
            for p in self.holding()
            if (a := self.answer(p, (self.domain, "TXT"))).state is not State.UNKNOWN
        ]
        if not sets:
            return []
        return sorted(sets[0].union(*sets[1:]) - sets[0].intersection(*sets[1:]))

    def ttl(self, asked: Asked) -> int | None:
        """Seconds a cache may keep the answer, or its absence, as the servers say: the longest of them."""
        return max((t for p in self.holding() if (t := life(self.answer(p, asked))) is not None), default=None)

    def negative_ttl(self) -> int | None:
        """Seconds for which caches remember that a record is not there (RFC 2308 section 5), the longest there is."""
        ttls = [(self.answer(p, (self.domain, "SOA")).ttl, self._soa(p, 6)) for p in self.holding()]
        return max((min(ttl, least) for ttl, least in ttls if ttl is not None and least is not None), default=None)

    def fresh(self, as_of: datetime, asked: Asked | None = None) -> datetime | None:
        """When every cache will have asked again, about one question or all that decide about mail.

        A cache that asked the moment before the change keeps the old answer for its whole TTL, or the absence for
        the zone's negative TTL; whatever a resolver still holds counts too. None where no TTL is known.
        """
        lives: list[int | None] = []
        cached = self.cached()
        for each in [asked] if asked else self.compared:
            held = [self.answer(p, each) for p in self.resolvers]
            old = [self.answer(p, each) for p in cached.get(each, ())]
            were_absent = bool(old) and all(a.absent for a in old)
            lives += [self.negative_ttl() if were_absent else self.ttl(each)]
            lives += [life(a) for a in (old or held)]
        known = [seconds for seconds in lives if seconds is not None]
        return as_of + timedelta(seconds=max(known)) if known else None

    def sentence(self, as_of: datetime) -> str:
        """What to expect, in a sentence: who lags, or when all caches are fresh."""
        if differing := self.differing():
            what = " and ".join(label(q, self.domain) for q in differing)
            who = ", ".join(self.stale())
            lag = f"{who} answers from an old zone" if who else "two servers were given different zones"
            return f"{what} of {self.domain} differ{'s' * (len(differing) == 1)}: {lag}, and waiting does not help"
        until = self.fresh(as_of)
        end = f"all caches are fresh by {clock(until, as_of)}" if until else "no TTL is known"
        if cached := self.cached():
            what = " and ".join(label(q, self.domain) for q in cached)
            return f"Only caches still hold the old {what} of {self.domain}; {end}"
        count = len(self.holding())
        return f"{count} name server{'s' * (count != 1)} of {self.domain} say{'s' * (count == 1)} the same; {end}"


def matter(answer: DnsAnswer) -> tuple[str, ...]:
    """The records of an answer that decide about mail: of a domain's TXT records only its SPF, else all."""
    if answer.rtype == "TXT" and not answer.name.startswith("_") and "._domainkey." not in answer.name:
        return tuple(r for r in answer.records if r.lower().startswith("v=spf1"))
    return answer.records


def life(answer: DnsAnswer) -> int | None:
    """Seconds an answer is kept, or its absence; None where nothing says so."""
    return answer.ttl if answer.present else answer.negative_ttl


def label(asked: Asked, domain: str) -> str:
    """A question as a postmaster would call it."""
    name, rtype = asked
    if name == domain:
        return "SPF" if rtype == "TXT" else rtype
    return "DMARC" if name == f"_dmarc.{domain}" else f"DKIM {name.partition('.')[0]}"


def clock(moment: datetime, as_of: datetime) -> str:
    """A time of day in UTC, rounded up to the minute, with the day where it is not today's."""
    up = moment + timedelta(seconds=-moment.timestamp() % 60)
    return f"{up:%H:%M} UTC" + (f" on {up.day} {up:%B %Y}" if up.date() != as_of.date() else "")


def table(zone: Zone, as_of: datetime) -> pd.DataFrame:
    """A row a server or resolver and question: asked, record, answer, version, serial, ttl, full_ttl, fresh_by.

    `version` is A for what the newest server says, B for the next, NA where unknown; `ttl` seconds left, `full_ttl`
    the seconds the servers give; `fresh_by` (UTC) when this place asks again at the latest.
    """
    rows = []
    for asked in zone.questions:
        names = names_of_versions(zone, asked)
        for place in _all(zone):
            answer = zone.answer(place, asked)
            known = answer.state is not State.UNKNOWN
            ttl = life(answer)
            by = as_of + timedelta(seconds=ttl) if place.resolver and ttl is not None else None
            version = names.get(matter(answer)) if known else None
            record = f"{asked[0]} {asked[1]}"
            rows.append((str(place), record, str(answer), version, zone.serial(place), ttl, zone.ttl(asked), by))
    kinds = {"serial": "Int64", "ttl": "Int64", "full_ttl": "Int64", "fresh_by": "datetime64[us, UTC]"}
    return pd.DataFrame(rows, columns=COLUMNS).astype(kinds)


def names_of_versions(zone: Zone, asked: Asked) -> dict[tuple[str, ...], str]:
    """A letter for each different answer: A is what the newest server says, B the next."""
    return {a: chr(ord("A") + min(i, 25)) for i, a in enumerate(zone.versions(asked, _all(zone)))}


def _all(zone: Zone) -> list[Place]:
    return [*zone.servers, *zone.resolvers]


def literal_networks(record: str) -> list[str]:
    """The networks that an SPF record names itself, without its includes; none for any other text."""
    named = [t for t in terms(record) if t.name in ("ip4", "ip6")]
    return [f"{t.arg}/{t.cidr4 or t.cidr6}" if t.cidr4 or t.cidr6 else str(t.arg) for t in named]


async def collect(network: Network, domain: str, selectors: Iterable[str] = ()) -> Zone | None:
    """Ask all authoritative servers of a domain and the case's resolvers; None where it has no name servers of its own.

    `selectors` are DKIM selectors whose keys are asked for too. Servers are those that the zone and its parent name.
    """
    ns = await query(network, domain, "NS")
    if not ns.present:
        return None
    delegated = await _delegated(network, domain)
    servers = await _servers(network, dict.fromkeys((*ns.records, *(delegated or ()))))
    resolvers = [Place("", "", True), *(Place("", r, True) for r in dict.fromkeys(network.settings.resolvers))]
    keys = [(f"{s}._domainkey.{domain}", "TXT") for s in list(selectors)[:MAX_SELECTORS]]
    questions = [*((domain, t) for t in ("SOA", "NS", "TXT", "MX", "A")), (f"_dmarc.{domain}", "TXT"), *keys]
    asked = [(p, q) for p in (*servers, *resolvers) for q in questions]
    said = await asyncio.gather(*(_ask(network, p, q) for p, q in asked))
    answers = dict(zip(asked, said, strict=True))
    return Zone(domain, tuple(servers), tuple(resolvers), tuple(questions), answers, ns.records, delegated)


async def _ask(network: Network, place: Place, asked: Asked) -> DnsAnswer:
    if place.resolver:
        return await query(network, *asked, resolver=place.address)
    return await query(network, *asked, server=place.address)


async def _servers(network: Network, names: Iterable[str]) -> list[Place]:
    """Each server by its first public IPv4 and IPv6 address."""
    chosen = list(names)[:MAX_SERVERS]
    made = []
    for name, (ips, _, _) in zip(chosen, await asyncio.gather(*(addresses(network, n) for n in chosen)), strict=True):
        public = [ip for ip in ips if network.settings.is_public(ip)]
        for family in (False, True):
            made += [Place(name, ip) for ip in public if (":" in ip) is family][:1]
    return made


async def _delegated(network: Network, domain: str) -> tuple[str, ...] | None:
    """The name servers that the parent zone hands the domain to; None where that could not be learnt."""
    parent = domain
    for _ in range(MAX_UP):
        if not (parent := parent.partition(".")[2]):
            return None
        above = await query(network, parent, "NS")
        if above.state is State.UNKNOWN:
            return None
        if above.present:
            for place in (await _servers(network, above.records[:2]))[:2]:
                answer = await query(network, domain, "NS", server=place.address)
                if said := answer.referral or (answer.records if answer.aa else ()):
                    return said
            return None
    return None
