"""Certificates: what a client that verifies would say, and whether anything of ours makes senders verify."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from smtplab.findings import Finding
from smtplab.net.certificates import INCOMPLETE, SELF_SIGNED, Certificate, covers
from smtplab.transport.dane import DaneState
from smtplab.transport.evidence import HostTls, TransportEvidence

LEFT_FRACTION = 0.15
"""Of a certificate's life: below it, renewal is late whatever its length (ACME clients renew at a third)."""


def findings(evidence: TransportEvidence) -> Iterator[Finding]:
    """One finding on validity for each certificate of a host, and what else is to be said of it."""
    strict = {p.domain for p in evidence.policies if p.mode == "enforce"}
    enforced = {host for domain, host in evidence.mx if domain in strict}
    pinned = {d.host for d in evidence.dane if d.state is DaneState.WORKS}
    for group in _by_certificate(evidence.hosts):
        host = group[0]
        seen = tuple(f"TLS handshake with {h.address} port {h.port}" for h in group)
        facts = {"host": host.host, "port": list(dict.fromkeys(h.port for h in group))}
        if host.certificate is None:
            facts["verdict"] = host.verdict.text
            yield Finding("transport.certificate.unreadable", host.host, seen, **facts)
        else:
            if host.host in enforced or not _relay_only(host, host.certificate):
                yield _validity(host, host.certificate, evidence.as_of, host.host in enforced, seen, facts)
            else:
                yield _unasked(host, host.certificate, host.host in pinned, seen, facts)
            yield from _quality(host, host.certificate, seen, facts)


def _by_certificate(hosts: tuple[HostTls, ...]) -> list[list[HostTls]]:
    """Services of a host that show the same certificate: one finding, however many ports."""
    groups: dict[tuple[object, ...], list[HostTls]] = {}
    for host in hosts:
        groups.setdefault((host.host, host.port == 25, host.certificate, host.verdict), []).append(host)
    return list(groups.values())


def _relay_only(host: HostTls, cert: Certificate) -> bool:
    """A bad certificate of an MX: without a policy it meets no client that verifies (RFC 7435), so it costs no mail."""
    fits = cert.covers(host.host) or cert.leaves_open(host.host)
    return host.mx and host.port == 25 and bool(host.verdict.code or not fits)


def _unasked(host: HostTls, cert: Certificate, pinned: bool, seen: tuple[str, ...], facts: dict[str, Any]) -> Finding:
    verdict = host.verdict.text if host.verdict.code else "it does not name the host"
    if pinned:
        return Finding("transport.certificate.dane_alone", host.host, seen, **facts, verdict=verdict)
    return Finding("transport.certificate.opportunistic", host.host, seen, **facts, verdict=verdict)


def _validity(
    host: HostTls, cert: Certificate, at: datetime, enforced: bool, seen: tuple[str, ...], facts: dict[str, Any]
) -> Finding:
    """What a client that verifies says, its first objection."""
    verdict, days, name = host.verdict, host.days_left(at), host.host
    facts = facts | {"verdict": verdict.text, "days": days}
    if cert.not_after < at:
        facts |= {
            "days": -days,
            "not_after": f"{cert.not_after:%d %B %Y}",
            "since": f"{cert.not_after:%Y-%m-%dT%H:%M:%SZ}",
            "consequence": "MTA-STS promises a valid one, so senders that follow it do not deliver. No log of yours "
            "shows that loss, only TLS reports do."
            if enforced
            else "Mail programs warn or refuse to connect.",
        }
        return Finding("transport.certificate.expired", name, seen, **facts)
    if cert.not_before > at:
        begins = f"{cert.not_before:%d %B %Y}"
        return Finding("transport.certificate.not_yet_valid", name, seen, **facts, not_before=begins)
    if verdict.code in SELF_SIGNED:
        return Finding("transport.certificate.self_signed", name, seen, **facts)
    if verdict.code in INCOMPLETE:
        return Finding("transport.certificate.chain_incomplete", name, seen, **facts, issuer=cert.issuer)
    if verdict.code:
        return Finding("transport.certificate.invalid", name, seen, **facts)
    if cert.leaves_open(name):
        names = list(cert.names) or [cert.common_name or "no name"]
        return Finding("transport.certificate.whose", name, seen, **facts, names=names)
    if not cert.names and covers([cert.common_name], name):
        return Finding("transport.certificate.common_name", name, seen, **facts)
    if not cert.covers(name):
        return Finding("transport.certificate.name", name, seen, **facts, names=list(cert.names) or ["no name"])
    if host.life_left(at) < LEFT_FRACTION:
        return Finding("transport.certificate.ending", name, seen, **facts, left=f"{host.life_left(at):.0%}")
    return Finding("transport.certificate.ok", name, seen, **facts)


def _quality(host: HostTls, cert: Certificate, seen: tuple[str, ...], facts: dict[str, Any]) -> Iterator[Finding]:
    """What does not stop every client, and stops some."""
    chain, verdict = host.chain, host.verdict
    if chain.weak:
        yield Finding("transport.certificate.weak", host.host, seen, **facts, weak=list(chain.weak))
    if not chain.ordered or chain.unrelated:
        what = "certificates that do not belong to it" if chain.unrelated else "its certificates in the wrong order"
        yield Finding("transport.certificate.chain_order", host.host, seen, **facts, what=what)
    if verdict.code == 0 and verdict.strict and cert.covers(host.host):
        yield Finding("transport.certificate.disputed", host.host, seen, **facts, strict=verdict.strict)
    if cert.must_staple:
        yield Finding("transport.certificate.must_staple", host.host, seen, **facts)
