"""Rspamd's own log file: stamp, process and the same lines that syslog would carry.

https://docs.rspamd.com/configuration/logging
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from smtplab.logs.daemons import rspamd
from smtplab.logs.event import Event, Setting, Unknown
from smtplab.logs.values import shape

NAME = "rspamd"
_LINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?) #(\d{1,10})(?=\([a-z_]{2,20}\) <)", re.ASCII)


def looks(head: Sequence[str]) -> bool:
    """Whether a line has Rspamd's stamp and process."""
    return any((m := _LINE.match(line)) and rspamd.HEAD.match(line, m.end()) for line in head)


def events(lines: Iterator[tuple[int, str]], setting: Setting) -> Iterator[tuple[int, Event] | Unknown]:
    """Signatures that were added."""
    zone = ZoneInfo(setting.zone)
    for number, line in lines:
        if not line.strip():
            continue
        found = _LINE.match(line)
        time = _time(found[1], zone) if found else None
        made = None
        if found and time:
            base: dict[str, Any] = {"time": time, "host": setting.host, "mta": NAME, "pid": found[2]}
            made = rspamd.read(line[found.end() :], base)
        if made is None:
            yield Unknown(number, f"rspamd: {shape(line)}")
        else:
            for event in made:
                yield number, event


def _time(written: str, zone: ZoneInfo) -> datetime | None:
    try:
        return datetime.fromisoformat(written).replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
