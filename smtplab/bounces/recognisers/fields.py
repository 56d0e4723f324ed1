"""Fields of a delivery status within plain text (RFC 3464 without MIME), and labels such as `Recipient: …`."""

from __future__ import annotations

import re

from smtplab.bounces import dsn
from smtplab.bounces.dsn import Recipient
from smtplab.bounces.letter import MAX_WORDS, Letter, Recogniser, address

_STATUS = re.compile(r"^(?:Reporting-MTA|Final-Recipient|Original-Recipient|Action)[ \t]*:", re.M | re.I)
_LABEL = re.compile(
    r"^[ \t*>•-]{0,10}(?:failed |final |intended |bad |target |invalid |unknown |original |the )?"
    r"(recipients?|recipient addresse?s?|e-?mail addresse?s?|mail addresse?s?|address|destination|"
    r"empfänger(?:adresse)?|destinataires?|destinatarios?|destinatario/i|получатель|unknown user|user unknown|"
    r"over quota|mailbox full|invalid (?:user|address|recipient)|宛先|受信者|送信先)(?: ?\([^)]{0,40}\))?"
    r"[ \t]{0,20}[:=：][ \t]*(\S.{0,700})$",
    re.I,
)

_ORIGINAL = re.compile(r"(?i)^\s*original")
_BELOW = 12


def read(letter: Letter, kind: str) -> list[Recipient]:
    """Recipients of a delivery status that lies in the text, else of labelled lines."""
    found = _STATUS.search(letter.words)
    if found and (status := dsn.status(letter.words[found.start() :])):
        named = [r for r in status.recipients if r.address]
        if named:
            return named
    return _labelled(letter, kind)


def _labelled(letter: Letter, kind: str) -> list[Recipient]:
    made: dict[str, Recipient] = {}
    lines = letter.lines
    labels = {at: found for at, line in enumerate(lines) if "@" in line and (found := _LABEL.match(line))}
    for at, label in labels.items():
        if _ORIGINAL.match(lines[at]):
            continue
        told: list[str] = []
        for below in range(at + 1, min(at + _BELOW, len(lines))):
            if below in labels and not _ORIGINAL.match(lines[below]):
                break
            told.append(lines[below].strip())
        for raw in re.split(r"[,;\s]+", label[2])[:50]:
            plain = address(raw) if "@" in raw else None
            if plain and letter.may_fail(plain):
                words = " ".join(" ".join([label[1] if " " in label[1] else "", label[2], *told]).split())[:MAX_WORDS]
                made.setdefault(plain, Recipient(kind, plain, diagnostic=words))
    return list(made.values())


RECOGNISER = Recogniser("fields", "Recipient: <lost@example.net>\nReason: 550 no such user\n", read)
