"""What a session does beyond reading capabilities: one sign-in, one envelope, and on one's own hosts a message.

RFC 4954, 9051 section 6.2.2, 5034 and 5804 section 2.1 (AUTH), 4616 (PLAIN), 7628 (OAUTHBEARER's sibling XOAUTH2 is
Google's). One mechanism is tried once: a second try after a refusal counts as a second failure at the server, and
locks accounts. Nothing secret is sent outside TLS, and nothing secret reaches the transcript.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smtplab.net.talk import Talk

REMOVED = "(removed)"
"""Stands in the transcript for what was secret."""
SPOKEN = ("PLAIN", "LOGIN")
"""Mechanisms for a password, in the order in which they are chosen."""
_MAILBOX = {
    # The newest message, and no more: what a mailbox holds is nobody's business.
    "imap": (
        ("select", "a4 SELECT INBOX"),
        ("fetch", "a5 FETCH * (FLAGS RFC822.SIZE BODY.PEEK[HEADER.FIELDS (SUBJECT)])"),
        ("store", "a6 STORE * +FLAGS (\\Seen)"),
        ("folders", 'a7 LIST "" "%"'),
    ),
    "pop3": (("stat", "STAT"), ("retrieve", "RETR 1"), ("delete", "DELE 1")),
}
_START = {"smtp": "AUTH {}", "imap": "a3 AUTHENTICATE {}", "pop3": "AUTH {}", "sieve": 'AUTHENTICATE "{}"'}


@dataclass(frozen=True)
class Errand:
    """`upgrade`: use STARTTLS where it is offered. `token`: the secret is an OAuth 2 access token, not a password.

    `sender` None sends no MAIL; "" is the null reverse-path. `message` is sent where it is not empty. `mailbox` looks
    at the newest message: IMAP marks it as read, POP3 fetches and deletes it. `label` tells sessions apart that
    do the same. Raises ValueError for control characters, which would be commands of their own.
    """

    upgrade: bool = True
    user: str = ""
    secret: str = field(default="", repr=False)
    token: bool = False
    sender: str | None = None
    recipient: str = ""
    message: str = ""
    mailbox: bool = False
    label: str = ""

    def __post_init__(self) -> None:
        for text in (self.user, self.sender or "", self.recipient):
            if any(c in "<>" or not c.isprintable() for c in text):
                raise ValueError(f"{text!r} is no address or user name")

    def params(self) -> dict[str, str]:
        """What tells this question from others on the tape; empty where nothing is done."""
        sender = "" if self.sender is None else f"<{self.sender}>"
        told = {"upgrade": "" if self.upgrade else "no", "user": self.user, "sender": sender}
        did = " ".join(word for word in ("message" * bool(self.message), "mailbox" * self.mailbox, self.label) if word)
        return {**told, "recipient": self.recipient, "errand": did}

    def mechanism(self, offered: tuple[str, ...]) -> str:
        """The mechanism that would be tried, "" if none of those offered can be."""
        wanted = ("XOAUTH2",) if self.token else SPOKEN
        return next((m for m in wanted if m in offered), "")


NO_ERRAND = Errand()


async def run(talk: Talk, errand: Errand, offered: tuple[str, ...], *, inside_tls: bool) -> None:
    """Do the errand in a session that has read its capabilities; a refusal ends it, and is no error."""
    if errand.user:
        mechanism = errand.mechanism(offered)
        if not inside_tls or not mechanism or not await _sign_in(talk, errand, mechanism):
            return
    if talk.protocol == "smtp" and errand.sender is not None:
        await _envelope(talk, errand, errand.sender)
    for phase, command in _MAILBOX.get(talk.protocol, ()) if errand.mailbox else ():
        reply = await talk.ask(phase, command)
        if phase == "retrieve" and len(reply) > 2:
            # A transcript tells that mail was fetched, not what stood in it.
            talk.steps[-1]["reply"] = [reply[0], f"({len(reply) - 2} lines, then a dot)"]
        if not talk.positive(reply[0 if talk.protocol == "pop3" else -1]):
            return


async def _envelope(talk: Talk, errand: Errand, sender: str) -> None:
    reply = await talk.ask("mail", f"MAIL FROM:<{sender}>")
    if talk.positive(reply[-1]) and errand.recipient:
        reply = await talk.ask("rcpt", f"RCPT TO:<{errand.recipient}>")
        if errand.message and talk.positive(reply[-1]):
            reply = await talk.ask("data", "DATA")
            if reply[-1][:1] == "3":
                lines = errand.message.splitlines()
                # RFC 5321 section 4.5.2: a dot at the head of a line is doubled.
                stuffed = "\r\n".join(f".{line}" if line.startswith(".") else line for line in lines)
                await talk.ask("message", f"{stuffed}\r\n.", f"({len(lines)} lines, then a dot)")
                return
    await talk.ask("reset", "RSET")


async def _sign_in(talk: Talk, errand: Errand, mechanism: str) -> bool:
    payloads = [base64.b64encode(p.encode()).decode() for p in _payloads(errand, mechanism)]
    start = _START[talk.protocol].format(mechanism)
    if talk.protocol == "sieve" and mechanism != "LOGIN":
        reply = await talk.ask("auth", f'{start} "{payloads[0]}"', f"{start} {REMOVED}")
        return talk.positive(reply[-1])
    reply = await talk.ask("auth", start)
    while payloads and _goes_on(talk.protocol, reply[-1]):
        reply = await talk.ask("auth", payloads.pop(0), REMOVED)
    if _goes_on(talk.protocol, reply[-1]):
        # The error of XOAUTH2 comes as a challenge; an empty answer fetches the refusal itself.
        reply = await talk.ask("auth", "")
    return talk.positive(reply[-1])


def _payloads(errand: Errand, mechanism: str) -> list[str]:
    match mechanism:
        case "PLAIN":
            return [f"\0{errand.user}\0{errand.secret}"]
        case "XOAUTH2":
            return [f"user={errand.user}\1auth=Bearer {errand.secret}\1\1"]
        case _:
            return [errand.user, errand.secret]


def _goes_on(protocol: str, line: str) -> bool:
    return line[:3] == "334" if protocol == "smtp" else line[:1] == "+" and line[:3] != "+OK"
