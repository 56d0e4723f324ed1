"""Which patterns are in a text: all at once by an RE2 set, or one by one in plain Python; the answer is the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from smtplab.replies.rules import gappy, literals, marks, rules

Finder = Callable[[str], list[int]]
"""From a text in lower case to the ascending numbers of the patterns that may be in it."""


_REACH = 150
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
    if not needed:
        found = compiled(number).search(text, start, end)
    else:
        places = [at for plain in needed if (at := text.find(plain, start, end)) >= 0]
        if not places:
            return None
        # A match reaches less than this far before its plain text; `^` is meant for the reply's own beginning.
        found = compiled(number).search(text, max(start, min(places) - _REACH), end)
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
    numbers = [n for n, pattern in enumerate(patterns()) if pattern]
    wide = [gappy(p) for p in patterns()]
    for number in numbers:
        found.Add(probe(patterns()[number]))
    found.Compile()
    match = found.Match

    def find(text: str) -> list[int]:
        hits = [numbers[i] for i in match(text) or ()]
        hits.sort()
        return [n for n in hits if not wide[n] or locate(n, text, 0, len(text))]

    return find


def plain() -> Finder:
    """Without RE2: a plain text that must be there first, then the pattern."""
    known = [(n, literals(p), compiled(n).search) for n, p in enumerate(patterns()) if p]

    def find(text: str) -> list[int]:
        return [n for n, plain, search in known if (not plain or any(p in text for p in plain)) and search(text)]

    return find
