"""What a reply that no rule knows is about, and what is wrong there: plain words of two kinds that stand together."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

from smtplab import datafiles
from smtplab.replies.engine import searcher
from smtplab.replies.rules import Rule, rule, rules

LONGEST = 300
"""Characters of a reply in which words that stand together belong together."""


@cache
def table() -> Mapping[str, Any]:
    """replies_gist.toml: two groups of words and what they mean together."""
    return datafiles.load("replies_gist")


@cache
def groups() -> tuple[tuple[str, str], ...]:
    """The name and the pattern of each group: first what a reply is about, then what is wrong."""
    named = [*table()["about"].items(), *table()["state"].items()]
    return tuple((name, f"(^|[^a-z0-9])({words})([^a-z0-9]|$)") for name, words in named)


@cache
def meanings() -> tuple[Rule, ...]:
    """A rule for each meaning; nobody is removed for it."""
    head = {"source": table()["source"], "date": table()["date"]}
    rows = table()["meaning"]
    return tuple(rule({**row, "id": _id(row), "generic": True, "suppress": False}, head) for row in rows)


def every() -> tuple[Rule, ...]:
    """All that may decide a reply: the rules, then the meanings of words that stand together."""
    return rules() + meanings()


def gist(text: str, start: int, end: int, without: frozenset[str]) -> tuple[Rule, tuple[int, int]] | None:
    """The first meaning whose words are in the reply, in lower case, and where the words are that tell what is wrong.

    `start` is that of its code, if it has one; `without`: the meanings of these ids are left out. In a longer text,
    such as a whole notice, words of all kinds stand together and tell nothing.
    """
    if end - start > LONGEST:
        return None
    find, patterns = _searcher()
    found = _meant(tuple(find(text[start:end])), without)
    if found is None:
        return None
    which, state = found
    place = patterns[state].search(text, start, end)
    return (meanings()[which], place.span(2)) if place else None


@lru_cache(maxsize=5_000)
def _meant(found: tuple[int, ...], without: frozenset[str]) -> tuple[int, int] | None:
    """The number of the meaning, and that of the group of its state."""
    names = {groups()[n][0]: n for n in found}
    for which, row in enumerate(table()["meaning"]):
        states = [names[s] for s in row["state"] if s in names]
        if states and meanings()[which].id not in without and not names.keys().isdisjoint(row["about"]):
            return which, states[0]
    return None


@cache
def _searcher() -> Any:
    return searcher([pattern for _, pattern in groups()])


def _id(row: Mapping[str, Any]) -> str:
    return f"gist-{row['about'][0]}-{row['state'][0]}"
