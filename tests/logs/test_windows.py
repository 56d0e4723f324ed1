"""What is told in two windows of a log is joined as if it stood in one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from smtplab.logs import columns, engine
from smtplab.logs.event import Setting
from smtplab.logs.jobs import Job
from smtplab.logs.meaning import Known
from smtplab.logs.queue import Clock
from smtplab.logs.segments import Segment
from smtplab.logs.stored import frames

SETTING = Setting("mail.log", "UTC", datetime(2026, 11, 24, tzinfo=UTC))
DAY = 86_400_000_000
Read = Callable[..., dict[str, pd.DataFrame]]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Reads lines, those of each part in a window of their own."""
    monkeypatch.setattr(engine, "WINDOW", 1)

    def made(*parts: list[str]) -> dict[str, pd.DataFrame]:
        path, jobs, begin = tmp_path / "mail.log", [], 0
        path.write_text("".join(f"{line}\n" for part in parts for line in part))
        for part in parts:
            end = begin + sum(len(line) + 1 for line in part)
            jobs.append(Job(Segment(path, "mail.log", begin, end), SETTING))
            begin = end
        return frames(engine.build(jobs, Known(), tmp_path), Known(), tmp_path)

    return made


def attempt(time: str, queue_id: str, status: str, host: str = "h") -> str:
    return (
        f"2026-{time}:00:00Z {host} postfix/smtp[1]: {queue_id}: to=<a@b.example>, relay=x[192.0.2.1]:25, delay=1,"
        f" delays=0/0/0/1, dsn=2.0.0, status={status} (250 ok)"
    )


def removed(time: str, queue_id: str, host: str = "h") -> str:
    return f"2026-{time}:00:00Z {host} postfix/qmgr[1]: {queue_id}: removed"


@pytest.mark.parametrize("stamps", [1, 3])
def test_a_clock_that_runs_far_ahead_for_some_lines_ends_no_message(read: Read, stamps: int) -> None:
    ahead = [removed("11-03T01", f"FFFF{n}").replace("2026", "2031") for n in range(stamps)]
    told = read(
        [attempt("11-02T08", "ABCDE1", "deferred")],
        [attempt(f"11-02T{hour:02}", f"ABC{hour:03}", "sent") for hour in range(9, 14)] + ahead,
        [attempt("11-03T08", "ABCDE1", "sent"), removed("11-03T08", "ABCDE1")],
    )
    found = told["messages"].set_index("queue_id").loc[["ABCDE1"]]
    assert found["attempts"].tolist() == [2]
    assert found["lifetime"].tolist() == [86_400.0]


def test_a_message_of_which_nothing_is_told_for_more_than_five_days_is_let_go(
    read: Read, still_open: Callable[[str], list[int]]
) -> None:
    held = still_open("delivery")
    days = [
        [attempt(f"11-{day:02}T{hour:02}", f"AB{day:02}{hour:02}", "sent") for hour in range(5)] for day in range(1, 15)
    ]
    read(*days)
    # The last hour of the day five days before, and what came since.
    assert max(held) == 1 + 5 * 5
    assert held[-1] == 0


@pytest.mark.parametrize(
    ("days", "newest"),
    [
        ([0], 0),
        ([0, 1, 2], 2),
        ([0, 1, 2, 9_000], 2),
        ([0, 9_000], 0),
        # A year of small files in one window: the clock lags behind, and nothing is lost by that.
        ([0, 30, 60, 90, 120], 60),
        ([0, 30, 60, 61, 62], 62),
    ],
)
def test_the_clock_of_a_host_is_what_most_of_its_lines_say(days: list[int], newest: int) -> None:
    held = {"seq": np.arange(len(days)), "host_key": np.full(len(days), 7, np.uint64), "time": np.array(days) * DAY}
    clock = Clock({"removed": held})
    assert clock.newest(np.array([7], np.uint64)).tolist() == [newest * DAY]
    assert clock.newest(np.array([8], np.uint64)).tolist() == [columns.NONE]


def test_each_host_has_a_clock_of_its_own(read: Read) -> None:
    told = read(
        [attempt("11-02T08", "ABCDE1", "deferred"), attempt("11-02T08", "ABCDE1", "deferred", "g")],
        [attempt("11-20T09", "ABCDE2", "sent", "g")],
        [attempt("11-03T08", "ABCDE1", "sent"), attempt("11-20T10", "ABCDE1", "sent", "g")],
    )
    found = told["messages"].set_index("queue_id").loc[["ABCDE1"]]
    assert sorted(zip(found["host"], found["attempts"], strict=True)) == [("g", 1), ("g", 1), ("h", 2)]


REFUSED = "2026-11-02T08:00:00Z mx1 sendmail[104]: 5AP900aa000104: <nobody@z.example>... User unknown"
ITS_CLIENT = (
    "2026-11-02T08:00:0{}Z mx1 sendmail[104]: 5AP900aa000104: from=<q@x.example>, size=0, class=0, nrcpts=0,"
    " proto=ESMTP, daemon=MTA, relay=bad.x.example [192.0.2.66]"
)


def test_sendmail_s_refusal_waits_for_the_line_that_tells_its_client(read: Read) -> None:
    other = attempt("11-02T08", "ABCDE1", "sent")
    told = read([REFUSED], [other], [ITS_CLIENT.format(3)])
    (row,) = told["rejections"].to_dict("records")
    assert (row["client_ip"], row["sender"], row["recipient"]) == ("192.0.2.66", "q@x.example", "nobody@z.example")
    pd.testing.assert_frame_equal(told["rejections"], read([REFUSED, other, ITS_CLIENT.format(3)])["rejections"])
    assert told["messages"]["queue_id"].tolist() == ["ABCDE1"]


def test_sendmail_s_refusal_is_told_without_a_client_where_none_comes_within_an_hour(
    read: Read, still_open: Callable[[str], list[int]]
) -> None:
    held = still_open("rejection")
    told = read([REFUSED], *([attempt(f"11-02T{hour:02}", f"ABCDE{hour}", "sent", "mx1")] for hour in (9, 10, 11)))
    assert held == [1, 1, 0, 0]
    assert told["rejections"]["client_ip"].isna().tolist() == [True]
