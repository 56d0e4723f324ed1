"""Logs of any size as tables: segments become events, windows of events become rows, each on its own.

Memory follows the segment, not the log. For a case, events are kept in a folder by what their segment holds, so that
interrupted work goes on and a log that grew is read from where it ended.
"""

from __future__ import annotations

import json
import shutil
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from queue import Full, Queue
from threading import Event as Signal
from typing import Any

import duckdb

from smtplab.logs import piece
from smtplab.logs.event import FileFormat, Setting
from smtplab.logs.meaning import SCHEMAS, Judge, Known
from smtplab.logs.parse import Tally, parse
from smtplab.logs.parts import Parts, full_disk
from smtplab.logs.piece import Piece
from smtplab.logs.segments import Segment
from smtplab.logs.unusual import Sql
from smtplab.logs.window import window
from smtplab.tape import beside

TABLES = tuple(SCHEMAS)
WORKERS = 2
MEMORY = "400MB"
"""What SQL may hold before it spills to disk."""
_WIDTH = 32
"""Bits of a line's number within its segment."""
WINDOW = 16 << 20
"""Bytes of lines that make a window."""
MOST = 64
"""Pieces of a window."""
_AHEAD = 2
"""Pieces of a segment that are made before they are asked for."""

_TURN = 200e-6
"""Seconds after which another thread may run."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Job:
    """A segment, what its lines must be read with, and the format; None is syslog."""

    segment: Segment
    setting: Setting
    format: FileFormat | None = None

    def key(self, options: str) -> str:
        """What the events of this segment are kept under."""
        said = f"{self.setting.zone}-{self.setting.as_of:%Y%m%d}-{self.format.NAME if self.format else 'syslog'}"
        return f"{self.segment.digest()}-{said.replace('/', '.')}-{options}"


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
        raise full_disk(e) from e


@contextmanager
def connection(folder: Path, threads: int = WORKERS) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB that spills into `folder`."""
    with duck({"threads": threads, "memory_limit": MEMORY, "temp_directory": str(folder / "spill")}) as con:
        yield con


class Builder:
    """Takes pieces of events in their order and writes the rows of every table as parts."""

    def __init__(self, parts: Parts, known: Known) -> None:
        self.parts, self.judge = parts, Judge(known)
        self.held, self.waiting = Piece(), list[tuple[Piece, int]]()

    def add(self, one: Piece, first: int) -> None:
        """A piece; `first` is added to the numbers of its events."""
        if self.waiting and (sum(p.size for p, _ in self.waiting) + one.size > WINDOW or len(self.waiting) >= MOST):
            self._window(False)
        self.waiting.append((one, first))

    def end(self) -> None:
        """Nothing comes behind."""
        self._window(True)

    def _window(self, final: bool) -> None:
        """Many small files, such as a year's rotated logs, make one window together."""
        made, self.held = window(self.waiting, self.held, final)
        self.waiting = []
        for some in made.shared_out():
            self.parts.add(self.judge.tables(some))


def build(
    jobs: Sequence[Job], known: Known, work: Path, kept: Path | None = None, progress: Progress | None = None
) -> Parts:
    """Read all segments in order and write the rows of every table under `work`.

    Events are kept under `kept` where given: those that lie there already are not made again, and those that belong
    to none of these segments are thrown away.
    """
    parts = Parts(work / "parts", SCHEMAS)
    builder = Builder(parts, known)
    with _quick_turns():
        for at, (job, pieces, tally) in enumerate(_parsed(jobs, kept)):
            if not at:
                # While the first lines are read.
                builder.judge.get_ready()
            for one in pieces:
                builder.add(one, base(at))
            parts.tallies.setdefault(job.segment.name, Tally()).add(tally)
            if progress:
                progress("read", at + 1, len(jobs))
        builder.end()
    if kept:
        _forget(kept, {j.key(_version()) for j in jobs})
    return parts


@contextmanager
def _quick_turns() -> Iterator[None]:
    """Let threads take turns more often: each has much to do outside of Python, and little between."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def views(con: duckdb.DuckDBPyConnection, parts: Parts) -> None:
    """Make every table of the parts a view of `con`."""
    for table in TABLES:
        source = parts.view(con, table)
        if table == "rejections":
            source = f"({_sql('refused').format(rejections=source)})"
        con.execute(f"create temp view {table} as select * from {source}")


def base(segment: int) -> int:
    """What is added to the numbers of a segment's events, so that they are in the order of all logs."""
    return segment << _WIDTH


class _Ahead:
    """The pieces of a job, made by another thread a few at a time."""

    def __init__(self, job: Job, kept: Path | None, sql: Sql, pool: Executor, stop: Signal) -> None:
        self.job, self.kept, self.sql, self.pool, self.stop = job, kept, sql, pool, stop
        self.tally = Tally()
        self.made: Queue[Piece | BaseException | None] = Queue(_AHEAD)

    def run(self) -> None:
        """Make them all, unless nobody wants them any more."""
        if self.stop.is_set():
            return
        try:
            for one in events(self.job, self.sql, self.kept, self.tally, self.pool):
                self._put(one)
                if self.stop.is_set():
                    return
            self._put(None)
        except BaseException as e:
            self._put(e)

    def _put(self, one: Piece | BaseException | None) -> None:
        while not self.stop.is_set():
            try:
                self.made.put(one, timeout=0.1)
            except Full:
                continue
            return

    def pieces(self) -> Iterator[Piece]:
        """Take them, in order."""
        while (one := self.made.get()) is not None:
            if isinstance(one, BaseException):
                raise one
            yield one


def reader(stack: ExitStack) -> Sql:
    """What reads lines by SQL: a connection a thread, made when it is first needed and closed with the stack."""
    own = threading.local()

    def connected() -> duckdb.DuckDBPyConnection:
        if not hasattr(own, "con"):
            own.con = stack.enter_context(duck({"threads": 1}))
        con: duckdb.DuckDBPyConnection = own.con
        return con

    return connected


def _parsed(jobs: Sequence[Job], kept: Path | None) -> Iterator[tuple[Job, Iterator[Piece], Tally]]:
    """Each job with its pieces, in order; a few are read ahead. The tally is whole when the pieces are taken."""
    left, waiting, stop = deque(jobs), deque[_Ahead](), Signal()
    with ExitStack() as stack, ThreadPoolExecutor(WORKERS) as pool, ThreadPoolExecutor(WORKERS) as readers:
        sql = reader(stack)
        try:
            while left or waiting:
                while left and len(waiting) <= WORKERS:
                    waiting.append(_Ahead(left.popleft(), kept, sql, pool, stop))
                    readers.submit(waiting[-1].run)
                one = waiting.popleft()
                yield one.job, one.pieces(), one.tally
        finally:
            stop.set()


def events(job: Job, sql: Sql, kept: Path | None, tally: Tally, pool: Executor | None = None) -> Iterator[Piece]:
    """The events of a segment, made unless they are kept already."""
    if kept is None:
        yield from parse(job.segment, job.setting, job.format, sql, tally, pool)
        return
    folder = kept / job.key(_version())
    done = folder / "done.json"
    given = 0
    with suppress(OSError, ValueError, TypeError):
        told = Tally(**json.loads(done.read_text("utf-8")))
        for file in sorted(folder.glob("*.parquet")):
            one = piece.load(file)
            given += 1
            yield one
        tally.__dict__.update(asdict(told))
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        for number, one in enumerate(parse(job.segment, job.setting, job.format, sql, tally, pool)):
            piece.save(one, folder / f"{number:05}.parquet")
            # Those before one that is damaged were given already.
            if number >= given:
                yield one
        with beside(done) as made:
            made.write_text(json.dumps(asdict(tally)), "utf-8")
    except OSError as e:
        raise full_disk(e) from e


def _forget(folder: Path, used: set[str]) -> None:
    for old in folder.iterdir():
        if old.is_dir() and old.name not in used:
            shutil.rmtree(old, ignore_errors=True)


@cache
def _sql(name: str) -> str:
    return (resources.files("smtplab.logs") / f"{name}.sql").read_text("utf-8")


@cache
def _version() -> str:
    """Changes with the rules, so that older events are not taken for today's."""
    import hashlib

    made = hashlib.sha256()
    home = resources.files("smtplab.logs")
    for folder in (home, home / "daemons", home / "files"):
        for file in sorted(folder.iterdir(), key=lambda f: f.name):
            if file.name.endswith((".py", ".sql")):
                made.update(file.read_bytes())
    return made.hexdigest()[:12]
