"""What a server says it can do, before and after TLS: EHLO (RFC 5321), CAPABILITY (9051, 5804), CAPA (2449)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from smtplab.net.session import Transcript
from smtplab.net.talk import sasl

CLEAR_TEXT = frozenset({"PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"})
"""Mechanisms that hand over the password or token itself."""


FLAGS = {
    # keyword: field of Extensions
    "PIPELINING": "pipelining",
    "CHUNKING": "chunking",
    "8BITMIME": "eight_bit_mime",
    "SMTPUTF8": "smtputf8",
    "DSN": "dsn",
    "REQUIRETLS": "requiretls",
    "ENHANCEDSTATUSCODES": "enhanced_status_codes",
    "STARTTLS": "starttls",
}
LIMITS = ("MAILMAX", "RCPTMAX", "RCPTDOMAINMAX")
"""RFC 9422 section 4: messages a connection, recipients a message, recipient domains a connection."""


@dataclass(frozen=True)
class Extensions:
    """The SMTP extensions of one EHLO reply.

    `size` octets (RFC 1870; 0: no limit told; None: not announced). PIPELINING RFC 2920, CHUNKING 3030, 8BITMIME
    6152, SMTPUTF8 6531, DSN 3461, REQUIRETLS 8689, ENHANCEDSTATUSCODES 2034, STARTTLS 3207. `mt_priority` is the
    profile (RFC 6710; "" none named; None: not announced), `limits` by name (RFC 9422), `auth` mechanisms.
    """

    size: int | None = None
    pipelining: bool = False
    chunking: bool = False
    eight_bit_mime: bool = False
    smtputf8: bool = False
    dsn: bool = False
    requiretls: bool = False
    enhanced_status_codes: bool = False
    starttls: bool = False
    mt_priority: str | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    auth: tuple[str, ...] = ()

    @classmethod
    def read(cls, capabilities: tuple[str, ...]) -> Extensions:
        """From the keyword lines of EHLO; a parameter that is not as its RFC says counts as not told."""
        found = {words[0]: words[1:] for c in reversed(capabilities) if (words := c.upper().split())}
        return cls(
            size=_size(capabilities),
            mt_priority=" ".join(found["MT-PRIORITY"]) if "MT-PRIORITY" in found else None,
            limits=dict(_limits(found.get("LIMITS", []))),
            auth=sasl("smtp", capabilities),
            **{name: keyword in found for keyword, name in FLAGS.items()},
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def _limits(words: list[str]) -> list[tuple[str, int]]:
    pairs = [word.partition("=") for word in words[:50]]
    # RFC 9422 section 3: a value has one to six digits and does not start with 0.
    return [(n, int(v)) for n, _, v in pairs if n in LIMITS and _digits(v) and len(v) <= 6 and v[0] != "0"]


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


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
    address: str = ""

    @property
    def service(self) -> str:
        """HOST:PORT, and the address where IPv6 was asked beside IPv4."""
        return f"{self.host}:{self.port}" + (" (IPv6)" if ":" in self.address else "")

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """Ways to sign in, those inside TLS where it came to that."""
        return self.auth_after or self.auth_before

    @property
    def extensions(self) -> Extensions | None:
        """The SMTP extensions a client ends up with: those inside TLS where it came to that; None where unknown."""
        return Extensions.read(self.after or self.before) if self.heard and self.protocol == "smtp" else None

    @property
    def gained(self) -> tuple[str, ...]:
        """What is announced only inside TLS; () where both lists were not heard."""
        return tuple(c for c in self.after if c not in self.before) if self.before and self.after else ()

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
    auth_before = sasl(protocol, before)
    names = {c.upper().split(" ")[0] for c in before}
    # IMAP allows LOGIN unless it says otherwise (RFC 9051 section 6.2.3); POP3 says USER (RFC 2449 section 6.3).
    clear = bool(CLEAR_TEXT & {*auth_before})
    lax = {"imap": "LOGINDISABLED" not in names, "pop3": "USER" in names or clear, "smtp": clear, "sieve": clear}
    return Offer(
        session.host,
        session.port,
        protocol,
        heard,
        before,
        after,
        auth_before,
        sasl(protocol, after),
        _size(after or before) if protocol == "smtp" else None,
        bool(names & {"STARTTLS", "STLS"}),
        session.implicit,
        heard and not session.implicit and lax[protocol],
        session.tls.version if session.tls else "",
        _state(session),
        session.address,
    )


def _state(session: Transcript) -> str:
    if session.why:
        return f"unknown ({session.why})"
    if session.throttled:
        return "throttled (421)"
    return session.ended or "complete"


def _size(capabilities: tuple[str, ...]) -> int | None:
    for words in (c.upper().split() for c in capabilities):
        if words[:1] == ["SIZE"]:
            digits = words[1] if len(words) > 1 else "0"
            return int(digits) if _digits(digits) and len(digits) < 20 else None
    return None
