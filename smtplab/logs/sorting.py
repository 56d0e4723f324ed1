"""Which lines tell something? Sorted by the first bytes of their text, so that no pattern is tried on the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa

from smtplab.logs.columns import Bytes, Flags, Hashes, Places, Span, texts, words
from smtplab.logs.heads import Heads, Lines

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


def sort(lines: Lines, heads: Heads) -> tuple[dict[str, Places], Places]:
    """Which lines of Postfix are of which kind, and which lines are of other programs."""
    postfix = _begins(_first(lines.data, heads.program), POSTFIX)
    text = _first(lines.data, heads.text)
    named = heads.queue_id[1] > heads.queue_id[0]
    left = postfix.copy()
    made = {}
    for kind, (with_id, begins, _) in KINDS.items():
        chosen = left if not begins else left & _any(text, begins)
        if begins and with_id is not None:
            chosen = chosen & (named == with_id)
        left = left & ~chosen
        made[kind] = np.flatnonzero(chosen)
    return made, np.flatnonzero(~postfix)


def batch(lines: Lines, heads: Heads, at: Places, kind: str) -> pa.RecordBatch:
    """The chosen lines of a kind as columns: seq, time, host and the parts that the kind needs."""
    made: list[Any] = [_numbers(lines.number[at], pa.int64()), _numbers(lines.time[at], pa.timestamp("us", "UTC"))]
    names = ("host", *KINDS[kind][2])
    for part in names:
        start, end = getattr(heads, part)
        held = [None, pa.py_buffer(texts(lines.data, (start[at], end[at]))), pa.py_buffer(lines.data)]
        made.append(pa.Array.from_buffers(pa.string_view(), len(at), held))
    return pa.record_batch(made, names=["seq", "time", *names])


def schema(kind: str) -> pa.Schema:
    """The columns of a kind."""
    names = ("host", *KINDS[kind][2])
    moment = pa.timestamp("us", "UTC")
    return pa.schema([("seq", pa.int64()), ("time", moment), *((n, pa.string_view()) for n in names)])


def _numbers(values: Places, type: pa.DataType) -> pa.Array:
    # pa.array would load pandas, only to ask whether the values are of its kinds.
    return pa.Array.from_buffers(type, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def others(lines: Lines, heads: Heads, at: Places) -> Iterator[tuple[int, int, str, str, str, str]]:
    """Lines of other programs: number, microseconds, host, program, pid, text (with the queue id before it)."""
    for i in at.tolist():
        parts = [
            lines.data[start[i] : end[i]].tobytes().decode("utf-8", "replace")
            for start, end in (heads.host, heads.program, heads.pid, (heads.queue_id[0], heads.text[1]))
        ]
        yield int(lines.number[i]), int(lines.time[i]), parts[0], parts[1], parts[2], parts[3]


def _first(data: Bytes, span: Span) -> Hashes:
    return words(data, span[0], span[1] - span[0])


def _begins(text: Hashes, wanted: str) -> Flags:
    raw = wanted.encode()[:8]
    found: Flags = (text & np.uint64((1 << 8 * len(raw)) - 1)) == np.uint64(int.from_bytes(raw, "little"))
    return found


def _any(text: Hashes, wanted: tuple[str, ...]) -> Flags:
    found = _begins(text, wanted[0])
    for one in wanted[1:]:
        found |= _begins(text, one)
    return found
