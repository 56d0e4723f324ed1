"""The case: one organisation's mail at one time, as a folder of sources and recordings.

`Case.open(path)` replays a recording and sends nothing; `Case.open(path, live=True)` goes out within what
case.toml allows and records. Both give the same object, so everything above runs the same code.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType

import pandas as pd

from smtplab import __version__, casefile
from smtplab.casefile import FOLDER_KINDS, SOURCE_KINDS, CaseFile, Host, Mark, Stream
from smtplab.errors import CaseError, NotAllowed, SourceError, TapeError
from smtplab.net import Network, NetworkSettings, Progress
from smtplab.tape import Recorder, Tape, beside, recordings, unfinished, write_atomic

__all__ = ["Case"]
_ENDS = 65_536


class Case:
    """A case opened for reading; use `open` or `create`."""

    def __init__(self, path: Path, file: CaseFile, network: Network, tape: Tape | None) -> None:
        self.path, self.file, self.network, self.tape = path, file, network, tape
        self._held: dict[str, dict[str, pd.DataFrame]] | None = None
        self._begun: list[Path] = []

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        live: bool = False,
        recording: str | None = None,
        started: datetime | None = None,
        resume: bool = False,
        resolver: str = "",
        progress: Progress | None = None,
    ) -> Case:
        """Open a case folder.

        Replays `recording` (a name in tape/), else the one case.toml names, else the newest complete one; a
        case without recordings opens too, and every network fact is then unknown. With `live`, records under
        `started` (default now) as `<UTC>-<vantage>`; leave the `with` block to finish the recording. With
        `resume`, the newest interrupted recording is continued. `recording` then names the vantage. `resolver`
        (ADDRESS:PORT) is asked in place of the one case.toml names.
        Raises CaseError, TapeError, SourceError, NotAllowed.
        """
        folder = Path(path)
        if not folder.is_dir():
            what = "is a file, not the folder of a case" if folder.exists() else "there is no such folder"
            raise CaseError(what, where=folder, do="Make a case with `smtplab new DIR --domain D`")
        file = casefile.load(folder / "case.toml")
        settings = _settings(folder, file, resolver)
        if live and not file.network.probe:
            raise NotAllowed("network.probe is false", where=folder / "case.toml", do="Replay, or set it to true")
        if live:
            recorder = _recorder(folder / "tape", file, started, recording, resume)
            case = cls(folder, file, Network(settings, recorder=recorder, live=True, progress=progress), None)
        else:
            tape = _pick(folder / "tape", recording or file.recording)
            case = cls(folder, file, Network(settings, tape=tape), tape)
        for kind in SOURCE_KINDS:
            case.sources(kind)
        if live:
            recorder.__enter__()
        return case

    @classmethod
    def create(cls, path: str | os.PathLike[str], domain: str) -> Case:
        """Make the folder of a new case; raises CaseError if something lies there already."""
        folder = Path(path)
        text = casefile.template(casefile.parse({"version": 1, "domains": [domain]}).domains[0])
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise CaseError("something lies here already", where=folder, do="Choose a new or empty folder")
        for name in ("logs", "bounces", "dmarc", "tlsrpt", "events", "messages", "configuration"):
            (folder / "sources" / name).mkdir(parents=True)
        (folder / "tape").mkdir()
        write_atomic(folder / "case.toml", text.encode())
        write_atomic(folder / ".gitignore", b"cache/\n")
        return cls.open(folder)

    def __enter__(self) -> Case:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        if self.network.recorder:
            self.network.recorder.__exit__(kind, e, tb)

    def __repr__(self) -> str:
        evidence = self.tape.name if self.tape else "a new recording" if self.network.live else "no recording"
        return f"Case({self.name}: {', '.join(self.domains)}; as of {self.as_of:%Y-%m-%d %H:%M} UTC; {evidence})"

    @property
    def name(self) -> str:
        """The case's name for people."""
        return self.file.name

    @property
    def domains(self) -> tuple[str, ...]:
        """The organisation's domains, the main one first."""
        return self.file.domains

    @property
    def hosts(self) -> tuple[Host, ...]:
        """Servers named in case.toml."""
        return self.file.hosts

    @property
    def streams(self) -> tuple[Stream, ...]:
        """Kinds of mail named in case.toml."""
        return self.file.streams

    @property
    def marks(self) -> tuple[Mark, ...]:
        """Moments at which something changed."""
        return self.file.marks

    @property
    def selectors(self) -> dict[str, tuple[str, ...]]:
        """DKIM selectors named in case.toml, by domain."""
        return dict(self.file.selectors)

    @property
    def timezone(self) -> str:
        """Zone of log lines that carry none."""
        return self.file.zone

    @cached_property
    def as_of(self) -> datetime:
        """The clock of every judgement: pinned in case.toml, else the recording's start, else now."""
        if self.network.recorder:
            return self.file.as_of or self.network.recorder.started
        # A recording named for comparison is judged at its own time, not at the pinned one.
        if self.tape and (not self.file.as_of or self.tape.name != self.file.recording):
            return self.tape.started
        return self.file.as_of or datetime.now(UTC).replace(microsecond=0)

    @property
    def recordings(self) -> list[str]:
        """Names of the finished recordings, oldest first."""
        return [p.name.removesuffix(".jsonl") for p in recordings(self.path / "tape")]

    def sources(self, kind: str) -> list[Path]:
        """The files given for a kind of source, in name order; folders and globs of case.toml resolved.

        Raises SourceError for one named without a wildcard that is missing, one outside the case, also by a link, one
        that may not be read, and a folder where only files are understood.
        """
        found: list[Path] = []
        for pattern in self.file.sources.get(kind, ()):
            wild = any(c in pattern for c in "*?[")
            hits = sorted(self.path.glob(pattern)) if wild else [self.path / pattern]
            if not wild and not hits[0].exists():
                raise SourceError(
                    f"sources.{kind} names a file that is not there",
                    where=self.path / pattern,
                    do="Copy it there or mend case.toml",
                )
            found += hits
        inside = self.path.resolve()
        for file in found:
            # A case may come from a stranger: no link of his leads a report to files of this machine.
            if not file.resolve().is_relative_to(inside):
                what = "is a link that leads out of the case" if file.is_symlink() else "lies outside the case"
                raise SourceError(what, where=file, do="Copy what it names into the case")
        files = [f for f in dict.fromkeys(found) if not f.name.startswith(".")]
        for file in files:
            if what := _unusable(file, kind):
                raise SourceError(what, where=file, do=f"Mend it, or name other files in sources.{kind} of case.toml")
        return files

    def evidence(self) -> pd.DataFrame:
        """What the case holds: kind, held (files, or answers on tape), from; a kind without any says "none"."""
        rows = [
            (kind, f"{n:,} file{'s' * (n != 1)}" if (n := len(self.sources(kind))) else "none", "sources")
            for kind in SOURCE_KINDS
        ]
        held = self.tape.kinds() if self.tape else {}
        rows += [
            (f"network: {kind}", f"{n:,} answer{'s' * (n != 1)}", self.tape.name)
            for kind, n in held.items()
            if self.tape
        ]
        return pd.DataFrame(rows or [], columns=["evidence", "held", "from"])

    def rel(self, path: Path) -> str:
        """A path as shown to people and kept in tables: relative to the case."""
        with suppress(ValueError):
            return path.relative_to(self.path).as_posix()
        return path.name

    def cached(
        self, key: str, sources: Iterable[Path], build: Callable[[], dict[str, pd.DataFrame]], options: str = ""
    ) -> dict[str, pd.DataFrame]:
        """Tables derived from sources, from the Parquet cache where nothing they depend on has changed.

        `build` makes all tables of a key at once. The cache is keyed by the sources (size, time, digest of
        head and tail), `options` (which should name anything of case.toml and the rules that matters) and the
        program's version; a case that cannot be written uses the user's cache folder.
        """
        digest = hashlib.sha256(f"{__version__}|{key}|{options}".encode())
        for source in sources:
            digest.update(_fingerprint(source))
        stem = f"{key}-{digest.hexdigest()[:24]}"
        for folder in self._cache_folders():
            done = folder / f"{stem}.done"
            with suppress(OSError, ValueError, KeyError):
                names = done.read_text("utf-8").split()
                return {n: pd.read_parquet(folder / f"{stem}.{n}.parquet") for n in names}
        tables = build()
        if self._held is None:
            self._keep(stem, tables)
        else:
            self._held[stem] = tables
        return tables

    @contextmanager
    def nothing_kept_unless_all_is_read(self) -> Iterator[None]:
        """Within it the cache is written at the end, and not at all after an error."""
        self._held = {}
        try:
            yield
            for stem, tables in self._held.items():
                self._keep(stem, tables)
        except BaseException:
            self._discard()
            raise
        finally:
            self._held, self._begun = None, []

    def _keep(self, stem: str, tables: dict[str, pd.DataFrame]) -> None:
        for folder in self._cache_folders():
            with suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
                _forget(folder, stem.rpartition("-")[0])
                for name, table in tables.items():
                    with beside(folder / f"{stem}.{name}.parquet") as made:
                        table.to_parquet(made, compression="zstd")
                write_atomic(folder / f"{stem}.done", " ".join(tables).encode())
                break

    @contextmanager
    def workshop(self, key: str) -> Iterator[Path | None]:
        """A folder of the cache for what is half-way between sources and tables; None where nothing can be kept.

        After an error what was put there is taken away again.
        """
        for base in self._cache_folders():
            folder = base / key
            begun = next((p for p in (base, folder) if not p.exists()), None)
            with suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                break
        else:
            yield None
            return
        there = set(folder.iterdir())
        try:
            yield folder
        finally:
            self._begun += [begun] if begun else [p for p in folder.iterdir() if p not in there]
            if self._held is None and sys.exc_info()[0]:
                self._discard()

    def _discard(self) -> None:
        for path in self._begun:
            shutil.rmtree(path, ignore_errors=True)
        self._begun = []

    def _cache_folders(self) -> list[Path]:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        unique = hashlib.sha256(str(self.path.resolve()).encode()).hexdigest()[:16]
        return [self.path / "cache", home / "smtplab" / unique]


def _forget(folder: Path, key: str) -> None:
    """Leave the newest tables of a key: a comparison reads the same sources at two times."""
    newest = sorted(folder.glob(f"{key}-*.done"), key=lambda p: p.stat().st_mtime_ns)[-1:]
    for old in folder.glob(f"{key}-*"):
        if not any(old.name.startswith(f"{kept.stem}.") for kept in newest):
            old.unlink(missing_ok=True)


def _unusable(path: Path, kind: str) -> str:
    if path.is_dir() and kind not in FOLDER_KINDS:
        return f"is a folder; sources.{kind} takes files"
    if not path.is_dir() and not path.is_file():
        return "is neither a file nor a folder"
    return "" if os.access(path, os.R_OK) else "may not be read: permission denied"


def _fingerprint(path: Path) -> bytes:
    if path.is_dir():
        return b"".join(_fingerprint(p) for p in sorted(path.rglob("*")) if p.is_file())
    stat = path.stat()
    with path.open("rb") as file:
        ends = file.read(_ENDS)
        file.seek(max(0, stat.st_size - _ENDS))
        ends += file.read(_ENDS)
    return f"{path.name}|{stat.st_size}|{stat.st_mtime_ns}|".encode() + hashlib.sha256(ends).digest()


def _settings(folder: Path, file: CaseFile, resolver: str) -> NetworkSettings:
    section = file.network
    own = {h.name for h in file.hosts if h.own} | {a for h in file.hosts if h.own for a in h.addresses}
    for key in ("trust", "trust_anchor"):
        named = getattr(section, key)
        if named and not (folder / named).is_file():
            raise CaseError(f"network.{key} names {named}, which is not there", where=folder / "case.toml")
    return NetworkSettings(
        resolver=resolver or section.resolver,
        resolvers=section.resolvers,
        connections=section.connections,
        timeout=section.timeout,
        public=section.public,
        trust=folder / section.trust if section.trust else None,
        anchor=folder / section.trust_anchor if section.trust_anchor else None,
        own=frozenset(own),
        lab=file.lab,
        intrusive=section.intrusive,
    )


def _pick(folder: Path, name: str) -> Tape | None:
    if name:
        path = folder / f"{name.removesuffix('.jsonl')}.jsonl"
        if not path.is_file():
            have = ", ".join(p.name.removesuffix(".jsonl") for p in recordings(folder)) or "none"
            raise TapeError("there is no such recording", where=name, do=f"Recordings: {have}")
        return Tape.load(path)
    finished = recordings(folder)
    return Tape.load(finished[-1]) if finished else None


def _recorder(folder: Path, file: CaseFile, started: datetime | None, vantage: str | None, resume: bool) -> Recorder:
    if resume:
        parts = unfinished(folder)
        if not parts:
            raise TapeError("no interrupted recording to resume", where=folder, do="Run without --resume")
        tape = Tape.load(parts[-1], partial=True)
        return Recorder(folder, started=tape.started, vantage=tape.vantage)
    begin = (started or datetime.now(UTC)).replace(microsecond=0)
    note = "made in the lab; its clock is the story's" if file.lab else ""
    return Recorder(folder, started=begin, vantage=vantage or file.network.vantage, note=note)
