"""Postfix's own arithmetic: long queue ids (postconf(5), enable_long_queue_ids), retry times, printed delays."""

from __future__ import annotations

from random import Random

ALPHABET = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"
MICROSECONDS, INODE = 4, 51
MINIMAL_BACKOFF, MAXIMAL_BACKOFF, QUEUE_RUN, LIFETIME = 300.0, 14400.0, 300.0, 432000.0


def _encode(number: int, base: int, width: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, base)
        digits = ALPHABET[rest] + digits
    return digits.rjust(width, "0")


def long_id(moment: float, inode: int) -> str:
    """The id of a message that arrived at `moment` (epoch seconds) in the file with this inode."""
    seconds, fraction = divmod(round(moment * 1_000_000), 1_000_000)
    return f"{_encode(seconds, 52, 6)}{_encode(fraction, 52, MICROSECONDS)}z{_encode(inode, INODE, 1)}"


def retries(rng: Random, until: float) -> list[float]:
    """Seconds after arrival at which a deferred message is tried again, until `until`.

    The wait doubles with the age of the message between the minimal and maximal backoff time, and a message
    that is due waits for the next queue run.
    """
    times: list[float] = []
    age = 0.0
    while True:
        age += min(max(MINIMAL_BACKOFF, age), MAXIMAL_BACKOFF) + rng.uniform(0, QUEUE_RUN)
        if age >= until:
            return times
        times.append(age)


def printed(seconds: float) -> str:
    """A delay as Postfix prints it: two significant digits, at most two decimals, no trailing zeros."""
    if seconds < 0.01:
        return "0"
    if seconds < 10:
        decimals = 2 if seconds < 1 else 1
        return f"{seconds:.{decimals}f}".rstrip("0").rstrip(".") or "0"
    return f"{seconds:.0f}"
