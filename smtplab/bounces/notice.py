"""The words of a report that a person reads, apart from the copy of the message below them (RFC 3462 section 2)."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import re2

from smtplab.bounces.message import EMBEDDED, MAX_TEXT, Part, as_text

MAX_LINES = 2_000
MAX_ANNOUNCED = 50
"""Lines that announce a copy of which so many are looked at."""
_ROOM = re2.Options()
_ROOM.max_mem = 64 << 20  # With less it forgets what it knows of the pattern, and learns it again in each text.
_COPY = re2.compile(
    r"(?im)^[ \t>]{0,6}(?:"
    r"[-=*._~]{2,}[^\n]{0,50}(?:message|mail|header|body|text|copy|nachricht|kopie|mensaje|messaggio|"
    r"copie|сообщен|bericht|原|元の|メール|邮件)[^\n]{0,70}"
    r"|[^\n]{0,60}\b(?:cop(?:y|ie|ia)|originale?|headers?|returned (?:message|mail|e-?mail)|unsent|undelivered|"
    r"rejected|bounced|"
    r"text of|body of|ursprüngliche|kopie|d'origine|исходн)\b[^\n]{0,60}"
    r"(?:follows?|below|attached|enclosed|included|line|mail|message|folgt|nachricht|[:：])[ .]{0,3}"
    r"|[^\n]{0,40}(?:附件中的内容|原信件|送信メッセージ|元のメール|オリジナル)[^\n]{0,40})[ \t]*$",
    _ROOM,
)
"""A line that announces the copy; only what a header block follows is one."""
_MAYBE_COPY = re2.compile(re.sub(r"\{0,[4-7]0\}", "*", _COPY.pattern), _ROOM)
"""The same without its bounds: to count characters needs so many states that memory is the slowest part of it."""
_SURE = 40
"""Characters of a line within which the bounds do not matter."""
_HEADER_LINE = re.compile(
    r"\n[ \t>|]{0,8}(?:Return-Path|Received|From|Date|Message-ID|DKIM-Signature|Subject|To|MIME-Version|Content-Type|"
    r"X-[A-Za-z-]{1,40}|Delivered-To|Reply-To|Sender|ARC-Seal|ARC-Message-Signature)[ \t]*:",
    re.I,
)
"""With the end of the line before: a letter to look for is found ten times as fast as a place."""
_BLOCK = re.compile(r"\n[ \t>|]{0,8}(?:Received|Return-Path|DKIM-Signature)[ \t]*: ", re.I)
_GAP = re.compile(r"(?:\n(?![245]\d\d)[ \t>|]*+[^\n:@]{0,120}+:?+){1,5}?\n(?=[ \t>|]{0,8}[A-Za-z-]{2,40}[ \t]*:)")
"""Nothing in a line can be read in two ways, or five lines of quotation marks would take a day."""
_SIGNS = ("Subject:", "SUBJECT:", "subject:", "Received:", "From:", "FROM:", "Return-Path:")
_LEAST = 3
"""Header lines near each other that make a block."""
_INLINE = ("b", "i", "u", "a", "span", "font", "strong", "em", "code", "tt", "small", "big", "sub", "sup", "wbr")
_HIDDEN = ("style", "script", "title")
_CLOSING = {name: re.compile(f"</{name}", re.A | re.I) for name in _HIDDEN}


def words(parts: Iterable[Part]) -> str:
    """The text of a report: its text parts before the returned message; HTML only where there is nothing plain."""
    plain: list[str] = []
    rich: list[Part] = []
    size = 0
    for part in parts:
        if part.kind in EMBEDDED and part.depth:
            # Some gateways put their words behind the message.
            continue
        if part.kind == "text/plain" or (part.kind.startswith("text/x-") and not plain):
            text = part.text
            if plain and _is_copy(text):
                continue
            plain.append(text)
            size += len(text)
        elif part.kind == "text/html":
            rich.append(part)
        if size > MAX_TEXT:
            break
    told = "\n\n".join(plain)
    return told if told.strip() else next(filter(None, (strip(part.text) for part in rich)), "")


def preamble(message: Part) -> str:
    """What stands before the first part of a multipart, where broken senders put their words."""
    return as_text(message.preamble[:MAX_TEXT]) if message.kind.startswith("multipart/") else ""


def _is_copy(text: str) -> bool:
    head = f"\n{text.lstrip()[:2_000]}"
    return bool(_HEADER_LINE.match(head)) and _has_headers(head, 1, len(head), _LEAST)


def split(text: str) -> tuple[str, str]:
    """A notice's own words, and the copy of the message below them ("" without one)."""
    if not _has_one(text, _SIGNS):
        return text, ""
    for found in islice(_announcements(text), MAX_ANNOUNCED):
        # Some repeat a few headers in their own words.
        gap = None if "you sent with" in found[0] else _GAP.match(text, found.end())
        if gap and _has_headers(text, gap.end(), gap.end() + 3_000, _LEAST - 1):
            return text[: found.start()], _unindented(text[gap.end() :])
    # Without an announcement a header block that no report would write itself is the copy.
    text = f"\n{text}"
    for found in _BLOCK.finditer(text) if _has_one(text, _SIGNS[3:]) else ():
        start = found.start() + 1
        if _has_headers(text, start, start + 4_000, _LEAST):
            return text[1:start], _unindented(text[start:])
    return text[1:], ""


def _has_one(text: str, names: tuple[str, ...]) -> bool:
    for name in names:  # noqa: SIM110 - any() takes three times as long
        if name in text:
            return True
    return False


def _announcements(text: str) -> Iterator[Any]:
    for found in _MAYBE_COPY.finditer(text):
        line = found[0]
        if len(line) <= _SURE or _COPY.search(line):
            yield found


def _has_headers(text: str, start: int, end: int, least: int) -> bool:
    """Whether so many header lines stand in a stretch, which begins behind the end of a line."""
    found = _HEADER_LINE.finditer(text, start - 1, end)
    return next(islice(found, least - 1, None), None) is not None


def _unindented(copy: str) -> str:
    """A copy as a message, where its writer shifted or quoted every line."""
    lead = copy[: len(copy) - len(copy.lstrip(" \t>|"))]
    if not lead:
        return copy
    return "\n".join(line.removeprefix(lead) for line in copy.split("\n"))


def _end_of(name: str, text: str, start: int) -> int:
    """Where an element ends, the end of the text where it does not."""
    found = _CLOSING[name].search(text, start)
    return found.start() if found else len(text)


def strip(text: str) -> str:
    """HTML as rough text: tags that break a line do, others vanish, and what no reader sees is left out."""
    made: list[str] = []
    closed: dict[str, int] = {}
    at = 0
    while (start := text.find("<", at)) >= 0:
        made.append(text[at:start])
        end = text.find(">", start)
        inner = text[start + 1 : end] if end >= 0 else text[start + 1 :]
        name = inner[:12].lstrip("/").split(" ", 1)[0].split("\n", 1)[0].rstrip("/").lower()
        at = end + 1 if end >= 0 else len(text)
        if "@" in inner and " " not in inner.strip() and len(inner) < 330:
            # An address in angle brackets is text that someone forgot to escape.
            made.append(f"<{inner}>")
        elif name in _HIDDEN and not inner.startswith("/"):
            # What closes nowhere is not looked for again.
            if (close := closed.get(name, 0)) < at:
                close = closed[name] = _end_of(name, text, at)
            at = close if close < len(text) else at
        elif name not in _INLINE:
            made.append("\n")
    made.append(text[at:])
    plain = html.unescape("".join(made)).replace("\xa0", " ")
    lines = (" ".join(line.split()) for line in plain.split("\n")[: MAX_LINES * 5])
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))
