"""A conversation in SMTP, IMAP or POP3, as a typed and timed transcript through the tape.

RFC 5321, 3207 (STARTTLS), 8314 (implicit TLS), 9051, 1939 and 2449. The client never talks before the greeting,
sends no credentials, and survives what a hostile server sends: endless lines, silence, garbage.
"""

from __future__ import annotations

import asyncio
import base64
import re
import time
from dataclasses import dataclass
from typing import Any

from OpenSSL import SSL

from smtplab.net import Network, Unknown
from smtplab.net.starttls import Channel

MAX_LINE = 8_192
MAX_LINES = 200
MAX_BYTES = 262_144
CLIENT = "probe.smtplab.invalid"
_SMTP_LINE = re.compile(rb"^[2-5]\d\d(?:[ -]|$)")

PORTS = {
    # port: (protocol, implicit TLS, what the port is for)
    25: ("smtp", False, "relay"),
    587: ("smtp", False, "submission"),
    465: ("smtp", True, "submission"),
    143: ("imap", False, "imap"),
    993: ("imap", True, "imap"),
    110: ("pop3", False, "pop3"),
    995: ("pop3", True, "pop3"),
}


@dataclass(frozen=True)
class Step:
    """One exchange: `phase` (connect, greeting, ehlo, starttls, tls, ehlo-tls, capability, quit), reply, time."""

    phase: str
    sent: str
    reply: tuple[str, ...]
    ms: float


@dataclass(frozen=True)
class TlsFacts:
    """A completed handshake: version, cipher, key-exchange group and the chain as DER, leaf first."""

    version: str
    cipher: str
    group: str
    chain: tuple[bytes, ...]


@dataclass(frozen=True)
class Transcript:
    """What was said. `why` is the reason of an unknown; an ended or refused session stands in `ended`."""

    host: str
    address: str
    port: int
    protocol: str
    implicit: bool
    steps: tuple[Step, ...] = ()
    tls: TlsFacts | None = None
    ended: str = ""
    why: str = ""

    @property
    def known(self) -> bool:
        """The server greeted us."""
        return any(s.phase == "greeting" and s.reply for s in self.steps)

    @property
    def throttled(self) -> bool:
        """The server was too busy for us (421): nothing else is known."""
        return any(s.reply and s.reply[0].startswith("421") for s in self.steps)

    def step(self, phase: str) -> Step | None:
        """The exchange of a phase, None if the session did not come that far."""
        return next((s for s in self.steps if s.phase == phase), None)

    def lines(self, phase: str) -> tuple[str, ...]:
        """The reply of a phase, () without one."""
        found = self.step(phase)
        return found.reply if found else ()

    def text(self) -> str:
        """The transcript for people, with C: and S: and milliseconds."""
        made = []
        for step in self.steps:
            if step.sent:
                made.append(f"C: {step.sent}")
            made += [f"S: {line}" for line in step.reply]
            if step.phase == "tls" and self.tls:
                made.append(f"-- {self.tls.version}, {self.tls.cipher}, {self.tls.group or 'group unknown'}")
        if self.ended:
            made.append(f"-- {self.ended}")
        return "\n".join(made)


async def converse(network: Network, host: str, address: str, port: int) -> Transcript:
    """Greet, read the capabilities before and after TLS, and leave; never raises for what the server does."""
    protocol, implicit, _ = PORTS[port]
    target = f"{address}:{port}" if ":" not in address else f"[{address}]:{port}"

    async def perform() -> dict[str, Any]:
        async with network.slot(address, port):
            return await _Talk(network, host, address, port).run()

    entry = await network.ask("session", target, {"protocol": protocol, "name": host}, perform)
    blank = Transcript(host, address, port, protocol, implicit, why=entry.unknown or "")
    if entry.value is None:
        return blank
    return _transcript(blank, entry.value)


def _transcript(blank: Transcript, value: dict[str, Any]) -> Transcript:
    steps = tuple(
        Step(str(s["phase"]), str(s["sent"]), tuple(map(str, s["reply"])), float(s["ms"])) for s in value["steps"]
    )
    raw = value.get("tls")
    tls = None
    if raw:
        chain = tuple(base64.b64decode(c) for c in raw["chain"])
        tls = TlsFacts(str(raw["version"]), str(raw["cipher"]), str(raw["group"]), chain)
    return Transcript(
        blank.host, blank.address, blank.port, blank.protocol, blank.implicit, steps, tls, str(value.get("ended", ""))
    )


class _Talk:
    """One session: sends a line, reads a reply, notes both with their time."""

    def __init__(self, network: Network, host: str, address: str, port: int) -> None:
        self.network, self.host, self.address, self.port = network, host, address, port
        self.protocol, self.implicit, _ = PORTS[port]
        self.steps: list[dict[str, Any]] = []
        self.tls: dict[str, Any] | None = None
        self.ended = ""
        self.bytes = 0
        self.channel: Channel

    async def run(self) -> dict[str, Any]:
        began = time.monotonic()
        try:
            self.channel = await Channel.connect(self.address, self.port, self.network.settings.timeout)
        except TimeoutError as e:
            raise Unknown("timeout") from e
        except ConnectionRefusedError:
            # A closed port is an answer.
            return {"steps": [], "ended": "connection refused"}
        self._note("connect", "", [], began)
        try:
            await self._session()
        except TimeoutError:
            self.ended = "the server fell silent"
        except (EOFError, ConnectionError) as e:
            self.ended = "the server closed the connection" if isinstance(e, EOFError) else f"{type(e).__name__}"
        except _Flood as e:
            self.ended = str(e)
        except SSL.Error as e:
            self.ended = f"TLS handshake failed: {_reason(e)}"
        finally:
            self.channel.close()
        return {"steps": self.steps, "tls": self.tls, "ended": self.ended}

    async def _session(self) -> None:
        if self.implicit:
            await self._handshake()
        greeting = await self._read("greeting", "")
        if not greeting or not self._positive(greeting[-1]):
            return
        await self._ask("ehlo", self._hello())
        if self.implicit:
            await self._ask("quit", self._bye())
            return
        offer, begin = {
            "smtp": ("STARTTLS", "STARTTLS"),
            "imap": ("STARTTLS", "a2 STARTTLS"),
            "pop3": ("STLS", "STLS"),
        }[self.protocol]
        if any(offer in line.upper().replace("-", " ").split() for line in self.steps[-1]["reply"]):
            reply = await self._ask("starttls", begin)
            if reply and self._positive(reply[-1]):
                await self._handshake()
                await self._ask("ehlo-tls", self._hello())
        await self._ask("quit", self._bye())

    def _hello(self) -> str:
        return {"smtp": f"EHLO {CLIENT}", "imap": "a1 CAPABILITY", "pop3": "CAPA"}[self.protocol]

    def _bye(self) -> str:
        return {"smtp": "QUIT", "imap": "a9 LOGOUT", "pop3": "QUIT"}[self.protocol]

    def _positive(self, line: str) -> bool:
        if self.protocol == "smtp":
            return line[:1] == "2"
        return " OK" in f" {line[:12].upper()}" or line.startswith("+OK")

    async def _handshake(self) -> None:
        began = time.monotonic()
        self.tls = await self.channel.start_tls(self.host, self.network.settings.timeout)
        self._note("tls", "", [], began)

    async def _ask(self, phase: str, line: str) -> list[str]:
        await self.channel.write(f"{line}\r\n".encode("ascii", "replace"), self.network.settings.timeout)
        return await self._read(phase, line)

    async def _read(self, phase: str, sent: str) -> list[str]:
        began = time.monotonic()
        lines: list[str] = []
        try:
            while not self._complete(phase, lines):
                raw = await self.channel.line(MAX_LINE, self.network.settings.timeout)
                self.bytes += len(raw)
                if len(raw) >= MAX_LINE or self.bytes > MAX_BYTES or len(lines) >= MAX_LINES:
                    raise _Flood(f"the server sent more than a reply may hold in phase {phase}")
                lines.append(raw.rstrip(b"\r\n").decode("utf-8", "backslashreplace")[:1000])
        finally:
            self._note(phase, sent, lines, began)
        return lines

    def _complete(self, phase: str, lines: list[str]) -> bool:
        if not lines:
            return False
        last = lines[-1]
        if self.protocol == "smtp":
            # A line that is no reply ends the reading too: there is nothing to wait for.
            return last[3:4] != "-" or not _SMTP_LINE.match(last.encode("utf-8", "replace"))
        if self.protocol == "imap":
            return phase == "greeting" or last.startswith("a")
        many = phase.startswith("ehlo") and lines[0].startswith("+OK")
        return not many or last == "."

    def _note(self, phase: str, sent: str, reply: list[str], began: float) -> None:
        ms = round((time.monotonic() - began) * 1000, 1)
        self.steps.append({"phase": phase, "sent": sent, "reply": list(reply), "ms": ms})


class _Flood(Exception):
    """The server sent more than we read."""


def _reason(error: SSL.Error) -> str:
    parts = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return "; ".join(str(p[-1]) for p in parts)[:200] or type(error).__name__


async def gather_sessions(network: Network, asked: list[tuple[str, str, int]]) -> list[Transcript]:
    """Several sessions, hosts side by side and the ports of one host one after the other."""
    by_host: dict[str, list[tuple[str, str, int]]] = {}
    for item in asked:
        by_host.setdefault(item[1], []).append(item)

    async def one_host(items: list[tuple[str, str, int]]) -> list[Transcript]:
        return [await converse(network, *item) for item in items]

    groups = await asyncio.gather(*(one_host(items) for items in by_host.values()))
    return [t for group in groups for t in group]
