"""What is good or bad about what servers offer."""

from __future__ import annotations

from collections.abc import Iterator

from smtplab.findings import Finding, Findings
from smtplab.net.session import PORTS, Transcript
from smtplab.servers.capabilities import CLEAR_TEXT, Offer
from smtplab.servers.collect import ServerEvidence
from smtplab.servers.configuration import Configuration


def check(evidence: ServerEvidence) -> Findings:
    """Findings on sessions and configuration."""
    sessions = (f for s, o in zip(evidence.sessions, evidence.offers, strict=True) for f in _session(s, o, evidence.mx))
    files = (f for c in evidence.configuration for f in _configuration(c))
    return Findings((*sessions, *files))


def _session(session: Transcript, offer: Offer, mx: tuple[str, ...]) -> Iterator[Finding]:
    where = f"{session.host}:{session.port}"
    seen = (f"session with {session.address}:{session.port}",)
    facts = {"host": session.host, "port": session.port}
    if session.why:
        yield Finding("servers.unknown", where, seen, **facts, why=session.why)
        return
    if session.throttled:
        yield Finding("servers.throttled", where, seen, **facts)
        return
    if not session.known:
        if session.port in (25, 587):
            yield Finding("servers.unreachable", where, seen, **facts, why=session.ended or "no greeting")
        return
    troubled = False
    if session.port == 25 and session.host in mx and not offer.starttls:
        troubled = True
        yield Finding("servers.starttls.missing", session.host, seen, **facts)
    clear = [m for m in offer.auth_before if m in CLEAR_TEXT]
    if offer.protocol == "smtp" and clear:
        troubled = True
        yield Finding("servers.auth.before_tls", where, seen, **facts, mechanisms=clear)
    if offer.plaintext_login:
        troubled = True
        if offer.protocol == "imap":
            yield Finding("servers.imap.plaintext_login", where, seen, **facts)
        else:
            yield Finding("servers.pop3.plaintext_login", where, seen, **facts)
    if not troubled:
        yield Finding("servers.ok", where, seen, **facts, service=PORTS[session.port][2], tls=offer.tls or "no TLS")


def _configuration(config: Configuration) -> Iterator[Finding]:
    value = config.settings.get
    seen = (config.file,)
    if config.program == "postfix" and value("smtp_connection_cache_on_demand") == "no":
        yield Finding("servers.configuration.connection_cache_off", config.host, seen, host=config.host)
    sasl = value("smtpd_sasl_auth_enable") == "yes"
    if config.program == "postfix" and sasl and value("smtpd_tls_auth_only", "no") == "no":
        yield Finding("servers.configuration.auth_only_off", config.host, seen, host=config.host)
    if config.program == "dovecot" and value("disable_plaintext_auth") == "no":
        yield Finding("servers.configuration.plaintext_allowed", config.host, seen, host=config.host)
