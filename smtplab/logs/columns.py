"""Columns of many events: numbers as numpy arrays, texts as Arrow string views into the bytes they were read from.

Nothing is copied until rows are written: a text is sixteen bytes, which hold it or say where it stands.
https://arrow.apache.org/docs/format/Columnar.html#variable-size-binary-view-layout
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from smtplab.errors import SmtplabError
from smtplab.logs import arrays
from smtplab.logs.event import COLUMNS

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]
Places = np.ndarray[Any, np.dtype[np.int64]]
Hashes = np.ndarray[Any, np.dtype[np.uint64]]
Span = tuple[Places, Places]
"""Where texts begin and end."""
Column = np.ndarray[Any, Any]
Columns = dict[str, Column]
"""Arrays of equal length by name. A text is a row of four words, the first its size."""

TYPES: Mapping[str, pa.DataType] = {
    **COLUMNS,
    "recipient_domain": pa.string(),  # as it was written
    "host_key": pa.uint64(),  # hashes: of the host,
    "key": pa.uint64(),  # of host and queue id,
    "connection": pa.uint64(),  # of host, process and the address of the other side
    "from_event": pa.bool_(),  # told by a provider's event: it is of no queue of ours
}
"""The columns of events, with those that are found when they are read."""
PAD = 160
"""Bytes behind the last text of a buffer, so that any window over it lies within."""
NA = 0xFFFFFFFF
"""The size of a text that is not known."""
NONE = np.iinfo(np.int64).min
"""A whole number that is not known; a fraction is NaN, a flag -1."""
_SHORT = 12
"""Bytes of a text that fit in its view."""
_FULL = np.iinfo(np.int32).max
"""Bytes of texts that an array holds."""
_SHORTER = "Read fewer files at once"
_TAIL = np.array([[(1 << 8 * min(max(size - at, 0), 4)) - 1 for at in (-4, 0, 4, 8)] for size in range(13)], np.uint32)
"""By size of a short text, the bits that it has in each word of its view."""
_EIGHT = np.array([(1 << 8 * size) - 1 for size in range(9)], np.uint64)
_STEP, _SPREAD = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)
_EMPTY: Mapping[pa.DataType, Any] = {pa.int64(): NONE, pa.float64(): np.nan, pa.bool_(): -1, pa.uint64(): 0}
_KINDS: Mapping[pa.DataType, Any] = {
    pa.int64(): np.int64, pa.float64(): np.float64, pa.bool_(): np.int8, pa.uint64(): np.uint64
}  # fmt: skip


def windows(data: Bytes, at: Places, width: int) -> Bytes:
    """The `width` bytes from each place, a row each."""
    rows = np.ndarray((len(data) - width,), dtype=f"V{width}", buffer=data, strides=(1,))
    return rows[at].view(np.uint8).reshape(-1, width)


def words(data: Bytes, at: Places, size: Places) -> Hashes:
    """The first eight bytes of each text as one number, zero beyond its end."""
    made: Hashes = windows(data, at, 8).view(np.uint64).ravel()
    made &= _EIGHT.take(size, mode="clip")
    return made


def texts(data: Bytes, span: Span, buffer: int = 0) -> Column:
    """The texts that stand there, as views into `data`, which is the buffer of that number; four bytes come before."""
    start, end = span
    size = end - start
    # Four bytes for the size before the first twelve of the text.
    made = windows(data, start - 4, 16).view(np.uint32)
    made &= _TAIL.take(size, axis=0, mode="clip")
    made[:, 0] = size
    if len(long := np.flatnonzero(size > _SHORT)):
        made[long, 2] = buffer
        made[long, 3] = start[long]
    return made


def constant(text: str, count: int) -> Column:
    """The same short text in each row."""
    raw = text.encode()
    one = np.frombuffer(len(raw).to_bytes(4, "little") + raw.ljust(_SHORT, b"\0"), np.uint32)
    return np.repeat(one[None], count, axis=0)


def absent(name: str, count: int) -> Column:
    """A column of which nothing is known."""
    kind = TYPES[name]
    if pa.types.is_timestamp(kind):
        kind = pa.int64()
    if kind in _KINDS:
        return np.full(count, _EMPTY[kind], _KINDS[kind])
    made = np.zeros((count, 4), np.uint32)
    made[:, 0] = NA
    return made


def known(column: Column) -> Flags:
    """Which values of a column are known."""
    if column.ndim == 2:
        found: Flags = column[:, 0] != NA
    elif column.dtype == np.float64:
        found = ~np.isnan(column)
    elif column.dtype == np.uint64:
        found = np.ones(len(column), bool)
    else:
        found = column != (-1 if column.dtype == np.int8 else NONE)
    return found


def filled(column: Column) -> Flags:
    """Which texts are known and not empty."""
    found: Flags = (column[:, 0] != NA) & (column[:, 0] > 0)
    return found


def equal(column: Column, text: str) -> Flags:
    """Which rows hold this short text."""
    return same(column, constant(text, 1))


def same(column: Column, other: Column) -> Flags:
    """Where two columns of short texts are equal; long ones never are."""
    alike = column[:, 0] == other[:, 0]
    for word in (1, 2, 3):
        alike &= column[:, word] == other[:, word]
    found: Flags = alike & (column[:, 0] <= _SHORT)
    return found


def take(columns: Columns, at: Column) -> Columns:
    """The rows at these places, or those that are marked."""
    if at.dtype == np.bool_:
        at = np.flatnonzero(at)
    return {name: column.take(at, axis=0) for name, column in columns.items()}


def rows(columns: Mapping[str, Column]) -> int:
    """How many rows there are."""
    return len(columns["seq"]) if columns else 0


def column(columns: Columns, name: str) -> Column:
    """A column, of which nothing may be known."""
    return columns[name] if name in columns else absent(name, rows(columns))


def fill(own: Column, other: Column, at: Places) -> Column:
    """A column with what is not known taken from the rows of another at these places; -1 is none."""
    lacks = np.flatnonzero(~known(own) & (at >= 0))
    if not len(lacks):
        return own
    if len(lacks) == len(own):
        return other.take(at, axis=0)
    own = own.copy()
    own[lacks] = other[at[lacks]]
    return own


def order(columns: Columns) -> Columns:
    """The same rows in the order of their numbers."""
    seq = columns["seq"]
    return columns if (seq[1:] >= seq[:-1]).all() else take(columns, np.argsort(seq, kind="stable"))


def joined(parts: Sequence[Columns]) -> Columns:
    """Rows one behind the other, in the order of their numbers; their texts have the same buffers."""
    parts = [p for p in parts if rows(p)]
    if len(parts) < 2:
        return parts[0] if parts else {}
    names = dict.fromkeys(name for part in parts for name in part)
    return order({name: np.concatenate([column(part, name) for part in parts]) for name in names})


def moved(columns: Columns, by: int) -> Columns:
    """The same rows where `by` buffers stand before theirs."""
    if not by:
        return columns
    made = dict(columns)
    for name, old in columns.items():
        if old.ndim == 2 and len(long := np.flatnonzero((old[:, 0] > _SHORT) & (old[:, 0] != NA))):
            made[name] = new = old.copy()
            new[long, 2] += np.uint32(by)
    return made


def hashed(text: Column, buffers: Sequence[Bytes]) -> Hashes:
    """A hash of 64 bits of each text, by which queue ids and addresses are told apart."""
    pair = text.view(np.uint64)
    made, second = _mixed(pair[:, 0]), pair[:, 1]
    long = np.flatnonzero((text[:, 0] > _SHORT) & (text[:, 0] != NA))
    if len(long):
        second = second.copy()
        for buffer in _different(text[long, 2]):
            of = long if buffer is None else long[text[long, 2] == buffer]
            data = buffers[text[of[0], 2]]
            # The first four bytes stand beside the size.
            at, left = text[of, 3].astype(np.int64) + 4, text[of, 0].astype(np.int64) - 4
            second[of] = words(data, at, left)
            more = made[of]
            while len(of := of[left > 8]):
                kept = left > 8
                more, at, left = _mixed(more[kept] ^ second[of]), at[kept] + 8, left[kept] - 8
                made[of], second[of] = more, words(data, at, left)
    return _mixed(made ^ second)


def _different(buffers: Column) -> list[int | None]:
    if (buffers == buffers[0]).all():
        return [None]
    return list(np.unique(buffers).tolist())


def together(*parts: Hashes) -> Hashes:
    """One hash of several."""
    made = parts[0]
    for part in parts[1:]:
        made = _mixed(made * _SPREAD ^ part)
    return made


def _mixed(number: Hashes) -> Hashes:
    number = number * _STEP
    made: Hashes = number ^ (number >> _HALF)
    return made


def coded(values: Hashes) -> tuple[Places, int]:
    """A number from 0 on for each different value, and how many there are."""
    encoded = arrays.numbers(values).dictionary_encode()
    return arrays.values(encoded.indices).astype(np.int64), len(encoded.dictionary)


def array(column: Column, kind: pa.DataType, buffers: Sequence[Bytes]) -> pa.Array:
    """A column for Arrow; what is not known is null."""
    there = known(column)
    every = bool(there.all())
    if not every and not there.any():
        return pa.nulls(len(there), kind)
    valid = None if every else arrays.bitmap(there)
    if column.ndim == 2:
        if not every:
            column = column.copy()
            column[~there] = 0
        if column[:, 0].sum(dtype=np.int64) > _FULL:
            # Arrow would not say so, but write beside them.
            raise SmtplabError("texts of more than 2 GB belong to messages that are not over", do=_SHORTER)
        held = [valid, pa.py_buffer(np.ascontiguousarray(column)), *map(pa.py_buffer, buffers)]
        return pa.Array.from_buffers(pa.string_view(), len(column), held).cast(pa.string())
    if kind == pa.bool_():
        return pa.Array.from_buffers(kind, len(there), [valid, arrays.bitmap(column == 1)])
    return pa.Array.from_buffers(kind, len(there), [valid, pa.py_buffer(np.ascontiguousarray(column))])


def table(columns: Columns, names: Iterable[str], buffers: Sequence[Bytes]) -> pa.Table:
    """Columns of events as a table of Arrow, what they lack being null."""
    names = list(names)
    arrays = [array(column(columns, name), TYPES[name], buffers) for name in names]
    return pa.table(arrays, schema=pa.schema([(n, TYPES[n]) for n in names]))


def columns_of(found: pa.Table, buffers: list[Bytes]) -> Columns:
    """A table of Arrow as columns; its texts are added to the buffers."""
    made: Columns = {}
    for name, chunked in zip(found.column_names, found.columns, strict=True):
        held = chunked.combine_chunks()
        if isinstance(held, pa.ChunkedArray):
            held = pa.concat_arrays(held.chunks) if held.num_chunks else pa.nulls(0, held.type)
        made[name] = _texts(held, buffers) if TYPES[name] == pa.string() else _numbers(held, TYPES[name])
    return made


def _numbers(held: pa.Array, kind: pa.DataType) -> Column:
    if pa.types.is_timestamp(kind):
        held, kind = held.cast(pa.timestamp("us", "UTC")).cast(pa.int64()), pa.int64()
    if kind == pa.bool_():
        return np.where(arrays.valid(held), arrays.marks(held), np.int8(-1)).astype(np.int8)
    return arrays.values(held.cast(kind), _EMPTY[kind])


def _texts(held: pa.Array, buffers: list[Bytes]) -> Column:
    held = held.cast(pa.string())
    _, places, raw = held.buffers()
    count = len(held)
    if not count or held.null_count == count:
        return absent("host", count)
    offsets = np.frombuffer(places, np.int32)[held.offset : held.offset + count + 1].astype(np.int64)
    first, size = offsets[0], offsets[-1] - offsets[0]
    offsets -= first
    # Four bytes before the first text, where its view begins.
    data = np.zeros(4 + size + PAD, np.uint8)
    if size:
        data[4 : 4 + size] = np.frombuffer(raw, np.uint8)[first : first + size]
    made = texts(data, (offsets[:-1] + 4, offsets[1:] + 4), len(buffers))
    if held.null_count:
        missing = ~arrays.valid(held)
        made[missing] = 0
        made[missing, 0] = NA
    buffers.append(data)
    return made


def lowered(text: Column, buffers: Sequence[Bytes]) -> tuple[Column, list[Bytes]]:
    """Texts in lower case, with their own buffers."""
    import pyarrow.compute as pc

    new: list[Bytes] = []
    return _texts(pc.utf8_lower(array(text, pa.string(), buffers)), new), new


def owned(columns: Columns, buffers: Sequence[Bytes], new: list[Bytes]) -> Columns:
    """The same rows with their texts copied into new buffers, so that the old ones can be let go."""
    made = dict(columns)
    for name, old in columns.items():
        if old.ndim == 2:
            made[name] = _texts(array(old, pa.string(), buffers), new)
    return made
