"""In which year was a line written whose stamp tells none (RFC 3164), in a file that is longer than a year?

The days in a file are looked at from its beginning: where they fall back by more than a late line does, a year has
passed. Such a file is read in pieces of half a year, each with the moment behind which nothing of it was written, so
that lines out of their order around New Year, or where a piece ends, keep their year.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from smtplab.logs.lines import Stamps
from smtplab.logs.segments import blocks, packed

if TYPE_CHECKING:
    from smtplab.logs.source import Source

_STAMP = re.compile(rb"(?:<\d{1,3}>)?([A-Z][a-z]{2}) {1,2}(\d{1,2}) \d\d:\d\d:\d\d")
_MONTHS = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_STEP = 65_536
"""Bytes between two looks; every line of a small file is looked at."""
_SMALL = 1 << 20
_UNPACKED = 2 << 20
"""Bytes of a packed file that is unpacked to be looked at: a larger one is taken to be of one year."""
_LARGEST = 64 << 20
_LATE = 8
"""Days by which a line may stand behind later ones."""
_SOON = 30
_LONG = 350
_PIECE = 180
_SLACK = timedelta(days=90)


class _Day(NamedTuple):
    """Where a line stands, its stamp up to the hour, and its day: counted from the 1st of January of a leap year."""

    at: int
    stamp: bytes
    number: int


def yearless(first: Sequence[str]) -> bool:
    """Whether a log that begins with these lines has stamps that tell no year."""
    return any(_STAMP.match(line.encode("utf-8", "replace")) for line in first)


def dated(source: Source, spool: Path | None) -> Source:
    """The source with its pieces, where it is longer than a year; a packed one is unpacked into `spool` first."""
    if source.format or not source.yearless:
        return source
    path = source.path
    if packed(path):
        copy = _unpacked(path, spool) if spool and path.stat().st_size <= _UNPACKED else None
        if copy is None:
            return source
        path = copy
    days = _without_glitches(_looks(path))
    counted = list(_over_years(days))
    if not counted or counted[-1] - counted[0] <= _LONG:
        return source
    stamps, zone = Stamps(source.setting.zone, source.setting.as_of), ZoneInfo(source.setting.zone)
    known = 0 if source.by_begin else -1
    hour = stamps.hour(days[known].stamp)
    if hour is None:
        return source
    base = datetime.fromtimestamp(hour / 1e6, zone).year - counted[known] // 366
    pieces: list[tuple[int, datetime]] = []
    first = counted[0]
    for n, (day, number) in enumerate(zip(days, counted, strict=True)):
        if number - first > _PIECE and n:
            pieces.append((day.at, _moment(base, counted[n - 1])))
            first = number
    pieces.append((path.stat().st_size, _moment(base, counted[-1]) if source.by_begin else source.setting.as_of))
    begun = Stamps(source.setting.zone, pieces[0][1]).hour(days[0].stamp)
    return replace(source, path=path, pieces=tuple(pieces), first=source.first if begun is None else begun)


def _moment(base: int, counted: int) -> datetime:
    years, number = divmod(counted, 366)
    return datetime(base + years, 1, 1, tzinfo=UTC) + timedelta(days=number) + _SLACK


def _over_years(days: list[_Day]) -> Iterator[int]:
    """The days counted on over the turns of years, 366 a year."""
    year = 0
    for n, day in enumerate(days):
        step = day.number - days[n - 1].number if n else 0
        if step < -_LATE:
            year += 366
        elif step > 366 - _LATE:
            # A line of December that came late.
            year -= 366
        yield year + day.number


def _without_glitches(days: Iterator[_Day]) -> list[_Day]:
    """Leave out a day from which the next goes back to the one before: a clock that was not yet set."""
    made: list[_Day] = []
    for day in days:
        if (
            len(made) > 1
            and abs(made[-1].number - made[-2].number) > _LATE
            and -_LATE <= day.number - made[-2].number <= _SOON
        ):
            made.pop()
        if not made or made[-1].number != day.number:
            made.append(day)
    return made


def _looks(path: Path) -> Iterator[_Day]:
    size = path.stat().st_size
    with path.open("rb") as file:
        for at, line in _every(file) if size <= _SMALL else _now_and_then(file, size):
            found = _STAMP.match(line)
            if found and found[1] in _MONTHS and 1 <= int(found[2]) <= 31:
                number = (date(2024, _MONTHS.index(found[1]) + 1, 1) - date(2024, 1, 1)).days + int(found[2]) - 1
                yield _Day(at, b"%s %2d 00" % (found[1], int(found[2])), min(number, 365))


def _every(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    at = 0
    for line in file:
        yield at, line
        at += len(line)


def _now_and_then(file: IO[bytes], size: int) -> Iterator[tuple[int, bytes]]:
    yield 0, file.readline(_STEP)
    for at in range(_STEP, size, _STEP):
        file.seek(at)
        before = file.readline(_STEP)
        if before.endswith(b"\n"):
            yield at + len(before), file.readline(_STEP)
    file.seek(size - _STEP)
    at = file.tell() + len(file.readline(_STEP))
    for line in file:
        yield at, line
        at += len(line)


def _unpacked(path: Path, spool: Path) -> Path | None:
    """A copy in a folder of its own; None for what is damaged, or grows too large."""
    made = Path(tempfile.mkdtemp(dir=spool)) / path.name
    try:
        with made.open("wb") as copy:
            for block in blocks(path):
                copy.write(block)
                if copy.tell() > _LARGEST:
                    return None
    except (OSError, EOFError):
        return None
    return made
