"""Reading logs on a local Dask cluster of single-threaded workers: two beside one. Last line: JSON.

python benchmarks/cluster.py [--lines 2000000] [--repeat 5]

Each run makes the rows of every table, as Parquet; the workers are there before it begins. The peer is the same work
on one worker.
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
from smtplab.logs.engine import Job
from smtplab.logs.meaning import Known
from smtplab.logs.read import jobs, source

write = runpy.run_path(str(Path(__file__).with_name("logs.py")))["write"]


def run(client: Any, pieces: list[Job]) -> float:
    with tempfile.TemporaryDirectory(prefix="smtplab-") as work:
        began = time.perf_counter()
        cluster.build(pieces, Known(), Path(work), client, partitions=4)
        return time.perf_counter() - began


def main() -> None:
    from distributed import Client, LocalCluster

    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--lines", type=int, default=2_000_000)
    options.add_argument("--repeat", type=int, default=5)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="smtplab-") as folder:
        log = Path(folder) / "mail.log"
        count = write(log, given.lines)
        (job,) = jobs([source(log, "mail.log", zone="UTC", year=2026)])[:1]
        pieces = [Job(p, job.setting) for p in segments.cut(log, "mail.log", -(-log.stat().st_size // 8))]
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
    print(
        json.dumps(
            {"lines": count, "ours": round(count / two), "peer": round(count / one), "ratio": round(one / two, 2)}
        )
    )


if __name__ == "__main__":
    main()
