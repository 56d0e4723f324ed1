"""What is good or bad about a session: does the port answer, does it offer TLS, would it take a password in clear?"""

from __future__ import annotations

from collections.abc import Iterator

from smtplab.findings import Finding
from smtplab.net.session import Transcript
from smtplab.servers.capabilities import CLEAR_TEXT, Offer
from smtplab.servers.collect import ServerEvidence

SLOW_GREETING = 5_000.0
"""Milliseconds; RFC 5321 lets a client wait five minutes, people and probes wait less."""


def check(evidence: ServerEvidence) -> Iterator[Finding]:
    """Findings on every session, on hosts that could not be asked, and on what only all sessions together tell."""
    heard = {s.host: s for s, o in zip(evidence.sessions, evidence.offers, strict=True) if o.heard}
    for session, offer in zip(evidence.sessions, evidence.offers, strict=True):
        if session.refused and ":" in session.address and session.host in heard:
            facts = {"host": session.host, "port": session.port, "address": session.address}
            yield Finding("servers.ipv6.closed", f"{session.host}:{session.port}", _seen(session), **facts)
        else:
            # A domain without MX that takes no mail either is no server that has stopped; chapter 01 has its finding.
            closed = session.refused and session.host in evidence.implicit
            yield from judge(session, offer, () if closed else evidence.mx)
    for name, why in evidence.unreached:
        yield Finding("servers.unknown", name, ("DNS A and AAAA",), host=name, port="any", why=why)
    yield from _blocked(evidence)
    for door in evidence.doors:
        if door.state == "open":
            seen = (f"connection to {door.address} port {door.port}",)
            facts = {"host": door.host, "port": door.port}
            yield Finding("servers.port.needless", f"{door.host}:{door.port}", seen, **facts)


def _blocked(evidence: ServerEvidence) -> Iterator[Finding]:
    """Every port 25 silent and others alive: the fault is most likely where the probe ran."""
    relay = [s for s in evidence.sessions if s.port == 25]
    alive = [s for s in evidence.sessions if s.port != 25 and s.greeted]
    if len({s.host for s in relay}) > 1 and all(s.why == "timeout" for s in relay) and alive:
        seen = tuple(f"session with {s.address} port {s.port}: {s.why or 'greeted'}" for s in (*relay, alive[0]))
        yield Finding("servers.port25.blocked", "port 25", seen, hosts=len(relay), alive=alive[0].host)


def _seen(session: Transcript) -> tuple[str, ...]:
    return (f"session with {session.address} port {session.port}",)


def judge(session: Transcript, offer: Offer, mx: tuple[str, ...] = ()) -> Iterator[Finding]:
    """Findings on one session; `mx` are the names that must take mail on port 25."""
    where = f"{session.host}:{session.port}"
    seen = _seen(session)
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
            yield Finding("servers.ok", where, seen, **facts, service=session.service, tls=offer.tls or "no TLS")


def _gaps(
    session: Transcript, offer: Offer, mx: tuple[str, ...], where: str, seen: tuple[str, ...]
) -> Iterator[Finding]:
    facts = {"host": session.host, "port": session.port}
    if not offer.starttls and not offer.implicit:
        if session.port == 25 and session.host in mx:
            yield Finding("servers.starttls.missing", session.host, seen, **facts)
        elif session.port != 25:
            yield Finding("servers.tls.missing", where, seen, **facts, service=session.service)
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
        elif offer.protocol == "pop3":
            yield Finding("servers.pop3.plaintext_login", where, seen, **facts)
        else:
            yield Finding("servers.sieve.plaintext_login", where, seen, **facts, mechanisms=offer.auth_before)
