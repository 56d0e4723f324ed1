"""The client side of one SMTP, IMAP or POP3 session: a state machine over lines, bounded in size and time.

Replies end as their protocol says: RFC 5321 section 4.2.1 (a space after the code), 9051 section 2.2.1 (the
tagged line), 1939 section 3 (a lone dot). STARTTLS is asked for only where it is announced.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

from OpenSSL import SSL

from smtplab.net import Unknown
from smtplab.net.channel import Channel, reason

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
}
_HELLO = {"smtp": f"EHLO {CLIENT}", "imap": "a1 CAPABILITY", "pop3": "CAPA"}
_STARTTLS = {"smtp": "STARTTLS", "imap": "a2 STARTTLS", "pop3": "STLS"}
_BYE = {"smtp": "QUIT", "imap": "a9 LOGOUT", "pop3": "QUIT"}
_SMTP_LINE = re.compile(r"^[2-5]\d\d([ -]|$)")
_REPLY = {
    # What a well-formed first line of a reply looks like.
    "smtp": _SMTP_LINE,
    "imap": re.compile(r"^(\*|a\d) ", re.ASCII),
    "pop3": re.compile(r"^(\+OK|-ERR)( |$)"),
}


class Talk:
    """One session with a host: what was said, `tls` facts once there are some, and how it `ended` if not well.

    `like` is the well-known port whose protocol is spoken, for services on other ports.
    """

    def __init__(self, host: str, address: str, port: int, timeout: float, like: int | None = None) -> None:
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
        self._note("connect", "", [], began)
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
        if self.implicit:
            await self._handshake()
        if not await self.greet():
            return
        await self.capabilities("capabilities")
        if not self.implicit and await self.begin_tls():
            await self._handshake()
            await self.capabilities("capabilities-tls")
        await self._ask("quit", _BYE[self.protocol])

    async def greet(self) -> bool:
        """Read the greeting; False, and why in `ended`, where the server does not want us or is none of its kind."""
        last = (await self._read("greeting", "", self.timeout * PATIENCE))[-1]
        if not _REPLY[self.protocol].match(last):
            self.ended = f"the greeting is not {self.protocol.upper()}"
        elif not self._positive(last):
            self.ended = "the greeting is a refusal"
        return not self.ended

    async def capabilities(self, phase: str) -> None:
        """EHLO, CAPABILITY or CAPA."""
        await self._ask(phase, _HELLO[self.protocol])

    async def begin_tls(self) -> bool:
        """Ask for TLS where it is announced; True when the server is ready for the handshake."""
        offered = keywords(self.protocol, tuple(self.steps[-1]["reply"])) or ()
        if not any(c.upper() in ("STARTTLS", "STLS") for c in offered):
            return False
        reply = await self._ask("starttls", _STARTTLS[self.protocol])
        if not self._positive(reply[-1]):
            return False
        # Plain bytes behind the answer are an injection (RFC 3207 section 4.2): they are dropped, and told.
        if self.channel.buffer:
            self.steps[-1]["reply"].append("(and plain bytes behind it, which were dropped)")
        return True

    def _positive(self, line: str) -> bool:
        if self.protocol == "smtp":
            return line[:1] == "2"
        return line.upper().split(" ")[1:2] == ["OK"] if self.protocol == "imap" else line[:3] == "+OK"

    async def _handshake(self) -> None:
        began = time.monotonic()
        try:
            self.tls = await self.channel.start_tls(self.host, self.timeout)
        finally:
            self._note("tls", "", [], began)

    async def _ask(self, phase: str, line: str) -> list[str]:
        await self.channel.write(f"{line}\r\n".encode("ascii", "replace"), self.timeout)
        return await self._read(phase, line, self.timeout)

    async def _read(self, phase: str, sent: str, timeout: float) -> list[str]:
        began = time.monotonic()
        lines: list[str] = []
        try:
            while not self._complete(phase, lines):
                raw = await self.channel.line(MAX_LINE, timeout)
                self.bytes += len(raw)
                if len(raw) >= MAX_LINE or self.bytes > MAX_BYTES or len(lines) >= MAX_LINES:
                    raise Flood(f"the server sent more than a reply may hold in phase {phase}")
                lines.append(raw.rstrip(b"\r\n").decode("utf-8", "backslashreplace")[:1000])
        finally:
            self._note(phase, sent, lines, began)
        return lines

    def _complete(self, phase: str, lines: list[str]) -> bool:
        if not lines:
            return False
        if self.protocol == "smtp":
            # A line that is no reply ends the reading too: there is nothing to wait for.
            return lines[-1][3:4] != "-" or not _SMTP_LINE.match(lines[-1])
        if self.protocol == "imap":
            return phase == "greeting" or not lines[-1].startswith("* ")
        many = phase.startswith("capabilities") and lines[0].startswith("+OK")
        return not many or lines[-1] == "."

    def _note(self, phase: str, sent: str, reply: list[str], began: float) -> None:
        ms = round((time.monotonic() - began) * 1000, 1)
        self.steps.append({"phase": phase, "sent": sent, "reply": reply, "ms": ms})


class Flood(Exception):
    """The server sent more than we read."""


def keywords(protocol: str, reply: tuple[str, ...]) -> tuple[str, ...] | None:
    """The capabilities of a reply to EHLO, CAPABILITY or CAPA, one a member; None where the reply holds no answer.

    A server that does not know the command has none: that is an answer too (RFC 5321 section 4.1.4, 1939 section 3).
    """
    if not reply:
        return None
    if protocol == "smtp":
        if reply[-1][:3] in ("500", "502"):
            return ()
        return tuple(x[4:].strip() for x in reply[1:] if x[:3] == "250") if reply[-1][:4] in ("250 ", "250") else None
    if protocol == "imap":
        rows = [x.split()[2:] for x in reply if x.upper().startswith("* CAPABILITY ")]
        return tuple(rows[0]) if rows else None
    if reply[0][:4] == "-ERR":
        return ()
    return tuple(x.strip() for x in reply[1:-1]) if reply[0][:3] == "+OK" and reply[-1] == "." else None
