"""When was a line written? Time stamps of syslog (RFC 3164, RFC 5424), ISO 8601 and journald's JSON.

RFC 3164 stamps carry no year and no zone: the year is the latest that does not lie ahead of a given moment (the
case's clock, or the time of the file), the zone is the case's. The others carry both. See years.py for files that are
longer than a year.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

_MONTHS = {
    m: i for i, m in enumerate(["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], 1)
}
_BSD = re.compile(
    r"(?:<\d{1,3}>)?([A-Z][a-z]{2}) {1,2}(\d{1,2}) (?:(\d{4}) )?(\d\d):(\d\d):(\d\d)(?:\.\d{1,9})? (?=\S)"
)
_ISO = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?) (?=\S)")
_RFC5424 = re.compile(
    r"<\d{1,3}>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)) (\S{1,255}) (\S{1,128}) (\S{1,128})"
    r" \S{1,32} (?:-|(?:\[(?:[^\]\"\\]|\"(?:[^\"\\]|\\.)*\")*\])+)(?: \ufeff?(.*))?$"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GRACE = timedelta(days=2)
"""For clocks that run ahead."""
LAST = (datetime(9000, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
"""No stamp is later, so that no sum of times leaves the years that a calendar has."""


class Stamped(NamedTuple):
    """Microseconds since 1970 in UTC, and the rest of the line as syslog writes it: `host program[pid]: text`."""

    time: int
    rest: str


class Stamps:
    """Reads stamps; `as_of` is the moment after which nothing was written."""

    def __init__(self, zone: str, as_of: datetime) -> None:
        self.zone, self.as_of = ZoneInfo(zone), as_of
        self._hours: dict[bytes, int | None] = {}

    def line(self, line: str) -> Stamped | None:
        """A line of any carrier; None where it bears no stamp we know."""
        found = self._line(line)
        return found if found and found.time < LAST else None

    def _line(self, line: str) -> Stamped | None:
        try:
            if m := _BSD.match(line):
                hour = self._local(m[3], m[1], m[2], m[4])
                if hour is None:
                    return None
                return Stamped(hour + (int(m[5]) * 60 + int(m[6])) * 1_000_000, line[m.end() :])
            if m := _ISO.match(line):
                return Stamped(self._micros(m[1].replace(",", ".")), line[m.end() :])
            if m := _RFC5424.match(line):
                pid = "" if m[4] == "-" else f"[{m[4]}]"
                return Stamped(self._micros(m[1]), f"{m[2]} {m[3]}{pid}: {m[5] or ''}")
            return _journald(line) if line.startswith("{") else None
        except (ValueError, TypeError, OverflowError, RecursionError):
            return None

    def split(self, line: str) -> tuple[datetime, str, str] | None:
        """Time (UTC), host and what stands behind it; None where the line bears no stamp we know."""
        found = self.line(line)
        if found is None:
            return None
        host, _, rest = found.rest.partition(" ")
        return _EPOCH + timedelta(microseconds=found.time), host, rest

    def hour(self, stamp: bytes) -> int | None:
        """The begin of an hour in microseconds, from the first nine bytes of an RFC 3164 stamp: `Oct  1 00`."""
        if stamp not in self._hours:
            text = stamp.decode("latin-1")
            try:
                self._hours[stamp] = self._local(None, text[:3], text[4:6], text[7:9])
            except ValueError:
                self._hours[stamp] = None
        return self._hours[stamp]

    def _local(self, year: str | None, month: str, day: str, hour: str) -> int | None:
        for candidate in (int(year),) if year else (self._latest.year, self._latest.year - 1, self._latest.year - 2):
            try:
                made = datetime(candidate, _MONTHS.get(month, 0), int(day), int(hour), tzinfo=self.zone)
            except ValueError:
                # The 29th of February is of the last leap year.
                continue
            if year or made <= self._latest:
                return _micros(made)
        return None

    @cached_property
    def _latest(self) -> datetime:
        return self.as_of.astimezone(self.zone) + _GRACE

    def _micros(self, text: str) -> int:
        made = datetime.fromisoformat(text)
        return _micros(made if made.tzinfo else made.replace(tzinfo=self.zone))


def since(year: int, first: str, zone: str) -> datetime | None:
    """The moment after which a log that begins with the line `first` in `year` holds nothing: within a year of it."""
    begin = Stamps(zone, datetime(year, 12, 31, 23, tzinfo=ZoneInfo(zone)) - _GRACE).line(first)
    return _EPOCH + timedelta(microseconds=begin.time) + timedelta(days=364) - _GRACE if begin else None


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _journald(line: str) -> Stamped | None:
    """An entry of `journalctl -o json`: https://systemd.io/JOURNAL_EXPORT_FORMATS/."""
    entry = json.loads(line)
    time = entry.get("__REALTIME_TIMESTAMP") or entry.get("_SOURCE_REALTIME_TIMESTAMP")
    if time is None or "MESSAGE" not in entry:
        return None
    program = _text(entry.get("SYSLOG_IDENTIFIER") or entry.get("_COMM") or "-")
    pid = _text(entry.get("SYSLOG_PID") or entry.get("_PID") or "")
    message = _text(entry["MESSAGE"]).replace("\n", " ")
    return Stamped(int(time), f"{_text(entry.get('_HOSTNAME') or '-')} {program}{f'[{pid}]' if pid else ''}: {message}")


def _text(value: Any) -> str:
    # What is no UTF-8 comes as an array of bytes.
    if isinstance(value, list):
        return bytes(value).decode("utf-8", "replace")
    return str(value)
