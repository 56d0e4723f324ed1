"""Findings on DKIM keys."""

from __future__ import annotations

from collections.abc import Iterator

from smtplab.authentication.collect import AuthEvidence
from smtplab.authentication.dkim import GOOD_BITS, WEAK_BITS, DkimKey, common_selectors
from smtplab.findings import Finding
from smtplab.net.dns import State


def findings(evidence: AuthEvidence) -> Iterator[Finding]:
    """A finding a key; for a domain without a known selector, the list that was tried."""
    for key in evidence.dkim:
        yield from _key(key)
    tried = common_selectors()
    for domain, empty in sorted(evidence.tried.items()):
        if any(k.domain == domain for k in evidence.dkim):
            continue
        yield Finding("dkim.selectors.unknown", domain, (), domain=domain, count=empty, total=len(tried), tried=tried)


def _key(key: DkimKey) -> Iterator[Finding]:
    facts = {"domain": key.domain, "selector": key.selector}
    seen = (f"DNS TXT {key.name}", *((f"signatures in {key.seen}",) if key.seen else ()))
    if key.state is State.UNKNOWN:
        yield Finding("dkim.key.unknown", key.name, seen, **facts, why=key.why)
    elif key.state is State.ABSENT and key.seen:
        yield Finding("dkim.key.missing", key.name, seen, **facts, where=key.seen)
    elif key.state is State.ABSENT:
        yield Finding("dkim.key.unconfirmed", key.name, seen, **facts)
    elif key.revoked:
        yield Finding("dkim.key.revoked", key.name, seen, **facts)
    elif key.error:
        yield Finding("dkim.key.invalid", key.name, seen, **facts, error=key.error)
    elif key.kind == "rsa" and key.bits < WEAK_BITS:
        yield Finding("dkim.key.weak", key.name, seen, **facts, bits=key.bits)
    elif key.testing:
        yield Finding("dkim.key.testing", key.name, seen, **facts)
    else:
        small = key.kind == "rsa" and key.bits < GOOD_BITS
        yield Finding(
            "dkim.key.short" if small else "dkim.key.ok", key.name, seen, **facts, bits=key.bits, kind=key.kind
        )
