"""100,000 distinct replies, each with rule, span and runner-up, beside `re` one rule by one. Last line: JSON.

python benchmarks/replies.py [STRINGS] [RUNS]

The replies are those of the public corpus (SMTPLAB_CORPORA), else the examples of the rules; their digits are changed,
so that no string comes twice. The peer tries every pattern in order until one is found: it gives the rule alone.
"""

from __future__ import annotations

import json
import os
import random
import re
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from smtplab import replies
from smtplab.replies.rules import files, rules

PEER_SAMPLE = 4_000


def seeds() -> list[str]:
    corpora = os.environ.get("SMTPLAB_CORPORA")
    if corpora:
        lines = (Path(corpora) / "bounces" / "expected.jsonl").read_text("utf-8").splitlines()
        texts = {(json.loads(line).get("diagnosticcode") or "")[:1_000] for line in lines}
        return sorted(t for t in texts if len(t) > 20)
    return [row["example"] for _, head in files() for row in head.get("rule", ())]


def distinct(count: int) -> list[str]:
    """Replies with other digits in addresses, dates and queue ids; codes stay what they are."""
    dice, made, known = random.Random(1), dict[str, None](), seeds()
    long = re.compile(r"[0-9]{3,}(?![0-9])|[0-9]+(?=\.[0-9]+\.[0-9]+\.)")
    while len(made) < count:
        text = dice.choice(known)
        other = long.sub(lambda m: m[0] if m[0][0] in "245" and len(m[0]) == 3 else str(dice.randrange(10**6)), text)
        made[f"{other} {dice.randrange(10**9):x}"] = None
    return [*made]


def one_by_one(texts: list[str]) -> None:
    patterns = [re.compile(r.text) for r in rules() if r.text]
    for text in texts:
        low = text.lower()
        next((p for p in patterns if p.search(low)), None)


def timed(work: Callable[[], Any]) -> float:
    """Seconds of one core."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main(count: int, runs: int) -> None:
    texts = distinct(count)
    hot = texts[:1_000] * (count // 1_000)
    replies.classify("warm")
    first, again, peer = [], [], []
    for _ in range(runs):
        first.append(count / timed(lambda: [replies.classify(t) for t in texts]))
        for text in texts[:1_000]:
            replies.classify(text)
        again.append(len(hot) / timed(lambda: [replies.classify(t) for t in hot]))
        peer.append(PEER_SAMPLE / timed(lambda: one_by_one(texts[:PEER_SAMPLE])))
    ours, repeats, other = map(statistics.median, (first, again, peer))
    told = {
        "rules": len(rules()),
        "strings": count,
        "characters": round(statistics.mean(map(len, texts))),
        "ours": round(ours),
        "ours_repeats": round(repeats),
        "peer": round(other),
        "ratio": round(ours / other, 1),
        "runs": runs,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(f"{told['rules']} rules, {count:,} distinct replies of {told['characters']} characters on average")
    print(f"  ours, first seen   {ours:>10,.0f} a second")
    print(f"  ours, seen before  {repeats:>10,.0f} a second")
    print(f"  re, one by one     {other:>10,.0f} a second (sample of {PEER_SAMPLE:,})")
    print(json.dumps(told))


if __name__ == "__main__":
    numbers = [int(a) for a in sys.argv[1:]]
    main(*(numbers + [100_000, 5][len(numbers) :]))
