"""TLS versions, cipher suites and groups: one finding a host and program, however many ports."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from smtplab.findings import Finding
from smtplab.transport.evidence import HostTls, TransportEvidence

OLDEST = {
    "postfix": "smtpd_tls_protocols = >=TLSv1.2\nsmtpd_tls_mandatory_protocols = >=TLSv1.2",
    "dovecot": "ssl_min_protocol = TLSv1.2",
}
"""The lines that set the oldest version, for the programs most often found behind these ports."""
STRONG = {
    "relay": "smtpd_tls_exclude_ciphers = eNULL, EXPORT, RC4, DES, 3DES",
    "postfix": "smtpd_tls_exclude_ciphers = aNULL, eNULL, EXPORT, RC4, DES, 3DES",
    "dovecot": "ssl_cipher_list = HIGH:!aNULL:!eNULL:!3DES",
}
"""The lines that shut out suites without protection, for the same programs."""


def findings(evidence: TransportEvidence) -> Iterator[Finding]:
    """What a service accepts and should not, and what it lacks that clients already bring."""
    for name, program, group in _by_program(evidence, lambda h: h.legacy):
        facts = {"host": name, "port": _ports(group), "versions": list(group[0].legacy)}
        if program == "relay":
            yield Finding("transport.tls.legacy_relay", name, _seen(group), **facts)
        else:
            yield Finding("transport.tls.legacy", name, _seen(group), **facts, setting=OLDEST[program])
    for name, program, group in _by_program(evidence, lambda h: h.survey.weak or ""):
        ports, setting = _ports(group), STRONG[program]
        yield Finding(
            "transport.tls.weak_cipher_relay" if program == "relay" else "transport.tls.weak_cipher",
            name,
            _seen(group),
            host=name,
            port=ports,
            cipher=group[0].survey.weak,
            setting=setting,
        )
    yield from _post_quantum(evidence)


def _by_program(evidence: TransportEvidence, what: Callable[[HostTls], object]) -> list[tuple[str, str, list[HostTls]]]:
    """Services of a host and program that share a fault: host, program, services."""
    groups: dict[tuple[str, str, object], list[HostTls]] = {}
    for host in evidence.hosts:
        program = "relay" if host.port == 25 else "postfix" if host.port in (587, 465) else "dovecot"
        if fault := what(host):
            groups.setdefault((host.host, program, fault), []).append(host)
    return [(name, program, group) for (name, program, _), group in groups.items()]


def _post_quantum(evidence: TransportEvidence) -> Iterator[Finding]:
    by_host: dict[str, list[HostTls]] = {}
    for host in evidence.hosts:
        by_host.setdefault(host.host, []).append(host)
    for name, group in by_host.items():
        ready = [h for h in group if h.post_quantum]
        without = [h for h in group if h.post_quantum is False]
        if without:
            ports = _ports(without)
            yield Finding("transport.tls.no_post_quantum", name, _seen(without), host=name, port=ports)
        elif ready:
            ports, groups = _ports(ready), list(ready[0].survey.groups.names)
            yield Finding("transport.tls.post_quantum", name, _seen(ready), host=name, port=ports, groups=groups)


def _seen(group: list[HostTls]) -> tuple[str, ...]:
    return tuple(f"TLS hello to {h.address} port {h.port}" for h in group)


def _ports(group: list[HostTls]) -> list[int]:
    """Once each: a port may have been asked over IPv4 and IPv6."""
    return list(dict.fromkeys(h.port for h in group))
