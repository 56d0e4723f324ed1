"""Which mail program wrote a report, by its own words (data/bounce_formats.toml)."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import re2

from smtplab.bounces.recognisers.sections import table

_MOST = 4_000


@cache
def _marks() -> tuple[Any, tuple[str, ...]]:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    made, names = re2.Set.SearchSet(options), []
    for row in table()["format"]:
        for mark in row["marks"]:
            made.Add(re.escape(mark))
            names.append(row["name"])
    made.Compile()
    return made, tuple(names)


def agent(*texts: bytes | str) -> str | None:
    """The program whose mark stands in the first of the texts that has one; None where none has."""
    marks, names = _marks()
    for text in texts:
        found = marks.Match(text[:_MOST]) if text else None
        if found:
            return str(names[min(found)])
    return None
