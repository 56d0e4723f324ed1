"""Findings on BIMI: to publish no logo is no fault, to publish one that cannot be shown is a small one."""

from __future__ import annotations

from collections.abc import Iterator

from smtplab.authentication.bimi import DEFAULT, Bimi
from smtplab.authentication.collect import AuthEvidence
from smtplab.authentication.mark import INSTALL
from smtplab.findings import Finding
from smtplab.net.dns import State


def findings(evidence: AuthEvidence) -> Iterator[Finding]:
    """Findings a record, told once however many domains it holds for; absence only of domains below no other."""
    told: set[tuple[str, str]] = set()
    top = {d for d in evidence.domains if not any(d.endswith(f".{o}") for o in evidence.domains)}
    for bimi in evidence.bimi:
        place = (bimi.selector, bimi.place or bimi.domain)
        if place in told:
            continue
        told.add(place)
        if bimi.state is State.PRESENT:
            yield from _published(bimi)
        elif bimi.domain in top or bimi.selector != DEFAULT:
            yield from _missing(bimi)


def _missing(bimi: Bimi) -> Iterator[Finding]:
    seen = (f"DNS TXT {bimi.name}",)
    facts = {"domain": bimi.domain, "selector": bimi.selector}
    if bimi.state is State.UNKNOWN:
        yield Finding("bimi.unknown", bimi.name, seen, **facts, why=bimi.why)
    elif bimi.selector != DEFAULT:
        yield Finding("bimi.selector.missing", bimi.name, seen, **facts)
    else:
        yield Finding("bimi.missing", bimi.domain, seen, **facts)


def _published(bimi: Bimi) -> Iterator[Finding]:
    name = f"{bimi.selector}._bimi.{bimi.place}"
    seen, facts = (f"DNS TXT {name}",), {"domain": bimi.place}
    if bimi.error:
        yield Finding("bimi.record.invalid", name, seen, **facts, error=bimi.error)
        return
    if bimi.declined:
        yield Finding("bimi.declined", name, seen, **facts)
        return
    faults = [*_faults(bimi, name, seen, facts)]
    yield from faults
    known = bimi.forbidden is not None and (bimi.logo or not bimi.location)
    if known and not [f for f in faults if f.severity.rank < 4]:
        yield Finding("bimi.ok", name, seen, **facts)


def _faults(bimi: Bimi, name: str, seen: tuple[str, ...], facts: dict[str, str]) -> Iterator[Finding]:
    if bimi.forbidden:
        yield Finding("bimi.policy", name, seen, **facts, forbidden=bimi.forbidden)
    if bimi.logo_error:
        yield Finding("bimi.logo.unreachable", name, seen, **facts, location=bimi.location, error=bimi.logo_error)
    elif bimi.logo and bimi.logo.broken:
        broken = "; ".join(bimi.logo.broken)
        yield Finding("bimi.logo.invalid", name, seen, **facts, location=bimi.location, broken=broken)
    if not bimi.authority:
        yield Finding("bimi.certificate.missing", name, seen, **facts)
    elif bimi.mark_error or (bimi.mark and bimi.mark.problems):
        error = bimi.mark_error or "; ".join(bimi.mark.problems if bimi.mark else ())
        yield Finding("bimi.certificate.invalid", name, seen, **facts, authority=bimi.authority, error=error)
    elif bimi.mark and not bimi.mark.checked:
        yield Finding("bimi.certificate.unchecked", name, seen, **facts, install=INSTALL)
