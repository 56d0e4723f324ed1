"""A conversation in SMTP, IMAP, POP3 or ManageSieve, as a typed and timed transcript through the tape.

RFC 5321, 3207 (STARTTLS), 8314 (implicit TLS), 9051, 1939, 2449 and 5804. The client never talks before the
greeting, sends no credentials that it was not given, and survives what a hostile server sends: endless lines,
silence, garbage.
"""

from __future__ import annotations

import asyncio
import base64
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from smtplab.net import Network
from smtplab.net.channel import Channel
from smtplab.net.errand import NO_ERRAND, Errand
from smtplab.net.talk import PORTS, Talk, keywords

__all__ = [
    "PORTS", "EnhancedCode", "Errand", "Step", "TlsFacts", "Transcript", "converse", "endpoint", "gather_sessions",
    "knock", "like_port",
]  # fmt: skip
_ENHANCED = re.compile(r"^[245]\d\d[ -]([245])\.(\d{1,3})\.(\d{1,3})(?= |$)", re.ASCII)
_RESPONSE = re.compile(r"(?:OK|NO|BAD|BYE|-ERR) [\[(]([A-Z][A-Z0-9/_-]{0,40})", re.IGNORECASE)


class EnhancedCode(NamedTuple):
    """RFC 3463: class (2, 4 or 5), subject and detail."""

    status: int
    subject: int
    detail: int

    def __str__(self) -> str:
        return f"{self.status}.{self.subject}.{self.detail}"


@dataclass(frozen=True)
class Step:
    """One exchange, with the milliseconds it took.

    `phase` is connect, greeting, capabilities, starttls, tls, capabilities-tls, auth, mail, rcpt, reset or quit;
    `sent` the command ("" where only the server speaks); `reply` its lines without line endings, cut at 1,000
    characters. `bytes_out` and `bytes_in` count what was sent and received, within TLS what is inside it, in the phase
    tls the handshake itself; None where a recording does not tell, or a count would give a password away.
    """

    phase: str
    sent: str
    reply: tuple[str, ...]
    ms: float
    bytes_out: int | None = None
    bytes_in: int | None = None

    @classmethod
    def parse(cls, raw: dict[str, Any]) -> Step:
        """From the tape."""
        reply = tuple(map(str, raw["reply"]))
        return cls(raw["phase"], raw["sent"], reply, float(raw["ms"]), raw.get("bytes_out"), raw.get("bytes_in"))

    @property
    def code(self) -> int | None:
        """The SMTP code of the reply; None where there is none."""
        head = self.reply[-1][:3] if self.reply else ""
        return int(head) if head.isascii() and head.isdigit() else None

    @property
    def enhanced(self) -> EnhancedCode | None:
        """The enhanced status code of the reply (RFC 2034)."""
        found = _ENHANCED.match(self.reply[-1]) if self.reply else None
        return EnhancedCode(*map(int, found.groups())) if found else None

    @property
    def response_code(self) -> str:
        """The machine-readable reason of IMAP (RFC 5530), POP3 (2449, 3206) or ManageSieve (5804), "" without one."""
        found = _RESPONSE.search(self.reply[-1]) if self.reply else None
        return found[1].upper() if found else ""


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
    def service(self) -> str:
        """What the port is for: relay, submission, imap, pop3 or sieve; on other ports the protocol."""
        known = PORTS.get(self.port)
        return known[2] if known and known[0] == self.protocol else self.protocol

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


def like_port(protocol: str, implicit: bool = False) -> int:
    """The well-known port of a protocol, with TLS from the first byte or without; raises KeyError for none."""
    return {(p, i): port for port, (p, i, _) in reversed(PORTS.items())}[protocol, implicit]


async def converse(
    network: Network, host: str, address: str, port: int, like: int | None = None, errand: Errand = NO_ERRAND
) -> Transcript:
    """Greet, read the capabilities before and after TLS, do the errand, and leave.

    Never raises for what the server does. `like` is the well-known port whose protocol is spoken, for services on
    other ports.
    """
    protocol, implicit, _ = PORTS[like or port]

    async def perform() -> dict[str, Any]:
        async with network.slot(address, port):
            return await Talk(host, address, port, network.settings.timeout, like, errand).session()

    params = {"protocol": f"{protocol}{'s' * implicit}", "name": host, **errand.params()}
    entry = await network.ask("session", endpoint(address, port), params, perform)
    if entry.value is None:
        return Transcript(host, address, port, protocol, implicit, why=entry.unknown or "")
    value = entry.value
    steps = tuple(map(Step.parse, value["steps"]))
    tls = TlsFacts.parse(value["tls"]) if value.get("tls") else None
    return Transcript(host, address, port, protocol, implicit, steps, tls, str(value.get("ended", "")))


async def knock(network: Network, address: str, port: int) -> str:
    """Whether a port takes connections: "open", "refused", or "unknown (REASON)"; nothing is said on it."""

    async def perform() -> dict[str, Any]:
        async with network.slot(address, port):
            try:
                channel = await Channel.connect(address, port, network.settings.timeout)
            except ConnectionRefusedError:
                return {"state": "refused"}
            channel.close()
            return {"state": "open"}

    entry = await network.ask("port", endpoint(address, port), {}, perform)
    return str(entry.value["state"]) if entry.value else f"unknown ({entry.unknown})"


async def gather_sessions(network: Network, asked: list[tuple[str, str, int]]) -> list[Transcript]:
    """Sessions with (host, address, port): addresses side by side, the ports of one address one after the other."""
    by_address: dict[str, list[tuple[str, str, int]]] = {}
    for item in asked:
        by_address.setdefault(item[1], []).append(item)

    async def one(items: list[tuple[str, str, int]]) -> list[Transcript]:
        return [await converse(network, *item) for item in items]

    groups = await asyncio.gather(*(one(items) for items in by_address.values()))
    return [t for group in groups for t in group]
