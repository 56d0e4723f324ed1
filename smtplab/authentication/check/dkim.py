"""Findings on DKIM keys."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from smtplab.authentication.collect import AuthEvidence
from smtplab.authentication.dkim import (
    GOOD_BITS,
    LONG_BITS,
    USUAL_EXPONENT,
    WEAK_BITS,
    Discovery,
    DkimKey,
    common_selectors,
    unlimited,
)
from smtplab.findings import Finding
from smtplab.net.dns import State

IDLE = timedelta(days=30)
"""A selector that nothing has shown for so long is out of use: mail is not on its way for a month."""


def findings(evidence: AuthEvidence) -> Iterator[Finding]:
    """A finding a key; for a domain without a known selector, what was tried."""
    for key in evidence.dkim:
        yield from _key(key, evidence.at)
    closed = {r.domain for r in evidence.spf if r.record.split()[1:] == ["-all"]}
    for guess in evidence.guesses:
        yield from _guess(guess, guess.domain in closed)


def _guess(guess: Discovery, closed: bool) -> Iterator[Finding]:
    """What is known where no selector is: `closed` is a domain whose SPF record allows nobody."""
    domain, tried = guess.domain, common_selectors()
    seen = (f"DNS TXT _domainkey.{domain}",)
    if guess.wildcard:
        yield Finding("dkim.selectors.wildcard", domain, seen, domain=domain, record=guess.keys[0].record[:80])
    elif guess.keys:
        return
    elif guess.denied and closed:
        yield Finding("dkim.selectors.unneeded", domain, seen, domain=domain)
    elif guess.denied:
        yield Finding("dkim.selectors.none", domain, seen, domain=domain, count=guess.tried)
    else:
        facts = {"domain": domain, "count": guess.tried, "total": len(tried), "tried": tried}
        yield Finding("dkim.selectors.unknown", domain, (), **facts)


def _key(key: DkimKey, at: datetime | None) -> Iterator[Finding]:
    idle = bool(at and key.last and at - key.last > IDLE)
    used, since = bool(key.seen) and not idle, f" since {key.last:%Y-%m-%d}" if idle else ""
    facts = {"domain": key.domain, "selector": key.selector}
    seen = [f"DNS TXT {key.name}"]
    if key.alias:
        seen.append(f"a CNAME leads to {key.alias}")
    if key.seen:
        seen.append(f"signatures in {key.seen}")
    if key.state is State.UNKNOWN:
        yield Finding("dkim.key.unknown", key.name, seen, **facts, why=key.why)
    elif key.state is State.ABSENT and used:
        pointer = f" Its CNAME leads to {key.alias}, where there is no key." if key.alias else ""
        yield Finding("dkim.key.missing", key.name, seen, **facts, where=key.seen, pointer=pointer)
    elif key.state is State.ABSENT and key.alias:
        yield Finding("dkim.key.dangling", key.name, seen, **facts, alias=key.alias, since=since)
    elif key.state is State.ABSENT and idle:
        yield Finding("dkim.key.retired", key.name, seen, **facts, what="gone", since=since)
    elif key.state is State.ABSENT:
        yield Finding("dkim.key.unconfirmed", key.name, seen, **facts)
    elif key.revoked and used:
        yield Finding("dkim.key.revoked", key.name, seen, **facts, where=key.seen)
    elif key.revoked:
        yield Finding("dkim.key.retired", key.name, seen, **facts, what="revoked", since=since)
    elif key.unusable:
        yield _unusable(key, seen, facts)
    else:
        yield from _usable(key, seen, facts)


def _unusable(key: DkimKey, seen: list[str], facts: dict[str, str]) -> Finding:
    if key.mended:
        return Finding(
            "dkim.key.split", key.name, seen, **facts, name=key.name, error=key.error, mended=_strings(key.mended)
        )
    if key.error:
        return Finding("dkim.key.invalid", key.name, seen, **facts, error=key.error)
    if key.hashes and "sha256" not in key.hashes:
        return Finding("dkim.key.hash", key.name, seen, **facts, hashes=key.hashes, mended=_strings(unlimited(key)))
    if key.kind == "rsa" and key.bits < WEAK_BITS:
        return Finding("dkim.key.weak", key.name, seen, **facts, bits=key.bits)
    named = ":".join(key.services)
    return Finding("dkim.key.service", key.name, seen, **facts, services=named, mended=_strings(unlimited(key)))


def _strings(record: str) -> str:
    """A record as the strings of a zone file, each at most 255 bytes (RFC 1035 section 3.3.14)."""
    return " ".join(f'"{record[i : i + 250]}"' for i in range(0, len(record), 250))


def _usable(key: DkimKey, seen: list[str], facts: dict[str, str]) -> Iterator[Finding]:
    blemishes = [*_blemishes(key, seen, facts)]
    yield from blemishes
    if not blemishes:
        yield Finding("dkim.key.ok", key.name, seen, **facts, bits=key.bits, kind=key.kind)


def _blemishes(key: DkimKey, seen: list[str], facts: dict[str, str]) -> Iterator[Finding]:
    rsa = key.kind == "rsa"
    if key.records > 1:
        yield Finding("dkim.key.multiple", key.name, seen, **facts, count=key.records)
    if key.disordered:
        yield Finding("dkim.key.order", key.name, seen, **facts)
    if rsa and key.bits > LONG_BITS:
        yield Finding("dkim.key.long", key.name, seen, **facts, bits=key.bits)
    if rsa and key.exponent != USUAL_EXPONENT:
        yield Finding("dkim.key.exponent", key.name, seen, **facts, exponent=key.exponent)
    if key.testing:
        yield Finding("dkim.key.testing", key.name, seen, **facts)
    if rsa and key.bits < GOOD_BITS:
        yield Finding("dkim.key.short", key.name, seen, **facts, bits=key.bits)
