"""Which mail program wrote a report, by its own words (data/bounce_formats.toml)."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import re2

from smtplab.bounces import vocabulary
from smtplab.bounces.recognisers.sections import table

_MOST = 4_000


@cache
def _marks() -> tuple[Any, tuple[str, ...]]:
    made, names = re2.Set.SearchSet(vocabulary.options()), []
    for row in table()["format"]:
        for mark in row["marks"]:
            made.Add(re.escape(mark))
            names.append(row["name"])
    made.Compile()
    return made, tuple(names)


def agent(text: bytes | str) -> str | None:
    """The program whose mark stands at the beginning of a text; None where none does."""
    marks, names = _marks()
    found = marks.Match(text[:_MOST]) if text else None
    return names[min(found)] if found else None
