"""`make fuzz`: damaged messages by the hundred thousand; none may raise, none may be lost, none may take long.

python -m tests.bounces.fuzz [COUNT] [SEED]
"""

from __future__ import annotations

import sys
import time
from collections import Counter

from smtplab import bounces
from tests.bounces.mutation import damaged


def main(count: int = 100_000, seed: int = 1) -> None:
    kinds: Counter[str] = Counter()
    slowest, began = 0.0, time.perf_counter()
    for data in damaged(count, seed):
        start = time.process_time()
        answer = bounces.sort(data)
        slowest = max(slowest, time.process_time() - start)
        assert answer.kind in bounces.KINDS, answer.kind
        assert answer.rows, "a message without a row is lost"
        kinds[answer.kind] += 1
    assert kinds.total() == count
    print(f"{count:,} messages in {time.perf_counter() - began:.0f} s, slowest {slowest * 1000:.0f} ms: {dict(kinds)}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
