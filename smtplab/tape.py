"""The tape: one file a recording, holding the network's answers so that a case can be replayed.

A tape is JSON Lines: a header, one answer a line sorted by its question, and a trailer that counts them. The
question (kind, target, parameters) is the key, never the bytes sent or their order, so concurrency changes
nothing. While recording, lines go to `<name>.jsonl.part`, flushed one by one; a finished tape replaces it in
one rename. A `.part` left behind by an interrupted run can be resumed.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from types import TracebackType
from typing import IO, Any

from smtplab.answers import wrong
from smtplab.errors import TapeError

VERSION = 1
MAX_LINE = 4 * 1024 * 1024
YEARS = range(1970, 2200)
DAMAGE = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
"""What reading a damaged line raises."""


@dataclass(frozen=True, order=True)
class Question:
    """What was asked: a kind ("dns", "session", ...), a target and normalised parameters."""

    kind: str
    target: str
    params: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, kind: str, target: str, params: Mapping[str, str]) -> Question:
        """Normalise: parameters sorted by name, empty ones dropped."""
        return cls(kind, target, tuple(sorted((k, v) for k, v in params.items() if v)))


@dataclass(frozen=True)
class Entry:
    """An answer: its value, or why it is unknown."""

    question: Question
    at: datetime
    ms: float
    value: dict[str, Any] | None = None
    unknown: str | None = None

    def line(self) -> str:
        """The tape's line of this answer."""
        answer = {"unknown": self.unknown} if self.value is None else {"value": self.value}
        head = {
            "ask": [self.question.kind, self.question.target, dict(self.question.params)],
            "at": self.at.astimezone(UTC).isoformat(),
            "ms": round(self.ms, 1),
        }
        return json.dumps({**head, **answer}, ensure_ascii=True, sort_keys=True) + "\n"

    @classmethod
    def parse(cls, line: str) -> Entry:
        """The answer of a line; raises one of DAMAGE on a damaged one."""
        raw = json.loads(line)
        kind, target, params = raw["ask"]
        if not isinstance(raw.get("value", {}), dict) or not ("value" in raw or isinstance(raw["unknown"], str)):
            raise ValueError("neither a value nor a reason")
        question = Question.of(str(kind), str(target), {str(k): str(v) for k, v in params.items()})
        if "value" in raw and (found := wrong(question.kind, dict(question.params).get("rtype", ""), raw["value"])):
            raise ValueError(found)
        ms = float(raw["ms"])
        if not math.isfinite(ms):
            raise ValueError("ms is no number")
        return cls(question, _moment(raw["at"]), ms, raw.get("value"), raw.get("unknown"))


@dataclass(frozen=True)
class Tape:
    """A recording read whole: its header and its answers by question."""

    path: Path
    started: datetime
    vantage: str
    entries: Mapping[Question, Entry] = field(repr=False)
    complete: bool = True

    @classmethod
    def load(cls, path: Path, *, partial: bool = False) -> Tape:
        """Read a tape; raises TapeError naming the damaged line and how many answers stand before it.

        With `partial`, damage ends the reading instead: what stands before it is returned, `complete` False.
        """
        entries: dict[Question, Entry] = {}
        header: dict[str, Any] = {}
        trailer = False
        try:
            for number, line in _lines(path):
                if number == 1:
                    header = _header(line, path)
                elif line.startswith('{"end"'):
                    if json.loads(line)["end"] != len(entries):
                        raise ValueError("the trailer counts other answers than the file holds")
                    trailer = True
                elif trailer:
                    raise ValueError("a line behind the trailer")
                else:
                    entry = Entry.parse(line)
                    entries[entry.question] = entry
        except DAMAGE as e:
            if not partial:
                raise TapeError(
                    f"line {number} is damaged ({e}); {len(entries)} answers before it can still be used",
                    where=path.name,
                    do="Record again, or open with partial=True",
                    usable=len(entries),
                ) from e
        if not header:
            raise TapeError("the recording is empty", where=path.name, do="Record again with `smtplab collect`")
        if not trailer and not partial:
            raise TapeError(
                f"cut short after line {len(entries) + 1}; its {len(entries)} answers can still be used",
                where=path.name,
                do="Finish it with `smtplab collect --resume`, or open with partial=True",
                usable=len(entries),
            )
        started = datetime.fromisoformat(header["started"])
        return cls(path, started, str(header.get("vantage", "")), entries, trailer)

    @property
    def name(self) -> str:
        """The recording's name, `<UTC>-<vantage>`."""
        return self.path.name.removesuffix(".part").removesuffix(".jsonl")

    def kinds(self) -> dict[str, int]:
        """How many answers of each kind."""
        counts: dict[str, int] = {}
        for question in self.entries:
            counts[question.kind] = counts.get(question.kind, 0) + 1
        return dict(sorted(counts.items()))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open("rb") as file:
        number = 0
        while chunk := file.readline(MAX_LINE + 1):
            number += 1
            if len(chunk) > MAX_LINE:
                raise TapeError(f"line {number} is longer than {MAX_LINE:,} bytes", where=path.name)
            try:
                yield number, chunk.decode("utf-8")
            except UnicodeDecodeError:
                # Not UTF-8 is damage like any other: let the parser of this line say so.
                yield number, "\x00"


def _moment(text: str) -> datetime:
    """A time with its zone, of a year that can be reckoned with."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time without a zone")
    if at.year not in YEARS:
        raise ValueError(f"the year {at.year}")
    return at


def _header(line: str, path: Path) -> dict[str, Any]:
    header = json.loads(line)
    version = header["tape"]
    if not isinstance(version, int) or version > VERSION:
        raise TapeError(
            f"line 1: the recording has version {version}, this smtplab reads up to {VERSION}",
            where=path.name,
            do="Upgrade smtplab to open it",
        )
    _moment(header["started"])
    return dict(header)


class Recorder:
    """Writes a recording: append while it runs, sort and rename when it ends.

    Leaving the `with` block by an exception keeps the `.part` file, so that the recording can be resumed; there is
    none before the first answer.
    """

    def __init__(self, folder: Path, *, started: datetime, vantage: str, note: str = "") -> None:
        stamp = started.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        self.target = folder / f"{stamp}-{vantage}.jsonl"
        self.part = self.target.with_suffix(".jsonl.part")
        self.started, self.vantage, self.note = started, vantage, note
        self.entries: dict[Question, Entry] = {}
        self._file: IO[str] | None = None
        self._entered = False

    def __enter__(self) -> Recorder:
        self._entered = True
        if self.part.exists():
            # A line cut in the middle by the interruption is asked again, not kept.
            self.entries = {q: e for q, e in Tape.load(self.part, partial=True).entries.items() if e.value is not None}
        return self

    def put(self, entry: Entry) -> None:
        """Add one answer; it is on disk when this returns."""
        if not self._entered:
            raise TapeError("the recording is closed", where=self.target.name)
        if self._file is None:
            self._file = self._begin()
        self.entries[entry.question] = entry
        self._file.write(entry.line())
        self._file.flush()

    def _begin(self) -> IO[str]:
        self.part.parent.mkdir(parents=True, exist_ok=True)
        kept = [self._head(), *(e.line() for e in self.entries.values())]
        write_atomic(self.part, "".join(kept).encode())
        return self.part.open("a", encoding="utf-8")

    def _head(self) -> str:
        head = {"tape": VERSION, "started": self.started.astimezone(UTC).isoformat(), "vantage": self.vantage}
        return json.dumps({**head, "note": self.note} if self.note else head) + "\n"

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if self._file:
            self._file.close()
        self._file, entered, self._entered = None, self._entered, False
        if kind is not None or not entered:
            return
        lines = [self._head(), *(e.line() for _, e in sorted(self.entries.items()))]
        lines.append(json.dumps({"end": len(self.entries)}) + "\n")
        write_atomic(self.target, "".join(lines).encode())
        self.part.unlink(missing_ok=True)


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """A file to write beside the target, which takes its place at the end of the block, unless that fails.

    So a reader sees the old file or the new one, never half; its name is its own, so that two runs that write the
    same target do not write into one another.
    """
    made = path.with_name(f".{path.name}.{os.getpid()}.{token_hex(4)}.tmp")
    try:
        yield made
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)


def write_atomic(path: Path, content: bytes) -> None:
    """Write a whole file so that no reader sees half of it (`beside`), and let it reach the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with beside(path) as made, made.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def recordings(folder: Path) -> list[Path]:
    """The finished recordings of a folder, oldest first (their names start with the UTC time)."""
    return sorted(folder.glob("*.jsonl")) if folder.is_dir() else []


def unfinished(folder: Path) -> list[Path]:
    """Recordings that were interrupted, oldest first."""
    return sorted(folder.glob("*.jsonl.part")) if folder.is_dir() else []
