"""Reasons in plain words, and which refusals ask for one of several things."""

from __future__ import annotations

from collections.abc import Mapping

from smtplab.replies.rules import reasons, rules


def words(reason: str) -> str:
    """A reason in plain words; what is no reason comes back as it is."""
    found = reasons().get(reason)
    return found.words if found else reason


def rescued_by() -> Mapping[str, str]:
    """For rules whose refusal has several causes: whether mending "any" or "all" of them brings mail through."""
    return {r.id: r.rescued_by for r in rules() if r.rescued_by}
