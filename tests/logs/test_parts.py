"""Rows are written in their order, whether they stayed in memory or not, and however many came late."""

from __future__ import annotations

import runpy
from itertools import islice
from pathlib import Path
from random import Random

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from smtplab.logs import engine, parts, results
from smtplab.logs.jobs import Job
from smtplab.logs.meaning import SCHEMAS, Known
from smtplab.logs.read import find, jobs
from smtplab.logs.segments import cut
from smtplab.tables import schemas


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two servers' logs of the same hours, in a file each."""
    folder = tmp_path_factory.mktemp("logs")
    run = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "logs.py"))["messages"]
    made = sorted((line for one in islice(run(Random(9)), 900) for line in one), key=lambda line: line[0])
    for name, hosts in (("a.log", ("out1", "mx1")), ("b.log", ("out2", "mail"))):
        text = [f"{w:%b} {w.day:2d} {w:%H:%M:%S} {h} postfix/{p}[{i}]: {t}\n" for w, h, p, i, t in made if h in hosts]
        (folder / name).write_text("".join(text))
    return sorted(folder.iterdir())


_EACH = {
    "deliveries": ": to=<",
    "connections": ": disconnect from ",
    "messages": ": client=",
    "rejections": ": reject: ",
}
"""What each row of a table has one of in the log."""


@pytest.mark.parametrize("table", _EACH)
@pytest.mark.parametrize(
    ("held", "late"),
    [
        pytest.param(1 << 30, 1 << 30, id="all in memory"),
        pytest.param(1 << 16, 1 << 30, id="most in files"),
        pytest.param(1, 1 << 30, id="a file a window"),
        pytest.param(1 << 16, 7, id="most of it late"),
    ],
)
def test_a_table_is_written_in_its_order(
    log: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, held: int, late: int
) -> None:
    monkeypatch.setattr(parts, "HELD", held)
    monkeypatch.setattr(parts, "LATE", late)
    monkeypatch.setattr(engine, "WINDOW", 20_000)
    found = jobs(find(log, tmp_path, year=2026))
    small = [Job(s, one.setting) for one in found for s in cut(one.segment.path, one.segment.name, 30_000)]
    made = engine.build(small, Known(), tmp_path)
    results.write_parquet(made, table, tmp_path / "out.parquet")
    schema = schemas()[table]
    got = pq.read_table(tmp_path / "out.parquet").to_pandas()
    assert list(got.columns) == [c.name for c in schema.columns]
    assert len(got) == sum(p.read_text().count(_EACH[table]) for p in log)
    keys = list(schema.sort)
    pd.testing.assert_frame_equal(got[keys], got[keys].sort_values(keys, kind="stable", ignore_index=True))
    assert not list(tmp_path.glob(".out*"))


def test_a_table_of_chunks_whose_times_overlap_is_one_window_when_it_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "HELD", 1)
    columns = {n: k for n, k in SCHEMAS["complaints"].items() if n in ("seq", "time")}
    kept = parts.Parts(tmp_path, {"complaints": columns})
    for begin in (0, 10):
        chunks = [
            pa.table([pa.array(times, kind) for kind in columns.values()], names=list(columns))
            for times in ([begin + 3, begin + 1], [begin + 4, begin + 2])
        ]
        kept.add({"complaints": pa.concat_tables(chunks)})
    assert kept.files("complaints")
    found = pa.concat_tables(kept.in_order("complaints", ["time"]))
    assert found["seq"].to_pylist() == [1, 2, 3, 4, 11, 12, 13, 14]
