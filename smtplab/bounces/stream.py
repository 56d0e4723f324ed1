"""Mailboxes of any size as a stream of judged messages, in this process or in workers; memory stays flat."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from smtplab import mail
from smtplab.archives import Problem
from smtplab.bounces.sort import Sorted, sort
from smtplab.workers import Task, Workers, spare

_BATCH = 100


@dataclass(frozen=True)
class Judged:
    """One message: its file, its place in a mailbox (from 1), the line it starts at, and what it is."""

    file: str
    number: int
    line: int
    answer: Sorted


def judged(sources: Iterable[tuple[Path, str]], problem: Problem, processes: int = 1) -> Iterator[Judged]:
    """Every message of the sources (path, name), in order; `problem` is told what could not be read."""
    raws = (raw for path, name in sources for raw in mail.read(path, name, problem))
    if processes < 2:
        return (Judged(r.file, r.number, r.line, answer(r.data)) for r in raws)
    return _parallel(raws, processes)


def answer(data: bytes) -> Sorted:
    """As `sort`; should a message break it, that is its answer, so that no message is ever lost."""
    try:
        return sort(data)
    except Exception as e:
        why = f"it could not be read: {type(e).__name__}"
        row = {"kind": "none", "recipient": None, "time": None, "diagnostic": why}
        return Sorted("none", why, None, None, None, (row,), None)


def _parallel(raws: Iterator[mail.Raw], processes: int) -> Iterator[Judged]:
    waiting: deque[tuple[list[mail.Raw], Task[list[Sorted]]]] = deque()
    # This one judges too, while it waits.
    with Workers(min(processes - 1, spare()), __name__) as workers:
        while True:
            while len(waiting) <= workers.ahead and (batch := _batch(raws)):
                heads = [mail.Raw(r.file, r.line, b"", r.number) for r in batch]
                waiting.append((heads, workers.submit(answers, [r.data for r in batch])))
            if not waiting:
                return
            heads, found = waiting.popleft()
            for head, one in zip(heads, found.result(), strict=True):
                yield Judged(head.file, head.number, head.line, one)


def _batch(raws: Iterator[mail.Raw]) -> list[mail.Raw]:
    """So many messages, or fewer large ones."""
    batch: list[mail.Raw] = []
    size = 0
    while len(batch) < _BATCH and size < mail.MAX_MESSAGE and (raw := next(raws, None)) is not None:
        batch.append(raw)
        size += len(raw.data)
    return batch


def answers(messages: list[bytes]) -> list[Sorted]:
    """What several messages are; the work of one call of a worker."""
    return [answer(data) for data in messages]
