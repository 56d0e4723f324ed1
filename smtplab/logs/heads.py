"""Where a syslog line's parts lie, found for all lines of a chunk at once: `stamp host program[pid]: queue-id: text`.

Nothing is copied. Lines of the two common carriers (RFC 3164,
ISO 8601) are read by their bytes in columns; any other line is rewritten to the same form first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from smtplab.logs.arrays import values
from smtplab.logs.columns import PAD, Bytes, Flags, Places, Span, windows
from smtplab.logs.lines import LAST, Stamps
from smtplab.logs.segments import MAX_LINE

_STAMP = 40
_SHORTEST = len("Nov 1 00:00:00 h")
"""No line with a stamp is shorter: millions of line ends need not be looked at one by one."""
_HOST = 64
_PRIORITY = 20
"""Bytes of a priority in angle brackets; `<security.warning>` is the longest."""
_PROGRAM = 48
"""Bytes of a program's name with its pid."""
_ID = 21
_NO_ID = np.ones(256, bool)
_NO_ID[[*b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"]] = False
"""Bytes that end a queue id."""


@dataclass
class Lines:
    """Lines behind their stamps: numbers, times in microseconds, and where each begins and ends in `data`."""

    data: Bytes
    number: Places
    time: Places
    start: Places
    end: Places
    total: int = 0
    blank: int = 0
    strange: int = 0
    first_strange: int = 0


def stamped(before: int, run: bytes, stamps: Stamps) -> Lines:
    """The lines of a run of whole lines that bear a stamp, `before` lines having come before; the rest is counted."""
    run = _clean(run)
    data = np.zeros(len(run) + PAD, np.uint8)
    data[: len(run)] = np.frombuffer(run, np.uint8)
    end = np.flatnonzero(data[: len(run)] == 10)
    start = np.append(0, end[:-1] + 1)
    total = len(start)
    number = before + 1 + np.arange(total)
    end -= (data[end - 1] == 13) * (end > start)
    _shorten(data, start, end)
    heads = windows(data, start, 16)
    time, rest = _bsd(heads, start, stamps)
    if len(left := np.flatnonzero((time < 0) & (end - start >= _SHORTEST))):
        data = _others(data, left, time, rest, end, start, stamps)
    fine = time >= 0
    _past_priority(data, rest, fine)
    lines = Lines(data, number, time, rest, end, total)
    if not fine.all():
        full = end > start
        strange = np.flatnonzero(~fine & full)
        lines = Lines(data, number[fine], time[fine], rest[fine], end[fine], total, int((~full).sum()), len(strange))
        lines.first_strange = int(number[strange[0]]) if len(strange) else 0
    return lines


def _shorten(data: Bytes, start: Places, end: Places) -> None:
    """Let no line be longer than is looked at, nor end within a letter."""
    for i in np.flatnonzero(end - start > MAX_LINE).tolist():
        end[i] = start[i] + MAX_LINE
        while data[end[i]] & 0xC0 == 0x80:
            end[i] -= 1


def _past_priority(data: Bytes, rest: Places, fine: Flags) -> None:
    """Some servers write the priority behind the stamp, as `<mail.info> ` (syslogd -v of FreeBSD) or `<22>`."""
    at = np.flatnonzero(fine & (data[rest] == 60))
    if len(at):
        close = (windows(data, rest[at], _PRIORITY) == 62).argmax(axis=1)
        behind = rest[at] + close + 1
        rest[at] = np.where(close > 0, behind + (data[behind] == 32), rest[at])


def _clean(run: bytes) -> bytes:
    if b"\0" in run:
        run = run.replace(b"\0", b"?")
    if run.isascii():
        return run
    try:
        run.decode("utf-8")
    except UnicodeDecodeError:
        # As long as before, so that places stay.
        return run.decode("utf-8", "surrogateescape").encode("utf-8", "replace")
    return run


def _bsd(heads: Bytes, start: Places, stamps: Stamps) -> tuple[Places, Places]:
    """Times of lines with an RFC 3164 stamp, -1 for others, and where the rest begins."""
    time = np.full(len(start), -1, np.int64)
    if not len(start):
        return time, start.copy()
    words = heads.view(np.uint64)
    # Busy servers write many lines a second and very many an hour: each run of equal stamps is read once.
    begins = _runs((words[1:] != words[:-1]).any(axis=1))
    few = heads[begins]
    digit = few.astype(np.int64) - 48
    numbers = digit[:, [7, 8, 10, 11, 13, 14]]
    fine = ((numbers >= 0) & (numbers <= 9)).all(axis=1)
    fine &= (few[:, [3, 6, 15]] == 32).all(axis=1) & (few[:, [9, 12]] == 58).all(axis=1)
    hours = np.ascontiguousarray(few[:, :9])
    turns = _runs((hours[1:] != hours[:-1]).any(axis=1))
    begun = [stamps.hour(hours[i].tobytes()) for i in turns.tolist()]
    base = np.repeat([-1 if h is None else h for h in begun], np.diff(np.append(turns, len(few))))
    seconds = (digit[:, 10] * 10 + digit[:, 11]) * 60 + digit[:, 13] * 10 + digit[:, 14]
    few_times = np.where(fine & (base >= 0), base + seconds * 1_000_000, -1)
    time = np.repeat(few_times, np.diff(np.append(begins, len(start))))
    return time, start + 16


def _runs(changes: Flags) -> Places:
    """Where runs of equal rows begin, from where a row differs from the one before."""
    return np.append(0, np.flatnonzero(changes) + 1)


def _others(data: Bytes, left: Places, time: Places, rest: Places, end: Places, start: Places, stamps: Stamps) -> Bytes:
    """Fill in time and place of lines of other carriers; what must be rewritten is put behind the data."""
    heads = windows(data, start[left], _STAMP)
    left = left[_iso(heads, left, time, rest, start)]
    added: list[bytes] = []
    size = len(data) - PAD
    for i in left.tolist():
        text = data[start[i] : end[i]].tobytes().decode("utf-8", "ignore")
        if found := stamps.line(text):
            raw = found.rest[:MAX_LINE].replace("\0", "?").encode("utf-8", "replace")
            time[i], rest[i], end[i] = max(found.time, 0), size, size + len(raw)
            added.append(raw)
            size += len(raw)
    if not added:
        return data
    new = np.frombuffer(b"".join(added), np.uint8)
    return np.concatenate([data[: len(data) - PAD], new, np.zeros(PAD, np.uint8)])


def _iso(heads: Bytes, left: Places, time: Places, rest: Places, start: Places) -> Flags:
    """Fill in the lines that begin with an ISO 8601 stamp with a zone; says which are left."""
    looks = (heads[:, [4, 7]] == 45).all(axis=1) & (heads[:, 10] == 84) & (heads[:, [13, 16]] == 58).all(axis=1)
    space = (heads == 32).argmax(axis=1)
    looks &= space > 19
    for width in np.unique(space[looks]):
        chosen = np.flatnonzero(looks & (space == width))
        texts = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(int(width)), len(chosen), [None, pa.py_buffer(np.ascontiguousarray(heads[chosen, :width]))]
        )
        try:
            moments = texts.cast(pa.binary()).cast(pa.string()).cast(pa.timestamp("us", "UTC"))
        except (pa.ArrowInvalid, ValueError):
            looks[chosen] = False
            continue
        micros = values(moments.cast(pa.int64()))
        looks[chosen] = micros < LAST
        chosen = chosen[micros < LAST]
        time[left[chosen]] = np.maximum(micros[micros < LAST], 0)
        rest[left[chosen]] = start[left[chosen]] + width + 1
    left_over: Flags = ~looks
    return left_over


@dataclass
class Heads:
    """Places of the parts of each line."""

    host: Span
    program: Span
    pid: Span
    queue_id: Span
    text: Span


def heads(lines: Lines) -> Heads:
    """Take the lines apart; a line without a program has an empty one."""
    data, start, end = lines.data, lines.start, lines.end
    host_end = start + (windows(data, start, _HOST) == 32).argmax(axis=1)
    name = host_end + 1
    rows = windows(data, name, _PROGRAM)
    bracket = (rows == 91).argmax(axis=1)
    close = (rows == 93).argmax(axis=1)
    # What is looked through goes on into the next line.
    has_pid = (bracket > 0) & (close > bracket) & (data[name + close + 1] == 58) & (name + close + 1 < end)
    if has_pid.all():
        colon = close + 1
    else:
        colon = np.where(has_pid, close + 1, (rows == 58).argmax(axis=1))
    # An empty part where the line has no such head.
    fine = (host_end > start) & (colon > 0) & (name + colon <= end)
    name_end = np.where(fine, name + np.where(has_pid, bracket, colon), name)
    pid_start = np.where(has_pid & fine, name + bracket + 1, name)
    pid = (pid_start, np.where(has_pid & fine, name + close, name))
    text = np.minimum(np.where(fine, name + colon + 2, start), end)
    length = _NO_ID[windows(data, text, _ID)].argmax(axis=1)
    is_id = (length >= 5) & (data[text + length] == 58) & (data[text + length + 1] == 32)
    # A queue id begins with a digit or a capital, so that `warning: ` is none.
    is_id &= (data[text] < 97) & (text + length + 2 <= end)
    id_end = text + np.where(is_id, length, 0)
    return Heads(
        (start, np.where(fine, host_end, start)),
        (name, name_end),
        pid,
        (text, id_end),
        (np.where(is_id, id_end + 2, text), end),
    )
