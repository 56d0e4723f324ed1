"""A stranger's text as people may see it: nothing in it drives a terminal, turns a line around, or hides."""

from __future__ import annotations

import re

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
    "|(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"
)
"""Control characters, those of no width, and those that turn what follows (Unicode Bidi_Control, Default_Ignorable).

The two joiners belong to scripts and signs beyond ASCII; beside an ASCII character they only hide.
"""
_SPACES = re.compile(r"\s")


def visible(text: str) -> str:
    """The text with what cannot be seen spelt out: <U+200B>."""
    return _HIDDEN.sub(lambda m: f"<U+{ord(m[0]):04X}>", text)


def one_line(text: str) -> str:
    """The same in one line, for a terminal."""
    return visible(_SPACES.sub(" ", text))
