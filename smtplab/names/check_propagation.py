"""Do all name servers of a domain hold the same zone, does its parent name them all, and which caches lag?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from smtplab.findings import Finding
from smtplab.names.propagation import Asked, Place, Zone, clock, label
from smtplab.net import DEADLINE, NOT_RECORDED

LOW_TTL = 300
"""Seconds; below it a planned move is likelier than a habit."""
MAX_TEXT = 160
"""Characters of an answer that a finding quotes."""


def check(zone: Zone, as_of: datetime | None) -> Iterator[Finding]:
    """Findings on one zone."""
    seen = tuple(f"DNS at {p.name} ({p.address})" for p in zone.servers)
    differing = zone.differing()
    for asked in differing:
        yield _disagree(zone, asked, seen)
    yield from _lame(zone, seen)
    yield from _silent(zone, seen)
    yield from _delegation(zone, seen)
    stale = zone.stale()
    serials = [f"{n}: {s}" for n, s in zone.serials().items()]
    if stale and not differing:
        facts = {"domain": zone.domain, "serials": serials, "stale": stale}
        yield Finding("names.propagation.serial", zone.domain, seen, **facts)
    if as_of:
        yield from _cached(zone, as_of)
    if not differing and len(serials) > 1:
        said = zone.sentence(as_of) if as_of else ""
        yield Finding("names.propagation.ok", zone.domain, seen, domain=zone.domain, count=len(serials), said=said)
    low = [f"{t} {ttl} s" for t in ("TXT", "MX", "A") if (ttl := _low(zone, t)) is not None]
    if low:
        yield Finding("names.ttl.low", zone.domain, seen, domain=zone.domain, ttls=low)


def _low(zone: Zone, rtype: str) -> int | None:
    ttls = [a.ttl for p in zone.holding() if (a := zone.answer(p, (zone.domain, rtype))).ttl is not None]
    return max(ttls) if ttls and max(ttls) < LOW_TTL else None


def _disagree(zone: Zone, asked: Asked, seen: tuple[str, ...]) -> Finding:
    versions = zone.versions(asked, zone.holding())
    said = [f"{_who(p)}: {_cut(' | '.join(a))}" for a, p in versions.items()]
    return Finding(
        "names.propagation.disagree",
        f"{asked[0]} {asked[1]}",
        seen,
        domain=zone.domain,
        rtype=asked[1],
        what=label(asked, zone.domain),
        said=said,
        servers=list(dict.fromkeys(p.name for p in zone.servers)),
        serials=[f"{n}: {s}" for n, s in zone.serials().items()],
        stale=zone.stale() or ["one of the servers"],
        missing_networks=zone.missing_networks() if asked == (zone.domain, "TXT") else [],
    )


def _who(places: list[Place]) -> str:
    return ", ".join(dict.fromkeys(p.name for p in places))


def _cut(text: str) -> str:
    return (text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}...") or "no such record"


def _lame(zone: Zone, seen: tuple[str, ...]) -> Iterator[Finding]:
    for server, said in zone.lame().items():
        yield Finding(
            "names.server.lame", f"{server} for {zone.domain}", seen, domain=zone.domain, server=server, said=said
        )


def _silent(zone: Zone, seen: tuple[str, ...]) -> Iterator[Finding]:
    """A server that is silent while another of its address family answers; else it may well be our own network."""
    silent = zone.silent()
    heard = {":" in p.address for p in zone.servers if str(p) not in silent}
    for place in zone.servers:
        why = silent.get(str(place), "")
        if why and why not in (NOT_RECORDED, DEADLINE) and (":" in place.address) in heard:
            facts = {"domain": zone.domain, "server": str(place), "said": why}
            yield Finding("names.server.silent", f"{place} for {zone.domain}", seen, **facts)


def _delegation(zone: Zone, seen: tuple[str, ...]) -> Iterator[Finding]:
    if zone.delegated is None or set(zone.delegated) == set(zone.ns):
        return
    above, below = set(zone.delegated), set(zone.ns)
    yield Finding(
        "names.delegation.differs",
        zone.domain,
        seen,
        domain=zone.domain,
        only_parent=sorted(above - below) or ["none"],
        only_zone=sorted(below - above) or ["none"],
        servers=sorted(below),
    )


def _cached(zone: Zone, as_of: datetime) -> Iterator[Finding]:
    for asked, places in zone.cached().items():
        until = zone.fresh(as_of, asked)
        yield Finding(
            "names.propagation.cached",
            f"{asked[0]} {asked[1]}",
            tuple(f"DNS at {p}" for p in places),
            domain=zone.domain,
            what=label(asked, zone.domain),
            resolvers=[str(p) for p in places],
            old=[_cut(str(zone.answer(p, asked))) for p in places[:3]],
            until=clock(until, as_of) if until else "a time that no TTL tells",
        )
