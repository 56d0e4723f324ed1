"""What is good or bad about what servers offer."""

from __future__ import annotations

from collections.abc import Iterator

from smtplab.findings import Finding, Findings
from smtplab.net.session import PORTS, Transcript
from smtplab.servers.capabilities import CLEAR_TEXT, Offer
from smtplab.servers.collect import ServerEvidence
from smtplab.servers.configuration import Configuration

SLOW_GREETING = 5_000.0
"""Milliseconds; RFC 5321 lets a client wait five minutes, people and probes wait less."""


def check(evidence: ServerEvidence) -> Findings:
    """Findings on sessions and configuration."""
    sessions = (f for s, o in zip(evidence.sessions, evidence.offers, strict=True) for f in _session(s, o, evidence.mx))
    nowhere = (
        Finding("servers.unknown", name, ("DNS A and AAAA",), host=name, port="any", why=why)
        for name, why in evidence.unreached
    )
    files = (f for c in evidence.configuration for f in _configuration(c))
    return Findings((*sessions, *nowhere, *files))


def _session(session: Transcript, offer: Offer, mx: tuple[str, ...]) -> Iterator[Finding]:
    where = f"{session.host}:{session.port}"
    seen = (f"session with {session.address} port {session.port}",)
    facts = {"host": session.host, "port": session.port}
    if session.throttled:
        yield Finding("servers.throttled", where, seen, **facts)
    elif session.refused and session.port == 25 and session.host in mx:
        yield Finding("servers.mx.closed", session.host, seen, **facts)
    elif session.refused:
        yield Finding("servers.port.closed", where, seen, **facts)
    elif session.why or not offer.heard:
        # Silence may be ours: many networks block port 25 on its way out.
        why = session.why or session.ended or "it did not list its capabilities"
        yield Finding("servers.unknown", where, seen, **facts, why=why)
    else:
        greeting = session.step("greeting")
        if greeting and greeting.ms > SLOW_GREETING:
            yield Finding("servers.greeting.slow", where, seen, **facts, seconds=round(greeting.ms / 1000))
        gaps = list(_gaps(session, offer, mx, where, seen))
        yield from gaps
        if not gaps:
            service = PORTS[session.port][2]
            yield Finding("servers.ok", where, seen, **facts, service=service, tls=offer.tls or "no TLS")


def _gaps(
    session: Transcript, offer: Offer, mx: tuple[str, ...], where: str, seen: tuple[str, ...]
) -> Iterator[Finding]:
    facts = {"host": session.host, "port": session.port}
    if not offer.starttls and not offer.implicit:
        if session.port == 25 and session.host in mx:
            yield Finding("servers.starttls.missing", session.host, seen, **facts)
        elif session.port != 25:
            yield Finding("servers.tls.missing", where, seen, **facts, service=PORTS[session.port][2])
    elif not offer.tls:
        reply = session.lines("starttls")
        why = session.ended or (f"the answer to STARTTLS was {reply[-1]}" if reply else "no handshake")
        yield Finding("servers.starttls.broken", session.host, seen, **facts, why=why)
    if offer.plaintext_login:
        if offer.protocol == "smtp":
            clear = [m for m in offer.auth_before if m in CLEAR_TEXT]
            yield Finding("servers.auth.before_tls", where, seen, **facts, mechanisms=clear)
        elif offer.protocol == "imap":
            yield Finding("servers.imap.plaintext_login", where, seen, **facts)
        else:
            yield Finding("servers.pop3.plaintext_login", where, seen, **facts)


def _configuration(config: Configuration) -> Iterator[Finding]:
    host = config.host
    if config.program == "postfix":
        if config.value("smtp_connection_cache_on_demand") == "no":
            seen = config.seen("smtp_connection_cache_on_demand")
            yield Finding("servers.configuration.connection_cache_off", host, seen, host=host)
        signs_in = config.value("smtpd_sasl_auth_enable") == "yes"
        if signs_in and config.value("smtpd_tls_auth_only", "no") == "no":
            seen = config.seen("smtpd_tls_auth_only", "smtpd_sasl_auth_enable")
            yield Finding("servers.configuration.auth_only_off", host, seen, host=host)
    # Dovecot 2.4 turned the setting round and gave it a new name.
    elif config.value("disable_plaintext_auth") == "no" or config.value("auth_allow_cleartext") == "yes":
        seen = config.seen("disable_plaintext_auth", "auth_allow_cleartext")
        yield Finding("servers.configuration.plaintext_allowed", host, seen, host=host)
