"""`make fuzz`: damaged messages by the hundred thousand; none may raise, none may be lost, none may take long.

python -m tests.bounces.fuzz [COUNT] [SEED]

The messages are those of the tests and, with SMTPLAB_CORPORA, the public bounces. What is said of them goes the whole
way, into the tables and into a line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from itertools import islice
from pathlib import Path

from smtplab import bounces
from smtplab.tables import conform
from tests.bounces.mutation import damaged, seeds

BATCH = 1_000
SLOW = 1.0
"""Seconds that no message of this size may take."""


def public() -> list[bytes]:
    """The public bounces, as far as they are there."""
    folder = Path(os.environ.get("SMTPLAB_CORPORA", "")) / "bounces" / "eml"
    found = sorted(folder.rglob("*.eml")) if folder.is_dir() else []
    return [data for file in found if len(data := file.read_bytes()) < 40_000]


def told(batch: list[bytes]) -> tuple[Counter[str], float]:
    """How many of which kind, and the longest time of one."""
    kinds: Counter[str] = Counter()
    rows, slowest = [], 0.0
    for data in batch:
        start = time.process_time()
        answer = bounces.sort(data)
        slowest = max(slowest, time.process_time() - start)
        assert answer.kind in bounces.KINDS, answer.kind
        assert answer.rows, "a message without a row is lost"
        kinds[answer.kind] += 1
        rows += [{**row, "file": "damaged"} for row in answer.rows]
    assert len(conform("bounces", rows)) == len(rows)
    json.dumps(rows, default=str)
    return kinds, slowest


def main(count: int = 100_000, seed: int = 1) -> None:
    pool = seeds() + public()
    kinds: Counter[str] = Counter()
    slowest, began = 0.0, time.perf_counter()
    messages = damaged(count, seed, pool)
    # The first message waits until all rules are read.
    bounces.sort(pool[0])
    print(f"{count:,} damaged messages out of {len(pool):,}, seed {seed}", flush=True)
    while batch := list(islice(messages, BATCH)):
        found, longest = told(batch)
        kinds += found
        slowest = max(slowest, longest)
        if kinds.total() % (10 * BATCH) == 0:
            print(f"  {kinds.total():,} after {time.perf_counter() - began:.0f} s", flush=True)
    assert kinds.total() == count, "a message is lost"
    assert slowest < SLOW, f"a message took {slowest:.1f} s"
    print(
        f"{count:,} messages in {time.perf_counter() - began:.0f} s, none raised and none lost, "
        f"slowest {slowest * 1000:.0f} ms: " + ", ".join(f"{n:,} {kind}" for kind, n in kinds.most_common())
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
