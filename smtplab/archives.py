"""What lies in a file that strangers packed: plain, gzip (RFC 1952) or zip, bounded by size and ratio.

A member is opened, not loaded, so that a large report streams; the bounds hold while it is read.
"""

from __future__ import annotations

import io
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from smtplab.errors import SourceError

MAX_BYTES = 200 * 1024 * 1024
"""Most that one member may unpack to."""
MAX_RATIO = 400
"""Most that packed data may grow by; deflate reaches 1,032, text about 20, repetitive XML 60."""
RATIO_FROM = 4 * 1024 * 1024
"""Below this size the ratio does not matter."""
MAX_MEMBERS = 200
_DEPTH = 2
_CHUNK = 65_536


class _Source(Protocol):
    def read(self, size: int, /) -> bytes: ...
    def close(self) -> None: ...


@dataclass
class Bounded:
    """A reader that stops at the bounds; `cut` says that the packed data ended before its time."""

    source: _Source
    packed: int
    where: str
    done: int = 0
    cut: bool = field(default=False)
    plain: bool = False
    most: int = MAX_BYTES

    def unbound(self) -> None:
        """Lift the bound on size where nothing was packed: for who streams a large file of one's own."""
        self.most = sys.maxsize if self.plain else self.most

    def read(self, size: int | None = -1) -> bytes:
        """Up to `size` bytes; raises SourceError beyond the bounds or when the data is damaged."""
        if size is None or size < 0:
            # Piece by piece, so that the bounds hold before all of a bomb is in memory.
            return b"".join(iter(lambda: self.read(1024 * 1024), b""))
        want = min(size, self.most + 1 - self.done)
        try:
            data = self.source.read(want)
        except EOFError:
            self.cut = True
            return b""
        except (OSError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError) as e:
            raise SourceError(f"cannot be unpacked: {str(e)[:120]}", where=self.where) from e
        self.done += len(data)
        if self.done > self.most:
            raise SourceError(f"unpacks to more than {MAX_BYTES // 1024 // 1024} MiB", where=self.where)
        if self.done > RATIO_FROM and self.done > MAX_RATIO * max(self.packed, 1):
            raise SourceError(f"grows more than {MAX_RATIO}-fold when unpacked", where=self.where)
        return data

    def close(self) -> None:
        """Close what lies below."""
        self.source.close()


@dataclass(frozen=True)
class Member:
    """One file within a file: its name for people, and a way to open it, as often as needed."""

    name: str
    open: Callable[[], Bounded]

    def head(self, size: int = 4096) -> bytes:
        """Its first bytes."""
        reader = self.open()
        try:
            return reader.read(size)
        finally:
            reader.close()

    def read(self) -> bytes:
        """All of it, within the bounds."""
        reader = self.open()
        try:
            return reader.read()
        finally:
            reader.close()


def whole(text: str) -> str:
    """Text without lone surrogates, which no table may hold: as such come the bytes of names and headers that are no
    ASCII, and UTF-7 can spell any."""
    if text.isascii():
        return text
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


Problem = Callable[[str, str], None]
"""Told of what could not be opened: name, what."""


def members(source: Path | bytes, name: str, problem: Problem, most: int = MAX_MEMBERS) -> Iterator[Member]:
    """The files within a file or attachment: itself, or what gzip or zip holds, packed twice at most.

    A zip that is damaged, encrypted or has more members than `most` is told to `problem` and costs itself.
    """
    size = len(source) if isinstance(source, bytes) else source.stat().st_size

    def plain() -> Bounded:
        stream = io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")
        return Bounded(stream, size, name, plain=True)

    yield from _unpack(Member(name, plain), size, problem, _DEPTH, most)


def _unpack(member: Member, packed: int, problem: Problem, depth: int, most: int) -> Iterator[Member]:
    try:
        head = member.head(4)
    except (SourceError, OSError) as e:
        return problem(member.name, getattr(e, "what", str(e)))
    if not depth:
        yield member
    elif head[:2] == b"\x1f\x8b":
        yield from _unpack(_gunzip(member, packed), packed, problem, depth - 1, most)
    elif head == b"PK\x03\x04":
        yield from _unzip(member, packed, problem, depth, most)
    else:
        yield member
    return None


def _gunzip(member: Member, packed: int) -> Member:
    return Member(member.name, lambda: Bounded(_Gunzip(member.open()), packed, member.name))


class _Gunzip:
    """Gzip as it comes: members one after another (RFC 1952 section 2.2), and whatever mail put behind the last."""

    def __init__(self, source: Bounded) -> None:
        self.source, self.rest, self.inflate = source, b"", zlib.decompressobj(31)

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; raises EOFError where the data ends within a member."""
        made: list[bytes] = []
        have = 0
        while have < size:
            if self.inflate.eof:
                self.rest = self.inflate.unused_data or self.source.read(_CHUNK)
                if not self.rest.startswith(b"\x1f"):
                    break
                self.inflate = zlib.decompressobj(31)
            data = self.rest or self.source.read(_CHUNK)
            if not data:
                if made:
                    break
                raise EOFError
            piece = self.inflate.decompress(data, size - have)
            self.rest = self.inflate.unconsumed_tail
            made.append(piece)
            have += len(piece)
        return b"".join(made)

    def close(self) -> None:
        """Close what lies below."""
        self.source.close()


def _unzip(member: Member, packed: int, problem: Problem, depth: int, most: int) -> Iterator[Member]:
    try:
        data = member.read()
        archive = zipfile.ZipFile(io.BytesIO(data))
        # ZipInfo.is_dir() fails on an empty name, which real reporters send.
        inside = [i for i in archive.infolist() if not i.filename.endswith("/")]
    except (SourceError, zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as e:
        return problem(member.name, f"not a readable zip: {str(getattr(e, 'what', e))[:120]}")
    if len(inside) > most:
        problem(member.name, f"holds {len(inside):,} files; the first {most:,} are read")
    for info in inside[:most]:
        if info.filename.startswith("__MACOSX/"):
            continue
        label = f"{member.name}/{info.filename[:120]}" if info.filename else member.name
        within = Member(label, lambda i=info, n=label: _entry(archive, i, n))  # type: ignore[misc]
        yield from _unpack(within, info.compress_size, problem, depth - 1, most)
    return None


def _entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> Bounded:
    try:
        return Bounded(archive.open(info), info.compress_size, name)
    except (RuntimeError, zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as e:
        raise SourceError(f"cannot be unpacked: {str(e)[:120]}", where=name) from e
