"""What a server says it can do, before and after TLS: EHLO (RFC 5321), CAPABILITY (9051), CAPA (2449)."""

from __future__ import annotations

from dataclasses import dataclass

from smtplab.net.session import Transcript

CLEAR_TEXT = frozenset({"PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"})
"""Mechanisms that hand over the password or token itself."""


@dataclass(frozen=True)
class Offer:
    """Capabilities of a host and port; `state` says how far the session came."""

    host: str
    port: int
    protocol: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    auth_before: tuple[str, ...] = ()
    auth_after: tuple[str, ...] = ()
    starttls: bool = False
    implicit: bool = False
    plaintext_login: bool = False
    tls: str = ""
    state: str = ""


def read_offer(session: Transcript) -> Offer:
    """The offer of a session; what was not seen stays empty, and `state` tells why."""
    before = _capabilities(session.protocol, session.lines("ehlo"))
    after = _capabilities(session.protocol, session.lines("ehlo-tls"))
    if session.implicit:
        before, after = (), before
    names = {c.split()[0].upper() for c in before if c.split()}
    starttls = bool(names & {"STARTTLS", "STLS"})
    greeted = session.known and not session.throttled
    # IMAP allows LOGIN and POP3 allows USER unless they say otherwise: RFC 9051 section 6.2.3, 2449 section 6.3.
    open_login = greeted and bool(before) and not session.implicit
    plaintext = (session.protocol == "imap" and open_login and "LOGINDISABLED" not in names) or (
        session.protocol == "pop3" and open_login and "USER" in names
    )
    return Offer(
        session.host,
        session.port,
        session.protocol,
        before,
        after,
        _auth(session.protocol, before),
        _auth(session.protocol, after),
        starttls,
        session.implicit,
        plaintext,
        session.tls.version if session.tls else "",
        _state(session),
    )


def _state(session: Transcript) -> str:
    if session.why:
        return f"unknown ({session.why})"
    if session.throttled:
        return "throttled (421)"
    return session.ended or "complete"


def _capabilities(protocol: str, lines: tuple[str, ...]) -> tuple[str, ...]:
    if protocol == "smtp":
        return tuple(x[4:].strip() for x in lines[1:] if x.startswith("250"))
    if protocol == "imap":
        row = next((x for x in lines if x.upper().startswith("* CAPABILITY ")), "")
        return tuple(row.split()[2:])
    return tuple(x for x in lines[1:] if x != ".") if lines and lines[0].startswith("+OK") else ()


def _auth(protocol: str, capabilities: tuple[str, ...]) -> tuple[str, ...]:
    if protocol == "imap":
        return tuple(c[5:].upper() for c in capabilities if c.upper().startswith("AUTH="))
    word = "AUTH" if protocol == "smtp" else "SASL"
    made = [w.upper() for c in capabilities for w in c.replace("=", " ").split()[1:] if c.upper().startswith(word)]
    return tuple(dict.fromkeys(made))
