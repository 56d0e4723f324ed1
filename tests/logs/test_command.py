"""smtplab logs: what a terminal shows of the tables, and counts of them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from smtplab.case import Case
from smtplab.cli import app
from smtplab.errors import SmtplabError

HEAD = "2026-11-0{day}T08:00:00+00:00 mail postfix/{program}[9]: "
REPLY = "host mx.b.example[192.0.2.1] said: 450 4.2.2 <b@b.example>: the mailbox is full, and this reply is so long that no terminal shows it"


def line(day: int, program: str, text: str) -> str:
    return HEAD.format(day=day, program=program) + text + "\n"


def delivery(day: int, recipient: str, status: str, dsn: str, reply: str) -> str:
    said = f"00001A: to=<{recipient}>, relay=x[192.0.2.1]:25, delay=1.5, delays=0/0/0/1, dsn={dsn}, status={status} ({reply})"
    return line(day, "smtp", said)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("logs") / "mail.log"
    path.write_text(
        line(1, "qmgr", "00001A: from=<sender@a.example>, size=9, nrcpt=4 (queue active)")
        + delivery(1, "a@gmail.com", "sent", "2.0.0", "250 ok")
        + delivery(1, "b@gmail.com", "deferred", "4.2.2", REPLY)
        + delivery(2, "b@gmail.com", "sent", "2.0.0", "250 ok")
        + delivery(2, "c@b.example", "bounced", "5.1.1", "550 5.1.1 User unknown")
    )
    return path


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["logs", *words])


def test_a_delivery_is_a_line_with_its_sender_and_its_reply_cut_to_fit(log: Path) -> None:
    head, *rows = run(str(log)).stdout.splitlines()
    assert head.split() == ["time", "(UTC)", "host", "sender", "recipient", "provider", "status", "delay", "response"]
    assert len(rows) == 4
    first, second = (re.split(r"\s{2,}", row.strip()) for row in rows[:2])
    assert first == [
        "2026-11-01 08:00:00", "mail", "sender@a.example", "a@gmail.com", "gmail", "sent", "1.5", "250 ok",
    ]  # fmt: skip
    assert second[-1].endswith("…")
    assert REPLY.startswith(second[-1][:-1])
    assert all(len(row) <= 200 for row in rows)


@pytest.mark.parametrize("more", [[], ["--json"], ["--summary", "--json"], ["-o", "out.jsonl"]])
def test_the_format_found_is_told_beside_the_answer(log: Path, tmp_path: Path, more: list[str]) -> None:
    done = run(str(log), *(word.replace("out", str(tmp_path / "out")) for word in more))
    assert done.stderr == f"smtplab: {log}: syslog, 5 lines\n"
    assert "syslog" not in done.stdout


def test_a_file_of_a_folder_that_may_not_be_read_costs_only_itself(log: Path) -> None:
    locked = log.with_name("auth.log")
    locked.write_text(log.read_text())
    locked.chmod(0)
    # root may read everything, unless it lays that down.
    plain = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    command = [*plain, sys.executable, "-m", "smtplab", "logs", str(log.parent), "--summary", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    locked.unlink()
    assert json.loads(done.stdout)["lines"] == 5
    assert f"{locked}: cannot be read on after 0 lines: [Errno 13] Permission denied" in done.stderr


def test_of_many_files_each_format_is_told_once(log: Path, tmp_path: Path) -> None:
    for number in range(21):
        (tmp_path / f"{number}.log").write_text(log.read_text().replace("mail postfix", f"mx{number} postfix"))
    assert run(str(tmp_path), "--json").stderr == "smtplab: 21 files: syslog, 105 lines\n"


def test_a_summary_counts_by_provider_reason_and_day(log: Path) -> None:
    told = json.loads(run(str(log), "--summary", "--json").stdout)
    assert told["deliveries"] == {"bounced": 1, "deferred": 1, "sent": 2}
    assert list(told["by_provider"].items()) == [
        ("gmail", {"deferred": 1, "sent": 2}),
        ("b.example", {"bounced": 1}),
    ]
    assert told["by_reason"] == {"mailboxfull": {"deferred": 1}, "userunknown": {"bounced": 1}}
    assert list(told["by_day"].items()) == [
        ("2026-11-01", {"deferred": 1, "sent": 1}),
        ("2026-11-02", {"bounced": 1, "sent": 1}),
    ]


def test_a_summary_for_people_is_small_tables(log: Path) -> None:
    tables = [t.splitlines() for t in run(str(log), "--summary").stdout.split("\n\n")]
    assert [t[0].split()[0] for t in tables] == ["what", "provider", "reason", "day"]
    assert tables[1][1].split() == ["gmail", "1", "2"]


def test_a_summary_in_a_file_holds_every_count(log: Path, tmp_path: Path) -> None:
    run(str(log), "--summary", "-o", str(tmp_path / "counts.csv"))
    assert "by_provider: gmail: sent,2" in (tmp_path / "counts.csv").read_text().splitlines()


def test_files_beside_the_logs_are_counted_and_their_common_lines_not_told(log: Path, tmp_path: Path) -> None:
    for number in range(21):
        (tmp_path / f"report{number}.xml").write_text(f"<report number='{number}'>\n{'the same long line ' * 9}\n")
    (tmp_path / "mail.log").write_text(log.read_text())
    assert run(str(tmp_path), "--summary").stderr.splitlines() == [
        "smtplab: 21 files: passed over, no line is of a mail program",
        f"smtplab: {tmp_path / 'mail.log'}: syslog, 5 lines",
    ]


@pytest.fixture
def case(log: Path, tmp_path: Path) -> Path:
    """A case whose log bears no year and no zone, with other logs beside it."""
    made = Case.create(tmp_path / "case", "a.example").path
    stamped = log.read_text().replace("2026-11-0", "Nov  ").replace("T08:00:00+00:00", " 08:00:00")
    for name, text in {"logs/mail.log": stamped, "logs/other.log": log.read_text(), "other.log": stamped}.items():
        (made / "sources" / name).write_text(text)
    (made / "case.toml").write_text(
        'version = 1\ndomains = ["a.example"]\nas_of = 2024-12-01T00:00:00Z\ntimezone = "Europe/Berlin"\n'
        '[sources]\nlogs = ["sources/logs/mail*"]\n'
        '[[hosts]]\nname = "mail.a.example"\naddresses = ["192.0.2.10"]\n'
        '[[streams]]\nname = "news"\nmatch = { sender_domain = "a.example" }\n'
    )
    return made


def test_a_case_is_read_by_its_sources_zone_clock_and_streams(case: Path) -> None:
    done = run(str(case), "--json")
    rows = [json.loads(row) for row in done.stdout.splitlines()]
    assert done.stderr == f"smtplab: {case}/sources/logs/mail.log: syslog, 5 lines\n"
    assert [row["time"] for row in rows] == [f"2024-11-0{day}T07:00:00.000Z" for day in (1, 1, 2, 2)]
    assert {(row["stream"], row["source_ip"]) for row in rows} == {("news", "192.0.2.10")}
    assert "2024-11-01 (UTC)\n  07:00:00" in CliRunner().invoke(app, ["trace", "c@b.example", str(case)]).stdout
    summed = json.loads(run(str(case), str(case / "sources" / "logs" / "other.log"), "--summary", "--json").stdout)
    assert (summed["lines"], summed["first"], summed["last"]) == (10, "2024-11-01T07:00:00Z", "2026-11-02T08:00:00Z")


def test_a_case_without_logs_is_told(case: Path) -> None:
    (case / "case.toml").write_text('version = 1\ndomains = ["a.example"]\n')
    done = run(str(case))
    assert isinstance(done.exception, SmtplabError)
    assert "no file is there" in str(done.exception)


def test_an_empty_input_and_one_of_another_format_are_said_to_be_that(log: Path) -> None:
    empty = CliRunner().invoke(app, ["logs", "-", "--summary"], input="")
    assert empty.stderr == "smtplab: standard input: empty\n"
    assert "None" not in empty.stdout
    assert "none of them is understood: is it another format?" in run(str(log), "--format", "exim").stderr


def test_a_file_in_the_place_of_the_one_to_trace_is_told(log: Path) -> None:
    done = CliRunner().invoke(app, ["trace", str(log), "a@gmail.com"])
    assert isinstance(done.exception, SmtplabError)
    assert "whom to trace comes first" in str(done.exception)


@pytest.mark.parametrize("command", [["logs"], ["trace", "x@example.org"], ["bounces"], ["replies"]])
@pytest.mark.parametrize("name", ["mail.csv", "link.csv"])
def test_a_source_is_never_written_over(tmp_path: Path, command: list[str], name: str) -> None:
    log = tmp_path / "mail.csv"
    log.write_text(delivery(1, "a@gmail.com", "sent", "2.0.0", "250 ok"))
    before = log.read_bytes()
    (tmp_path / "link.csv").symlink_to(log)
    done = CliRunner().invoke(app, [*command, str(log), "-o", str(tmp_path / name)])
    assert isinstance(done.exception, SmtplabError)
    assert "this is what is to be read" in str(done.exception)
    assert log.read_bytes() == before


def test_a_folder_is_no_output_and_one_that_lacks_is_made(tmp_path: Path, log: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    done = CliRunner().invoke(app, ["logs", str(tmp_path / "missing"), "-o", str(tmp_path / "folder.csv")])
    assert isinstance(done.exception, SmtplabError)
    assert "this is a folder" in str(done.exception)
    for name in ("rows.csv", "rows.parquet"):
        made = tmp_path / name.replace(".", "-") / "new" / name
        assert CliRunner().invoke(app, ["logs", str(log), "-o", str(made)]).exit_code == 0
        assert made.stat().st_size


def test_a_command_that_is_ended_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "smtplab", "logs", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env={**os.environ, "TMPDIR": str(tmp_path)}) as run:
        end = time.monotonic() + 20
        while not list(tmp_path.glob("*/standard-input")) and time.monotonic() < end:
            time.sleep(0.05)
        assert list(tmp_path.glob("*/standard-input"))
        run.terminate()
        assert run.wait(10) == 128 + signal.SIGTERM
    assert not list(tmp_path.iterdir())


def test_counts_of_none_are_written_as_zero(tmp_path: Path, log: Path) -> None:
    made = tmp_path / "counts.csv"
    assert CliRunner().invoke(app, ["logs", str(log), "--summary", "-o", str(made)]).exit_code == 0
    assert "unknown,0" in made.read_text().splitlines()
