"""Cutting log files into pieces that may be read apart: a byte range of a plain file, the whole of a packed one.

A piece is read in chunks of whole lines, bounded in size whatever the file holds.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from isal import igzip, isal_zlib

from smtplab.archives import MAX_RATIO
from smtplab.workers import Workers, spare

MAX_LINE = 65_536
"""Bytes of a syslog line that are looked at; what stands beyond is passed over."""
MAX_RECORD = 8 << 20
"""The same of a line of JSON: a webhook posts its events as one array on one line."""
CHUNK = 2 << 20
SEGMENT = 16 << 20
FAR = 64 << 20
"""Bytes of a segment that another machine reads: each is a task for the scheduler."""
LOOK = 65_536
PROCESSES = 2
"""Processes beside this one: more would read faster than one makes rows of what they read."""
WORTH = 32 << 20
"""Bytes of lines above which other processes are worth their start."""
_RATIO = 8
"""How much a packed log grows, mostly."""
_DAMAGED = cast("type[Exception]", isal_zlib.error)
_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")


@dataclass(frozen=True)
class Segment:
    """Bytes `start` to `end` of a file (None: to its end); both stand behind a line end, unless the file ends there."""

    path: Path
    name: str
    start: int = 0
    end: int | None = None

    def digest(self) -> str:
        """What the cache knows it by: the file's name, the range, and the bytes at both ends of the range."""
        size = self.path.stat().st_size if self.end is None else self.end
        made = hashlib.sha256(f"{self.path.name}|{self.start}|{size}".encode())
        with self.path.open("rb") as file:
            for at in (self.start, max(self.start, size - LOOK)):
                file.seek(at)
                made.update(file.read(min(LOOK, size - at)))
        return made.hexdigest()[:24]


def packed(path: Path) -> bool:
    """Whether it is compressed, by what it is, not by its name: rotated logs are called maillog-20261101."""
    # What may not be read is told when it is read.
    if not path.is_file() or not os.access(path, os.R_OK):
        return False
    with path.open("rb") as file:
        return file.read(6).startswith(_PACKED)


def cut(path: Path, name: str, size: int = SEGMENT) -> list[Segment]:
    """The segments of a file in order; a file that grew keeps all of its whole segments but the last."""
    if not path.is_file() or packed(path) or not os.access(path, os.R_OK):
        return [Segment(path, name)]
    made, start, total = [], 0, path.stat().st_size
    with path.open("rb") as file:
        while total - start > size:
            file.seek(start + size)
            # A line that does not end within the look stays whole in this segment: the next starts further on.
            while (more := file.readline(LOOK)) and not more.endswith(b"\n"):
                pass
            end = file.tell()
            made.append(Segment(path, name, start, end))
            start = end
    return [*made, Segment(path, name, start, total)] if total > start or not made else made


def chunks(segment: Segment, longest: int = MAX_LINE) -> Iterator[bytes]:
    """Runs of whole lines, a line feed at the end of each; a line far beyond `longest` bytes comes in its first part.

    Raises OSError or EOFError where the file is damaged; what stood before has come by then.
    """
    with _open(segment.path) as file:
        if segment.start:
            file.seek(segment.start)
        most = max(4 * SEGMENT, MAX_RATIO * segment.path.stat().st_size)
        yield from _runs(file, None if segment.end is None else segment.end - segment.start, longest, most)


def _runs(file: IO[bytes], left: int | None, longest: int, most: int) -> Iterator[bytes]:
    kept, dropping = b"", False
    damage: Exception | None = None
    while left is None or left > 0:
        raw, damage = _read(file, CHUNK if left is None else min(CHUNK, left))
        if not raw:
            if left and not damage:
                damage = OSError("it became shorter while it was read")
            break
        left = None if left is None else left - len(raw)
        most -= len(raw)
        if most < 0:
            damage = OSError(f"it grows more than {MAX_RATIO}-fold when unpacked")
            break
        if dropping:
            # Only the beginning of the line was kept; here is where it ends, or not yet.
            found = raw.find(b"\n")
            raw, dropping = raw[found:] if found >= 0 else b"", found < 0
        end = raw.rfind(b"\n") + 1
        if end:
            yield b"".join((kept, memoryview(raw)[:end]))
            kept = raw[end:]
        else:
            kept += raw
        if len(kept) > max(CHUNK, longest):
            kept, dropping = kept[:longest], True
        if damage:
            break
    if kept:
        yield kept + b"\n"
    if damage:
        raise damage


def _read(file: IO[bytes], size: int) -> tuple[bytes, Exception | None]:
    """The next bytes, and what is damaged behind them: what stands before the damage is not lost with it."""
    held: list[bytes] = []
    try:
        while size > 0 and (more := cast("Any", file).read1(size)):
            held.append(more)
            size -= len(more)
    except (zlib.error, lzma.LZMAError, ValueError) as e:
        return b"".join(held), OSError(f"the packed data are damaged ({e})")
    except (OSError, EOFError) as e:
        return b"".join(held), e
    return b"".join(held), None


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        magic = file.read(6)
    if magic.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", _Gzip(path))
    if magic.startswith(b"BZh"):
        return bz2.open(path)
    if magic.startswith(b"\x28\xb5\x2f\xfd"):
        import pyarrow as pa

        return cast("IO[bytes]", pa.input_stream(str(path), compression="zstd"))
    return lzma.open(path) if magic == b"\xfd7zXZ\x00" else path.open("rb")


class _Gzip:
    """A gzip file: isal unpacks it fast, and where it is damaged, zlib tells all that stands before the damage."""

    def __init__(self, path: Path) -> None:
        self.path, self.done, self.careful = path, 0, False
        self.file: Any = cast("Any", igzip).open(path)

    def read1(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end."""
        try:
            got: bytes = self.file.read1(size)
        except (OSError, EOFError, _DAMAGED):
            if self.careful:
                raise
            self._begin_anew()
            return self.read1(size)
        self.done += len(got)
        return got

    read = read1

    def _begin_anew(self) -> None:
        self.file.close()
        self.file, self.careful = gzip.GzipFile(self.path), True
        left = self.done
        while left and (again := self.file.read(min(left, CHUNK))):
            left -= len(again)

    def __enter__(self) -> _Gzip:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def blocks(path: Path) -> Iterator[bytes]:
    """What a file holds, unpacked, in blocks; raises as `chunks`."""
    most = max(SEGMENT, MAX_RATIO * path.stat().st_size)
    with _open(path) as file:
        while block := file.read(CHUNK):
            most -= len(block)
            if most < 0:
                raise OSError(f"it grows more than {MAX_RATIO}-fold when unpacked")
            yield block


def lines(path: Path, longest: int = MAX_LINE) -> Iterator[tuple[int, str]]:
    """Line number and text of a file; one beyond `longest` bytes in its first part only. Raises as `chunks`."""
    number = 0
    for run in chunks(Segment(path, path.name), longest):
        for raw in run[:-1].split(b"\n"):
            number += 1
            yield number, raw[:longest].decode("utf-8", "replace").rstrip("\r")


def head(path: Path, longest: int = MAX_LINE) -> Iterator[str]:
    """The lines of the first 64 KiB that are not blank, and at least one; raises as `chunks`."""
    size = 0
    for _, line in lines(path, longest):
        size += len(line) + 1
        if line.strip():
            yield line
        if size > LOOK:
            return


def workers(files: Iterable[Path]) -> Workers:
    """As many processes as such files are worth and as there is room for beside this one."""
    # Of standard input nobody knows how much it is.
    sizes = (f.stat().st_size * (_RATIO if packed(f) else 1) if f.is_file() else WORTH * (str(f) == "-") for f in files)
    return Workers(min(PROCESSES, spare()) if sum(sizes) >= WORTH else 0, "smtplab.logs.jobs")


def given(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[Path]:
    """The files behind paths, folders and globs, each once; "-" is standard input."""
    found: list[Path] = []
    for text in [paths] if isinstance(paths, (str, os.PathLike)) else paths:
        path = Path(text)
        if str(text) == "-":
            found.append(path)
        elif path.is_dir():
            found += sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
        elif not path.exists() and any(c in str(text) for c in "*?["):
            base = Path(path.anchor or ".")
            with suppress(ValueError, OSError):
                found += sorted(p for p in base.glob(str(path.relative_to(path.anchor))) if p.is_file())
        else:
            found.append(path)
    return list(dict.fromkeys(found))
