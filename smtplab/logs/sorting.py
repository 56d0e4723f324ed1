"""Which lines tell something? Sorted by the first bytes of their text, so that no pattern is tried on the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa

from smtplab.logs.arrays import numbers
from smtplab.logs.columns import Bytes, Column, Flags, Hashes, Places, Span, texts, words
from smtplab.logs.cut import behind_last
from smtplab.logs.heads import Heads, Lines

POSTFIX = "postfix"
_MOMENT = pa.timestamp("us", "UTC")
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


@dataclass
class Chosen:
    """Lines of one kind: numbers, times, and where the parts that the kind needs stand in `data`."""

    data: Bytes
    number: Places
    time: Places
    parts: dict[str, Span]

    def of(self, at: Places) -> Chosen:
        """Some of them."""
        parts = {name: (start[at], end[at]) for name, (start, end) in self.parts.items()}
        return Chosen(self.data, self.number[at], self.time[at], parts)

    def texts(self, span: Span) -> Column:
        """What stands there; `data` is the first of the buffers."""
        return texts(self.data, span)

    @property
    def service(self) -> Span:
        """The program's last name: smtpd of postfix/submission/smtpd."""
        program = self.parts["program"]
        return behind_last(self.data, program, "/"), program[1]

    def table(self) -> pa.Table:
        """As columns: seq, time, host and the other parts."""
        made: list[Any] = [numbers(self.number), numbers(self.time).cast(pa.timestamp("us")).cast(_MOMENT)]
        for span in self.parts.values():
            held = [None, pa.py_buffer(self.texts(span)), pa.py_buffer(self.data)]
            made.append(pa.Array.from_buffers(pa.string_view(), len(self.number), held))
        return pa.table(made, names=["seq", "time", *self.parts])


def sort(lines: Lines, heads: Heads) -> tuple[dict[str, Chosen], Places]:
    """Lines of Postfix by kind, and which lines are of other programs."""
    postfix = _begins(_first(lines.data, heads.program), POSTFIX)
    text = _first(lines.data, heads.text)
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
            spans = {name: (start[at], end[at]) for name in ("host", *parts) for start, end in [getattr(heads, name)]}
            made[kind] = Chosen(lines.data, lines.number[at], lines.time[at], spans)
    return made, np.flatnonzero(~postfix)


def joined(parts: Sequence[Chosen], data: Bytes, offsets: Sequence[int]) -> Chosen:
    """Lines of several runs, whose data stand behind one another in `data`, each from its offset on."""

    def places(name: str, side: int) -> Places:
        return np.concatenate([p.parts[name][side] + offset for p, offset in zip(parts, offsets, strict=True)])

    spans = {name: (places(name, 0), places(name, 1)) for name in parts[0].parts}
    number, time = np.concatenate([p.number for p in parts]), np.concatenate([p.time for p in parts])
    return Chosen(data, number, time, spans)


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
