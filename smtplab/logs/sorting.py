"""Which lines tell something? Sorted by the first bytes of their text, so that no pattern is tried on the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa

from smtplab.logs.heads import Flags, Heads, Lines, Places, first, literal, views

POSTFIX = "postfix"
_ENDINGS = ("lost con", "timeout ", "too many", "improper", "SSL_acce")
_SCREENED = ("HANGUP a", "PREGREET", "COMMAND ", "NON-SMTP", "BARE NEW")
KINDS: Mapping[str, tuple[bool | None, tuple[str, ...], tuple[str, ...]]] = MappingProxyType(
    {
        "delivery": (True, ("to=",), ("program", "pid", "queue_id", "text")),
        "client": (True, ("client=",), ("program", "pid", "queue_id", "text")),
        "message_id": (True, ("message-",), ("queue_id", "text")),
        "message": (True, ("from=<",), ("queue_id", "text")),
        "removed": (True, ("removed",), ("queue_id",)),
        "rejection": (None, ("reject: ", "milter-r", "proxy-re"), ("program", "pid", "queue_id", "text")),
        "header": (True, ("warning:",), ("queue_id", "text")),
        "session": (False, ("disconne", "DISCONNE"), ("program", "pid", "text")),
        "tls": (False, ("Anonymou", "Untruste", "Trusted ", "Verified"), ("pid", "text")),
        "sign_in": (False, ("warning:",), ("program", "pid", "text")),
        "ending": (None, _ENDINGS + _SCREENED, ("program", "pid", "text")),
        "nothing": (False, ("connect ", "CONNECT "), ()),
        "other": (False, (), ("program", "text")),
    }
)
"""By kind of Postfix line: whether a queue id stands before it (None: either), how it begins, the parts needed."""


def sort(lines: Lines, heads: Heads) -> tuple[dict[str, pa.RecordBatch], Places]:
    """Postfix lines by kind, as columns seq, time, host and the parts needed; and which lines are of other programs."""
    postfix = _begins(first(lines.data, heads.program), POSTFIX)
    text = first(lines.data, heads.text)
    named = heads.queue_id[1] > heads.queue_id[0]
    left = postfix.copy()
    made = {}
    for kind, (with_id, begins, parts) in KINDS.items():
        chosen = left if not begins else left & _any(text, begins)
        if begins and with_id is not None:
            chosen = chosen & (named == with_id)
        left = left & ~chosen
        at = np.flatnonzero(chosen)
        if len(at) and parts:
            made[kind] = batch(lines, heads, at, ("host", *parts))
    return made, np.flatnonzero(~postfix)


def batch(lines: Lines, heads: Heads, at: Places, parts: tuple[str, ...]) -> pa.RecordBatch:
    """The chosen lines: seq, time and parts."""
    columns: list[Any] = [_numbers(lines.number[at], pa.int64()), _numbers(lines.time[at], pa.timestamp("us", "UTC"))]
    for part in parts:
        start, end = getattr(heads, part)
        columns.append(views(lines.data, (start[at], end[at])))
    return pa.record_batch(columns, names=["seq", "time", *parts])


def _numbers(values: Places, type: pa.DataType) -> pa.Array:
    # pa.array would load pandas, only to ask whether the values are of its kinds.
    return pa.Array.from_buffers(type, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def columns(kind: str) -> pa.Schema:
    """The columns of a kind."""
    names = ("host", *KINDS[kind][2])
    return pa.schema(
        [("seq", pa.int64()), ("time", pa.timestamp("us", "UTC")), *((n, pa.string_view()) for n in names)]
    )


def others(lines: Lines, heads: Heads, at: Places) -> Iterator[tuple[int, int, str, str, str, str]]:
    """Lines of other programs: number, microseconds, host, program, pid, text (with the queue id before it)."""
    for i in at.tolist():
        parts = [
            lines.data[start[i] : end[i]].tobytes().decode("utf-8", "replace")
            for start, end in (heads.host, heads.program, heads.pid, (heads.queue_id[0], heads.text[1]))
        ]
        yield int(lines.number[i]), int(lines.time[i]), parts[0], parts[1], parts[2], parts[3]


def _begins(text: np.ndarray[Any, np.dtype[np.uint64]], wanted: str) -> Flags:
    number, mask = literal(wanted)
    found: Flags = (text & mask) == number
    return found


def _any(text: np.ndarray[Any, np.dtype[np.uint64]], wanted: tuple[str, ...]) -> Flags:
    found = _begins(text, wanted[0])
    for one in wanted[1:]:
        found |= _begins(text, one)
    return found
