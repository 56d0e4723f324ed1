"""Which patterns are in a text: all at once by an RE2 set, or one by one in plain Python; the answer is the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

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


class _Where(NamedTuple):
    """What is needed to find one pattern in a text."""

    plain: tuple[str, ...]
    """Texts of which one is in whatever the pattern matches; none, if that cannot be told."""
    bare: bool
    """These texts are the whole pattern."""


@cache
def _where(number: int) -> _Where:
    pattern = patterns()[number]
    plain = literals(pattern)
    bare = plain == tuple(pattern.split("|")) and not re.search(r"[^\w /@:<>=,;'-]", "".join(plain))
    return _Where(plain, bare)


def locate(number: int, text: str, start: int, end: int) -> tuple[int, int] | None:
    """Where a pattern matches between start and end; its plain texts tell where to look."""
    needed, bare = _where(number)
    found = None
    if needed:
        nearest, length = end, 0
        for plain in needed:
            if 0 <= (at := text.find(plain, start, end)) < nearest:
                nearest, length = at, len(plain)
        if not length:
            return None
        if bare:
            return nearest, nearest + length
        near = nearest - _REACH
        found = compiled(number).search(text, near, end) if near > start else None
    found = found or compiled(number).search(text, start, end)
    return found.span() if found else None


def probe(pattern: str) -> str:
    """What stands for a pattern in the set: a few patterns with gaps would slow the whole set a hundredfold."""
    return "|".join(map(re.escape, literals(pattern))) if gappy(pattern) else pattern


@cache
def commands() -> Finder:
    """As `finder`, for the marks of commands alone: much quicker over a long text."""
    chosen = [n + len(rules()) for n, m in enumerate(marks()) if m.kind == "command"]
    try:
        import re2
    except ImportError:
        return plain()
    match = _set(re2, [patterns()[n] for n in chosen])
    return lambda text: [chosen[n] for n in match(text.encode()) or ()]


@cache
def finder() -> Finder:
    """The fastest that this machine has; patterns with gaps are a second set, for texts that hold what they need."""
    try:
        import re2
    except ImportError:
        return plain()
    wide = [n for n, p in enumerate(patterns()) if gappy(p)]
    some = frozenset(wide)
    match = _set(re2, [probe(p) if p else _NOTHING for p in patterns()])
    certain = _set(re2, [patterns()[n] for n in wide])

    def find(text: str) -> list[int]:
        data = text.encode()
        hits = match(data)
        if not hits:
            return []
        if not some.isdisjoint(hits):
            # Whatever has a gap is found for certain, or not at all.
            hits = [n for n in hits if n not in some]
            hits += [wide[n] for n in certain(data) or ()]
        hits.sort()
        return hits

    return find


def searcher(chosen: list[str]) -> tuple[Finder, list[re.Pattern[str]]]:
    """Which of some patterns are in a text, all at once where RE2 is there; and each of them."""
    compiled = [re.compile(p) for p in chosen]
    try:
        import re2
    except ImportError:
        return lambda text: [n for n, p in enumerate(compiled) if p.search(text)], compiled
    match = _set(re2, chosen)
    return lambda text: sorted(match(text.encode()) or ()), compiled


def _set(re2: Any, chosen: list[str]) -> Callable[[bytes], list[int] | None]:
    options = re2.Options()
    options.max_mem = MEMORY
    made = re2.Set.SearchSet(options)
    for pattern in chosen:
        made.Add(pattern)
    made.Compile()
    match: Callable[[bytes], list[int] | None] = made.Match
    return match


def plain() -> Finder:
    """Without RE2: a plain text that must be there first, then the pattern."""
    known = [(n, literals(p), compiled(n).search) for n, p in enumerate(patterns()) if p]

    def find(text: str) -> list[int]:
        return [n for n, plain, search in known if (not plain or any(p in text for p in plain)) and search(text)]

    return find
