"""Exim's lines where syslog carries them: the same text, with or without Exim's own stamp, long ones in parts.

https://www.exim.org/exim-html-current/doc/html/spec_html/ch-log_files.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from smtplab.logs import exim
from smtplab.logs.event import Event, Line

NAME = "exim"
PROGRAMS: tuple[str, ...] = ("exim", "exim4")
_STAMP = re.compile(
    r"(?:\[\d{1,4}/\d{1,4}\] )?"
    r"(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?(?: [+-]\d{4})? )?(?:\[\d{1,10}\] )?",
    re.ASCII,
)
_PART = re.compile(r"\[\d{1,4}\\\d{1,4}\] ", re.ASCII)
"""The second and later parts of a long line bear a backslash."""


def events(line: Line) -> Sequence[Event] | None:
    """What the line tells; () where it is understood and tells nothing, None where it is not understood."""
    if _PART.match(line.text):
        return ()
    base = {"time": line.time, "host": line.host, "mta": NAME, "pid": line.pid}
    stamp = _STAMP.match(line.text)
    return exim.events(line.text[stamp.end() :] if stamp else line.text, base)
