"""A heading such as `The following addresses had permanent fatal errors`, and the addresses below it."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import re2

from smtplab import datafiles
from smtplab.bounces import vocabulary
from smtplab.bounces.dsn import Recipient
from smtplab.bounces.letter import ADDRESS, MAX_WORDS, REPLY, Letter, Recogniser, address

_ANY = re.compile(rf"(?<![\w@.+=/-])({ADDRESS})(?![\w@=])")
_BAR = re.compile(r"^[ \t]*-{2,}.{0,120}-{2,}[ \t]*$|^[ \t]*[-=*_#]{5,}[ \t]*$")
_EXPANDED = re.compile(r"^\s*\(?(?:expanded|generated) (?:from|by):? <?([^\s<>()]{3,320})>?\)?")
_REASON = re.compile(r"^\s*\(reason: (.{1,900}?)\)?$")
_MOST = 300
_AHEAD = 8
_NEAR = 6
_HEADINGS = 40
"""Headings of one report that are looked below; a hostile one has thousands."""


@cache
def headings() -> Any:
    """All headings of the table as one set."""
    made = re2.Set.SearchSet(vocabulary.options())
    for row in table()["heading"]:
        made.Add(row["text"])
    made.Compile()
    return made


@cache
def table() -> dict[str, list[dict[str, Any]]]:
    """bounce_formats.toml: headings, sentences and names of formats."""
    return datafiles.load("bounce_formats")


def read(letter: Letter, kind: str) -> list[Recipient]:
    """The addresses that stand below a heading, up to an empty line behind them or the next heading."""
    made: dict[str, Recipient] = {}
    lines = letter.lines
    named = [at for at, line in enumerate(lines) if "@" in line or _expanded(line)]
    left = _HEADINGS
    for at in sorted({above for below in named for above in range(max(below - _AHEAD, 0), below)}):
        if not left:
            break
        line = lines[at]
        if not 4 <= len(line) <= 400 or "@" in line or not headings().Match(line) or REPLY.search(line):
            continue
        left -= 1
        for recipient in _below(letter, kind, at):
            made.setdefault(recipient.address or "", recipient)
        if len(made) >= _MOST:
            break
    return list(made.values())


def _below(letter: Letter, kind: str, at: int) -> list[Recipient]:
    found: list[tuple[str, str | None, list[str]]] = []
    empty = 0
    lines = letter.lines
    for below, line in enumerate(lines[at + 1 : at + 1 + _MOST], 1):
        if not line.strip():
            empty += 1
            if empty > 1 and (found or empty > 3):
                break
            continue
        if found and _BAR.match(line):
            break
        expanded, named = _expanded(line), _addresses(line)
        source = address(expanded[1]) if expanded else None
        if source and found:
            found[-1] = (found[-1][0], source, found[-1][2])
        elif source:
            # What the alias leads to has no address, or is kept secret.
            found.append((source, None, []))
        elif named and not (found and (_explains(line, named, found[-1][0]) or _again(named, found[-1], empty))):
            if empty and found and found[-1][2] and _tells(line, named):
                break
            if _tells(line, named) and vocabulary.has(
                "away", line[: line.index(named[0][:8]) if named[0][:8] in line else 0].rstrip("<( ")
            ):
                continue
            found += [(n, None, [line.strip()] if _more(line) else []) for n in named]
        elif found:
            if empty and found[-1][2]:
                break
            found[-1][2].append(line.strip())
        elif empty and len(line.strip()) > 3 and below > _NEAR:
            break
        empty = 0
    return [
        Recipient(kind, a, original=original, diagnostic=_words(told) or None)
        for a, original, told in found
        if letter.names(a)
    ]


def _expanded(line: str) -> re.Match[str] | None:
    return _EXPANDED.match(line) if "anded" in line or "erated" in line else None


def _addresses(line: str) -> list[str]:
    if "@" not in line:
        return []
    return list(dict.fromkeys(a for raw in _ANY.findall(line) if (a := address(raw))))


def _explains(line: str, named: list[str], last: str) -> bool:
    """Whether a line with an address goes on about the recipient above it."""
    return _tells(line, named) and (bool(REPLY.search(line)) or line[:1] in " \t" or named == [last])


def _again(named: list[str], last: tuple[str, str | None, list[str]], empty: int) -> bool:
    """Whether a reply that was folded goes on with the address that it is about."""
    return not empty and bool(last[2]) and named == [last[0]]


def _tells(line: str, named: list[str]) -> bool:
    """Whether a line explains an address rather than names another."""
    return not line.strip().lstrip("<\"'[*- ").lower().startswith(named[0].lower()[:20])


def _more(line: str) -> bool:
    return len(line.strip()) > 8 and " " in line.strip()


def _words(told: list[str]) -> str:
    plain = [found[1] if (found := _REASON.match(t)) else t for t in told]
    return " ".join(" ".join(plain).split())[:MAX_WORDS]


RECOGNISER = Recogniser(
    "sections",
    "   ----- The following addresses had permanent fatal errors -----\n<lost@example.net>\n    (reason: 550 no)\n",
    read,
)
