"""Reading that is shared with other processes: the same rows, whatever becomes of them."""

from __future__ import annotations

import gzip
import json
import os
import runpy
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import wait
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from smtplab import logs
from smtplab.logs import engine, parse, segments
from smtplab.logs.columns import rows
from smtplab.logs.jobs import whole
from smtplab.logs.meaning import Known
from smtplab.logs.read import jobs, source
from smtplab.logs.stored import frames
from smtplab.workers import Workers

PYTHON = sys.executable
TABLES = ("deliveries", "messages", "connections", "rejections", "problems")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some 20,000 lines of Postfix, as the benchmark has them."""
    path = tmp_path_factory.mktemp("log") / "mail.log"
    runpy.run_path("benchmarks/logs.py")["write"](path, 20_000)
    return path


@pytest.fixture(scope="module")
def alone(log: Path) -> dict[str, pd.DataFrame]:
    """Its tables, read by one process."""
    return tables(log)


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Workers]]:
    """Small segments, two processes for any log; gives those that begin."""
    begun: list[Workers] = []
    real = Workers.__init__

    def begin(self: Workers, count: int, module: str) -> None:
        real(self, count, module)
        begun.append(self)
        # The log is short: it must not be read before the first of them is there.
        self.submit(print)
        end = time.monotonic() + 2 + 18 * (sys.executable == PYTHON)
        while self.processes and not self.answered and time.monotonic() < end:
            time.sleep(0.01)

    monkeypatch.setattr(Workers, "__init__", begin)
    monkeypatch.setattr(segments, "WORTH", 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(3), raising=False)
    monkeypatch.setitem(logs.read_paths.__globals__, "SEGMENT", 100_000)
    for module in (segments, parse):
        monkeypatch.setattr(module, "CHUNK", 50_000)
    monkeypatch.setattr(parse, "SEGMENT", 50_000)
    yield begun
    assert all(p.poll() is not None for one in begun for p in one.processes), "no process is left behind"


def tables(path: Path) -> dict[str, pd.DataFrame]:
    made = logs.read_paths(path, year=2026)
    return {name: getattr(made, name) for name in TABLES}


def same(found: dict[str, pd.DataFrame], wanted: dict[str, pd.DataFrame]) -> None:
    for name in TABLES[:-1]:
        pd.testing.assert_frame_equal(found[name], wanted[name])


def test_the_rows_are_those_of_one_process(log: Path, alone: dict[str, pd.DataFrame], many: list[Workers]) -> None:
    same(tables(log), alone)
    assert [len(w.processes) for w in many] == [2]
    assert many[0].answered > 5, "others took a share"


def test_a_packed_log_is_unpacked_here_and_read_by_others(
    log: Path, alone: dict[str, pd.DataFrame], many: list[Workers], tmp_path: Path
) -> None:
    packed = tmp_path / "mail.log.gz"
    packed.write_bytes(gzip.compress(log.read_bytes(), 1))
    same(tables(packed), alone)
    assert many[0].answered > 5


def test_of_many_packed_logs_several_are_read_at_a_time(
    log: Path, alone: dict[str, pd.DataFrame], many: list[Workers], tmp_path: Path
) -> None:
    lines = log.read_bytes().splitlines(keepends=True)
    for at in range(0, len(lines), 500):
        (tmp_path / f"mail.{at:05}.gz").write_bytes(gzip.compress(b"".join(lines[at : at + 500]), 1))
    same(tables(tmp_path), alone)
    assert many[0].answered > 10


def test_what_others_read_is_kept_for_the_next_time(
    log: Path, alone: dict[str, pd.DataFrame], many: list[Workers], tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    packed = tmp_path / "older.log.gz"
    packed.write_bytes(gzip.compress(b"".join(log.read_bytes().splitlines(keepends=True)[:9_000]), 1))
    rest = tmp_path / "newer.log"
    rest.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[9_000:]))
    done: list[dict[Path, int]] = []
    for work in ("first", "second"):
        (tmp_path / work).mkdir()
        made = jobs([source(f, f.name, zone="UTC", year=2026) for f in (packed, rest)], 100_000)
        with segments.workers([rest]) as shared:
            assert len(shared.processes) == 2
            parts = engine.build(made, Known(), tmp_path / work, kept, workers=shared)
        same(frames(parts, Known(), tmp_path / work), alone)
        done.append({f: f.stat().st_mtime_ns for f in kept.glob("*/*")})
    assert done[0] == done[1]
    assert len(done[0]) > len(made)


def test_records_and_lines_of_other_programs_are_shared_too(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "events.jsonl").write_text(
        "\n".join(
            json.dumps({"event": "delivered", "email": f"{n}@example.org", "timestamp": 1_790_000_000 + n,
                        "sg_event_id": str(n), "sg_message_id": f"m{n}"})
            for n in range(50)
        )
    )  # fmt: skip
    (folder / "exim.log").write_text(
        "2026-11-02 08:00:00 1vFabc-000000001AB-0001 <= a@example.org H=h [192.0.2.1] P=esmtps S=900 id=x@example.org\n"
        '2026-11-02 08:00:01 1vFabc-000000001AB-0001 => b@example.net R=r T=t H=mx.example.net [192.0.2.9] C="250 OK"\n'
        "2026-11-02 08:00:01 1vFabc-000000001AB-0001 Completed\n"
    )
    asked = jobs([source(f, f.name, zone="UTC", year=2026) for f in sorted(folder.iterdir())])
    with Workers(1, "smtplab.logs.jobs") as shared:
        found = [shared.submit(whole, job, None).asked.result() for job in asked]
    assert [(sum(rows(p.of("delivery")) for p in pieces), tally.format) for pieces, tally in found] == [
        (50, "sendgrid"), (1, "exim"),
    ]  # fmt: skip


def test_a_process_that_is_lost_costs_no_row(
    log: Path, alone: dict[str, pd.DataFrame], many: list[Workers], monkeypatch: pytest.MonkeyPatch
) -> None:
    submit, turn = Workers.submit, iter(range(100_000))

    def killing(self: Workers, *task: Any) -> Any:
        if (number := next(turn)) in (4, 9):
            self.processes[number == 9].kill()
        return submit(self, *task)

    monkeypatch.setattr(Workers, "submit", killing)
    same(tables(log), alone)


def test_the_others_go_on_where_one_is_lost() -> None:
    with Workers(2, "smtplab.logs.jobs") as shared:
        first = [shared.submit(time.sleep, 0.2) for _ in range(2)]
        assert [task.asked.exception() for task in first] == [None, None]
        shared.processes[0].kill()
        later = [shared.submit(time.sleep, 0.05) for _ in range(20)]
        wait([task.asked for task in later[2:]], timeout=20)
        assert shared.answered >= 21


@pytest.mark.parametrize(
    "program", ["/nonexistent/python", "/bin/true", "exec cat", "exec sleep 1000", "echo hi", None]
)
def test_what_is_no_python_is_entrusted_with_nothing(
    log: Path,
    alone: dict[str, pd.DataFrame],
    many: list[Workers],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    program: str | None,
) -> None:
    if program and not program.startswith("/"):
        (tmp_path / "python").write_text(f"#!/bin/sh\n{program}\n")
        (tmp_path / "python").chmod(0o700)
        program = str(tmp_path / "python")
    monkeypatch.setattr(sys, "executable", program)
    same(tables(log), alone)
    assert not many[0].answered


def test_a_file_that_another_process_cannot_read_is_read_here(
    log: Path, alone: dict[str, pd.DataFrame], many: list[Workers]
) -> None:
    with log.open("rb") as file:
        same(tables(Path(f"/proc/self/fd/{file.fileno()}")), alone)


@pytest.mark.parametrize("count", [0, 1])
def test_what_fails_is_told_as_it_is_without_processes(count: int) -> None:
    with Workers(count, "smtplab.logs.jobs") as shared, pytest.raises(ValueError, match="no number"):
        shared.submit(int, "no number").result()


def test_an_interrupt_is_for_the_person_who_waits_and_output_of_a_library_is_no_answer() -> None:
    with Workers(1, "smtplab.logs.jobs") as shared:
        first = shared.submit(print, "a library's own words")
        assert first.asked.result() is None
        assert not list(Path(shared.folder).iterdir())
        shared.processes[0].send_signal(signal.SIGINT)
        second = shared.submit(print, "more")
        assert second.asked.result() is None
        assert shared.processes[0].poll() is None
    assert shared.processes[0].poll() is not None
    assert not Path(shared.folder).exists()


def test_arrays_without_a_value_come_through() -> None:
    with Workers(1, "smtplab.logs.jobs") as shared:
        found = shared.submit(list, (np.zeros(0), np.arange(3))).asked.result()
        assert not list(Path(shared.folder).iterdir())
    assert [a.tolist() for a in found] == [[], [0, 1, 2]]


def test_a_file_where_the_analyst_works_is_no_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pickle.py").write_text("open('taken', 'w')\nraise SystemExit")
    monkeypatch.chdir(tmp_path)
    with Workers(1, "smtplab.logs.jobs") as shared:
        assert shared.submit(print).asked.exception() is None
    assert not (tmp_path / "taken").exists()


def test_few_lines_are_read_alone(tmp_path: Path) -> None:
    (tmp_path / "mail.log").write_bytes(b"x" * 1_000)
    assert not segments.workers([tmp_path / "mail.log"]).processes
