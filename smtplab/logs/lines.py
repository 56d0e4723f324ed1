"""Opening log files: plain or compressed, line by line, bounded, and their time stamps.

BSD stamps (RFC 3164) carry no year and no zone: the year is the latest that does not lie in the future of the case,
the zone is the case's. ISO 8601 and RFC 5424 stamps carry both.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, cast
from zoneinfo import ZoneInfo

MAX_LINE = 65_536
_LOOK = 65_536
_MONTHS = {
    m: i for i, m in enumerate(["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], 1)
}
_BSD = re.compile(r"^([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d) ([^ ]{1,255}) ")
_ISO = re.compile(r"^(?:<\d{1,3}>1 )?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)) ([^ ]{1,255}) ")


def lines(path: Path, longest: int = MAX_LINE) -> Iterator[tuple[int, str]]:
    """Line number and text; a line beyond `longest` bytes comes in its first part only. Raises OSError, EOFError."""
    with _open(path) as file:
        number = 0
        try:
            while raw := _line(file, longest):
                number += 1
                yield number, raw.decode("utf-8", "replace").rstrip("\r\n")
        except (zlib.error, lzma.LZMAError) as e:
            raise OSError(f"the packed data are damaged ({e})") from e


def head(path: Path, longest: int = MAX_LINE) -> Iterator[str]:
    """The lines of the first 64 KiB that are not blank, and at least one; raises as `lines`."""
    size = 0
    for _, line in lines(path, longest):
        size += len(line) + 1
        if line.strip():
            yield line
        if size > _LOOK:
            return


def refusal(path: Path) -> str:
    """Why a file can be no log, by its first 64 KiB; "" for one that may be, or is empty."""
    strange = False
    try:
        for line in head(path):
            if _BSD.match(line) or _ISO.match(line):
                return ""
            strange = True
    except (OSError, EOFError) as e:
        return f"no log can be read from it: {e}"
    return "not a mail log: no line bears a syslog time stamp" if strange else ""


def _open(path: Path) -> IO[bytes]:
    # By what it is, not by its name: rotated logs are called maillog-20261101 or mail.log.1.
    with path.open("rb") as file:
        magic = file.read(6)
    if magic.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.open(path))
    if magic.startswith(b"BZh"):
        return bz2.open(path)
    return lzma.open(path) if magic == b"\xfd7zXZ\x00" else path.open("rb")


def _line(file: IO[bytes], longest: int) -> bytes:
    raw = file.readline(longest)
    rest = raw
    while rest and not rest.endswith(b"\n"):
        rest = file.readline(longest)
    return raw


class Stamps:
    """Reads the stamp and host of a line and returns what stands behind them."""

    def __init__(self, zone: str, as_of: datetime) -> None:
        self.zone, self.as_of = ZoneInfo(zone), as_of
        self._days: dict[tuple[str, str], datetime] = {}

    def split(self, line: str) -> tuple[datetime, str, str] | None:
        """Time (UTC), host and the rest; None where the line bears no stamp we know."""
        if m := _BSD.match(line):
            day = self._day(m[1], m[2])
            if day is None:
                return None
            local = day + timedelta(hours=int(m[3]), minutes=int(m[4]), seconds=int(m[5]))
            return local.astimezone(UTC), m[6], line[m.end() :]
        if m := _ISO.match(line):
            try:
                return datetime.fromisoformat(m[1]).astimezone(UTC), m[2], line[m.end() :]
            except ValueError:
                return None
        return None

    def _day(self, month: str, day: str) -> datetime | None:
        key = (month, day)
        if key not in self._days:
            for year in (self.as_of.year + 1, self.as_of.year, self.as_of.year - 1):
                try:
                    made = datetime(year, _MONTHS.get(month, 0), int(day), tzinfo=self.zone)
                except ValueError:
                    continue
                # Two days of grace for clocks that run ahead.
                if made <= self.as_of.astimezone(self.zone) + timedelta(days=2):
                    self._days[key] = made
                    break
        return self._days.get(key)
