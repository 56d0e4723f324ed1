"""The last resort: which of the addresses in a report is the one that failed, by the words around each."""

from __future__ import annotations

import re

from smtplab.bounces import vocabulary
from smtplab.bounces.dsn import Recipient
from smtplab.bounces.letter import ADDRESS, MAX_WORDS, REPLY, Letter, Recogniser, address

_ANY = re.compile(rf"(?<![\w@.+=/%-])<?({ADDRESS})(?![\w@=])")
_MACHINE = re.compile(r"(?i)^(?:[0-9a-f.$-]{18,}|\d{6,}\.[^@]*|.*[$%].*)@")
_NEAR = 3
ENOUGH = 3


def read(letter: Letter, kind: str) -> list[Recipient]:
    """The addresses with the best score, if any scores at all."""
    scores: dict[str, int] = {}
    where: dict[str, int] = {}
    lines = letter.lines[:400]
    for at, line in enumerate(lines):
        if "@" not in line:
            continue
        for found in list(_ANY.finditer(line))[:20]:
            plain = address(found[1])
            if not plain or not letter.names(plain):
                continue
            score = _score(lines, at, found)
            if plain not in scores or score > scores[plain]:
                scores[plain], where[plain] = score, at
    best = max(scores.values(), default=-1)
    # One that could be it alone needs no words around it, which may be in a language or charset that nobody told.
    enough = 1 if sum(s > 0 for s in scores.values()) == 1 else ENOUGH
    chosen = [a for a, s in scores.items() if s == best >= enough][:20]
    return [Recipient(kind, a, diagnostic=_words(letter, where[a])) for a in chosen]


def _score(lines: list[str], at: int, found: re.Match[str]) -> int:
    line = lines[at]
    before, behind = line[: found.start(1)], line[found.end() :]
    near = " ".join(lines[max(0, at - _NEAR) : at + 1 + _NEAR])
    alone = not before.strip(" \t<>*\"'-•[(") and not behind.strip(" \t<>*\"'-•.,:;])")
    score = 2 * alone + vocabulary.has("failed", line) + vocabulary.has("failed", near) + bool(REPLY.search(near))
    lead = before if before.strip(" <\"'") else " ".join(lines[max(0, at - 2) : at])
    score += 2 * bool(lead and vocabulary.has("towards", lead.rstrip("<\"'[( ") + " "))
    score -= 4 * vocabulary.has("away", lead.rstrip("<\"'[( ")) + 4 * bool(_MACHINE.match(found[1]))
    # Early words tell of the failure, late ones of the company.
    return score + (at < 15)


def _words(letter: Letter, at: int) -> str | None:
    """What a report says besides: the lines with a reply if there are any, else all."""
    near = [line.strip() for line in letter.lines[max(0, at - 1) : at + 15] if line.strip()]
    told = next((i for i, line in enumerate(near) if REPLY.search(line)), None)
    chosen = near[told:] if told is not None else [line.strip() for line in letter.lines]
    return " ".join(" ".join(chosen).split())[:MAX_WORDS] or None


RECOGNISER = Recogniser(
    "mentions", "Your message to lost@example.net was not delivered because the mailbox is full.\n", read
)
