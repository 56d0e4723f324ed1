"""Which patterns are in a text: all at once by an RE2 set, or one by one in plain Python; the answer is the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from smtplab.replies.rules import gappy, literals, marks, rules

Finder = Callable[[str], list[int]]
"""From a text in lower case to the ascending numbers of the patterns that may be in it."""


_REACH = 40
"""Characters before its plain text at which most matches begin."""
_NOTHING = "\x00\x01\x00"
"""Stands for a rule without a text, so that numbers in the set are those of the rules."""

MEMORY = 256 << 20
"""Bytes that the set may take for the states that it has met; with too few it forgets them and is slow."""


@cache
def patterns() -> tuple[str, ...]:
    """The pattern of each rule in order ("" for a rule without one), then of each mark."""
    return tuple(r.text for r in rules()) + tuple(m.text for m in marks())


@cache
def compiled(number: int) -> re.Pattern[str]:
    """One pattern. Patterns are bounded (tested), so `re` is quick enough for one."""
    return re.compile(patterns()[number])


@cache
def _needed(number: int) -> tuple[str, ...]:
    return literals(patterns()[number])


def locate(number: int, text: str, start: int, end: int) -> tuple[int, int] | None:
    """Where a pattern matches between start and end; its plain texts tell where to look."""
    needed = _needed(number)
    search = compiled(number).search
    found = None
    if needed:
        places = [at for plain in needed if (at := text.find(plain, start, end)) >= 0]
        if not places:
            return None
        near = min(places) - _REACH
        found = search(text, near, end) if near > start else None
    found = found or search(text, start, end)
    return found.span() if found else None


def probe(pattern: str) -> str:
    """What stands for a pattern in the set: a few patterns with gaps would slow the whole set a hundredfold."""
    return "|".join(map(re.escape, literals(pattern))) if gappy(pattern) else pattern


@cache
def finder() -> Finder:
    """The fastest that this machine has."""
    try:
        import re2
    except ImportError:
        return plain()
    options = re2.Options()
    options.max_mem = MEMORY
    found = re2.Set.SearchSet(options)
    for pattern in patterns():
        found.Add(probe(pattern) if pattern else _NOTHING)
    found.Compile()
    match = found.Match
    wide = frozenset(n for n, p in enumerate(patterns()) if gappy(p))

    def find(text: str) -> list[int]:
        hits: list[int] = match(text)
        if not hits:
            return []
        if not wide.isdisjoint(hits):
            hits = [n for n in hits if n not in wide or locate(n, text, 0, len(text))]
        hits.sort()
        return hits

    return find


def plain() -> Finder:
    """Without RE2: a plain text that must be there first, then the pattern."""
    known = [(n, literals(p), compiled(n).search) for n, p in enumerate(patterns()) if p]

    def find(text: str) -> list[int]:
        return [n for n, plain, search in known if (not plain or any(p in text for p in plain)) and search(text)]

    return find
