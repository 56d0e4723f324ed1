"""An SPF record with just one fault mended, as the line to publish (RFC 7208 section 12, RFC 1035 section 5.1)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

import spftrace
from spftrace.parser import MECHANISMS, parse

from smtplab.authentication.spf_record import MAX_TERM, pasted

SOFT = "~all"
"""The end to begin with: it says that others are no senders of yours, and costs no mail that was forgotten."""
_ALL = re.compile(r"[+\-~?]?all", re.IGNORECASE)
_END = re.compile(r"[+\-~?]?all|redirect=.*", re.IGNORECASE)
_MODIFIER = re.compile(r"[a-z][a-z0-9\-_.]*=", re.IGNORECASE)
_HEAD = re.compile(r"(?:v\s*=\s*)?spf[\d.]*[\s;:,]*", re.IGNORECASE)
_STRAY = " \t\r\n\"'\ufeff"


def edited(text: str, changes: Mapping[str, str], end: str = "") -> str:
    """A record with terms changed ("" drops one), and with `end` as its only `all`; repeated terms stand once."""
    short = {term[:MAX_TERM]: new for term, new in changes.items()}
    changed = " ".join(short.get(t[:MAX_TERM], t) for t in text.split(" ")[1:])
    terms = [t for t in dict.fromkeys(changed.split(" ")) if t]
    if end:
        terms = [t for t in terms if not _ALL.fullmatch(t)]
        last = max((i for i, t in enumerate(terms, 1) if not _MODIFIER.match(t)), default=0)
        terms.insert(last, end)
    return " ".join(["v=spf1", *terms])


def without(text: str, changes: Mapping[str, str]) -> str:
    """A record with terms changed; where that takes its end away, it gets another one."""
    made = edited(text, changes)
    return made if ended(made) or not ended(text) else edited(text, changes, SOFT)


def ended(text: str) -> bool:
    """Whether a record has `all` or a redirect."""
    return any(_END.fullmatch(t) for t in text.split(" "))


def meant(term: str) -> str:
    """The term that an unknown modifier was probably meant to be; "" where that cannot be told."""
    name, _, value = term.partition("=")
    close = difflib.get_close_matches(name.lower(), [*sorted(MECHANISMS), "redirect", "exp"], 3, 0.75)
    likely = [f"{c}{':' if c in MECHANISMS else '='}{value}" for c in close]
    return next((t for t in likely if valid(f"v=spf1 {t}")), next(iter(likely), ""))


def restored(text: str) -> str:
    """The record that a text which only looks like one was meant to be; "" where that cannot be told."""
    text = pasted(text).strip(_STRAY)
    head = _HEAD.match(text)
    terms = re.split(r"[\s;]+", text[head.end() :]) if head else []
    made = edited(" ".join(["v=spf1", *terms]), {t: SOFT for t in terms if t.lower() in ("all", "+all")})
    return made if head and valid(made) else ""


def valid(text: str) -> bool:
    """Whether a record can be read."""
    try:
        parse(text)
    except (spftrace.SpfError, ValueError):
        return False
    return True


def line(name: str, text: str) -> str:
    """A record as a line of a zone file, in strings of 255 bytes at most; "" for no record."""
    data = text.encode("utf-8", "replace")
    strings = (data[i : i + 255] for i in range(0, len(data), 255))
    return f"{name}. TXT " + " ".join(f'"{"".join(map(_byte, s))}"' for s in strings) if text else ""


def _byte(value: int) -> str:
    plain = 32 <= value < 127 and chr(value) not in '"\\'
    return chr(value) if plain else f"\\{value:03d}"
