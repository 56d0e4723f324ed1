"""Logs of any size as tables: segments become events, windows of events become rows, each on its own.

Memory follows the segment, not the log. For a case, events are kept in a folder by what their segment holds, so that
interrupted work goes on and a log that grew is read from where it ended.
"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from smtplab.logs.duck import Sql, reader, sql_of
from smtplab.logs.jobs import Job, Made, tasks, whole
from smtplab.logs.meaning import SCHEMAS, Judge, Known
from smtplab.logs.parse import Tally
from smtplab.logs.parts import Parts
from smtplab.logs.piece import Piece
from smtplab.logs.window import window
from smtplab.workers import Task, Workers

if TYPE_CHECKING:
    import duckdb

TABLES = tuple(SCHEMAS)
_WIDTH = 32
"""Bits of a line's number within its segment."""
WINDOW = 16 << 20
"""Bytes of lines that make a window."""
MOST = 64
"""Pieces of a window."""

Progress = Callable[[str, int, int], None]


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
        rows, self.held = window(self.waiting, self.held, final)
        self.waiting = []
        for some in rows.shared_out():
            self.parts.add(self.judge.tables(some))


def build(
    jobs: Sequence[Job],
    known: Known,
    work: Path,
    kept: Path | None = None,
    progress: Progress | None = None,
    workers: Workers | None = None,
) -> Parts:
    """Read all segments in order, with `workers` if given, and write the rows of every table under `work`.

    Events are kept under `kept` where given: those that lie there already are not made again, and those that belong
    to none of these segments are thrown away.
    """
    parts = Parts(work / "parts", SCHEMAS)
    builder = Builder(parts, known)
    with ExitStack() as stack:
        parsed = _parsed(jobs, kept, workers or Workers(0, ""), reader(stack))
        # While the first lines are read elsewhere.
        builder.judge.get_ready()
        for at, (pieces, tally) in parsed:
            for one in pieces:
                builder.add(one, base(at))
            parts.tallies.setdefault(jobs[at].segment.name, Tally()).add(tally)
            if progress:
                progress("read", at + 1, len(jobs))
    builder.end()
    if kept:
        _forget(kept, {j.key for j in jobs})
    return parts


def views(con: duckdb.DuckDBPyConnection, parts: Parts) -> None:
    """Make every table of the parts a view of `con`."""
    for table in TABLES:
        source = parts.view(con, table)
        if table == "rejections":
            source = f"({sql_of('refused').format(rejections=source)})"
        con.execute(f"create temp view {table} as select * from {source}")


def base(segment: int) -> int:
    """What is added to the numbers of a segment's events, so that they are in the order of all logs."""
    return segment << _WIDTH


def _parsed(jobs: Sequence[Job], kept: Path | None, workers: Workers, sql: Sql) -> Iterator[tuple[int, Made]]:
    """What was made of the jobs, and the number of the job, in order; a few tasks are asked for ahead."""
    waiting = deque[tuple[int, Task[Made]]]()

    def taken() -> tuple[int, Made]:
        at, task = waiting.popleft()
        made = task.result()
        # What another process could not read may be read here.
        return at, whole(jobs[at], kept) if made[1].damage and workers.ahead and jobs[at].small() else made

    for at, job in enumerate(jobs):
        for task in tasks(job, kept, workers, sql):
            waiting.append((at, task))
            if len(waiting) > workers.ahead:
                yield taken()
    while waiting:
        yield taken()


def _forget(folder: Path, used: set[str]) -> None:
    for old in folder.iterdir():
        if old.is_dir() and old.name not in used:
            shutil.rmtree(old, ignore_errors=True)
