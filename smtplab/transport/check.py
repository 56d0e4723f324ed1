"""What is good or bad about transport security."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from smtplab.findings import Finding, Findings
from smtplab.net.certificates import INCOMPLETE, SELF_SIGNED
from smtplab.net.dns import State
from smtplab.transport.collect import HostTls, TransportEvidence
from smtplab.transport.mta_sts import Policy

LEFT_FRACTION = 0.15
"""Of a certificate's life: below it, renewal is late whatever its length (ACME clients renew at a third)."""

OLDEST = {
    "postfix": "smtpd_tls_protocols = >=TLSv1.2\nsmtpd_tls_mandatory_protocols = >=TLSv1.2",
    "dovecot": "ssl_min_protocol = TLSv1.2",
}
"""The lines that set the oldest version, for the programs most often found behind these ports."""


def check(evidence: TransportEvidence) -> Findings:
    """Findings on certificates, TLS versions and policies."""
    strict = {p.domain for p in evidence.policies if p.file.mode == "enforce" and not p.error}
    enforced = {host for domain, host in evidence.mx if domain in strict}
    certificates = (
        _certificate(group, evidence.as_of, group[0].host in enforced) for group in _by_certificate(evidence.hosts)
    )
    policies = (f for p in evidence.policies for f in _policy(p, [h for d, h in evidence.mx if d == p.domain]))
    return Findings((*certificates, *_versions(evidence.hosts), *policies))


def _by_certificate(hosts: tuple[HostTls, ...]) -> list[list[HostTls]]:
    """Services of a host that show the same certificate: one finding, however many ports."""
    groups: dict[tuple[object, ...], list[HostTls]] = {}
    for host in hosts:
        groups.setdefault((host.host, host.port == 25, host.certificate, host.verdict), []).append(host)
    return list(groups.values())


def _certificate(group: list[HostTls], at: datetime, enforced: bool) -> Finding:
    """What a client that verifies would say; an MX without a policy meets none (RFC 7435), so it costs no mail."""
    host = group[0]
    cert, verdict, days = host.certificate, host.verdict, host.days_left(at)
    seen = tuple(f"TLS handshake with {h.address} port {h.port}" for h in group)
    facts = {"host": host.host, "port": [h.port for h in group], "verdict": verdict.text, "days": days}
    if cert is None:
        return Finding("transport.certificate.unreadable", host.host, seen, **facts)
    if host.mx and host.port == 25 and not enforced and (verdict.code or not cert.covers(host.host)):
        facts["verdict"] = verdict.text if verdict.code else "it does not name the host"
        return Finding("transport.certificate.opportunistic", host.host, seen, **facts)
    if cert.not_after < at:
        facts |= {
            "days": -days,
            "not_after": f"{cert.not_after:%d %B %Y}",
            "since": f"{cert.not_after:%Y-%m-%dT%H:%M:%SZ}",
            "consequence": "MTA-STS promises a valid one, so senders that follow it do not deliver."
            if enforced
            else "Mail programs warn or refuse to connect.",
        }
        return Finding("transport.certificate.expired", host.host, seen, **facts)
    if cert.not_before > at:
        begins = f"{cert.not_before:%d %B %Y}"
        return Finding("transport.certificate.not_yet_valid", host.host, seen, **facts, not_before=begins)
    if verdict.code in SELF_SIGNED:
        return Finding("transport.certificate.self_signed", host.host, seen, **facts)
    if verdict.code in INCOMPLETE:
        return Finding("transport.certificate.chain_incomplete", host.host, seen, **facts, issuer=cert.issuer)
    if verdict.code:
        return Finding("transport.certificate.invalid", host.host, seen, **facts)
    if not cert.covers(host.host):
        return Finding("transport.certificate.name", host.host, seen, **facts, names=list(cert.names) or ["no name"])
    if host.life_left(at) < LEFT_FRACTION:
        return Finding("transport.certificate.ending", host.host, seen, **facts, left=f"{host.life_left(at):.0%}")
    return Finding("transport.certificate.ok", host.host, seen, **facts)


def _versions(hosts: tuple[HostTls, ...]) -> Iterator[Finding]:
    """One finding for the relay port and one for each program that people sign in to, however many ports."""
    groups: dict[tuple[str, str, tuple[str, ...]], list[HostTls]] = {}
    for host in hosts:
        program = "relay" if host.port == 25 else "postfix" if host.port in (587, 465) else "dovecot"
        if host.legacy:
            groups.setdefault((host.host, program, host.legacy), []).append(host)
    for (name, program, legacy), group in groups.items():
        seen = tuple(f"TLS hello to {h.address} port {h.port}" for h in group)
        facts = {"host": name, "port": [h.port for h in group], "versions": list(legacy)}
        if program == "relay":
            yield Finding("transport.tls.legacy_relay", name, seen, **facts)
        else:
            yield Finding("transport.tls.legacy", name, seen, **facts, setting=OLDEST[program])


def _policy(policy: Policy, hosts: list[str]) -> Iterator[Finding]:
    domain, file = policy.domain, policy.file
    seen = (f"https://mta-sts.{domain}/.well-known/mta-sts.txt",)
    record = (f"DNS TXT _mta-sts.{domain}",)
    if policy.state is State.UNKNOWN:
        yield Finding("transport.mta_sts.unknown", domain, record, domain=domain, why=policy.why)
    elif policy.state is State.ABSENT and hosts:
        yield Finding("transport.mta_sts.absent", domain, record, domain=domain)
    elif policy.error:
        yield Finding("transport.mta_sts.broken", domain, (*record, *seen), domain=domain, error=policy.error)
    elif policy.state is State.PRESENT:
        unnamed = [h for h in hosts if not file.names(h)] if file.mode != "none" else []
        facts = {"domain": domain, "mx": list(file.mx), "mode": file.mode}
        for host in unnamed:
            if file.mode == "enforce":
                yield Finding("transport.mta_sts.mx_not_listed", host, seen, **facts, host=host)
            else:
                yield Finding("transport.mta_sts.mx_not_listed_testing", host, seen, **facts, host=host)
        if not unnamed:
            yield Finding("transport.mta_sts.ok", domain, seen, **facts)
    if policy.report is State.ABSENT and hosts:
        yield Finding("transport.tls_reporting.absent", domain, (f"DNS TXT _smtp._tls.{domain}",), domain=domain)
    elif policy.report is State.PRESENT:
        seen = (f"DNS TXT _smtp._tls.{domain}",)
        yield Finding("transport.tls_reporting.ok", domain, seen, domain=domain, rua=policy.rua)
