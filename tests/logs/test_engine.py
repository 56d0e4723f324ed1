"""What must change nothing: the order of independent messages, where files and segments are cut, packing, line ends."""

from __future__ import annotations

import gzip
import os
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smtplab import logs
from smtplab.errors import SmtplabError
from smtplab.logs import columns, duck, engine, meaning, parse, queue, segments, window
from smtplab.logs.event import Setting
from smtplab.logs.jobs import Job
from smtplab.logs.meaning import Known
from smtplab.logs.piece import Piece
from smtplab.logs.stored import frames

BEGIN = datetime(2026, 10, 30, 23, 59, 50, tzinfo=UTC)
SETTING = Setting("mail.log", "UTC", datetime(2026, 11, 24, tzinfo=UTC))
TABLES = ("deliveries", "messages", "connections", "rejections", "outcomes", "problems")
few = settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))


def message(n: int) -> list[str]:
    """One message's lines, with their stamps; every third is deferred first, every fifth id is used again later."""
    host, queue_id = f"out{n % 2}", f"{n % 5:05X}ABCDE"
    made = []

    def put(second: float, program: str, pid: int, text: str) -> None:
        stamp = BEGIN + timedelta(seconds=n * 20 + second)
        made.append(f"{stamp:%b} {stamp.day:2d} {stamp:%H:%M:%S} {host} postfix/{program}[{pid}]: {text}")

    client = f"app{n}.example[192.0.2.{n + 1}]"
    put(0, "smtpd", n, f"connect from {client}")
    put(0, "smtpd", n, f"Anonymous TLS connection established from {client}: TLSv1.3 with cipher X (256/256 bits)")
    put(0, "smtpd", n, f"{queue_id}: client={client}, sasl_method=PLAIN, sasl_username=u{n}")
    put(1, "cleanup", 90, f"{queue_id}: message-id=<{n}@a.example>")
    put(1, "qmgr", 91, f"{queue_id}: from=<u{n}@a.example>, size=900, nrcpt=1 (queue active)")
    put(1, "smtpd", n, f"disconnect from {client} ehlo=2 starttls=1 auth=1 mail=1 rcpt=1 data=1 quit=1 commands=8")
    relay = "mx.b.example[203.0.113.9]:25"
    put(2, "smtp", n, f"Trusted TLS connection established to {relay}: TLSv1.3 with cipher Y (256/256 bits)")
    head = f"{queue_id}: to=<r{n}@b.example>, relay={relay}, delay=1, delays=0/0/0/1,"
    if n % 3 == 0:
        put(
            3,
            "smtp",
            n,
            f"{head} dsn=4.2.1, status=deferred (host {relay} said: 450 4.2.1 <r{n}@b.example>: Greylisted)",
        )
    put(5, "smtp", n, f"{head} dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as {n:06X})")
    put(6, "qmgr", 91, f"{queue_id}: removed")
    put(7, "smtpd", 95, f"connect from unknown[198.51.100.{n}]")
    put(
        7,
        "smtpd",
        95,
        f"NOQUEUE: reject: RCPT from unknown[198.51.100.{n}]: 554 5.7.1 <x@y.example>: Relay access denied;"
        f" from=<a@y.example> to=<x@y.example> proto=ESMTP helo=<h>",
    )
    put(8, "smtpd", 95, f"lost connection after RCPT from unknown[198.51.100.{n}]")
    put(8, "smtpd", 95, f"disconnect from unknown[198.51.100.{n}] ehlo=1 mail=1 rcpt=0/1 commands=2/3")
    return made  # fmt: skip


MESSAGES = [message(n) for n in range(10)]
LINES = [line for one in MESSAGES for line in one]


def tables(*paths: Path) -> dict[str, pd.DataFrame]:
    evidence = logs.read_paths(paths, timezone="UTC", year=2026)
    return {t: getattr(evidence, t) for t in TABLES}


def same(have: dict[str, pd.DataFrame], wanted: dict[str, pd.DataFrame]) -> None:
    for table in TABLES:
        pd.testing.assert_frame_equal(have[table], wanted[table], obj=table)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    path = tmp_path_factory.mktemp("whole") / "mail.log"
    path.write_text("\n".join(LINES) + "\n")
    return tables(path)


def test_every_line_of_the_reference_is_told(whole: dict[str, pd.DataFrame]) -> None:
    assert {t: len(whole[t]) for t in TABLES} == {
        "deliveries": 14, "messages": 10, "connections": 20, "rejections": 10, "outcomes": 10, "problems": 0,
    }  # fmt: skip
    assert whole["deliveries"]["tls_version"].tolist() == ["TLSv1.3"] * 14
    assert whole["deliveries"]["attempt"].value_counts().to_dict() == {1: 10, 2: 4}
    assert whole["messages"]["attempts"].sum() == 14
    signed = whole["connections"].dropna(subset=["auth_user"])
    assert signed["commands"].str.contains("auth=1").all()
    assert (signed["tls_version"] == "TLSv1.3").all()
    rest = whole["connections"][whole["connections"]["auth_user"].isna()]
    assert set(rest["ended"]) == {"lost connection after RCPT"}


@few
@given(st.randoms(use_true_random=False))
def test_the_order_of_independent_messages_changes_nothing(
    whole: dict[str, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory, chance: random.Random
) -> None:
    # Five ids are used twice, on the same host or on another: those stay in their order.
    left = [list(one) + list(two) for one, two in zip(MESSAGES[:5], MESSAGES[5:], strict=True)]
    mixed = []
    while any(left):
        one = chance.choice([x for x in left if x])
        mixed.append(one.pop(0))
    path = tmp_path_factory.mktemp("mixed") / "mail.log"
    path.write_text("\n".join(mixed) + "\n")
    have = tables(path)
    for table in ("deliveries", "messages", "rejections", "outcomes"):
        pd.testing.assert_frame_equal(have[table], whole[table], obj=table)


@few
@given(st.lists(st.integers(1, len(LINES) - 1), max_size=3), st.booleans(), st.booleans())
def test_where_files_are_cut_and_how_they_are_packed_changes_nothing(
    whole: dict[str, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory, cuts: list[int], pack: bool, crlf: bool
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    places = sorted({0, len(LINES), *cuts})
    for n, (start, end) in enumerate(pairwise(places)):
        raw = "".join(line + ("\r\n" if crlf else "\n") for line in LINES[start:end]).encode()
        (folder / f"mail.log.{n}").write_bytes(gzip.compress(raw) if pack else raw)
    same(tables(folder), whole)


@pytest.mark.parametrize("size", [700, 3_000])
def test_segments_of_any_size_give_the_same_and_are_not_read_twice(
    whole: dict[str, pd.DataFrame], tmp_path: Path, size: int
) -> None:
    path, kept = tmp_path / "mail.log", tmp_path / "kept"
    kept.mkdir()
    path.write_text("\n".join(LINES[:80]) + "\n")

    def read(work: str) -> dict[str, pd.DataFrame]:
        jobs = [Job(s, SETTING) for s in segments.cut(path, "mail.log", size)]
        (tmp_path / work).mkdir()
        return frames(engine.build(jobs, Known(), tmp_path / work, kept), Known(), tmp_path / work)

    read("first")
    done = {f: f.stat().st_mtime_ns for f in kept.glob("*/done.json")}
    with path.open("a") as file:
        file.write("\n".join(LINES[80:]) + "\n")
    same(read("second"), whole)
    again = {f: f.stat().st_mtime_ns for f in kept.glob("*/done.json")}
    assert len(again) > len(done) > 1
    assert sum(again.get(f) == t for f, t in done.items()) >= len(done) - 1


def test_a_kept_piece_that_is_damaged_is_made_again_and_the_others_count_once(
    whole: dict[str, pd.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (segments, parse):
        monkeypatch.setattr(module, "CHUNK", 500)
    monkeypatch.setattr(parse, "SEGMENT", 500)
    path, kept = tmp_path / "mail.log", tmp_path / "kept"
    kept.mkdir()
    path.write_text("\n".join(LINES) + "\n")
    jobs = [Job(s, SETTING) for s in segments.cut(path, "mail.log")]
    for work in ("first", "second"):
        (tmp_path / work).mkdir()
        made = frames(engine.build(jobs, Known(), tmp_path / work, kept), Known(), tmp_path / work)
        same(made, whole)
        files = sorted(kept.glob("*/*.parquet"))
        assert len(files) > 3
        files[2].write_bytes(files[2].read_bytes()[:-20])


def test_a_short_line_ends_before_the_pid_of_the_next(tmp_path: Path) -> None:
    (tmp_path / "mail.log").write_text(
        "Nov  2 08:00:00 h postfix/smtpd: odd\nNov  2 08:00:00 h a[1]: odd\nodd, without a stamp\n"
    )
    problems = logs.read_paths([tmp_path / "mail.log"], year=2026).problems
    assert dict(zip(problems["line"], problems["what"], strict=True)) == {
        1: "line not understood: postfix/smtpd: odd", 2: "lines of no mail program that is read",
    }  # fmt: skip


def test_a_log_that_is_emptied_while_it_is_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "mail.log"
    path.write_text("\n".join(LINES) + "\n")
    jobs = [Job(s, SETTING) for s in segments.cut(path, "mail.log", 3_000)]
    os.truncate(path, 4_000)
    problems = frames(engine.build(jobs, Known(), tmp_path), Known(), tmp_path)["problems"]
    assert problems["what"].str.contains("became shorter").any()


def test_a_log_is_not_read_to_its_end_for_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (segments, parse):
        monkeypatch.setattr(module, "CHUNK", 500)
    monkeypatch.setattr(parse, "SEGMENT", 500)
    path = tmp_path / "mail.log"
    path.write_text("\n".join(LINES * 20) + "\n")
    read = []
    chunks = parse.chunks

    def counted(segment: segments.Segment) -> Iterator[bytes]:
        for run in chunks(segment):
            read.append(len(run))
            yield run

    monkeypatch.setattr(parse, "chunks", counted)

    def stop(builder: engine.Builder, one: Piece, first: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(engine.Builder, "add", stop)
    with pytest.raises(KeyboardInterrupt):
        engine.build([Job(segments.Segment(path, "mail.log"), SETTING)], Known(), tmp_path)
    assert sum(read) < path.stat().st_size / 2


def test_rows_that_are_judged_a_few_at_a_time_are_the_same(
    whole: dict[str, pd.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "MOST", 1)
    monkeypatch.setattr(meaning, "REMEMBERED", 0)
    (tmp_path / "mail.log").write_text("\n".join(LINES) + "\n")
    same(tables(tmp_path / "mail.log"), whole)


def test_a_long_text_of_a_message_is_copied_for_a_few_of_its_deliveries_at_once() -> None:
    text = np.frombuffer(bytes(4) + b"x" * 60_000 + bytes(columns.PAD), np.uint8)
    one = columns.texts(text, (np.array([4]), np.array([60_004])))
    many = {"seq": np.arange(10_000), "message_id": np.repeat(one, 10_000, axis=0)}
    parts = list(window.Rows({"deliveries": many, "messages": {}}, [text]).shared_out())
    numbers = [part.tables["deliveries"]["seq"] for part in parts]
    assert np.concatenate(numbers).tolist() == list(range(10_000))
    assert max(map(len, numbers)) * 60_000 < window.MOST + 60_000
    with pytest.raises(SmtplabError, match="2 GB"):
        columns.array(np.repeat(one, 40_000, axis=0), pa.string(), [text])


HEAD = "2026-11-02T08:00:00+00:00 h postfix/smtp[1]: "
GOOD = (
    f"{HEAD}ABCDE1: to=<a@b.example>, relay=x[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)"
)


@pytest.mark.parametrize(
    ("hostile", "problems"),
    [
        pytest.param(b"\x00\xff\xfe garbage\n" * 3, 3, id="binary"),
        pytest.param(b"x" * 1_500_000 + b"\n", 1, id="a long line"),
        pytest.param(b"x" * 9_000_000 + b"\n", 1, id="a very long line"),
        pytest.param(GOOD.replace("a@", "\xe9@").encode("latin-1") + b"\n", 0, id="no UTF-8"),
        pytest.param(f"{HEAD}ABCDE1: to=<".encode() + b"a" * 70_000 + b"\n", 1, id="a cut address"),
        pytest.param(f"{HEAD}\n{HEAD}:\n{HEAD}[]\n".encode(), 3, id="nothing behind the head"),
        pytest.param(b"2026-11-02T08:00:00+00:00\n2026-11-02T08:00:00+00:00 h\n<1>1 - - - -\n", 3, id="half a head"),
        pytest.param(b'{"__REALTIME_TIMESTAMP": [1], "MESSAGE": "x"}\n', 1, id="a time that is a list"),
        pytest.param(
            b'{"__REALTIME_TIMESTAMP": 1' + b"0" * 20 + b', "MESSAGE": "x"}\n', 1, id="a time beyond all years"
        ),
        pytest.param(b'{"__REALTIME_TIMESTAMP": 1, "MESSAGE": ["a"]}\n', 1, id="a message of no bytes"),
        pytest.param(f"9999-12-31T23:59:59-12:00{GOOD[25:]}\n".encode(), 1, id="the year 10000"),
        pytest.param(b"2026-13-45T99:00:00+00:00 h postfix/smtp[1]: x\nFeb 30 00:00:00 h x: y\n", 2, id="no such day"),
    ],
)
def test_hostile_lines_cost_only_themselves(tmp_path: Path, hostile: bytes, problems: int) -> None:
    path = tmp_path / "mail.log"
    path.write_bytes(f"{GOOD}\n".encode() + hostile + f"{GOOD.replace('ABCDE1', 'ABCDE2')}\n".encode())
    evidence = logs.read_paths([path])
    assert {"ABCDE1", "ABCDE2"} <= set(evidence.deliveries["queue_id"])
    assert evidence.problems["records"].sum() == problems


@given(st.binary(max_size=400))
@few
def test_no_bytes_are_too_strange(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "mail.log"
    path.write_bytes(f"{GOOD}\n".encode() + raw + f"\n{GOOD.replace('ABCDE1', 'ABCDE2')}\n".encode())
    assert len(logs.read_paths([path]).deliveries) == 2


def test_an_apostrophe_in_the_name_of_a_folder_is_a_letter_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "O'Neill\n"
    folder.mkdir()
    (folder / "mail.log").write_text(f"{GOOD}\n")
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    assert len(logs.read_paths([folder / "mail.log"]).deliveries) == 1


def test_a_file_name_that_is_no_utf_8_is_shown_as_far_as_it_can_be(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/m\xff.log"))
    path.write_text(f"{GOOD}\nwhat\n")
    assert logs.read_paths([path]).problems["file"].tolist() == [f"{tmp_path}/m\ufffd.log"]


def test_a_packed_file_that_was_cut_off_tells_what_stands_before(tmp_path: Path) -> None:
    chance = random.Random(4)
    log = "\n".join(GOOD.replace("ABCDE1", f"{chance.randrange(16**9):09X}") for _ in range(4_000)) + "\n"
    packed = gzip.compress(log.encode())
    (tmp_path / "mail.log.gz").write_bytes(packed[: len(packed) // 2])
    evidence = logs.read_paths([tmp_path / "mail.log.gz"])
    assert 1_500 < len(evidence.deliveries) < 2_500
    assert evidence.problems["what"].str.contains("cannot be read on").sum() == 1


def test_a_bomb_costs_its_beginning_and_is_told(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "mail.log.gz", "wb") as file:
        file.write(f"{GOOD}\n".encode())
        for _ in range(100):
            file.write(b"x" * (1 << 20) + b"\n")
    evidence = logs.read_paths([tmp_path / "mail.log.gz"])
    assert len(evidence.deliveries) == 1
    assert evidence.problems["what"].str.contains("-fold when unpacked").any()


CARRIERS = {
    "BSD": "Nov  2 08:00:00 h postfix/smtp[1]: {}",
    "BSD without padding": "Nov 2 08:00:00 h postfix/smtp[1]: {}",
    "ISO 8601": "2026-11-02T09:00:00.123456+01:00 h postfix/smtp[1]: {}",
    "RFC 5424": "<22>1 2026-11-02T08:00:00Z h postfix/smtp 1 - - {}",
    "RFC 5424 with data": '<22>1 2026-11-02T08:00:00Z h postfix/smtp 1 ID47 [a@1 b="c\\"]"] {}',
    "journald": '{{"__REALTIME_TIMESTAMP": "1793606400000000", "_HOSTNAME": "h", "SYSLOG_IDENTIFIER": "postfix/smtp",'
    ' "SYSLOG_PID": "1", "MESSAGE": "{}"}}',
}


@pytest.mark.parametrize("carrier", CARRIERS)
def test_every_carrier_gives_the_same_delivery(tmp_path: Path, carrier: str) -> None:
    path = tmp_path / "mail.log"
    path.write_text(CARRIERS[carrier].format(GOOD.removeprefix(HEAD)) + "\n")
    row = logs.read_paths([path], year=2026).deliveries.iloc[0]
    assert (row["time"].floor("s"), row["host"], row["queue_id"], row["status"]) == (
        pd.Timestamp("2026-11-02T08:00:00Z"), "h", "ABCDE1", "sent",
    )  # fmt: skip


def test_a_message_of_journald_that_is_no_text_comes_as_bytes(tmp_path: Path) -> None:
    body = ", ".join(map(str, GOOD.removeprefix(HEAD).encode()))
    entry = '{"__REALTIME_TIMESTAMP": "1793606400000000", "_HOSTNAME": "h", "SYSLOG_IDENTIFIER": "postfix/smtp", "_PID": "1"'
    (tmp_path / "j.json").write_text(f'{entry}, "MESSAGE": [{body}]}}\n')
    assert len(logs.read_paths([tmp_path / "j.json"]).deliveries) == 1


def test_stamps_without_a_year_go_on_behind_new_year(tmp_path: Path) -> None:
    text = GOOD.removeprefix("2026-11-02T08:00:00+00:00")
    (tmp_path / "mail.log").write_text(f"Dec 31 23:59:59{text}\nJan  1 00:00:01{text}\n")
    times = logs.read_paths([tmp_path / "mail.log"], year=2024).deliveries["time"]
    assert times.dt.year.tolist() == [2024, 2025]


def test_a_table_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SmtplabError, match="cannot be kept"), duck.connection(tmp_path) as con:
        con.execute(f"copy (select 1) to '{tmp_path}/none/x.parquet'")


def test_where_no_end_is_told_very_many_open_messages_are_let_go_but_those_put_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, still_open: Callable[[str], list[int]]
) -> None:
    monkeypatch.setattr(queue, "OPEN", 4)
    monkeypatch.setattr(engine, "WINDOW", 1)

    def line(second: int, queue_id: str, status: str) -> str:
        text = GOOD.replace("ABCDE1", queue_id).replace("status=sent", f"status={status}")
        return text.replace("08:00:00", f"08:{second // 60:02}:{second % 60:02}")

    log = [line(n, f"ABC{n:03}", "sent") for n in range(60)]
    for second in (5, 25, 45):
        log[second] = line(second, "DEFER1", "deferred" if second < 45 else "sent")
    path = tmp_path / "mail.log"
    path.write_text("\n".join(log) + "\n")
    jobs = [Job(s, SETTING) for s in segments.cut(path, "mail.log", 400)]
    held = still_open("delivery")
    made = frames(engine.build(jobs, Known(), tmp_path), Known(), tmp_path)
    assert 0 < max(held) <= 4
    tried = made["deliveries"].set_index("queue_id")["attempt"]
    assert tried["DEFER1"].tolist() == [1, 2, 3]
    assert (len(tried), tried.drop("DEFER1").unique().tolist()) == (60, [1])
    assert made["messages"]["queue_id"].is_unique
    assert len(made["messages"]) == 58
