"""Reading logs on a local Dask cluster of single-threaded workers: two beside one. Last line: JSON.

python benchmarks/cluster.py [--lines 2000000] [--repeat 5]

Each run makes the rows of every table, as Parquet; the workers are there before it begins. The peer is the same work
on one worker. Before it the two steps run in this process: what they cost and what goes between them, for planning.
"""

from __future__ import annotations

import argparse
import json
import runpy
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from smtplab.logs import cluster, segments
from smtplab.logs.jobs import Job
from smtplab.logs.meaning import Known
from smtplab.logs.read import jobs, source

write = runpy.run_path(str(Path(__file__).with_name("logs.py")))["write"]


def run(client: Any, pieces: list[Job]) -> float:
    with tempfile.TemporaryDirectory(prefix="smtplab-") as work:
        began = time.perf_counter()
        cluster.build(pieces, Known(), Path(work), client, partitions=4)
        return time.perf_counter() - began


def costs(pieces: list[Job]) -> dict[str, float]:
    """Processor seconds of both steps, and gigabytes between and behind them, for a terabyte of such a log."""
    read = sum(p.segment.end - p.segment.start for p in pieces if p.segment.end)
    began = time.process_time()
    events = [cluster.events(p, 4)[0] for p in pieces]
    between = time.process_time()
    made = [cluster.rows_of([e[n] for e in events], Known()) for n in range(4)]
    ended = time.process_time()
    sent = sum(len(piece) for one in events for part in one for piece in part)
    return {
        "events_hours": round((between - began) / read * 1e12 / 3600, 1),
        "rows_hours": round((ended - between) / read * 1e12 / 3600, 1),
        "shuffle_gb": round(sent / read * 1e3),
        "result_gb": round(sum(len(v) for part in made for v in part.values()) / read * 1e3),
    }


def main() -> None:
    from distributed import Client, LocalCluster

    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--lines", type=int, default=2_000_000)
    options.add_argument("--repeat", type=int, default=5)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="smtplab-") as folder:
        log = Path(folder) / "mail.log"
        count = write(log, given.lines)
        (job, *_) = jobs([source(log, "mail.log", zone="UTC", year=2026)])
        pieces = [Job(p, job.setting) for p in segments.cut(log, "mail.log", -(-log.stat().st_size // 8))]
        planning = costs(jobs([source(log, "mail.log", zone="UTC", year=2026)], segments.FAR))
        seconds: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(given.repeat):
            for workers, made in seconds.items():
                with (
                    LocalCluster(
                        n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
                    ) as nodes,
                    Client(nodes) as client,
                ):
                    client.run(__import__, "smtplab.logs.cluster")
                    made.append(run(client, pieces))
    one, two = (statistics.median(made) for made in seconds.values())
    for workers, value in ((1, one), (2, two)):
        print(f"{workers} worker{'s' if workers > 1 else ' '} {value:8.2f} s  {count / value:12,.0f} lines/s")
    print("for a terabyte: " + ", ".join(f"{k} {v:,}" for k, v in planning.items()))
    rates = {"lines": count, "ours": round(count / two), "peer": round(count / one), "ratio": round(one / two, 2)}
    print(json.dumps(rates | planning))


if __name__ == "__main__":
    main()
