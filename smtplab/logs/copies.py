"""Which files hold lines that another one holds too? A rotated log beside its packed copy, and the files into which
syslog writes one line at once: mail.log, mail.info, mail.warn, mail.err and syslog of Debian. Each line is read once.

A file is left out only when every byte of it was compared; of the others, the lines that stand elsewhere are made blank
in a copy that is read in its place, so that what is left keeps its line numbers. The same lines in another carrier (a
journal beside mail.log) are not recognised.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smtplab.logs.segments import Segment, blocks, chunks, packed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from smtplab.logs.source import Source

_ROTATED = re.compile(r"(?:[.-]\d[\d.-]*)?(?:\.(?:gz|bz2|xz|zst))?$")
_AGAIN = re.compile(r"(?:mail\.(?:debug|info|notice|warn|warning|err|error)|syslog|messages)$")
"""Names of files that hold what the mail log beside them holds."""
_LOOK = 4_096
"""Characters at the beginning by which files are suspected to be copies."""
_TELLING = 40
MOST = 4 << 30
"""Bytes of files whose lines are compared one by one: what is known of them is held in memory."""


_BLANK = hash(b"")
Family = tuple[Path, str]
"""A folder, and the name in it that rotated files have in common."""


@dataclass(frozen=True)
class Once:
    """The sources to read, and what to tell of the others: rows of the table problems."""

    sources: list[Source]
    told: list[dict[str, Any]]


def once(sources: Iterable[Source], spool: Path | None) -> Once:
    """Leave out what is there twice; None for `spool` where no copy can be made: a file is left out whole or read."""
    found = list(sources)
    if len(found) < 2:
        return Once(found, [])
    whole = _no_copies(found)
    apart = _no_second_lines(whole.sources, spool)
    return Once(apart.sources, whole.told + apart.told)


def begin(first: Sequence[str]) -> int:
    """What files begin with that may be copies of each other; 0 for an empty one."""
    return hash("\n".join(first)[:_LOOK])


def telling(first: Sequence[str]) -> frozenset[int]:
    """Lines that two files do not share by chance."""
    return frozenset(hash(line) for line in first if len(line) >= _TELLING)


def _no_copies(sources: Sequence[Source]) -> Once:
    alike: dict[int, list[Source]] = {}
    kept: set[Source] = set()
    told = []
    # The plain file is the quicker one to read, and the longer one holds the shorter.
    for source in sorted(sources, key=lambda s: (packed(s.path), -s.path.stat().st_size)):
        rivals = alike.setdefault(source.begin, [])
        for rival in rivals if source.begin else ():
            if lines := _beginning(source.path, rival.path):
                told.append(_row(source, f"the same lines as {rival.name}: read once", lines))
                break
            if lines := _beginning(rival.path, source.path):
                told.append(_row(rival, f"the same lines as {source.name}: read once", lines))
                rivals[rivals.index(rival)] = source
                kept.remove(rival)
                kept.add(source)
                break
        else:
            rivals.append(source)
            kept.add(source)
    return Once([s for s in sources if s in kept], told)


def _beginning(small: Path, large: Path) -> int:
    """The lines of `small` where the whole of it is how `large` begins; 0 where it is not."""
    count, ahead, block = 0, b"", b""
    try:
        others = blocks(large)
        for block in blocks(small):
            while len(ahead) < len(block) and (more := next(others, b"")):
                ahead += more
            if not ahead.startswith(block):
                return 0
            ahead = ahead[len(block) :]
            count += block.count(b"\n")
    except (OSError, EOFError):
        return 0
    return count + (not block.endswith(b"\n"))


def _no_second_lines(sources: list[Source], spool: Path | None) -> Once:
    families: dict[Family, list[Source]] = {}
    for source in sources:
        if source.format is None:
            families.setdefault((source.path.parent, _ROTATED.sub("", source.path.name)), []).append(source)

    def size(family: list[Source]) -> int:
        return sum(s.path.stat().st_size for s in family)

    order = sorted(families, key=lambda key: (bool(_AGAIN.search(key[1])), -size(families[key])))
    telling = {key: frozenset[int]().union(*(s.telling for s in family)) for key, family in families.items()}
    now: dict[Path, Source | None] = {}
    told: list[dict[str, Any]] = []
    for at, key in enumerate(order):
        family = families[key]
        first = [s for k in order[:at] if _suspected(key, k, telling) for s in families[k]]
        first = [s for s in first if now.get(s.path, s)]
        if first and size(family) > MOST:
            told += [_row(s, "too large to be compared: lines of other files may count twice") for s in family]
        elif first:
            names = " and ".join(s.name for s in first[:2]) + (" and others" if first[2:] else "")
            for source, left, count in _without(family, first, spool):
                now[source.path] = left
                how = "the same lines as" if left is None else "lines that stand too in"
                told.append(_row(source, f"{how} {names}: {'counted twice' if left is source else 'read once'}", count))
    return Once([made for s in sources if (made := now.get(s.path, s))], told)


def _suspected(key: Family, other: Family, telling: dict[Family, frozenset[int]]) -> bool:
    if key[0] == other[0] and _AGAIN.search(key[1]):
        return True
    return not telling[key].isdisjoint(telling[other])


def _without(
    family: list[Source], first: list[Source], spool: Path | None
) -> Iterator[tuple[Source, Source | None, int]]:
    """Each file that shares lines: what is to be read of it, None for nothing, and how many lines it shares."""
    import numpy as np

    sound = {s.path: made for s in family if (made := _hashes(s.path)) is not None}
    known = np.sort(np.concatenate([np.empty(0, np.int64), *sound.values()]))
    twice = np.zeros(len(known), bool)
    for source in first if len(known) else ():
        with suppress(OSError, EOFError):
            for lines in _runs(source.path):
                # In their order they are found several times faster.
                lines.sort()
                at, held = _places(lines, known)
                twice[at[held]] = True
    shared = known[twice & (known != _BLANK)]
    for source in family:
        lines = sound.get(source.path, np.empty(0, np.int64))
        hits = _places(lines, shared)[1] if len(shared) else np.zeros(len(lines), bool)
        if not (count := int(hits.sum())):
            continue
        if count == np.count_nonzero(lines != _BLANK):
            yield source, None, count
        elif spool is None:
            yield source, source, count
        else:
            yield source, replace(source, path=_blanked(source.path, hits, spool)), count


def _places(lines: NDArray[np.int64], known: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Where each line stands first among those known, which are in order, and whether it does."""
    import numpy as np

    at = np.searchsorted(known, lines)
    at[at == len(known)] = 0
    return at, known[at] == lines


def _hashes(path: Path) -> NDArray[np.int64] | None:
    """A hash of every line; None for a damaged file, which is read as it is, so that its damage is told."""
    import numpy as np

    try:
        return np.concatenate([np.empty(0, np.int64), *_runs(path)])
    except (OSError, EOFError):
        return None


def _blanked(path: Path, hits: NDArray[np.bool_], spool: Path) -> Path:
    """A copy of a file with the lines that are hit blank, under the same name in a folder of its own."""
    import tempfile

    made = Path(tempfile.mkdtemp(dir=spool)) / path.name
    marks = iter(hits.tolist())
    with made.open("wb") as copy:
        for run in chunks(Segment(path, path.name)):
            left = (b"" if next(marks) else line for line in run[:-1].split(b"\n"))
            copy.write(b"\n".join(left) + b"\n")
    return made


def _runs(path: Path) -> Iterator[NDArray[np.int64]]:
    import numpy as np

    for run in chunks(Segment(path, path.name)):
        lines = run[:-1].split(b"\n")
        yield np.fromiter(map(hash, lines), np.int64, len(lines))


def _row(source: Source, what: str, lines: int | None = None) -> dict[str, Any]:
    return {"file": source.name, "line": 1, "what": what, "records": lines}
