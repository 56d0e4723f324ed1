"""MTA-STS: does the policy protect, and does it cost mail? RFC 8461."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from smtplab.findings import Finding
from smtplab.net.dns import State
from smtplab.transport.evidence import TransportEvidence
from smtplab.transport.mta_sts import Policy

SHORT = 604_800
"""Seconds in a week: "in the range of weeks or greater" (section 3.2); below it an attacker need not wait long."""


def findings(evidence: TransportEvidence) -> Iterator[Finding]:
    """Findings on the policy of each domain."""
    for policy in evidence.policies:
        hosts = [h for d, h in evidence.mx if d == policy.domain]
        domain = policy.domain
        record = (f"DNS TXT _mta-sts.{domain}",)
        seen = (f"https://mta-sts.{domain}/.well-known/mta-sts.txt",)
        if policy.state is State.UNKNOWN:
            yield Finding("transport.mta_sts.unknown", domain, record, domain=domain, why=policy.why)
        elif policy.state is State.ABSENT and hosts:
            yield Finding("transport.mta_sts.absent", domain, record, domain=domain)
        elif policy.error:
            yield Finding("transport.mta_sts.broken", domain, (*record, *seen), domain=domain, error=policy.error)
        elif policy.state is State.PRESENT:
            yield from _usable(policy, hosts, seen)
            yield from _without_tls(evidence, policy, hosts, seen)


def _usable(policy: Policy, hosts: list[str], seen: tuple[str, ...]) -> Iterator[Finding]:
    domain, file = policy.domain, policy.file
    facts: dict[str, Any] = {"domain": domain, "mx": list(file.mx), "mode": file.mode}
    unnamed = [h for h in hosts if not file.names(h)] if file.mode != "none" else []
    for host in unnamed:
        if file.mode == "enforce":
            yield Finding("transport.mta_sts.mx_not_listed", host, seen, **facts, host=host)
        else:
            yield Finding("transport.mta_sts.mx_not_listed_testing", host, seen, **facts, host=host)
    if file.mode == "none":
        yield Finding("transport.mta_sts.off", domain, seen, **facts)
    elif not unnamed and file.mode == "testing":
        yield Finding("transport.mta_sts.testing", domain, seen, **facts)
    elif not unnamed:
        yield Finding("transport.mta_sts.ok", domain, seen, **facts)
    if file.mode != "none" and file.max_age < SHORT:
        yield Finding("transport.mta_sts.max_age_short", domain, seen, **facts, max_age=file.max_age)
    if policy.media_type and policy.media_type != "text/plain":
        yield Finding("transport.mta_sts.media_type", domain, seen, **facts, media_type=policy.media_type)


def _without_tls(
    evidence: TransportEvidence, policy: Policy, hosts: list[str], seen: tuple[str, ...]
) -> Iterator[Finding]:
    """Hosts that the policy promises TLS for and that were heard to offer none."""
    for host in hosts:
        offer = evidence.offer(host)
        if offer and offer.heard and not offer.starttls and policy.promises(host):
            facts = {"domain": policy.domain, "host": host}
            yield Finding("transport.mta_sts.mx_without_tls", host, (*seen, f"session with {host} port 25"), **facts)
