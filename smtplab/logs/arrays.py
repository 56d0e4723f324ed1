"""Between numpy and Arrow by their buffers: pa.array and to_numpy load pandas, only to ask whether it is meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Column = np.ndarray[Any, Any]
Flags = np.ndarray[Any, np.dtype[np.bool_]]
_KINDS = {
    np.dtype(np.int64): pa.int64(), np.dtype(np.float64): pa.float64(), np.dtype(np.uint64): pa.uint64(),
    np.dtype(np.int32): pa.int32(),
}  # fmt: skip
_WIDTHS = {
    pa.int64(): np.int64, pa.int32(): np.int32, pa.float64(): np.float64, pa.uint64(): np.uint64,
    pa.int8(): np.int8, pa.int16(): np.int16, pa.uint8(): np.uint8, pa.uint16(): np.uint16, pa.uint32(): np.uint32,
}  # fmt: skip


def bitmap(marks: Flags) -> pa.Buffer:
    """Marks as Arrow keeps them."""
    return pa.py_buffer(np.packbits(marks, bitorder="little"))


def numbers(values: Column, there: Flags | None = None) -> pa.Array:
    """An array of numbers; those that are not there are null."""
    valid = None if there is None or there.all() else bitmap(there)
    return pa.Array.from_buffers(_KINDS[values.dtype], len(values), [valid, pa.py_buffer(np.ascontiguousarray(values))])


def flags(marks: Flags) -> pa.Array:
    """An array of truths."""
    return pa.Array.from_buffers(pa.bool_(), len(marks), [None, bitmap(marks)])


def strings(values: Iterable[str | None]) -> pa.Array:
    """An array of texts."""
    held = list(values)
    raw = [b"" if v is None else v.encode("utf-8", "replace") for v in held]
    ends = np.zeros(len(raw) + 1, np.int32)
    np.cumsum([len(r) for r in raw], out=ends[1:])
    there = np.fromiter((v is not None for v in held), bool, len(held))
    valid = None if there.all() else bitmap(there)
    return pa.Array.from_buffers(
        pa.string(), len(raw), [valid, pa.py_buffer(ends), pa.py_buffer(b"".join(raw))], int((~there).sum())
    )


@cache
def scalar(text: str | None) -> pa.Scalar:
    """One text; None is null."""
    return strings([text])[0]


def without_empty(found: pa.Array) -> pa.Array:
    """Texts with null for an empty one."""
    empty = pc.equal(found, scalar(""))
    return pc.if_else(empty, scalar(None), found) if marks(empty).any() else found


def optional(values: Sequence[int | None]) -> pa.Array:
    """An array of whole numbers, some of which may be lacking."""
    there = np.fromiter((v is not None for v in values), bool, len(values))
    return numbers(np.fromiter((v or 0 for v in values), np.int64, len(values)), there)


def valid(found: pa.Array) -> Flags:
    """Which values are not null."""
    count = len(found)
    if not found.null_count:
        return np.ones(count, bool)
    held = found.buffers()[0]
    if held is None:
        return np.zeros(count, bool)
    return _bits(held, found.offset, count)


def marks(found: pa.Array) -> Flags:
    """Truths as numpy has them; what is null is none."""
    if not len(found) or found.null_count == len(found):
        return np.zeros(len(found), bool)
    truths = _bits(found.buffers()[1], found.offset, len(found))
    return truths & valid(found) if found.null_count else truths


def values(found: pa.Array, lacking: Any = 0) -> Column:
    """Numbers as numpy has them, with a number for what is null."""
    kind = _WIDTHS[found.type]
    if found.null_count == len(found):
        return np.full(len(found), lacking, kind)
    made: Column = np.frombuffer(found.buffers()[1], kind)[found.offset : found.offset + len(found)]
    if found.null_count:
        made = made.copy()
        made[~valid(found)] = lacking
    return made


def _bits(held: pa.Buffer, offset: int, count: int) -> Flags:
    raw = np.frombuffer(held, np.uint8)[: (offset + count + 7) // 8]
    return np.unpackbits(raw, bitorder="little")[offset : offset + count].view(bool)
