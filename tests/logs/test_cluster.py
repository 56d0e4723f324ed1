"""On a Dask cluster the tables are those of one machine, row for row, also where a worker dies half-way."""

from __future__ import annotations

import os
import random
import runpy
import signal
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from smtplab import logs

distributed = pytest.importorskip("distributed")

TABLES = ("deliveries", "messages", "connections", "rejections", "outcomes", "complaints", "problems")
MESSAGES = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "logs.py"))["messages"]
PIECES = 12


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(**options) as made:
        yield made


@pytest.fixture(scope="module")
def rotated(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A log cut into files anywhere between lines: messages, connections and TLS lie across the cuts.

    Every fourth message takes the queue id of one that has left the queue.
    """
    folder = tmp_path_factory.mktemp("rotated")
    made = []
    old: list[str] = []
    for number, lines in enumerate(islice(MESSAGES(random.Random(3)), 1_200)):
        own = next((t.partition(":")[0] for *_, t in lines if ": client=" in t), "")
        if own and number % 4 == 0 and len(old) > 200:
            reused = old.pop(0)
            lines = [
                (w + timedelta(hours=3 * (number // 400)), h, p, i, t.replace(own, reused)) for w, h, p, i, t in lines
            ]
        elif own:
            old.append(own)
        made += lines
    made.sort(key=lambda line: line[0])
    text = [f"{w:%b} {w.day:2d} {w:%H:%M:%S} {h} postfix/{p}[{i}]: {t}\n" for w, h, p, i, t in made]
    text.insert(700, "Oct  1 00:01:00 out1 postfix/smtp[7]: no rule knows this line\n")
    size = -(-len(text) // PIECES)
    for number in range(PIECES):
        file = folder / f"mail.log.{PIECES - number:02}"
        file.write_text("".join(text[number * size : (number + 1) * size]))
    return sorted(folder.iterdir())


def _same(one: logs.LogEvidence, other: logs.LogEvidence) -> None:
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name), obj=name)


def test_two_workers_make_the_tables_of_one_machine(cluster: Any, rotated: list[Path]) -> None:
    one = logs.read_paths(rotated, year=2026)
    assert len(one.deliveries) > 1_000
    assert one.deliveries["tls_version"].notna().sum() > 300
    assert one.messages["queue_id"].duplicated().sum() > 50
    with distributed.Client(cluster) as client:
        _same(one, logs.read_paths(rotated, year=2026, client=client))


def test_a_worker_that_dies_half_way_costs_no_row(cluster: Any, rotated: list[Path]) -> None:
    with distributed.Client(cluster) as client:
        pids = list(client.run(os.getpid).values())

        def kill(what: str, done: int, total: int) -> None:
            if done == total // 2:
                os.kill(pids[0], signal.SIGKILL)

        got = logs.read_paths(rotated, year=2026, client=client, progress=kill)
        assert pids[0] not in client.run(os.getpid).values(), "it was killed"
    _same(logs.read_paths(rotated, year=2026), got)
