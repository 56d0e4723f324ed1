"""A segment of a log is read, unless its events lie in a folder already: the work of one process, or of one machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from pickle import PickleBuffer

from smtplab.logs import piece
from smtplab.logs.duck import Sql, full_disk, reader
from smtplab.logs.event import FileFormat, Setting
from smtplab.logs.parse import Tally, groups, lines, parse
from smtplab.logs.piece import Piece
from smtplab.logs.segments import SEGMENT, Segment, packed
from smtplab.tape import beside
from smtplab.workers import Task, Workers

Made = tuple[list[Piece], Tally]


@dataclass(frozen=True)
class Job:
    """A segment, what its lines must be read with, and the format; None is syslog."""

    segment: Segment
    setting: Setting
    format: FileFormat | None = None

    def size(self) -> int:
        """Bytes of it; none where the file is gone."""
        end = self.segment.end
        with suppress(OSError):
            return (self.segment.path.stat().st_size if end is None else end) - self.segment.start
        return 0

    def small(self) -> bool:
        """Whether another process may read it and its events may be held in memory all at once."""
        path = self.segment.path
        # /dev/stdin of another process is another file.
        here = path.absolute().parts[1:2] in (("dev",), ("proc",))
        return not here and 0 < self.size() <= 2 * SEGMENT and not packed(path)

    @cached_property
    def key(self) -> str:
        """What the events of this segment are kept under."""
        said = f"{self.setting.zone}-{self.setting.as_of:%Y%m%d}-{self.format.NAME if self.format else 'syslog'}"
        return f"{self.segment.digest()}-{said.replace('/', '.')}-{_version()}"

    def done(self, kept: Path) -> Path:
        """The file that tells that all events of this segment lie beside it."""
        return kept / self.key / "done.json"

    def begin(self, kept: Path) -> Path:
        """An empty folder for its events."""
        folder = kept / self.key
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def end(self, kept: Path, tally: Tally) -> None:
        """All events of it are kept; raises SmtplabError where the disk is full."""
        try:
            with beside(self.done(kept)) as file:
                file.write_text(json.dumps(asdict(tally)), "utf-8")
        except OSError as e:
            raise full_disk(e) from e


def tasks(job: Job, kept: Path | None, workers: Workers, sql: Sql) -> Iterator[Task[Made]]:
    """What is to be done for the events of a segment, in order: one task, or a task a piece where it may be large."""
    # Empty files of one name have one key.
    kept = kept if job.size() else None
    if workers.ahead and job.small():
        yield workers.submit(whole, job, kept)
    elif workers.ahead and job.format is None and not (kept and job.done(kept).exists()):
        yield from _unpacked(job, kept, workers)
    else:
        tally = Tally()
        for one in events(job, sql, kept, tally):
            yield Task(workers, _given, ([one], Tally()))
        yield Task(workers, _given, ([], tally))


def whole(job: Job, kept: Path | None) -> Made:
    """All events of a segment, and what became of its lines."""
    tally = Tally()
    with ExitStack() as stack:
        return list(events(job, reader(stack), kept, tally)), tally


def _given(pieces: list[Piece], tally: Tally) -> Made:
    return pieces, tally


def _unpacked(job: Job, kept: Path | None, workers: Workers) -> Iterator[Task[Made]]:
    """A log that only one can unpack: its lines are given to others."""
    total, folder = Tally(), job.begin(kept) if kept else None
    damage = ""
    try:
        for number, (runs, before) in enumerate(groups(job.segment)):
            file = folder / f"{number:05}.parquet" if folder else None
            task = workers.submit(_lines, [PickleBuffer(run) for run in runs], before, job.setting, file)
            task.then = lambda made: total.add(made[1])
            yield task
    except (OSError, EOFError) as e:
        damage = str(e)
    last = Task(workers, _given, ([], Tally(damage=damage, format="syslog")))
    if kept and not damage:
        last.then = lambda _: job.end(kept, total)
    yield last


def _lines(runs: Sequence[PickleBuffer], before: int, setting: Setting, file: Path | None) -> Made:
    with ExitStack() as stack:
        made, tally = lines(map(bytes, runs), before, setting, reader(stack))
    if file:
        _save(made, file)
    return [made], tally


def events(job: Job, sql: Sql, kept: Path | None, tally: Tally) -> Iterator[Piece]:
    """The events of a segment, made unless they are kept already; those of one that is damaged are not kept."""
    if kept is None:
        yield from parse(job.segment, job.setting, job.format, sql, tally)
        return
    given = 0
    with suppress(OSError, ValueError, TypeError):
        told = Tally(**json.loads(job.done(kept).read_text("utf-8")))
        for file in sorted(job.done(kept).parent.glob("*.parquet")):
            one = piece.load(file)
            given += 1
            yield one
        tally.__dict__.update(asdict(told))
        return
    folder = job.begin(kept)
    for number, one in enumerate(parse(job.segment, job.setting, job.format, sql, tally)):
        _save(one, folder / f"{number:05}.parquet")
        # Those before one that is damaged were given already.
        if number >= given:
            yield one
    if not tally.damage:
        job.end(kept, tally)


def _save(one: Piece, file: Path) -> None:
    try:
        piece.save(one, file)
    except OSError as e:
        raise full_disk(e) from e


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
