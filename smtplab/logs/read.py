"""Reading: mail logs and provider events into the tables deliveries, messages, connections, rejections and outcomes."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import finalize
from zoneinfo import ZoneInfo

from smtplab.archives import whole
from smtplab.errors import SourceError
from smtplab.logs import copies, engine, files, segments, years
from smtplab.logs.engine import Progress
from smtplab.logs.event import FileFormat, Setting
from smtplab.logs.evidence import InMemory, LogEvidence
from smtplab.logs.jobs import Job
from smtplab.logs.lines import Stamps, since
from smtplab.logs.meaning import Known
from smtplab.logs.parts import Parts
from smtplab.logs.results import understood
from smtplab.logs.segments import FAR, MAX_RECORD, SEGMENT, Segment, cut, given, head
from smtplab.logs.source import Source
from smtplab.workers import Workers

if TYPE_CHECKING:
    import pandas as pd

    from smtplab.case import Case
    from smtplab.tables import Sighting

_SHAPE = 11
"""Counted up when the derived tables change, so that an older cache is not taken for them."""
_MOST = 1_000
"""Files left out that are told."""
SYSLOG = "syslog"
SPOOLED = "standard-input"
_LATER = datetime(9000, 1, 1, tzinfo=UTC)


def read(case: Case) -> LogEvidence:
    """Read all logs and provider events of a case; derived tables are cached.

    Raises SourceError where there are logs and not one line of them is understood.
    """
    import pandas as pd

    paths = [*case.sources("logs"), *case.sources("events")]
    beside = left_out(case)
    options = f"{_SHAPE}|{beside!r}|{case.hosts!r}|{case.file.streams!r}|{case.timezone}|{case.as_of:%Y-%m-%d}"
    tables = case.cached("logs", paths, lambda: _build(case, paths, beside), options)
    marks = tuple((pd.Timestamp(m.time), m.text) for m in case.marks)
    return LogEvidence(InMemory(tables), marks)


def left_out(case: Case) -> list[str]:
    """What lies beside the logs and events of a case, and is named by no pattern of its case.toml."""
    from smtplab.casefile import SOURCE_KINDS

    named = {f for kind in SOURCE_KINDS for f in case.sources(kind)}
    patterns = [Path(p) for kind in ("logs", "events") for p in case.file.sources.get(kind, ())]
    folders = {case.path / p.parent for p in patterns if p.parent.parts and not any(c in str(p.parent) for c in "*?[")}
    beside = (f for folder in sorted(folders) if folder.is_dir() for f in sorted(folder.iterdir()))
    unnamed = (f for f in beside if not f.name.startswith(".") and f not in named)
    files = (f for f in unnamed if f.is_file() or (not (_files(f) & named) and _files(f)))
    return [case.rel(f) for f in islice(files, _MOST)]


def _files(folder: Path) -> set[Path]:
    return {f for f in islice(folder.rglob("*"), _MOST) if f.is_file()}


def _build(case: Case, paths: list[Path], beside: list[str]) -> dict[str, pd.DataFrame]:
    from smtplab.logs.stored import frames

    sources = [source(p, case.rel(p), zone=case.timezone, as_of=case.as_of) for p in paths]
    logs = {case.rel(p) for p in case.sources("logs")}
    with case.workshop("logs") as kept, tempfile.TemporaryDirectory(prefix="smtplab-") as work:
        known = Known(case.hosts, case.streams)
        with segments.workers(paths) as workers:
            parts = build(sources, known, Path(work), kept, workers=workers)
        what = "not read: no pattern of sources in case.toml matches it"
        parts.told += [{"file": whole(name), "line": None, "what": what, "records": None} for name in beside]
        tables = frames(parts, known, Path(work))
    told = [t for name, t in parts.tallies.items() if name in logs]
    if told and all(understood(t) <= 0 and not t.unknown for t in told) and any(t.passed or t.damage for t in told):
        raise SourceError(
            "no line of a mail program that is read",
            where=next(n for n in parts.tallies if n in logs),
            do="Put the mail log there, or mend sources.logs of case.toml",
        )
    return tables


def read_paths(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    format: str = "auto",
    timezone: str = "UTC",
    year: int | None = None,
    known: Known | None = None,
    progress: Progress | None = None,
    client: Any = None,
) -> LogEvidence:
    """Read a file, folder, glob, case or standard input ("-"), or several, with no cache; on a Dask `client` if given.

    Of a case its logs and events are read, in its zone and by its clock. For other stamps that carry none, `timezone`
    and `year` are: the year in which each file begins, else the latest that is not behind the file's own time. Large
    tables stay on disk while the evidence is in use: one that is looked at is loaded, and `sql` needs memory for its
    answer only. Raises SourceError for what is no log.
    """
    from smtplab.logs.stored import Stored

    paths = _places(paths)
    known = known or told_by(paths)
    with ExitStack() as held:
        work = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="smtplab-")))
        sources = find(paths, work, format=format, timezone=timezone, year=year)
        with segments.workers(() if client else given(paths)) as workers:
            parts = build(sources, known, work, progress=progress, client=client, workers=workers)
        stored = Stored(parts, known, work)
        (work / SPOOLED).unlink(missing_ok=True)
        finalize(stored, held.pop_all().close)
        return LogEvidence(stored)


def find(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    spool: Path,
    *,
    format: str = "auto",
    timezone: str = "UTC",
    year: int | None = None,
) -> Iterator[Source]:
    """The sources behind paths; standard input is kept in the folder `spool`, so that it is a file as others are.

    Raises SourceError for one that is missing or holds no log, and for a zone or a format that is not known.
    """
    try:
        ZoneInfo(timezone)
    except (KeyError, ValueError, OSError) as e:
        do = 'Use a name such as "Europe/Berlin"'
        raise SourceError(f"the zone {timezone!r} is not known", where="--timezone", do=do) from e
    places = _places(paths)
    found = _given(places)
    if not found:
        raise SourceError("no file is there", where=" ".join(map(str, places)))
    named = set(map(Path, places))
    refused: SourceError | None = None
    held = False
    for path, case in found.items():
        file = path
        if str(path) == "-":
            file = spool / SPOOLED
            with file.open("wb") as copy:
                shutil.copyfileobj(sys.stdin.buffer, copy)
        elif not path.is_file():
            what = "there is no such file" if not path.exists() else "is neither a file nor a folder"
            raise SourceError(what, where=path)
        when: dict[str, Any] = (
            {"zone": case.timezone, "as_of": case.as_of} if case else {"zone": timezone, "year": year}
        )
        try:
            yield source(file, str(path), **when, format=format, strict=True)
            held = True
        except SourceError as e:
            if path in named:
                raise
            # What lies in a folder beside the logs costs only itself: its lines are counted as passed over.
            refused = refused or e
            yield source(file, str(path), **when, format=format)
    if refused and not held:
        raise refused


def told_by(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> Known:
    """What the cases among the paths tell of their mail."""
    cases = [case for place in _places(paths) if (case := _case(place))]
    return Known(tuple(h for c in cases for h in c.hosts), tuple(s for c in cases for s in c.streams))


def _places(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[str | os.PathLike[str]]:
    return [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)


def _case(place: str | os.PathLike[str]) -> Case | None:
    if not (Path(place) / "case.toml").is_file():
        return None
    from smtplab.case import Case

    return Case.open(place)


def _given(places: Iterable[str | os.PathLike[str]]) -> dict[Path, Case | None]:
    """The files behind the places, each once, with the case that names it."""
    found: dict[Path, Case | None] = {}
    for place in places:
        case = _case(place)
        files = [*case.sources("logs"), *case.sources("events")] if case else given(place)
        found |= {file: case for file in files if file not in found}
    return found


def source(
    path: Path,
    name: str,
    *,
    zone: str,
    as_of: datetime | None = None,
    year: int | None = None,
    format: str = "auto",
    strict: bool = False,
) -> Source:
    """Look at the first lines of a file: its format, and when it begins."""
    first: list[str] = []
    try:
        first.extend(head(path, MAX_RECORD))
    except (OSError, EOFError) as e:
        if strict and not first:
            raise SourceError(f"no log can be read from it: {e}", where=name) from e
    kind = _format(format, first)
    if strict and first and kind is None and format == "auto":
        stamps = Stamps(zone, _LATER)
        if not any(stamps.line(line) for line in first):
            raise SourceError("not a mail log: no line bears a time stamp that is known", where=name)
    begun = since(year, first[0], zone) if year and first and as_of is None else None
    as_of = begun or as_of or datetime.fromtimestamp(path.stat().st_mtime, UTC)
    name = whole(name)
    setting = Setting(name, zone, as_of, "")
    stamps = Stamps(zone, as_of)
    time = next((s.time for line in first if (s := stamps.line(line))), 0)
    known = copies.begin(first), copies.telling(first)
    return Source(path, name, setting, kind, time, *known, years.yearless(first), by_begin=begun is not None)


def _format(format: str, first: list[str]) -> FileFormat | None:
    if format == "auto":
        return files.recognise(first)
    if format in (SYSLOG, "postfix"):
        return None
    for known in files.ALL:
        if format == known.NAME:
            return known
    names = ", ".join(["auto", SYSLOG, *dict.fromkeys(f.NAME for f in files.ALL)])
    raise SourceError(f"{format!r} is no format that is read", where="--format", do=f"One of: {names}")


def build(
    sources: Iterable[Source],
    known: Known,
    work: Path,
    kept: Path | None = None,
    progress: Progress | None = None,
    client: Any = None,
    workers: Workers | None = None,
) -> Parts:
    """Read the sources, each line once; see engine.build, and cluster.build for a `client`."""
    # What is made here is seen by no other machine.
    spool = None if client else work
    once = copies.once(sources, spool)
    made = jobs((years.dated(s, spool) for s in once.sources), FAR if client else SEGMENT)
    if client:
        from smtplab.logs import cluster

        parts = cluster.build(made, known, work, client, progress=progress)
    else:
        parts = engine.build(made, known, work, kept, progress, workers)
    parts.told = once.told
    return parts


def jobs(sources: Iterable[Source], size: int = SEGMENT) -> list[Job]:
    """The segments of all files, of `size` bytes, in the order in which the files begin: rotated files are one log."""
    made = []
    for one in sorted(sources, key=lambda s: (s.first, s.name)):
        if one.format:
            # A record may be longer than a line, and a table's head stands at its beginning.
            made.append(Job(Segment(one.path, one.name), one.setting, one.format))
        elif not one.pieces:
            made += [Job(s, one.setting) for s in cut(one.path, one.name, size)]
        else:
            made += _by_piece(one, size)
    return made


def _by_piece(source: Source, size: int) -> Iterator[Job]:
    pieces = iter(source.pieces)
    end, as_of = next(pieces)
    for segment in cut(source.path, source.name, size):
        start, stop = segment.start, segment.end or end
        while start < stop:
            setting = replace(source.setting, as_of=as_of)
            yield Job(replace(segment, start=start, end=min(end, stop)), setting)
            start = min(end, stop)
            if start == end:
                end, as_of = next(pieces, (stop, as_of))


def sightings(evidence: LogEvidence) -> list[Sighting]:
    """Recipient domains and our outbound addresses, with counts."""
    from smtplab.tables import Sighting

    outcomes = evidence.outcomes
    domains = outcomes["recipient_domain"].dropna().value_counts()
    return [Sighting("recipient_domain", str(d), where="logs", count=int(n)) for d, n in domains.items()]
