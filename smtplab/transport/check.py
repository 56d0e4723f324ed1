"""What is good or bad about transport security."""

from __future__ import annotations

from collections.abc import Iterator

from smtplab.findings import Finding, Findings
from smtplab.net.dns import State
from smtplab.transport.collect import HostTls, TransportEvidence
from smtplab.transport.mta_sts import Policy

EXPIRED = 10
"""OpenSSL: certificate has expired."""
LEFT_FRACTION = 0.15
"""Of a certificate's life: below it, renewal is late whatever its length."""


def check(evidence: TransportEvidence) -> Findings:
    """Findings on certificates, TLS versions and policies."""
    enforced = {h for d, h in evidence.mx for p in evidence.policies if p.domain == d and p.mode == "enforce"}
    hosts = (f for h in evidence.hosts for f in _host(h, evidence, h.host in enforced))
    policies = (f for p in evidence.policies for f in _policy(p, [h for d, h in evidence.mx if d == p.domain]))
    return Findings((*hosts, *policies))


def _host(host: HostTls, evidence: TransportEvidence, enforced: bool) -> Iterator[Finding]:
    where = f"{host.host}:{host.port}"
    seen = (f"TLS handshake with {host.address}:{host.port}",)
    facts = {"host": host.host, "port": host.port}
    certificate = host.certificate
    if certificate is None:
        yield Finding("transport.certificate.unreadable", where, seen, **facts)
    else:
        yield from _certificate(host, evidence, enforced, where, seen)
    accepted = [v for v, yes in host.legacy if yes]
    if accepted:
        if host.port == 25:
            yield Finding("transport.tls.legacy_relay", where, seen, **facts, versions=accepted)
        else:
            yield Finding("transport.tls.legacy", where, seen, **facts, versions=accepted)


def _certificate(
    host: HostTls, evidence: TransportEvidence, enforced: bool, where: str, seen: tuple[str, ...]
) -> Iterator[Finding]:
    cert = host.certificate
    if cert is None:
        return
    facts = {"host": host.host, "port": host.port, "not_after": f"{cert.not_after:%d %B %Y}"}
    days = host.days_left(evidence.as_of)
    life = max((cert.not_after - cert.not_before).days, 1)
    if cert.not_after < evidence.as_of:
        sts = (
            "MTA-STS demands a valid one, so senders that follow it do not deliver."
            if enforced
            else ("Senders that demand a valid one do not deliver; most others do not look.")
        )
        since = f"{cert.not_after:%Y-%m-%dT%H:%M:%SZ}"
        yield Finding(
            "transport.certificate.expired", host.host, seen, **facts, days=-days, consequence=sts, since=since
        )
    elif host.mx and not enforced and host.verdict.code:
        yield Finding("transport.certificate.opportunistic", where, seen, **facts, verdict=host.verdict.text)
    elif host.verdict.code:
        yield Finding("transport.certificate.invalid", where, seen, **facts, verdict=host.verdict.text)
    elif not cert.covers(host.host):
        names = list(cert.names) or ["no name"]
        yield Finding("transport.certificate.name", where, seen, **facts, names=names)
    elif days < life * LEFT_FRACTION:
        yield Finding("transport.certificate.ending", where, seen, **facts, days=days)
    else:
        yield Finding("transport.certificate.ok", where, seen, **facts, days=days)


def _policy(policy: Policy, hosts: list[str]) -> Iterator[Finding]:
    domain = policy.domain
    seen = (f"https://mta-sts.{domain}/.well-known/mta-sts.txt",)
    if policy.state is State.UNKNOWN:
        yield Finding("transport.mta_sts.unknown", domain, seen, domain=domain, why=policy.why)
    elif policy.state is State.ABSENT:
        if hosts:
            yield Finding("transport.mta_sts.absent", domain, (f"DNS TXT _mta-sts.{domain}",), domain=domain)
    elif policy.error:
        yield Finding("transport.mta_sts.broken", domain, seen, domain=domain, error=policy.error)
    else:
        unnamed = [h for h in hosts if not policy.names(h)]
        for host in unnamed:
            names = list(policy.mx)
            yield Finding(
                "transport.mta_sts.mx_not_listed", host, seen, domain=domain, host=host, mx=names, mode=policy.mode
            )
        if not unnamed:
            yield Finding("transport.mta_sts.ok", domain, seen, domain=domain, mode=policy.mode)
    if policy.report is State.ABSENT and hosts:
        yield Finding("transport.tls_reporting.absent", domain, (f"DNS TXT _smtp._tls.{domain}",), domain=domain)
