"""Exim's main and reject logs as files: stamps in local time or with a zone, fractions, pids, continuation lines.

https://www.exim.org/exim-html-current/doc/html/spec_html/ch-log_files.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from smtplab.logs import exim
from smtplab.logs.event import Event, Setting, Unknown

NAME = "exim"
_STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?(?: [+-]\d{4})? (?:\[(\d{1,10})\] )?", re.ASCII)
_MARK = re.compile(
    r"(?:[0-9A-Za-z]{6}-(?:[0-9A-Za-z]{6}-[0-9A-Za-z]{2}|[0-9A-Za-z]{11}-[0-9A-Za-z]{4}) |"
    r"H=|U=|Start queue run|End queue run|exim \d|SMTP c|no host name found|no MAIL in |TLS error|rejected |"
    r"\w{1,60} authenticator |[Cc]onnection from )",
    re.ASCII,
)
_MORE = re.compile(r"[ \t]|[A-Z*] |\*{3}|-{3}|={3}|Envelope-(?:from|to): ")
"""What follows a refusal in the reject log: envelope, headers and rules."""


def looks(head: Sequence[str]) -> bool:
    """Whether a line bears Exim's stamp and something only Exim writes behind it."""
    return any((m := _STAMP.match(line)) and _MARK.match(line, m.end()) for line in head)


def events(lines: Iterator[tuple[int, str]], setting: Setting) -> Iterator[tuple[int, Event] | Unknown]:
    """Events of every line; headers below a refusal are passed over."""
    zone = ZoneInfo(setting.zone)
    last, time, pid = "\n", datetime.min.replace(tzinfo=UTC), None
    for number, line in lines:
        # A busy server writes many lines in one second: the same stamp is not read again.
        if not line.startswith(last) or line[len(last) : len(last) + 1] in "+-[.":
            stamp = _STAMP.match(line)
            if not stamp:
                if line.strip() and not _MORE.match(line):
                    yield Unknown(number, exim.unknown(line))
                continue
            try:
                time = _time(line[: stamp.start(1) - 2] if stamp[1] else stamp[0].rstrip(), zone)
            except (ValueError, OverflowError):
                yield Unknown(number, exim.unknown(line))
                continue
            last, pid = stamp[0], stamp[1]
        base: dict[str, Any] = {"time": time, "host": setting.host, "mta": NAME}
        if pid:
            base["pid"] = pid
        text = line[len(last) :]
        found = exim.events(text, base)
        if found is None:
            yield Unknown(number, exim.unknown(text))
        else:
            for event in found:
                yield number, event


def _time(written: str, zone: ZoneInfo) -> datetime:
    parsed = datetime.fromisoformat(written.replace(" +", "+").replace(" -", "-"))
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=zone)).astimezone(UTC)
