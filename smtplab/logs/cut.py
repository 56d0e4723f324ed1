"""Reading the same fields off many lines at once: each step goes on behind what it found, in every line.

A line that is written otherwise falls out; it is looked at again by slower means.
"""

from __future__ import annotations

import re

import numpy as np

from smtplab.logs.columns import NONE, Bytes, Column, Flags, Hashes, Places, Span, windows, words

_NEAR, _FAR = 32, 96
"""Bytes that are looked through at first, and then."""
_WORD = 8
_EACH = np.uint64(0x0101010101010101)
"""One in each byte of a word."""
_TENS = 10.0 ** np.arange(9)
_ADDRESS = 46
"""Bytes of an address and one more."""
_NO_ADDRESS = np.ones(256, bool)
_NO_ADDRESS[[*b"0123456789ABCDEFabcdef.:"]] = False
"""Bytes that an IP address does not hold."""
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

    def address(self) -> Span:
        """The IP address in brackets that must come next: `[unknown]` and the name of a socket are none."""
        self.literal("[")
        start, end = span = self.until("]", 48)
        other = _NO_ADDRESS[windows(self.data, start, _ADDRESS)].argmax(axis=1)
        self.fine &= (start < end) & (start + other == end)
        self.literal("]")
        return span

    def maybe(self, text: str, stop: str, behind: str) -> tuple[Flags, Span]:
        """Whether `text` comes next, and then what stands before `stop`, with `behind` after it."""
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

    def before(self, text: str, most: int = 8) -> Places:
        """Where a text comes next, unless its first letter comes too often before it; else the end."""
        place = find(self.data, self.at, self.end, text[0])
        for _ in range(most):
            other = np.flatnonzero((place < self.end) & ~Cut(self.data, place, self.end).looks(text))
            if not len(other):
                break
            place[other] = find(self.data, place[other] + 1, self.end[other], text[0])
        return place

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
    number, fine = _digits(words(data, span[0], size), size)
    made: Column = np.where(fine, number, NONE)
    for i in np.flatnonzero(size > _WORD).tolist():
        text = data[span[0][i] : span[1][i]].tobytes()
        if len(text) <= 18 and text.isdigit():
            made[i] = int(text)
    return made


def fractions(data: Bytes, span: Span) -> Column:
    """Decimal fractions of up to eight letters at once, longer ones singly; NaN for anything else."""
    size = span[1] - span[0]
    word = words(data, span[0], size)
    # A byte that equals the dot becomes zero, and the lowest bit that is left tells which it is.
    dots = word ^ (_EACH * np.uint64(ord(".")))
    dots = (dots - _EACH) & ~dots & (_EACH << np.uint64(7))
    place = np.bitwise_count((dots & (~dots + np.uint64(1))) - np.uint64(1)).astype(np.uint64) & np.uint64(0x78)
    dotted = dots != 0
    before = (np.uint64(1) << place) - np.uint64(1)
    without = (word & before) | ((word >> np.uint64(8)) & ~before)
    number, fine = _digits(np.where(dotted, without, word), size - dotted)
    behind = np.where(dotted, size - 1 - (place >> np.uint64(3)).astype(np.int64), 0)
    # A quotient of two whole numbers is rounded as the decimal fraction is.
    made: Column = np.where(fine & (place > 0), number / _TENS.take(behind, mode="clip"), np.nan)
    for i in np.flatnonzero(size > _WORD).tolist():
        text = data[span[0][i] : span[1][i]].tobytes().decode("ascii", "replace")
        made[i] = float(text) if _NUMBER.fullmatch(text) else np.nan
    return made


def _digits(word: Hashes, size: Places) -> tuple[Column, Flags]:
    """The number that the first `size` bytes of a word are, and whether they are digits."""
    # The digits are moved to the right end of the word, with zeros before them.
    shift = (np.uint64(64) - np.minimum(size, _WORD).astype(np.uint64) * np.uint64(8)) & np.uint64(63)
    zeros = _EACH * np.uint64(ord("0"))
    digits = ((word << shift) | (zeros & ~(~np.uint64(0) << shift))) ^ zeros
    wrong = (digits | (digits + _EACH * np.uint64(0x76))) & (_EACH << np.uint64(7))
    fine = (wrong == 0) & (size > 0) & (size <= _WORD)
    for pair, bits in ((0x00FF00FF00FF00FF, 8), (0x0000FFFF0000FFFF, 16), (0x00000000FFFFFFFF, 32)):
        ten = np.uint64(10 ** (bits // 8))
        digits = (digits & np.uint64(pair)) * ten + ((digits >> np.uint64(bits)) & np.uint64(pair))
    return digits.astype(np.int64), fine
