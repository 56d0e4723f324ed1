"""Can a file be a log, or hold provider events? Judged by its first lines, before a case takes it up."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from smtplab.logs import files
from smtplab.logs.lines import Stamps
from smtplab.logs.segments import MAX_RECORD, head


def refusal(path: Path) -> str:
    """Why a file can be no log, by its first 64 KiB; "" for one that may be, or is empty."""
    try:
        first = list(head(path))
    except (OSError, EOFError) as e:
        return f"no log can be read from it: {e}"
    stamps = Stamps("UTC", datetime(9000, 1, 1, tzinfo=UTC))
    if not first or any(stamps.line(line) for line in first) or files.recognise(first):
        return ""
    return "not a mail log: no line bears a syslog time stamp"


def no_events(path: Path) -> str:
    """Why a file can hold no provider events, by its first lines; "" for one that may, or is empty."""
    try:
        first = list(head(path, MAX_RECORD))
    except (OSError, EOFError) as e:
        return f"no events can be read from it: {e}"
    if not first or files.recognise(first):
        return ""
    return f"no provider events: expected a file of {', '.join(f.NAME for f in files.ALL)}"
