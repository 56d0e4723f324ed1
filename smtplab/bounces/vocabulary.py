"""The words of data/report_words.toml, each list as one pattern; linear in time whatever the text."""

from __future__ import annotations

from functools import cache
from typing import Any

import re2

from smtplab import datafiles


@cache
def lists() -> dict[str, list[str]]:
    """The rows of report_words.toml by their sign."""
    return datafiles.load("report_words")


_AROUND = {
    "robot": (r"^", ""),
    "replying": (r"^\s*(?:\[[^\]]{1,40}\]\s*)?", r"\s*(?:\[\d+\])?\s*[:：]"),
    "forwarding": (r"^\s*(?:\[[^\]]{1,40}\]\s*)?", r"\s*[:：]"),
    "quoting": (r"(?m)^[ \t>]*", ""),
    "greeting": (r"(?m)^[ \t]*", r"\b[^\n]{0,40}$"),
    "forwarded": (r"(?m)^[ \t]*(?:-{2,}|_{5,}|begin)?[ \t]*", r"[^\n]{0,60}$"),
}
"""Where in a text or line the words of a sign stand."""


def options() -> Any:
    """For patterns that are tried on every message: with less room RE2 forgets what it learnt, and learns it again."""
    made = re2.Options()
    made.case_sensitive = False
    made.max_mem = 64 << 20
    return made


def _text(sign: str) -> str:
    before, behind = _AROUND.get(sign, ("", ""))
    return f"{before}(?:{'|'.join(lists()[sign])}){behind}"


@cache
def pattern(sign: str) -> Any:
    """All words of a sign as one pattern."""
    return re2.compile(_text(sign), options())


@cache
def _set(signs: tuple[str, ...]) -> Any:
    made = re2.Set.SearchSet(options())
    for sign in signs:
        made.Add(_text(sign))
    made.Compile()
    return made


def found(text: str, *signs: str) -> set[str]:
    """Which of some signs a text has, in one pass over it."""
    return {signs[i] for i in _set(signs).Match(text) or ()} if text else set()


def has(sign: str, text: str) -> bool:
    """Whether a text has a word of a sign."""
    return bool(text) and bool(_set((sign,)).Match(text))
