"""Reading the same fields off many lines at once: each step goes on behind what it found, in every line.

A line that is written otherwise falls out; it is looked at again by slower means.
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa

from smtplab.logs.columns import NONE, Bytes, Column, Flags, Places, Span, windows, words

_NEAR, _FAR = 32, 96
"""Bytes that are looked through at first, and then."""
_NUMBER = re.compile(r"\d{1,18}(?:\.\d{0,18})?", re.ASCII)


class Cut:
    """Places in lines of `data`: where reading stands, where the line ends, and whether all was as expected so far."""

    def __init__(self, data: Bytes, at: Places, end: Places) -> None:
        self.data, self.at, self.end = data, at, end
        self.fine: Flags = np.ones(len(at), bool)

    def looks(self, text: str) -> Flags:
        """Whether this text comes next."""
        raw = text.encode()
        found: Flags = self.at + len(raw) <= self.end
        for done in range(0, len(raw), 8):
            part = raw[done : done + 8]
            have = windows(self.data, np.minimum(self.at + done, self.end), 8).view(np.uint64).ravel()
            found &= (have & np.uint64((1 << 8 * len(part)) - 1)) == np.uint64(int.from_bytes(part, "little"))
        return found

    def literal(self, text: str) -> None:
        """This text must come next."""
        self.fine &= self.looks(text)
        self.at = np.minimum(self.at + len(text), self.end)

    def until(self, stop: str, near: int = _NEAR) -> Span:
        """What stands before the next `stop`, which must come."""
        place = find(self.data, self.at, self.end, stop, near)
        span = (self.at, place)
        self.fine &= place < self.end
        self.at = place
        return span

    def maybe(self, text: str, stop: str, behind: str) -> tuple[Flags, Span]:
        """Where `text` comes next: it, what stands before `stop`, and what must stand `behind`; else nothing is read."""
        there = self.looks(text)
        begin, close = self.at.copy(), self.at.copy()
        if there.any():
            some = np.flatnonzero(there)
            part = Cut(self.data, self.at[some] + len(text), self.end[some])
            begin[some], close[some] = part.until(stop)
            part.literal(behind)
            self.at = self.at.copy()
            self.at[some] = part.at
            self.fine[some] &= part.fine
        return there, (begin, close)

    def rest(self) -> Span:
        """All that is left of the line."""
        return self.at, self.end


def find(data: Bytes, at: Places, end: Places, stop: str, near: int = _NEAR) -> Places:
    """The first place of a byte in each range; the range's end where it does not hold it."""
    byte = ord(stop)
    place = at + (windows(data, at, near) == byte).argmax(axis=1)
    found = data[place] == byte
    if not found.all():
        left = np.flatnonzero(~found & (at + near < end))
        place[~found] = end[~found]
        if len(left):
            if near < _FAR:
                place[left] = find(data, at[left] + near, end[left], stop, _FAR)
            else:
                # Such lines are few: each is looked through on its own.
                for i in left.tolist():
                    further = np.flatnonzero(data[at[i] + near : end[i]] == byte)
                    place[i] = at[i] + near + further[0] if len(further) else end[i]
    found_or_end: Places = np.minimum(place, end)
    return found_or_end


def behind_last(data: Bytes, span: Span, stop: str, near: int = _NEAR) -> Places:
    """Behind the last place of a byte in each range; the range's beginning where it has none."""
    start, end = span
    rows = windows(data, start, near) == ord(stop)
    rows &= np.arange(near) < (end - start)[:, None]
    back = rows[:, ::-1].argmax(axis=1)
    found: Places = np.where(rows.any(axis=1), start + near - back, start)
    for i in np.flatnonzero(end - start > near).tolist():
        found[i] = start[i] + data[start[i] : end[i]].tobytes().rfind(stop.encode()) + 1
    return found


def whole(data: Bytes, span: Span) -> Column:
    """Whole numbers of up to eight digits at once, longer ones singly; NONE for anything else."""
    size = span[1] - span[0]
    word = words(data, span[0], size)
    # The digits are moved to the right end of the word, with zeros before them.
    shift = (np.uint64(64) - np.minimum(size, 8).astype(np.uint64) * np.uint64(8)) & np.uint64(63)
    digits = (word << shift) | (np.uint64(0x3030303030303030) & ~(np.uint64(0xFFFFFFFFFFFFFFFF) << shift))
    digits ^= np.uint64(0x3030303030303030)
    wrong = (digits | (digits + np.uint64(0x7676767676767676))) & np.uint64(0x8080808080808080)
    fine = (wrong == 0) & (size > 0) & (size <= 8)
    for pair, bits in ((0x00FF00FF00FF00FF, 8), (0x0000FFFF0000FFFF, 16), (0x00000000FFFFFFFF, 32)):
        ten = np.uint64(10 ** (bits // 8))
        digits = (digits & np.uint64(pair)) * ten + ((digits >> np.uint64(bits)) & np.uint64(pair))
    made: Column = np.where(fine, digits.astype(np.int64), NONE)
    for i in np.flatnonzero(size > 8).tolist():
        text = data[span[0][i] : span[1][i]].tobytes()
        if len(text) <= 18 and text.isdigit():
            made[i] = int(text)
    return made


def fractions(data: Bytes, span: Span) -> Column:
    """Numbers as seconds are written, each different one read once; NaN for anything else."""
    size = span[1] - span[0]
    word = words(data, span[0], size)
    encoded = pa.Array.from_buffers(pa.uint64(), len(word), [None, pa.py_buffer(word)]).dictionary_encode()
    few = [_number(int(w).to_bytes(8, "little").rstrip(b"\0")) for w in encoded.dictionary.to_pylist()]
    made: Column = np.array(few, np.float64)[np.asarray(encoded.indices)]
    for i in np.flatnonzero(size > 8).tolist():
        made[i] = _number(data[span[0][i] : span[1][i]].tobytes())
    return made


def _number(raw: bytes) -> float:
    text = raw.decode("ascii", "replace")
    return float(text) if _NUMBER.fullmatch(text) else float("nan")
