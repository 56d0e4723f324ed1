"""A conversation in SMTP, IMAP or POP3, as a typed and timed transcript through the tape.

RFC 5321, 3207 (STARTTLS), 8314 (implicit TLS), 9051, 1939 and 2449. The client never talks before the greeting,
sends no credentials, and survives what a hostile server sends: endless lines, silence, garbage.
"""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass
from typing import Any

from smtplab.net import Network
from smtplab.net.talk import PORTS, Talk, keywords

__all__ = ["PORTS", "Step", "TlsFacts", "Transcript", "converse", "endpoint", "gather_sessions"]


@dataclass(frozen=True)
class Step:
    """One exchange, with the milliseconds it took.

    `phase` is connect, greeting, capabilities, starttls, tls, capabilities-tls or quit; `sent` the command ("" where
    only the server speaks); `reply` its lines without line endings, cut at 1,000 characters.
    """

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

    @classmethod
    def parse(cls, raw: dict[str, Any]) -> TlsFacts:
        """From the tape."""
        chain = tuple(base64.b64decode(c) for c in raw["chain"])
        return cls(str(raw["version"]), str(raw["cipher"]), str(raw["group"]), chain)


@dataclass(frozen=True)
class Transcript:
    """What was said. `why` is the reason of an unknown; `ended` tells how a session ended that did not end well."""

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
    def greeted(self) -> bool:
        """The server welcomed us."""
        return any(s.phase == "greeting" and s.reply for s in self.steps) and not self.throttled

    @property
    def throttled(self) -> bool:
        """The server was too busy for us (SMTP 421): nothing else is known."""
        return self.protocol == "smtp" and any(s.reply and s.reply[-1].startswith("421") for s in self.steps)

    @property
    def refused(self) -> bool:
        """The port is closed, for sure."""
        return self.ended == "connection refused"

    def step(self, phase: str) -> Step | None:
        """The exchange of a phase, None if the session did not come that far."""
        return next((s for s in self.steps if s.phase == phase), None)

    def lines(self, phase: str) -> tuple[str, ...]:
        """The reply of a phase, () without one."""
        found = self.step(phase)
        return found.reply if found else ()

    def capabilities(self, phase: str) -> tuple[str, ...] | None:
        """What the server announced in a phase; None where it did not say, () where it said that it has nothing."""
        return keywords(self.protocol, self.lines(phase))

    def text(self) -> str:
        """The transcript for people: C:, S:, and the milliseconds until the reply was complete."""
        made = []
        for step in self.steps:
            if step.phase == "connect":
                made.append(f"-- connected to {self.address} port {self.port} [{step.ms:.0f} ms]")
            if step.phase == "tls" and self.tls:
                facts = f"{self.tls.version}, {self.tls.cipher}, {self.tls.group or 'group unknown'}"
                made.append(f"-- {facts} [{step.ms:.0f} ms]")
            if step.sent:
                made.append(f"C: {step.sent}")
            made += [f"S: {line}" for line in step.reply]
            if step.reply:
                made[-1] += f" [{step.ms:.0f} ms]"
        if self.ended or self.why:
            made.append(f"-- {self.ended or self.why}")
        return "\n".join(made)


def endpoint(address: str, port: int) -> str:
    """The target of a question: ADDRESS:PORT, an IPv6 address in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


async def converse(network: Network, host: str, address: str, port: int, like: int | None = None) -> Transcript:
    """Greet, read the capabilities before and after TLS, and leave; never raises for what the server does.

    `like` is the well-known port whose protocol is spoken, for services on other ports.
    """
    protocol, implicit, _ = PORTS[like or port]

    async def perform() -> dict[str, Any]:
        async with network.slot(address, port):
            return await Talk(host, address, port, network.settings.timeout, like).session()

    params = {"protocol": f"{protocol}{'s' * implicit}", "name": host}
    entry = await network.ask("session", endpoint(address, port), params, perform)
    if entry.value is None:
        return Transcript(host, address, port, protocol, implicit, why=entry.unknown or "")
    value = entry.value
    steps = tuple(
        Step(str(s["phase"]), str(s["sent"]), tuple(map(str, s["reply"])), float(s["ms"])) for s in value["steps"]
    )
    tls = TlsFacts.parse(value["tls"]) if value.get("tls") else None
    return Transcript(host, address, port, protocol, implicit, steps, tls, str(value.get("ended", "")))


async def gather_sessions(network: Network, asked: list[tuple[str, str, int]]) -> list[Transcript]:
    """Sessions with (host, address, port): addresses side by side, the ports of one address one after the other."""
    by_address: dict[str, list[tuple[str, str, int]]] = {}
    for item in asked:
        by_address.setdefault(item[1], []).append(item)

    async def one(items: list[tuple[str, str, int]]) -> list[Transcript]:
        return [await converse(network, *item) for item in items]

    groups = await asyncio.gather(*(one(items) for items in by_address.values()))
    return [t for group in groups for t in group]
