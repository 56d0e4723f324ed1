"""The first step: a run of lines of a log becomes events, the same on one machine and on many.

A pure function of the lines and what is known of their file; what could not be understood is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa

from smtplab.logs import daemons, heads, postfix, sorting, unusual
from smtplab.logs.columns import TYPES, Bytes, Columns
from smtplab.logs.duck import Sql
from smtplab.logs.event import Event, FileFormat, Line, Setting, Unknown
from smtplab.logs.lines import Stamps
from smtplab.logs.piece import Piece, by_kind, piece
from smtplab.logs.segments import CHUNK, MAX_LINE, MAX_RECORD, SEGMENT, Segment, chunks
from smtplab.logs.values import shape

BATCH = 50_000
"""Events of programs read line by line that are held before they become columns."""
SHAPES = 200
"""Kinds of lines not understood that are told of one segment."""
FROM_EVENT = "provider event"
"""Provenance of what a provider's event tells."""
_SIGNED = ("time", "host", "mta", "service", "pid", "client_host", "client_ip", "auth_method")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SCHEMA = pa.schema([("kind", pa.string()), *((n, t) for n, t in TYPES.items() if t != pa.uint64() and n != "kind")])


@dataclass
class Tally:
    """What became of the lines of a segment, or of several."""

    lines: int = 0
    ignored: int = 0
    """Blank lines, and lines of no mail program that is read."""
    passed: int = 0
    """The same without blank ones."""
    first_ignored: int = 0
    unknown: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By shape: the first line and the count."""
    damage: str = ""
    """Why the rest could not be read."""
    format: str = ""

    def add(self, later: Tally) -> None:
        """Take up what came behind."""
        self.first_ignored = self.first_ignored or (later.first_ignored and later.first_ignored + self.lines)
        for kind, (line, count) in later.unknown.items():
            at, before = self.unknown.get(kind, (line + self.lines, 0))
            self.unknown[kind] = (at, before + count)
        self.lines, self.ignored = self.lines + later.lines, self.ignored + later.ignored
        self.passed += later.passed
        self.damage, self.format = self.damage or later.damage, self.format or later.format

    def strange(self, kind: str, line: int, count: int = 1) -> None:
        """Count a line of a known program that no rule understands; beyond many shapes only their number."""
        if len(self.unknown) >= SHAPES and kind not in self.unknown:
            kind = "lines of many other shapes"
        at, before = self.unknown.get(kind, (line, 0))
        self.unknown[kind] = (min(at, line) or line, before + count)

    def ignore(self, count: int, first: int) -> None:
        """Count lines of no mail program."""
        self.ignored += count
        self.passed += count
        if count:
            self.first_ignored = min(first, self.first_ignored or first)


def parse(
    segment: Segment,
    setting: Setting,
    format: FileFormat | None,
    sql: Sql,
    tally: Tally,
) -> Iterator[Piece]:
    """The events of a segment in order, a piece a run of lines; None is a syslog file. Counts in `tally`.

    Never raises for what the segment holds.
    """
    return _records(segment, setting, format, tally) if format else _syslog(segment, setting, sql, tally)


class Told:
    """Events of programs that are read line by line."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.tables: list[pa.Table] = []

    def put(self, seq: int, event: Event) -> None:
        """One event."""
        row = {**event, "seq": seq}
        if row.get("provenance") == FROM_EVENT:
            row["from_event"] = True
            row["kind"] = "began" if row["kind"] == "message" else row["kind"]
        if recipient := row.get("recipient"):
            row["recipient_domain"] = recipient.rpartition("@")[2]
        self.rows.append(row)
        if row["kind"] == "client" and row.get("sasl_user"):
            signed = {k: event.get(k) for k in _SIGNED}
            self.rows.append({**signed, "kind": "sign_in", "auth_user": row["sasl_user"], "auth_ok": True, "seq": seq})
        if len(self.rows) >= BATCH:
            self._pack()

    def _pack(self) -> None:
        self.tables.append(pa.Table.from_pylist([_fit(r) for r in self.rows], schema=_SCHEMA))
        self.rows = []

    def take(self, buffers: list[Bytes]) -> dict[str, list[Columns]]:
        """All of them by kind, their texts in new buffers."""
        if self.rows:
            self._pack()
        found: dict[str, list[Columns]] = {}
        for table in self.tables:
            for kind, columns in by_kind(table, buffers).items():
                found.setdefault(kind, []).extend(columns)
        self.tables = []
        return found


def _fit(row: dict[str, Any]) -> dict[str, Any]:
    # A surrogate from JSON is no UTF-8 and would stop the whole table.
    return {k: v.encode("utf-8", "replace").decode()[:MAX_LINE] if isinstance(v, str) else v for k, v in row.items()}


def _records(segment: Segment, setting: Setting, format: FileFormat, tally: Tally) -> Iterator[Piece]:
    tally.format = format.NAME
    size = 0

    def numbered() -> Iterator[tuple[int, str]]:
        nonlocal size
        try:
            for run in chunks(segment, MAX_RECORD):
                size += len(run)
                for raw in run[:-1].split(b"\n"):
                    tally.lines += 1
                    yield tally.lines, raw.decode("utf-8", "replace").rstrip("\r")
        except (OSError, EOFError) as e:
            tally.damage = str(e)

    told = Told()
    for found in format.events(numbered(), setting):
        if isinstance(found, Unknown):
            tally.strange(found.shape, found.number)
            continue
        told.put(*found)
        if told.tables:
            yield _of(told, size)
            size = 0
    yield _of(told, size)


def _of(told: Told, size: int) -> Piece:
    buffers: list[Bytes] = []
    return piece(told.take(buffers), buffers, size)


def _syslog(segment: Segment, setting: Setting, sql: Sql, tally: Tally) -> Iterator[Piece]:
    tally.format = "syslog"
    try:
        for runs, before in groups(segment):
            made, own = lines(runs, before, setting, sql)
            tally.add(own)
            yield made
    except (OSError, EOFError) as e:
        tally.damage = str(e)


def groups(segment: Segment) -> Iterator[tuple[list[bytes], int]]:
    """Runs of lines that become a piece, and how many lines come before them; raises as segments.chunks."""
    runs: list[bytes] = []
    size = before = lines = 0
    damage: Exception | None = None
    try:
        for run in chunks(segment):
            runs.append(run)
            size += len(run)
            lines += run.count(b"\n")
            if size > SEGMENT + CHUNK:
                yield runs, before
                runs, size, before = [], 0, lines
    except (OSError, EOFError) as e:
        damage = e
    # Also what stood before the damage.
    if runs:
        yield runs, before
    if damage:
        raise damage


def lines(runs: Iterable[bytes], before: int, setting: Setting, sql: Sql) -> tuple[Piece, Tally]:
    """The events of runs of syslog lines, before which so many lines stand."""
    made = _Made(sql, before)
    stamps = Stamps(setting.zone, setting.as_of)
    for run in runs:
        made.put(heads.stamped(before + made.tally.lines, run, stamps), len(run))
    return made.take(), made.tally


class _Made:
    """What was made of the runs of lines that become a piece; `before` lines stand before them."""

    def __init__(self, sql: Sql, before: int) -> None:
        self.sql, self.before, self.tally, self.told = sql, before, Tally(), Told()
        self.size = 0
        self.chosen: dict[str, list[sorting.Chosen]] = {}
        self.runs: list[Bytes] = []

    def put(self, lines: heads.Lines, size: int) -> None:
        """Take up a run of lines, `size` bytes of text."""
        tally = self.tally
        parts = heads.heads(lines)
        kinds, rest = sorting.sort(lines, parts)
        for kind, chosen in kinds.items():
            self.chosen.setdefault(kind, []).append(chosen)
        self.runs.append(lines.data)
        self.size += size
        tally.lines += lines.total
        tally.ignore(lines.strange, lines.first_strange - self.before)
        tally.ignored += lines.blank
        self._others(sorting.others(lines, parts, rest))

    def _strange(self, kind: str, line: int, count: int = 1) -> None:
        self.tally.strange(kind, line - self.before, count)

    def take(self) -> Piece:
        """The piece."""
        found: dict[str, list[Columns]] = {}
        left = {}
        data = np.concatenate(self.runs) if self.runs else np.zeros(0, np.uint8)
        begins = dict(zip(map(id, self.runs), accumulate(map(len, self.runs), initial=0), strict=False))
        for kind, parts in self.chosen.items():
            lines = sorting.joined(parts, data, [begins[id(p.data)] for p in parts])
            made, rest = postfix.events(kind, lines)
            for name, columns in made:
                found.setdefault(name, []).append(columns)
            if len(rest.number):
                left[kind] = rest
        buffers = [data]
        more = unusual.others(self.sql, left, buffers, self._strange)
        for others in (more, self.told.take(buffers)):
            for kind, events in others.items():
                found.setdefault(kind, []).extend(events)
        return piece(found, buffers, self.size)

    def _others(self, lines: Iterator[tuple[int, int, str, str, str, str]]) -> None:
        """Lines of other programs: those of a mail program are read one by one."""
        for number, time, host, program, pid, text in lines:
            daemon = daemons.recognise(program)
            if daemon is None:
                self.tally.ignore(1, number - self.before)
                continue
            found = daemon.events(Line(number, _EPOCH + timedelta(microseconds=time), host, program, pid, text))
            if found is None:
                self._strange(f"{daemon.NAME}: {shape(text)}", number)
            for event in found or ():
                self.told.put(number, event)
