"""The first step: a segment of a log becomes events, the same on one machine and on many.

A pure function of the segment and what is known of it: the events are written as Parquet, what could not be
understood is counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

import duckdb
import pyarrow as pa

from smtplab.errors import SmtplabError
from smtplab.logs import daemons, heads, sorting
from smtplab.logs.event import COLUMNS, Event, FileFormat, Line, Setting, Unknown
from smtplab.logs.lines import Stamps
from smtplab.logs.segments import MAX_LINE, MAX_RECORD, SEGMENT, Segment, chunks
from smtplab.logs.values import quoted, shape

BATCH = 50_000
"""Events of programs read line by line that are held before they are written."""
SHAPES = 200
"""Kinds of lines not understood that are told of one segment."""
FROM_EVENT = "provider event"
"""Provenance of what a provider's event tells: it is of no queue of ours."""
_SIGNED = ("time", "host", "mta", "service", "pid", "client_host", "client_ip", "auth_method")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
QUIET = (
    r"^(?:lost connection|statistics:|starting|daemon started|terminating|using |reload|refreshing|"
    r"sender (?:non-)?delivery|uid=|host .+ said|enabling|Greylist|skipped|warning:|table .+ has changed|connect to |"
    r"setting up TLS|SSL_|improper|timeout after|too many errors|certificate|to=<.*status=(?:un)?deliverable|"
    r"(?:resent-)?message-id=|filter: |replace: |prepend: |hold: |info: |enforced|stopping|"
    r"(?:Anonymous|Untrusted|Trusted|Verified) TLS|PASS |WHITELISTED|ALLOWLISTED|BLACKLISTED|DENYLISTED|PREGREET|"
    r"DNSBL|COMMAND |NON-SMTP|BARE NEWLINE|addr .+ listed by|cache |close database|disconnect|dict_|fatal:|error:|"
    r"premature|master |process |removed|cleanup|requeued|Requeued|postqueue|scheduled|watchdog|query|proxy|"
    r"conversation with|client=|Host offered|discard:|milter-(?:hold|discard|accept)|postsuper|Placed|Released|Deleted|"
    r"mapping DSN|reject_warning|warn:|redirect:|dovecot|trouble|SASL)"
)
"""Postfix lines that are understood and tell nothing of the tables."""


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
        self.first_ignored = self.first_ignored or (first if count else 0)


def parse(segment: Segment, setting: Setting, format: FileFormat | None, out: Path, alone: bool = False) -> Tally:
    """Write the events of a segment to Parquet files in the folder `out`, in order; None is a syslog file.

    `alone` does it on one core. Never raises for what the segment holds.
    """
    out.mkdir(parents=True, exist_ok=True)
    with Events(out, alone) as events:
        return _records(segment, setting, format, events) if format else _syslog(segment, setting, events)


class Events:
    """Events on their way into Parquet files: rows in Python, and lines of Postfix of which SQL makes them."""

    def __init__(self, out: Path, alone: bool = False) -> None:
        self.out, self.files, self.alone = out, 0, alone
        self.rows: list[dict[str, Any]] = []
        self.lines: dict[str, list[pa.RecordBatch]] = {kind: [] for kind in sorting.KINDS}
        self.bytes = 0
        self.unread: list[tuple[int, int, str]] = []
        # One file is written while the next lines are read.
        self._writer = ThreadPoolExecutor(1)
        self._written: Future[list[tuple[int, int, str]]] | None = None

    def put(self, seq: int, event: Event) -> None:
        """One event."""
        if event.get("provenance") == FROM_EVENT and event["kind"] == "message":
            event = {**event, "kind": "began"}
        self.rows.append({**event, "seq": seq})
        if event["kind"] == "client" and event.get("sasl_user"):
            signed = {k: event.get(k) for k in _SIGNED}
            signed |= {"kind": "sign_in", "auth_user": event["sasl_user"], "auth_ok": True, "seq": seq}
            self.rows.append(signed)
        if len(self.rows) >= BATCH:
            self.flush()

    def put_lines(self, batches: dict[str, pa.RecordBatch], size: int) -> None:
        """Lines of Postfix by kind; `size` bytes of text are held by them."""
        for kind, batch in batches.items():
            self.lines[kind].append(batch)
        self.bytes += size
        if self.bytes >= SEGMENT:
            self.flush()

    def flush(self) -> None:
        """Write what is held."""
        self._wait()
        if not (self.rows or self.bytes) and self.files:
            return
        # An empty list would load pandas, only to ask whether it is of its kinds.
        rows = pa.Table.from_batches([], SCHEMA)
        if self.rows:
            rows = pa.Table.from_pylist([_fit(r) for r in self.rows], schema=SCHEMA)
        lines = {k: pa.Table.from_batches(b, sorting.columns(k)) for k, b in self.lines.items()}
        file = self.out / f"{self.files:05}"
        self._written = self._writer.submit(_write, lines, rows, file)
        self.rows, self.lines, self.bytes = [], {kind: [] for kind in sorting.KINDS}, 0
        self.files += 1
        if self.alone:
            self._wait()

    def settle(self) -> list[tuple[int, int, str]]:
        """First number, count and shape of the lines that no rule understood."""
        self._wait()
        return self.unread

    def _wait(self) -> None:
        if self._written:
            self.unread += self._written.result()
            self._written = None

    def __enter__(self) -> Events:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            if error[0] is None and (self.rows or not self.files):
                self.flush()
            self._wait()
        finally:
            self._writer.shutdown()


@contextmanager
def duck(config: dict[str, Any]) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB that reads no settings of the user; a full disk is one line for a person."""
    try:
        with duckdb.connect(config={"autoinstall_known_extensions": False, **config}) as con:
            con.execute("set preserve_insertion_order = false")
            # In a notebook without widgets there is no bar, and DuckDB refuses to hear of one.
            with suppress(duckdb.InvalidInputException):
                con.execute("set enable_progress_bar = false")
            yield con
    except duckdb.IOException as e:
        do = "Free space there, or name another folder in TMPDIR"
        raise SmtplabError(f"a table cannot be kept: {str(e)[:400]}", do=do) from e


def _write(lines: dict[str, pa.Table], rows: pa.Table, stem: Path) -> list[tuple[int, int, str]]:
    """One piece of events, a file a family; gives first number, count and shape of lines not understood."""
    with duck({"threads": 1}) as con:
        for kind, table in lines.items():
            con.register(kind, table)
        con.register("rows", rows)
        for family, (kinds, columns) in FAMILIES.items():
            names = ", ".join(columns)
            wanted = f"select {names} from rows where kind in {kinds!r}"
            if family in POSTFIX:
                con.execute(f"create temp table made as select * from ({_sql(family)}) limit 0")
                missing = set(columns) - {r[0] for r in con.execute("describe made").fetchall()}
                con.execute("drop table made")
                typed = ", ".join(f"null::{_TYPES[c]} as {c}" for c in sorted(missing))
                made = f"select *{', ' + typed if typed else ''} from ({_sql(family)})"
                wanted = f"select {names} from ({made}) union all by name {wanted}"
            con.execute(f"copy ({wanted}) to {quoted(f'{stem}.{family}.parquet')} (format parquet)")
        return con.execute(_sql("unread"), {"stem": str(stem), "quiet": QUIET}).fetchall()


@cache
def _sql(name: str) -> str:
    return (resources.files("smtplab.logs") / f"{name}.sql").read_text("utf-8")


SCHEMA = pa.schema(list(COLUMNS.items()))
_MAIL = ("sender", "size", "header_from", "dkim_domain", "dkim_selector")
_HEAD = ("seq", "kind", "time", "host")
FAMILIES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = MappingProxyType(
    {
        "tries": (
            ("delivery", "delivery"),
            (*_HEAD, "mta", "service", "pid", "queue_id", "message_id", *_MAIL, "recipient", "relay_host", "relay_ip",
             "relay_port", "status", "smtp_code", "enhanced_code", "response", "delay", "delay_before_queue",
             "delay_in_queue", "delay_connection", "delay_transmission", "tls_version", "tls_cipher", "tls_verified",
             "connection_uses", "attempt", "source_ip", "stream", "campaign", "provenance"),
        ),
        "facts": (
            ("client", "message", "message_id", "signature", "expired", "removed"),
            (*_HEAD, "mta", "queue_id", "message_id", *_MAIL, "recipients", "client_host", "client_ip", "sasl_user"),
        ),
        "told": (
            ("sign_in", "tls", "session", "ending", "rejection"),
            (*_HEAD, "service", "pid", "queue_id", "client_host", "client_ip", "relay_host", "relay_ip", "tls_version",
             "tls_cipher", "tls_verified", "auth_method", "auth_user", "auth_ok", "ended", "commands", "stage",
             "helo", "sender", "recipient", "smtp_code", "enhanced_code", "response"),
        ),
        "rest": (
            ("complaint", "began"),
            (*_HEAD, "queue_id", "message_id", "sender", "recipient", "source_ip", "stream", "campaign", "dkim_domain"),
        ),
    }
)  # fmt: skip
"""The files of a piece: kinds of events and their columns."""
POSTFIX = ("tries", "facts", "told")
"""Families of which SQL makes events from lines of Postfix."""
_SQL = {pa.int64(): "bigint", pa.float64(): "double", pa.bool_(): "boolean"}
_TYPES = {name: _SQL.get(type, "varchar") for name, type in COLUMNS.items()}


def _fit(row: dict[str, Any]) -> dict[str, Any]:
    # A surrogate from JSON is no UTF-8 and would stop the whole table.
    return {k: v.encode("utf-8", "replace").decode()[:MAX_LINE] if isinstance(v, str) else v for k, v in row.items()}


def _records(segment: Segment, setting: Setting, format: FileFormat, events: Events) -> Tally:
    tally = Tally(format=format.NAME)

    def numbered() -> Iterator[tuple[int, str]]:
        try:
            for run in chunks(segment, MAX_RECORD):
                for raw in run[:-1].split(b"\n"):
                    tally.lines += 1
                    yield tally.lines, raw.decode("utf-8", "replace").rstrip("\r")
        except (OSError, EOFError) as e:
            tally.damage = str(e)

    for found in format.events(numbered(), setting):
        if isinstance(found, Unknown):
            tally.strange(found.shape, found.number)
        else:
            events.put(*found)
    return tally


def _syslog(segment: Segment, setting: Setting, events: Events) -> Tally:
    tally = Tally(format="syslog")
    stamps = Stamps(setting.zone, setting.as_of)
    try:
        for run in chunks(segment):
            lines = heads.stamped(tally.lines, run, stamps)
            parts = heads.heads(lines)
            batches, rest = sorting.sort(lines, parts)
            events.put_lines(batches, len(run))
            tally.lines += lines.total
            tally.ignore(lines.strange, lines.first_strange)
            tally.ignored += lines.blank
            _others(sorting.others(lines, parts, rest), tally, events)
    except (OSError, EOFError) as e:
        tally.damage = str(e)
    events.flush()
    for number, count, kind in events.settle():
        tally.strange(kind, number, count)
    return tally


def _others(lines: Iterator[tuple[int, int, str, str, str, str]], tally: Tally, events: Events) -> None:
    """Lines of other programs: those of a mail program are read one by one."""
    for number, time, host, program, pid, text in lines:
        daemon = daemons.recognise(program)
        if daemon is None:
            tally.ignore(1, number)
            continue
        found = daemon.events(Line(number, _EPOCH + timedelta(microseconds=time), host, program, pid, text))
        if found is None:
            tally.strange(f"{daemon.NAME}: {shape(text)}", number)
        for event in found or ():
            events.put(number, event)
