"""The client side of one mail session: a state machine over lines, bounded in size and time.

Replies end as their protocol says: RFC 5321 section 4.2.1 (a space after the code), 9051 section 2.2.1 (the
tagged line), 1939 section 3 (a lone dot), 5804 section 1.3 (a line that begins with OK, NO or BYE). STARTTLS is
asked for only where it is announced.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

from OpenSSL import SSL

from smtplab.net import Unknown
from smtplab.net.channel import Channel, reason
from smtplab.net.errand import NO_ERRAND, REMOVED, Errand, run

MAX_LINE = 8_192
MAX_LINES = 200
MAX_BYTES = 262_144
CLIENT = "probe.smtplab.invalid"
"""Our EHLO name: a name that nobody can own (RFC 6761), because an address literal would put ours on the tape."""
PATIENCE = 2.0
"""Timeouts to wait for a greeting: servers make strangers wait on purpose (Postfix postscreen: six seconds)."""
WHOLE = 3.8
"""Timeouts for a whole session; just under the network's own bound, so that the transcript is kept."""

PORTS = {
    # port: (protocol, TLS from the first byte, what the port is for)
    25: ("smtp", False, "relay"),
    587: ("smtp", False, "submission"),
    465: ("smtp", True, "submission"),
    143: ("imap", False, "imap"),
    993: ("imap", True, "imap"),
    110: ("pop3", False, "pop3"),
    995: ("pop3", True, "pop3"),
    2525: ("smtp", False, "submission"),
    4190: ("sieve", False, "sieve"),
}
_HELLO = {"smtp": f"EHLO {CLIENT}", "imap": "a1 CAPABILITY", "pop3": "CAPA", "sieve": "CAPABILITY"}
_STARTTLS = {"smtp": "STARTTLS", "imap": "a2 STARTTLS", "pop3": "STLS", "sieve": "STARTTLS"}
_BYE = {"smtp": "QUIT", "imap": "a9 LOGOUT", "pop3": "QUIT", "sieve": "LOGOUT"}
_SMTP_LINE = re.compile(r"^[2-5]\d\d([ -]|$)", re.ASCII)
_IMAP_END = re.compile(r"^a\d (OK|NO|BAD)", re.IGNORECASE)
_SIEVE_END = re.compile(r"^(OK|NO|BYE)([ (]|$)", re.IGNORECASE)
_REPLY = {
    # What a well-formed first line of a reply looks like.
    "smtp": _SMTP_LINE,
    "imap": re.compile(r"^(\*|a\d) ", re.ASCII),
    "pop3": re.compile(r"^(\+OK|-ERR)( |$)"),
    "sieve": _SIEVE_END,
}


class Talk:
    """One session with a host: what was said, `tls` facts once there are some, and how it `ended` if not well.

    `like` is the well-known port whose protocol is spoken, for services on other ports; `errand` what is done
    beyond reading capabilities.
    """

    def __init__(
        self, host: str, address: str, port: int, timeout: float, like: int | None = None, errand: Errand = NO_ERRAND
    ) -> None:
        self.errand = errand
        self.host, self.address, self.port, self.timeout = host, address, port, timeout
        self.protocol, self.implicit, _ = PORTS[like or port]
        self.steps: list[dict[str, Any]] = []
        self.tls: dict[str, Any] | None = None
        self.ended = ""
        self.bytes = 0
        self.channel: Channel

    async def session(self) -> dict[str, Any]:
        """The whole session, as it stands on the tape; raises Unknown("timeout") where nobody answers at all."""
        began = time.monotonic()
        try:
            self.channel = await Channel.connect(self.address, self.port, self.timeout)
        except TimeoutError as e:
            raise Unknown("timeout") from e
        except ConnectionRefusedError:
            # A closed port is an answer.
            return {"steps": [], "ended": "connection refused"}
        self._note("connect", "", [], began, (0, 0))
        try:
            async with asyncio.timeout(self.timeout * (WHOLE - 1)):
                await self._whole()
        except TimeoutError:
            self.ended = "the server fell silent"
        except EOFError:
            self.ended = "the server closed the connection"
        except OSError as e:
            self.ended = f"the connection broke: {e or type(e).__name__}"[:200]
        except Flood as e:
            self.ended = str(e)
        except SSL.Error as e:
            self.ended = f"TLS handshake failed: {reason(e)}"
        finally:
            self.channel.close()
        return {"steps": self.steps, "tls": self.tls, "ended": self.ended}

    async def _whole(self) -> None:
        if not await self.open():
            return
        await run(self, self.errand, sasl(self.protocol, self.offered()), inside_tls=self.tls is not None)
        await self.ask("quit", _BYE[self.protocol])

    async def open(self) -> bool:
        """From the connection to the last list of capabilities; False, and why in `ended`, if it is not wanted."""
        if self.implicit:
            await self.handshake()
        if not await self.greet():
            return False
        await self.capabilities("capabilities")
        if not self.implicit and self.errand.upgrade and await self.begin_tls():
            await self.handshake()
            await self.capabilities("capabilities-tls")
        return True

    async def greet(self) -> bool:
        """Read the greeting; False, and why in `ended`, where the server does not want us or is none of its kind."""
        last = (await self._read("greeting", "", self.timeout * PATIENCE))[-1]
        if not _REPLY[self.protocol].match(last):
            self.ended = f"the greeting is not {self.protocol.upper()}"
        elif not self.positive(last):
            self.ended = "the greeting is a refusal"
        return not self.ended

    async def capabilities(self, phase: str) -> None:
        """EHLO, CAPABILITY or CAPA; ManageSieve tells its own unasked once TLS stands (RFC 5804 section 2.2)."""
        if self.protocol == "sieve" and phase == "capabilities-tls":
            await self._read(phase, "", self.timeout)
        else:
            await self.ask(phase, _HELLO[self.protocol])

    def offered(self) -> tuple[str, ...]:
        """The capabilities heard last."""
        heard = [s["reply"] for s in self.steps if s["phase"].startswith("capabilities")]
        return (keywords(self.protocol, tuple(heard[-1])) if heard else None) or ()

    async def begin_tls(self) -> bool:
        """Ask for TLS where it is announced; True when the server is ready for the handshake."""
        if not any(c.upper() in ("STARTTLS", "STLS") for c in self.offered()):
            return False
        reply = await self.ask("starttls", _STARTTLS[self.protocol])
        if not self.positive(reply[-1]):
            return False
        # Plain bytes behind the answer are an injection (RFC 3207 section 4.2): they are dropped, and told.
        if self.channel.buffer:
            self.steps[-1]["reply"].append("(and plain bytes behind it, which were dropped)")
        return True

    def positive(self, line: str) -> bool:
        """Whether the last line of a reply says yes."""
        match self.protocol:
            case "smtp":
                return line[:1] == "2"
            case "imap":
                return line.upper().split(" ")[1:2] == ["OK"]
            case "sieve":
                return line[:2].upper() == "OK"
            case _:
                return line[:3] == "+OK"

    async def handshake(self) -> None:
        """Turn the connection to TLS; raises SSL.Error, EOFError or TimeoutError.

        A server that says in plain text that it is too busy has greeted, and told nothing of its TLS.
        """
        began, line = time.monotonic(), self.channel
        before = line.sent, line.received
        try:
            self.tls = await line.start_tls(self.host, self.timeout)
        finally:
            cost = line.sent - before[0], line.received - before[1]
            busy = line.refusal.decode("utf-8", "backslashreplace").splitlines()[:1]
            self._note("greeting" if busy else "tls", "", [text[:1000] for text in busy], began, cost)

    async def ask(self, phase: str, line: str, shown: str = "") -> list[str]:
        """Send a command and read its reply; `shown` stands in the transcript where the command is secret."""
        data = f"{line}\r\n".encode("utf-8", "replace")
        await self.channel.write(data, self.timeout)
        # The length of a password is part of the secret.
        return await self._read(phase, shown or line, self.timeout, None if REMOVED in shown else len(data))

    async def _read(self, phase: str, sent: str, timeout: float, size: int | None = 0) -> list[str]:
        began, before = time.monotonic(), self.bytes
        lines: list[str] = []
        try:
            while not self._complete(phase, lines):
                raw = await self.channel.line(MAX_LINE, timeout)
                self.bytes += len(raw)
                if len(raw) >= MAX_LINE or self.bytes > MAX_BYTES or len(lines) >= MAX_LINES:
                    raise Flood(f"the server sent more than a reply may hold in phase {phase}")
                lines.append(raw.rstrip(b"\r\n").decode("utf-8", "backslashreplace")[:1000])
        finally:
            self._note(phase, sent, lines, began, (size, self.bytes - before))
        return lines

    def _complete(self, phase: str, lines: list[str]) -> bool:
        if not lines:
            return False
        if self.protocol == "smtp":
            # A line that is no reply ends the reading too: there is nothing to wait for.
            return lines[-1][3:4] != "-" or not _SMTP_LINE.match(lines[-1])
        if self.protocol == "imap":
            # A fetched header is a literal: its lines are no responses, so only the tagged one ends it.
            if phase == "fetch":
                return bool(_IMAP_END.match(lines[-1]))
            return phase == "greeting" or not lines[-1].startswith("* ")
        if self.protocol == "sieve":
            return bool(_SIEVE_END.match(lines[-1]))
        many = phase.startswith(("capabilities", "retrieve")) and lines[0].startswith("+OK")
        return not many or lines[-1] == "."

    def _note(self, phase: str, sent: str, reply: list[str], began: float, size: tuple[int | None, int]) -> None:
        """`size` are the bytes sent (None: not told) and received; within TLS those inside it."""
        ms = round((time.monotonic() - began) * 1000, 1)
        counts = {name: n for name, n in zip(("bytes_out", "bytes_in"), size, strict=True) if n is not None}
        self.steps.append({"phase": phase, "sent": sent, "reply": reply, "ms": ms, **counts})


class Flood(Exception):
    """The server sent more than we read."""


def keywords(protocol: str, reply: tuple[str, ...]) -> tuple[str, ...] | None:
    """The capabilities of a reply to EHLO, CAPABILITY or CAPA, one a member; None where the reply holds no answer.

    A server that does not know the command has none: that is an answer too (RFC 5321 section 4.1.4, 1939 section 3).
    """
    if not reply:
        return None
    match protocol:
        case "smtp":
            if reply[-1][:3] in ("500", "502"):
                return ()
            fine = reply[-1][:4] in ("250 ", "250")
            return tuple(x[4:].strip() for x in reply[1:] if x[:3] == "250") if fine else None
        case "imap":
            rows = [x.split()[2:] for x in reply if x.upper().startswith("* CAPABILITY ")]
            return tuple(rows[0]) if rows else None
        case "sieve":
            fine = reply[-1][:2].upper() == "OK"
            return tuple(x.replace('"', "").strip() for x in reply[:-1] if x[:1] == '"') if fine else None
        case _:
            if reply[0][:4] == "-ERR":
                return ()
            fine = reply[0][:3] == "+OK" and reply[-1] == "."
            return tuple(x.strip() for x in reply[1:-1]) if fine else None


def sasl(protocol: str, capabilities: tuple[str, ...]) -> tuple[str, ...]:
    """The sign-in mechanisms among capabilities, in upper case (RFC 4954 section 3, 9051 section 7.2.2, 5034)."""
    if protocol == "imap":
        return tuple(c[5:].upper() for c in capabilities if c.upper().startswith("AUTH="))
    word = "AUTH" if protocol == "smtp" else "SASL"
    # Some servers still write AUTH=PLAIN, for clients older than RFC 2554.
    split = [c.upper().replace("=", " ").split() for c in capabilities]
    return tuple(dict.fromkeys(m for words in split if words[:1] == [word] for m in words[1:]))
