"""What the lab's mailbox providers answer: a milter that refuses by the rules of replies.toml.

Postfix relays a milter's reply word for word, several lines long if need be, at MAIL, RCPT or the end of
the message, which is how large providers answer. Protocol: libmilter version 6 as Postfix speaks it.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import struct
import time
import tomllib
from dataclasses import dataclass, field
from re import Pattern

from smtplab.errors import LabError
from smtplab.lab.world import World

PORT = 8890
NEGOTIATE, MACRO, CONNECT, MAIL, RCPT, END, ABORT, QUIT, QUIT_NEW = b"O", b"D", b"C", b"M", b"R", b"E", b"A", b"Q", b"K"
CONTINUE, REPLY = b"c", b"y"
# SMFIP_NOHELO, NOBODY, NOHDRS, NOEOH, NOUNKNOWN, NODATA: the rules need the envelope alone.
SKIP = 0x02 | 0x10 | 0x20 | 0x40 | 0x100 | 0x200
MAX_PACKET = 1 << 20


@dataclass(frozen=True)
class Rule:
    """One `[[reply]]` of replies.toml."""

    provider: str
    stage: str
    text: str
    client: Pattern[str]
    sender: Pattern[str]
    recipient: Pattern[str]
    once: float


@dataclass
class Envelope:
    """What one SMTP session has said so far."""

    provider: str = ""
    client: str = ""
    sender: str = ""
    recipients: list[str] = field(default_factory=list)


def rules(world: World) -> list[Rule]:
    """The rules that stand in this run; raises `LabError` when the file is damaged."""
    try:
        data = tomllib.loads(world.read("replies.toml"))["reply"]
        return [
            Rule(
                provider=one["provider"],
                stage=one["stage"],
                text=one["text"].strip(),
                client=re.compile(one.get("client", "")),
                sender=re.compile(one.get("sender", ""), re.IGNORECASE),
                recipient=re.compile(one.get("recipient", ""), re.IGNORECASE),
                once=float(one.get("once", 0.0)),
            )
            for one in data
            if one.get("fault") not in world.without
        ]
    except (tomllib.TOMLDecodeError, KeyError, re.error) as error:
        raise LabError(f"cannot be read: {error}", where=world.folder / "replies.toml") from error


class Refusals:
    """The milter server: `await start()`, then one session for each connection of Postfix."""

    def __init__(self, world: World) -> None:
        self.rules = rules(world)
        self.seen: dict[tuple[str, str, str], float] = {}

    async def start(self) -> asyncio.Server:
        """Listen for Postfix."""
        return await asyncio.start_server(self.session, "127.0.0.1", PORT)

    async def session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak the milter protocol until Postfix hangs up."""
        envelope = Envelope()
        try:
            while True:
                (length,) = struct.unpack(">I", await reader.readexactly(4))
                if not 0 < length <= MAX_PACKET:
                    break
                packet = await reader.readexactly(length)
                answer = self.step(packet[:1], packet[1:], envelope)
                if answer is not None:
                    writer.write(struct.pack(">I", len(answer)) + answer)
                    await writer.drain()
                if packet[:1] == QUIT:
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def step(self, command: bytes, data: bytes, envelope: Envelope) -> bytes | None:
        """The answer to one packet, None where the protocol wants none."""
        if command == NEGOTIATE:
            return NEGOTIATE + struct.pack(">III", 6, 0, SKIP)
        if command in (MACRO, QUIT, QUIT_NEW):
            words = data[1:].decode(errors="replace").split("\0")
            macros = dict(zip(words[::2], words[1::2], strict=False))
            envelope.provider = macros.get("{daemon_name}", envelope.provider)
            return None
        if command == ABORT:
            envelope.sender, envelope.recipients = "", []
            return None
        if command == CONNECT:
            envelope.client = data.split(b"\0")[1][3:].decode(errors="replace")
        elif command == MAIL:
            envelope.sender, envelope.recipients = _address(data), []
            return self.answer("mail", envelope, "")
        elif command == RCPT:
            recipient = _address(data)
            answer = self.answer("rcpt", envelope, recipient)
            if answer == CONTINUE:
                envelope.recipients.append(recipient)
            return answer
        elif command == END:
            refusals = [self.answer("data", envelope, recipient) for recipient in envelope.recipients]
            return next((one for one in refusals if one != CONTINUE), CONTINUE)
        return CONTINUE

    def answer(self, stage: str, envelope: Envelope, recipient: str) -> bytes:
        """The first rule that fits, as a packet."""
        for rule in self.rules:
            if (
                rule.provider == envelope.provider
                and rule.stage == stage
                and rule.client.search(envelope.client)
                and rule.sender.search(envelope.sender)
                and rule.recipient.search(recipient)
                and not self._passed(rule, envelope, recipient)
            ):
                return REPLY + _text(rule, envelope, recipient).encode() + b"\0"
        return CONTINUE

    def _passed(self, rule: Rule, envelope: Envelope, recipient: str) -> bool:
        """Whether a greylisted triple has waited long enough."""
        if not rule.once:
            return False
        key = (envelope.client, envelope.sender, recipient)
        first = self.seen.setdefault(key, time.monotonic())
        return time.monotonic() - first >= rule.once


def _address(data: bytes) -> str:
    return data.split(b"\0")[0].decode(errors="replace").strip("<>")


def _text(rule: Rule, envelope: Envelope, recipient: str) -> str:
    token = hashlib.sha256(f"{envelope.client} {envelope.sender} {recipient} {time.time_ns()}".encode()).hexdigest()
    filled = rule.text.format(
        client=envelope.client,
        sender=envelope.sender,
        sender_domain=envelope.sender.rpartition("@")[2],
        recipient=recipient,
        token=token[:12],
    )
    return filled.replace("\n", "\r\n")
