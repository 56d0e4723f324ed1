"""Delivery status notifications, RFC 3464: what a server says became of each recipient.

A notification has one block of fields about the message and one about each recipient; real servers leave out,
repeat and misplace them, so a block is known by its fields, not by its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message

from smtplab import mail

KINDS = {"failed": "bounce", "delayed": "delay", "delivered": "success", "relayed": "success", "expanded": "success"}
MAX_RECIPIENTS = 1_000
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_REPLY = re.compile(r"(?:^|[\s:;])([245]\d\d)(?=[ -]|$)")
_ABOUT_RECIPIENT = {"final-recipient", "original-recipient", "action", "status", "x-actual-recipient"}
_QUEUE_ID = re.compile(r"x-.{1,40}-queue-id$")
_SENDER = re.compile(r"x-.{1,40}-sender$")


@dataclass(frozen=True)
class Recipient:
    """What a report says of one recipient; `kind` is bounce, delay or success."""

    kind: str
    address: str | None = None
    original: str | None = None
    action: str | None = None
    status: str | None = None
    diagnostic: str | None = None
    remote_mta: str | None = None

    @property
    def smtp_code(self) -> int | None:
        """The reply code within the diagnostic."""
        found = _REPLY.search(self.diagnostic or "")
        return int(found[1]) if found else None


@dataclass(frozen=True)
class Status:
    """A delivery-status part: fields about the message, and its recipients."""

    recipients: tuple[Recipient, ...]
    reporting_mta: str | None = None
    queue_id: str | None = None
    sender: str | None = None
    arrival: str | None = None
    agent: str = "rfc3464"


def read(parts: list[Message]) -> Status | None:
    """The delivery status of a message's parts; None where there is none."""
    blocks = [b for p in parts if mail.kind(p) in _TYPES for b in _blocks(p)]
    if not blocks:
        return None
    about: dict[str, str] = {}
    recipients = []
    for block in blocks:
        if _ABOUT_RECIPIENT & block.keys():
            recipients.append(_recipient(block))
        else:
            about = {**block, **about}
    queue = next((v for k, v in about.items() if _QUEUE_ID.match(k)), None)
    sender = next((v for k, v in about.items() if _SENDER.match(k)), None)
    return Status(
        tuple(recipients[:MAX_RECIPIENTS]),
        _typed(about.get("reporting-mta")),
        queue,
        mail.address(_typed(sender)),
        about.get("arrival-date"),
        "postfix" if any(k.startswith("x-postfix-") for k in about) else "rfc3464",
    )


_TYPES = ("message/delivery-status", "message/global-delivery-status")


def _blocks(part: Message) -> Iterator[dict[str, str]]:
    payload = mail.payload(part)
    if isinstance(payload, list):
        for one in payload:
            if isinstance(one, Message) and (block := _fields(one)):
                yield block
        return
    for text in re.split(r"\n[ \t]*\n", mail.text(part)):
        if block := _fields(mail.parse(text.lstrip("\n").encode() + b"\n\n")):
            yield block


def _fields(message: Message) -> dict[str, str]:
    """Fields by name in lower case, the first of each; values unfolded and decoded."""
    found: dict[str, str] = {}
    for name, value in message.items()[:100]:
        if plain := mail.decoded(value):
            found.setdefault(name.lower(), plain)
    return found


def _recipient(block: dict[str, str]) -> Recipient:
    action = (re.split(r"[\s;(]", block.get("action", "").lower().lstrip(), maxsplit=1) or [""])[0] or None
    found = _STATUS.search(block.get("status", ""))
    status = found[1] if found else None
    diagnostic = _typed(block.get("diagnostic-code"))
    final, original = _address(block.get("final-recipient")), _address(block.get("original-recipient"))
    return Recipient(
        kind=KINDS.get(action or "") or _by_class(status, diagnostic),
        address=final or original or _address(block.get("x-actual-recipient")),
        original=original,
        action=action if action in KINDS else None,
        status=status,
        diagnostic=diagnostic,
        remote_mta=_typed(block.get("remote-mta")),
    )


def _by_class(status: str | None, diagnostic: str | None) -> str:
    """A report without a known action: its status class says what it is about, else it is a failure."""
    digit = (status or next(iter(_REPLY.findall(diagnostic or "")), "5"))[0]
    return {"2": "success", "4": "delay"}.get(digit, "bounce")


def _typed(value: str | None) -> str | None:
    """A value without its type: `smtp; 550 …`, `dns; mx.example`."""
    if not value:
        return None
    kind, semicolon, rest = value.partition(";")
    return (rest.strip() if semicolon and re.fullmatch(r"\s*[A-Za-z0-9-]{1,20}\s*", kind) else value.strip()) or None


def _address(value: str | None) -> str | None:
    plain = _typed(value)
    if plain and "<" in plain:
        plain = plain.rpartition("<")[2].partition(">")[0]
    return mail.address(plain)
