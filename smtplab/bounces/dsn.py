"""Delivery status notifications, RFC 3464 and 6533: what a server says became of each recipient.

A notification has one block of fields about the message and one about each recipient; real servers leave out,
repeat and misplace them, so a block is known by its fields, not by its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from smtplab import mail
from smtplab.bounces.message import Part

KINDS = {"failed": "bounce", "delayed": "delay", "delivered": "success", "relayed": "success", "expanded": "success"}
TYPES = ("message/delivery-status", "message/global-delivery-status")
MAX_RECIPIENTS = 1_000
_MOST_FIELDS = 20_000
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
# What may not stand before comes after the digit: so the digit is looked for first, which is fast.
_REPLY = re.compile(r"([245](?<![^\s:;].)\d\d)(?=[ -]|$)", re.S)
_FIRST = re.compile(r"[^\s;(]*")
_FIELD = re.compile(r"([A-Za-z][\w-]{1,60})[ \t]*:[ \t]*(.*)")
_ABOUT_RECIPIENT = {"final-recipient", "original-recipient", "action", "status", "x-actual-recipient"}
_AGAIN = {"final-recipient", "original-recipient"}
_OWN = re.compile(r"x-.{1,40}-(queue-id|sender)$")
"""What a server of some make tells besides."""
_TYPED = re.compile(r"\s*([A-Za-z][\w-]{0,24})\s*;\s*(.*)", re.S)
_ESCAPED = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")


class Recipient(NamedTuple):
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


class Status(NamedTuple):
    """A delivery-status part: fields about the message, and its recipients."""

    recipients: tuple[Recipient, ...]
    reporting_mta: str | None = None
    queue_id: str | None = None
    sender: str | None = None
    arrival: str | None = None
    agent: str = "rfc3464"


def read(parts: list[Part]) -> Status | None:
    """The delivery status of a message's parts; None where there is none."""
    found = [p for p in parts if p.kind in TYPES]
    return status("\n\n".join(p.text for p in found)) if found else None


def status(text: str) -> Status | None:
    """The delivery status that a text of fields holds; None where it has none."""
    about: dict[str, str] = {}
    recipients = []
    for block in blocks(text):
        if _ABOUT_RECIPIENT & block.keys():
            recipients.append(_recipient(block))
        else:
            about |= {name: value for name, value in block.items() if name not in about}
    if not about and not recipients:
        return None
    own: dict[str, str] = {}
    for name in about:
        if name.startswith("x-") and (found := _OWN.match(name)):
            own.setdefault(found[1], about[name])
    return Status(
        tuple(_named(recipients))[:MAX_RECIPIENTS],
        typed(about.get("reporting-mta")),
        own.get("queue-id"),
        mail.address(typed(own.get("sender"))),
        about.get("arrival-date"),
        "postfix" if any(k.startswith("x-postfix-") for k in about) else "rfc3464",
    )


def _named(recipients: list[Recipient]) -> Iterable[Recipient]:
    """Once each; a block that names nobody counts only where it is all there is."""
    named = dict.fromkeys(r for r in recipients if r.address)
    return named or recipients[:1]


def blocks(text: str) -> Iterator[dict[str, str]]:
    """Fields by name in lower case, the first of each, by blocks that empty lines or a new recipient part."""
    block: dict[str, str] = {}
    last = ""
    for line in text.split("\n", _MOST_FIELDS)[:_MOST_FIELDS]:
        if found := _FIELD.match(line) if line else None:
            last = found[1].lower()
            # Some writers put no empty line between recipients.
            if last in block and last in _AGAIN:
                yield _decoded(block)
                block = {}
            block.setdefault(last, found[2])
        elif line[:1] in (" ", "\t") and last and line.strip():
            block[last] = f"{block[last]} {line.strip()}"[: mail.MAX_HEADER * 2]
        elif not line.strip() and block:
            yield _decoded(block)
            block, last = {}, ""
    if block:
        yield _decoded(block)


def _decoded(block: dict[str, str]) -> dict[str, str]:
    # An encoded word has no meaning within an address (RFC 2047 section 5).
    return {k: plain for k, v in block.items() if (plain := v.strip() if k.endswith("-recipient") else mail.decoded(v))}


def _recipient(block: dict[str, str]) -> Recipient:
    action = _FIRST.findall(block.get("action", "").lower().lstrip())[0] or None
    found = _STATUS.search(block.get("status", ""))
    status = found[1] if found else None
    diagnostic = typed(block.get("diagnostic-code"))
    final, original = address(block.get("final-recipient")), address(block.get("original-recipient"))
    if original and (typed(block.get("final-recipient")) or "").startswith("@"):
        # A source route leads to the name that the mailbox has inside.
        final = original
    return Recipient(
        kind=KINDS.get(action or "") or by_class(status, diagnostic),
        address=final or original or address(block.get("x-actual-recipient")),
        original=original,
        action=action if action in KINDS else None,
        status=status,
        diagnostic=diagnostic,
        remote_mta=typed(block.get("remote-mta")),
    )


def by_class(status: str | None, diagnostic: str | None) -> str:
    """A report without a known action: its status class says what it is about, else it is a failure."""
    digit = (status or next(iter(_REPLY.findall(diagnostic or "")), "5"))[0]
    return {"2": "success", "4": "delay"}.get(digit, "bounce")


def typed(value: str | None) -> str | None:
    """A value without its type: `smtp; 550 …`, `dns; mx.example`."""
    if not value:
        return None
    found = _TYPED.fullmatch(value)
    return (found[2] if found else value).strip() or None


def address(value: str | None) -> str | None:
    """The address of a recipient field: its type, brackets, source route and RFC 6533 escapes taken off."""
    plain = typed(value)
    if not plain:
        return None
    if "<" in plain:
        plain = plain.rpartition("<")[2].partition(">")[0]
    if "\\x{" in plain:
        plain = _ESCAPED.sub(lambda m: chr(min(int(m[1], 16), 0x10FFFF)), plain)
        plain = plain.encode("utf-8", "replace").decode("utf-8")
    if plain.startswith("@") and ":" in plain:
        plain = plain.partition(":")[2]
    return mail.address(plain)
