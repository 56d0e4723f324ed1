"""A segment of a log is read, unless its events lie in a folder already: the work of one process, or of one machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from smtplab.logs import piece
from smtplab.logs.duck import Sql, full_disk, reader
from smtplab.logs.event import FileFormat, Setting
from smtplab.logs.parse import Tally, parse
from smtplab.logs.piece import Piece
from smtplab.logs.segments import SEGMENT, Segment, packed
from smtplab.tape import beside
from smtplab.workers import Workers

Made = tuple[list[Piece], Tally]


@dataclass(frozen=True)
class Job:
    """A segment, what its lines must be read with, and the format; None is syslog."""

    segment: Segment
    setting: Setting
    format: FileFormat | None = None

    def size(self) -> int:
        """Bytes of it."""
        segment = self.segment
        return (segment.path.stat().st_size if segment.end is None else segment.end) - segment.start

    def small(self) -> bool:
        """Whether its events may be held in memory all at once."""
        return self.size() <= 2 * SEGMENT and not packed(self.segment.path)

    def key(self, options: str) -> str:
        """What the events of this segment are kept under."""
        said = f"{self.setting.zone}-{self.setting.as_of:%Y%m%d}-{self.format.NAME if self.format else 'syslog'}"
        return f"{self.segment.digest()}-{said.replace('/', '.')}-{options}"


def made(job: Job, kept: Path | None) -> Made:
    """All events of a segment, and what became of its lines."""
    tally = Tally()
    with ExitStack() as stack:
        return list(events(job, reader(stack), kept, tally)), tally


def events(job: Job, sql: Sql, kept: Path | None, tally: Tally, workers: Workers | None = None) -> Iterator[Piece]:
    """The events of a segment, made unless they are kept already."""
    if kept is None:
        yield from parse(job.segment, job.setting, job.format, sql, tally, workers)
        return
    folder = kept / job.key(version())
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
        for number, one in enumerate(parse(job.segment, job.setting, job.format, sql, tally, workers)):
            piece.save(one, folder / f"{number:05}.parquet")
            # Those before one that is damaged were given already.
            if number >= given:
                yield one
        with beside(done) as made:
            made.write_text(json.dumps(asdict(tally)), "utf-8")
    except OSError as e:
        raise full_disk(e) from e


@cache
def version() -> str:
    """Changes with the rules, so that older events are not taken for today's."""
    import hashlib

    made = hashlib.sha256()
    home = resources.files("smtplab.logs")
    for folder in (home, home / "daemons", home / "files"):
        for file in sorted(folder.iterdir(), key=lambda f: f.name):
            if file.name.endswith((".py", ".sql")):
                made.update(file.read_bytes())
    return made.hexdigest()[:12]
