"""The reply inside a line of a log or a bounce: where it stands and its codes (RFC 5321, 3463)."""

from __future__ import annotations

import re
from typing import NamedTuple

# What may not stand before comes after the digits: so they are looked for first, which is fast.
_CODES = re.compile(
    r"([245][0-9]{2})(?<![0-9a-z.@/=-][0-9]{3})(?![.0-9\]a-z@])"
    r"(?:[ :-]{1,3}#?([245]\.[0-9]{1,3}\.[0-9]{1,3})(?![.0-9]))?"
)
_ENHANCED = re.compile(r"\.(?<=[245]\.)(?<![0-9a-z.\[@-][245]\.)[0-9]{1,3}\.[0-9]{1,3}(?![.0-9\]a-z@])")
_QUOTE_END = re.compile(r"'(?= |$)")


# As above: the sign that is rare is looked for, what stands before it is seen then.
_LINES = re.compile(r"-(?<=[245][0-9]{2}-)(?<![0-9a-z.@/=-][0-9]{3}-)([245]\.[0-9]{1,3}\.[0-9]{1,3} )?")


class Unfolded(NamedTuple):
    """A reply of several lines as one: the codes of all but its first line are gone (RFC 5321 section 4.2.1).

    `cuts`: where in this text something was left out, and how many characters.
    """

    text: str
    cuts: tuple[tuple[int, int], ...] = ()

    def original(self, at: int) -> int:
        """The place in the original text."""
        return at + sum(length for cut, length in self.cuts if cut <= at)


def unfold(text: str) -> Unfolded:
    """Make one line of "550-5.7.1 Our system 550 5.7.1 has"; a text of one line stays as it is."""
    first = _LINES.search(text) if "-" in text else None
    if first is None:
        return Unfolded(text)
    code = text[first.start() - 3 : first.start()]
    codes = re.compile(f" {{1,3}}{code}[- ](?:{re.escape(first[1])})?" if first[1] else f" {{1,3}}{code}[- ]")
    kept, cuts, at, length = [], [], 0, 0
    for again in codes.finditer(text, first.end()):
        kept.append(text[at : again.start() + 1])
        length += len(kept[-1])
        at = again.end()
        cuts.append((length, at - again.start() - 1))
    kept.append(text[at:])
    return Unfolded("".join(kept), tuple(cuts))


class Said(NamedTuple):
    """Where the reply stands in a text, and its codes, as far as it has some."""

    start: int
    end: int
    smtp_code: int | None
    enhanced_code: str | None


def extract(text: str, start: int = 0) -> Said:
    """Read the codes of the reply that begins at `start`, in lower case; in quotes it ends with them."""
    quoted = _QUOTE_END.search(text, start) if start and text[start - 1] == "'" else None
    end = quoted.start() if quoted else len(text)
    codes = _CODES.search(text, start, end)
    if codes is None and start:
        codes = _CODES.search(text)
    enhanced = codes[2] if codes else None
    if enhanced is None and (loose := _ENHANCED.search(text, start + 1, end)):
        enhanced = text[loose.start() - 1 : loose.end()]
    if enhanced is None and start and (before := _ENHANCED.search(text, 1, start)):
        enhanced = text[before.start() - 1 : before.end()]
    return Said(start, end, int(codes[1]) if codes else None, enhanced)
