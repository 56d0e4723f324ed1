"""The same line in two files counts once, no line is lost, and what was left out is told."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest

from smtplab import logs

Pack = Callable[[bytes], bytes]


def line(number: int, status: str = "sent") -> str:
    day, hour = divmod(number, 24)
    return (
        f"2026-11-{day + 1:02}T{hour:02}:00:00+00:00 mail postfix/smtp[9]: {number:05X}A: to=<a{number}@b.example>, "
        f"relay=x[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status={status} (250 ok)"
    )


def write(path: Path, numbers: Sequence[int], pack: Pack = bytes, more: Sequence[str] = ()) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(pack("".join(f"{x}\n" for x in [*map(line, numbers), *more]).encode()))
    os.utime(path, (1_790_000_000, 1_790_000_000))


def read(folder: Path) -> tuple[list[str], list[tuple[str, str, int]]]:
    """The recipients in the order of time, and what is told of each file."""
    evidence = logs.read_paths([folder])
    told = evidence.problems[["file", "what", "records"]].itertuples(index=False, name=None)
    return evidence.deliveries["recipient"].tolist(), [
        (Path(f).name, w.replace(f"{folder}/", ""), n) for f, w, n in told
    ]


def people(numbers: Sequence[int]) -> list[str]:
    return [f"a{n}@b.example" for n in numbers]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("name", ["mail.log.1.gz", "copy-of-mail.log", "mail.log.1"])
def test_a_log_given_twice_is_read_once(tmp_path: Path, name: str, pack: Pack) -> None:
    write(tmp_path / "mail.log", range(30))
    write(tmp_path / name, range(30), pack)
    # Equal files are left out in the order of their names.
    out, kept = sorted([name, "mail.log"], reverse=True) if pack is bytes else (name, "mail.log")
    assert read(tmp_path) == (people(range(30)), [(out, f"the same lines as {kept}: read once", 30)])


def test_an_older_copy_of_a_log_that_grew_is_left_out(tmp_path: Path) -> None:
    write(tmp_path / "mail.log", range(100), gzip.compress)
    write(tmp_path / "then.log", range(40))
    # It was copied while a line was being written.
    with (tmp_path / "then.log").open("a") as file:
        file.write(line(40)[:50])
    assert read(tmp_path) == (people(range(100)), [("then.log", "the same lines as mail.log: read once", 41)])


def test_a_file_that_only_begins_as_another_is_read(tmp_path: Path) -> None:
    write(tmp_path / "mail.log", [*range(60), *range(60, 90)])
    write(tmp_path / "other" / "mail.log", [*range(60), *range(90, 99)])
    people_, told = read(tmp_path)
    assert people_ == people(range(99))
    assert [(name, n) for name, _, n in told] == [("mail.log", 60)]


def test_files_into_which_syslog_writes_one_line_count_it_once(tmp_path: Path) -> None:
    cron = "2026-11-01T00:00:00+00:00 mail cron[1]: (root) CMD (true) and so on and so forth"
    write(tmp_path / "mail.log.1", range(40))
    write(tmp_path / "mail.log", range(40, 90))
    write(tmp_path / "mail.info", range(20, 90))
    write(tmp_path / "mail.err.gz", [7, 8, 50], gzip.compress)
    # Rotated later than mail.log, so that it holds lines that are in no other file, and those of other programs.
    write(tmp_path / "syslog", range(80, 95), more=[cron])
    recipients, told = read(tmp_path)
    assert recipients == people(range(95))
    whole = {name: n for name, what, n in told if what.startswith("the same lines as mail.log and mail.log.1")}
    assert whole == {"mail.err.gz": 3, "mail.info": 70}
    left = [(what, n) for name, what, n in told if name == "syslog"]
    assert left == [
        ("lines that stand too in mail.log and mail.log.1: read once", 10),
        ("lines of no mail program that is read", 1),
    ]


def test_the_line_numbers_of_what_is_left_are_those_of_the_file(tmp_path: Path) -> None:
    write(tmp_path / "mail.log", range(40))
    write(tmp_path / "mail.info", range(30, 40), more=["2026-11-03T00:00:00+00:00 mail postfix/smtp[1]: strange words"])
    problems = logs.read_paths([tmp_path]).problems
    strange = problems[problems["what"].str.startswith("line not understood")]
    assert strange["line"].tolist() == [11]


def test_two_hosts_with_logs_of_the_same_name_are_two_logs(tmp_path: Path) -> None:
    write(tmp_path / "one" / "mail.log", range(10))
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "mail.log").write_text((tmp_path / "one" / "mail.log").read_text().replace(" mail ", " mx2 "))
    recipients, told = read(tmp_path)
    assert len(recipients) == 20
    assert not told


def test_a_damaged_copy_is_read_and_its_damage_told(tmp_path: Path) -> None:
    write(tmp_path / "mail.log", range(300))
    write(tmp_path / "mail.info.gz", range(300), lambda raw: gzip.compress(raw)[:-9])
    evidence = logs.read_paths([tmp_path])
    assert evidence.problems["what"].str.startswith("cannot be read on").sum() == 1
    assert len(evidence.deliveries) >= 300


def test_the_times_of_what_is_read_once_are_in_order(tmp_path: Path) -> None:
    write(tmp_path / "mail.log", range(60))
    write(tmp_path / "mail.warn", range(50, 70))
    times = logs.read_paths([tmp_path]).deliveries["time"]
    assert times.is_monotonic_increasing
    assert times.is_unique
    assert times.iloc[-1] == pd.Timestamp("2026-11-03T21:00:00Z")
