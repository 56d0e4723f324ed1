"""A line that begins with an address, and what became of it: Postfix, qmail, Exim, Courier, Exchange."""

from __future__ import annotations

import re

from smtplab import mail
from smtplab.bounces.dsn import Recipient
from smtplab.bounces.letter import ADDRESS, MAX_WORDS, REPLY, Letter, Recogniser, address

_LEAD = re.compile(
    rf"^[ \t>*•|=-]{{0,10}}(?:\d{{1,3}}[.)] )?(?:(?:recipient|address|user|mailbox|e-?mail)(?: address)?(?:: ?| ))?"
    rf"(?:\[|<|\"|'|\(|smtp:|rfc822;[ ]?|mailto:|dda:smtp=){{0,3}}({ADDRESS})[>\"'\])]{{0,2}}(.{{0,600}})$",
    re.I,
)
_X400 = re.compile(r"(?i)\bdda:(?:smtp|rfc-?822)=([^;\s]{3,320});?(.{0,300})$")
_EXPANDED = re.compile(r"^\s*\(?(?:expanded|generated) (?:from|by):? <?([^\s<>()]{3,320})>?\)?")
_HOST = re.compile(r"(?i)\bhost (\S{1,255}?) ?\[")
_BEHIND = (":", "(", "-", "=", ".", "<", "[", ",", ";", "|", "*", "…")
_WORD = re.compile(
    r"(?i)\bon \w{3}, |was (not|un)|could not|cannot|can't|couldn't|does(n't| not)|is (not|un|over|full|dis|in)|"
    r"not |no |unknown|user|mailbox|error|fail|reject|refus|undeliver|delay|account|address|host|over|"
    r"quota|invalid|bounce|:|\d{3} "
)
_NEXT = 40


def read(letter: Letter, kind: str) -> list[Recipient]:
    """A recipient a line that begins with an address, with what follows up to an empty line or the next address."""
    named = {a for v in mail.headers(letter.message, "X-Failed-Recipients") for p in v.split(",") if (a := address(p))}
    made: dict[str, Recipient] = {}
    lines = letter.lines
    leads = [_lead(line) for line in lines]
    for at, found in enumerate(leads):
        if not found:
            continue
        plain, rest = found
        expanded, below = _EXPANDED.match(rest), at + 1
        if not expanded and not rest and below < len(lines) and (expanded := _EXPANDED.match(lines[below])):
            below += 1
        elif expanded:
            rest = rest[expanded.end() :].lstrip()
        if (named and plain not in named and not expanded) or (plain in made) or not letter.may_fail(plain):
            continue
        if rest and not rest.startswith(_BEHIND) and not _WORD.match(rest):
            continue
        words = _words(plain, rest, lines, leads, at, below)
        if not words:
            continue
        host = _HOST.search(words)
        made[plain] = Recipient(
            kind,
            plain,
            original=address(expanded[1]) if expanded else None,
            diagnostic=words,
            remote_mta=host[1] if host else None,
        )
    return list(made.values())


def _lead(line: str) -> tuple[str, str] | None:
    found = (_LEAD.match(line) or _X400.search(line)) if "@" in line else None
    plain = address(found[1]) if found else None
    return (plain, found[2].strip()) if found and plain else None


def _words(plain: str, rest: str, lines: list[str], leads: list[tuple[str, str] | None], at: int, below: int) -> str:
    """What follows an address, up to an empty line or a line that begins with another one."""
    shift = _indent(lines[at])
    tail: list[str] = []
    gap = False
    for at in range(below, min(below + _NEXT, len(lines))):
        line, other = lines[at].strip(), leads[at]
        if other and other[0] != plain and _indent(lines[at]) <= shift and not REPLY.search(line):
            break
        if not line:
            if tail or rest.strip(": "):
                break
            # One empty line may stand between an address and its reply.
            if gap:
                break
            gap = True
            continue
        tail.append(line)
    return " ".join(" ".join([rest.lstrip(": ").lstrip(), *tail]).split())[:MAX_WORDS]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


RECOGNISER = Recogniser(
    "paragraphs", "<lost@example.net>: host mx.example.net[192.0.2.1] said: 550 5.1.1 no such user\n", read
)
