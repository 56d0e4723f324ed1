"""The reply inside a line of a log or a bounce: where it begins, its codes (RFC 5321, 3463), the command it answers."""

from __future__ import annotations

import re
from dataclasses import dataclass

_STARTS = re.compile(
    r" said: |returned '|returned was:? |(?:remote server|response) was: |[])]: (?=[245][0-9]{2}[ -])|^ ?smtp; ?"
    r"|(?:our (?:final )?[A-Z]{4,8}(?: ?TO| ?FROM)?):(?=[245])|reason: (?=[245][0-9]{2}[ -])"
    r"|(?:error|problem|status|message) (?:[245][0-9]{2}-)?'(?=[245a-z])"
)
_CODES = re.compile(
    r"(?:^|[\s:;('\"<>\[])#?([245][0-9]{2})(?:[ :-]{1,3}#?([245]\.[0-9]{1,3}\.[0-9]{1,3})(?![.0-9]))?(?![.0-9\]])"
)
_QUOTE_END = re.compile(r"'(?=\s|$)")
_ENHANCED = re.compile(r"(?:^|[\s(=#'\":;])#?([245]\.[0-9]{1,3}\.[0-9]{1,3})(?=$|[\s),:;'\"-])")


@dataclass(frozen=True)
class Said:
    """Where the reply stands in a text, and its codes, as far as it has some."""

    start: int
    end: int
    smtp_code: int | None
    enhanced_code: str | None


def extract(text: str) -> Said:
    """Find the reply; without a prefix that is known it is the whole text."""
    found = _STARTS.search(text)
    start = found.end() if found else 0
    quoted = _QUOTE_END.search(text, start) if found and text[start - 1] == "'" else None
    end = quoted.start() if quoted else len(text)
    codes = _CODES.search(text, start, end)
    if codes is None and start:
        codes = _CODES.search(text)
    enhanced = codes[2] if codes else None
    if enhanced is None and (loose := _ENHANCED.search(text, start, end)):
        enhanced = loose[1]
    return Said(start, end, int(codes[1]) if codes else None, enhanced)
