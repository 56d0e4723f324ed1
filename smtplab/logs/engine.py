"""Logs of any size as tables: segments become events, windows of events become rows, each on its own.

Memory follows the segment, not the log. Events are kept in a folder by what their segment holds, so that interrupted
work goes on and a log that grew is read from where it ended.
"""

from __future__ import annotations

import json
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path

import duckdb

from smtplab.logs.event import FileFormat, Setting
from smtplab.logs.meaning import LOWER, Known, judge, prepare
from smtplab.logs.parse import FAMILIES, Events, Tally, duck, parse
from smtplab.logs.segments import Segment
from smtplab.logs.values import quoted

TABLES = ("deliveries", "messages", "connections", "rejections", "complaints", "begun")
WORKERS = 2
MEMORY = "400MB"
"""What SQL may hold before it spills to disk."""
_WIDTH = 32
"""Bits of a line's number within its segment."""

WINDOW = 4 << 20
"""Bytes of events that make a window."""
MOST = 64
"""Pieces of a window."""

Progress = Callable[[str, int, int], None]
Piece = tuple[Path, int]
"""Events of a segment: the beginning of the names of their files, and what is added to their numbers."""


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


@dataclass
class Parts:
    """The rows made, as Parquet files a window, and what became of the lines of each file."""

    folder: Path
    tallies: dict[str, Tally] = field(default_factory=dict)

    def files(self, table: str) -> str:
        """The files of a table as a list of SQL, in the order of the logs."""
        return f"[{', '.join(map(quoted, sorted((self.folder / table).glob('*.parquet'))))}]"


@contextmanager
def connection(folder: Path, threads: int = WORKERS) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB that spills into `folder`."""
    with duck({"threads": threads, "memory_limit": MEMORY, "temp_directory": str(folder / "spill")}) as con:
        yield con


def build(
    jobs: Sequence[Job], known: Known, work: Path, kept: Path | None = None, progress: Progress | None = None
) -> Parts:
    """Read all segments in order and write the rows of every table under `work`.

    Events are kept under `kept` where given: those that lie there already are not made again, and those that belong
    to none of these segments are thrown away.
    """
    parts = Parts(work / "parts")
    with connection(work) as con:
        prepare(con, known)
        windows = 0
        pieces: list[Piece] = []
        for at, (job, files, tally) in enumerate(_parsed(jobs, kept or work / "events", work, kept is None)):
            parts.tallies.setdefault(job.segment.name, Tally()).add(tally)
            for i, file in enumerate(files):
                pieces.append((file, base(at)))
                final = at == len(jobs) - 1 and i == len(files) - 1
                if final or _full(pieces):
                    window(con, known, pieces, final)
                    write(con, parts, windows)
                    windows += 1
                    if kept is None:
                        _remove(pieces)
                    pieces = []
            if progress:
                progress("read", at + 1, len(jobs))
        if not jobs:
            with Events(work):
                pass
            window(con, known, [(work / "00000", 0)], True)
            write(con, parts, 0)
    if kept:
        _forget(kept, {j.key(_version()) for j in jobs})
    return parts


def views(con: duckdb.DuckDBPyConnection, parts: Parts) -> None:
    """Make every table of the parts a view of `con`."""
    for table in TABLES:
        source = f"read_parquet({parts.files(table)})"
        if table == "rejections":
            source = f"({_sql('refused').format(rejections=source)})"
        con.execute(f"create temp view {table} as select * from {source}")


def _remove(pieces: Sequence[Piece]) -> None:
    for stem, _ in pieces:
        for file in stem.parent.glob(f"{stem.name}.*.parquet"):
            file.unlink()


def _full(pieces: Sequence[Piece]) -> bool:
    """Whether pieces make a window: many small files, such as a year's rotated logs, make one together."""
    size = sum(f.stat().st_size for stem, _ in pieces for f in stem.parent.glob(f"{stem.name}.*.parquet"))
    return size >= WINDOW or len(pieces) >= MOST


def window(con: duckdb.DuckDBPyConnection, known: Known, pieces: Sequence[Piece], final: bool) -> None:
    """Turn pieces of events, with what is held, into the tables of TABLES; see window.sql and meaning.sql."""
    for family in FAMILIES:
        files = (
            f"select * replace (seq + {first} as seq) from read_parquet({quoted(f'{stem}.{family}.parquet')})"
            for stem, first in pieces
        )
        con.execute(f"create or replace temp view new_{family} as {' union all '.join(files)}")
    con.execute("set variable final = $f", {"f": final})
    con.execute(_sql("held"))
    con.execute(_sql("window").format(lower_sender=LOWER.format("sender")))
    judge(con, known)


def base(segment: int) -> int:
    """What is added to the numbers of a segment's events, so that they are in the order of all logs."""
    return segment << _WIDTH


def write(con: duckdb.DuckDBPyConnection, parts: Parts, number: int) -> None:
    """Keep the rows of a window, which are in the order of their numbers."""
    for table in TABLES:
        (parts.folder / table).mkdir(parents=True, exist_ok=True)
        con.execute(f"copy {table} to {quoted(parts.folder / table / f'{number:06}.parquet')} (format parquet)")


def _parsed(jobs: Sequence[Job], folder: Path, work: Path, throw_away: bool) -> Iterator[tuple[Job, list[Path], Tally]]:
    """Each job with its files of events, in order; a few are read ahead."""
    waiting: deque[tuple[Job, Future[tuple[list[Path], Tally]]]] = deque()
    left = deque(jobs)
    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            while left or waiting:
                while left and len(waiting) <= WORKERS:
                    job = left.popleft()
                    name = f"{len(jobs) - len(left):06}" if throw_away else job.key(_version())
                    waiting.append((job, pool.submit(events, job, folder / name)))
                job, done = waiting.popleft()
                yield job, *done.result()
        finally:
            for _, rest in waiting:
                rest.cancel()


def events(job: Job, folder: Path) -> tuple[list[Path], Tally]:
    """The files of events of a segment, made unless they lie in the folder already."""
    done = folder / "done.json"
    with suppress(OSError, ValueError, TypeError):
        return stems(folder), Tally(**json.loads(done.read_text("utf-8")))
    shutil.rmtree(folder, ignore_errors=True)
    tally = parse(job.segment, job.setting, job.format, folder)
    beside = done.with_suffix(".part")
    beside.write_text(json.dumps(asdict(tally)), "utf-8")
    beside.replace(done)
    return stems(folder), tally


def stems(folder: Path) -> list[Path]:
    """The pieces of a segment's events, in order."""
    return [folder / f.name.split(".")[0] for f in sorted(folder.glob("*.tries.parquet"))]


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
