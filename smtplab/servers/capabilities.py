"""What a server says it can do, before and after TLS: EHLO (RFC 5321), CAPABILITY (9051), CAPA (2449)."""

from __future__ import annotations

from dataclasses import dataclass

from smtplab.net.session import Transcript

CLEAR_TEXT = frozenset({"PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"})
"""Mechanisms that hand over the password or token itself."""


@dataclass(frozen=True)
class Offer:
    """Capabilities of a host and port; `state` says how far the session came.

    `heard`: the server listed its capabilities, so that what is missing is missing and not unknown. `size` is the
    largest message in octets (RFC 1870; 0: no limit told; None: not announced). `starttls` is what was announced,
    `tls` the version of a completed handshake. `plaintext_login`: a password may be sent before TLS.
    """

    host: str
    port: int
    protocol: str
    heard: bool = False
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    auth_before: tuple[str, ...] = ()
    auth_after: tuple[str, ...] = ()
    size: int | None = None
    starttls: bool = False
    implicit: bool = False
    plaintext_login: bool = False
    tls: str = ""
    state: str = ""

    def has(self, keyword: str) -> bool | None:
        """Whether a capability was announced, before or after TLS; None where the server was not heard."""
        if not self.heard:
            return None
        return any(c.upper().split(" ")[0] == keyword for c in (*self.before, *self.after))


def read_offer(session: Transcript) -> Offer:
    """The offer of a session; what was not seen stays empty, and `state` tells why."""
    first, second = session.capabilities("capabilities"), session.capabilities("capabilities-tls")
    heard = first is not None
    before, after = (() if session.implicit else first or ()), (first if session.implicit else second) or ()
    protocol = session.protocol
    auth_before = _auth(protocol, before)
    names = {c.upper().split(" ")[0] for c in before}
    # IMAP allows LOGIN unless it says otherwise (RFC 9051 section 6.2.3); POP3 says USER (RFC 2449 section 6.3).
    lax = {"imap": "LOGINDISABLED" not in names, "pop3": "USER" in names, "smtp": bool(CLEAR_TEXT & {*auth_before})}
    return Offer(
        session.host,
        session.port,
        protocol,
        heard,
        before,
        after,
        auth_before,
        _auth(protocol, after),
        _size(after or before) if protocol == "smtp" else None,
        bool(names & {"STARTTLS", "STLS"}),
        session.implicit,
        heard and not session.implicit and lax[protocol],
        session.tls.version if session.tls else "",
        _state(session),
    )


def _state(session: Transcript) -> str:
    if session.why:
        return f"unknown ({session.why})"
    if session.throttled:
        return "throttled (421)"
    return session.ended or "complete"


def _auth(protocol: str, capabilities: tuple[str, ...]) -> tuple[str, ...]:
    if protocol == "imap":
        return tuple(c[5:].upper() for c in capabilities if c.upper().startswith("AUTH="))
    word = "AUTH" if protocol == "smtp" else "SASL"
    # Some servers still write AUTH=PLAIN, for clients older than RFC 2554.
    split = [c.upper().replace("=", " ").split() for c in capabilities]
    return tuple(dict.fromkeys(m for words in split if words[:1] == [word] for m in words[1:]))


def _size(capabilities: tuple[str, ...]) -> int | None:
    for words in (c.upper().split() for c in capabilities):
        if words[:1] == ["SIZE"]:
            digits = words[1] if len(words) > 1 else "0"
            return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None
    return None
