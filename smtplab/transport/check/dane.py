"""DANE: what a sender that checks TLSA records does with mail to each MX. RFC 7672."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from smtplab.findings import Finding
from smtplab.transport.dane import DaneState, HostDane
from smtplab.transport.evidence import TransportEvidence


def findings(evidence: TransportEvidence) -> Iterator[Finding]:
    """One finding an MX, however many domains it serves; two where DNSSEC proves it for one of them alone."""
    once: dict[HostDane, list[str]] = {}
    for dane in evidence.dane:
        once.setdefault(replace(dane, domain=""), []).append(dane.domain)
    for dane, domains in once.items():
        yield from _host(dane, domains)


def _host(dane: HostDane, domains: list[str]) -> Iterator[Finding]:
    host = dane.host
    seen = (f"DNS TLSA _25._tcp.{host}",)
    both = (*seen, f"TLS handshake with {host} port 25")
    facts: dict[str, Any] = {
        "host": host,
        "domains": domains,
        "records": [str(r) for r in dane.records],
        "why": dane.why,
        "by": dane.by,
        "proposal": dane.proposal,
    }
    match dane.state:
        case DaneState.BROKEN:
            yield Finding("transport.dane.mismatch", host, both, **facts)
        case DaneState.NO_TLS:
            yield Finding("transport.dane.no_tls", host, both, **facts)
        case DaneState.UNUSABLE:
            yield Finding("transport.dane.unusable", host, both, **facts)
        case DaneState.IGNORED:
            yield Finding("transport.dane.ignored", host, seen, **facts)
        case DaneState.FAILING:
            yield Finding("transport.dane.lookup_fails", host, seen, **facts)
        case DaneState.WORKS:
            matched = [str(r) for r, miss in zip(dane.records, dane.misses, strict=True) if not miss]
            yield Finding("transport.dane.ok", host, both, **facts, matched=matched)
            if dane.spare:
                yield Finding("transport.dane.rollover", host, both, **facts, spare=[str(r) for r in dane.spare])
        case DaneState.ABSENT if dane.signed and dane.proposal:
            yield Finding("transport.dane.absent", host, seen, **facts)
        case DaneState.UNKNOWN if dane.records:
            yield Finding("transport.dane.unknown", host, seen, **facts)
