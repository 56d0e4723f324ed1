"""`smtplab bounces` as a script meets it: an object a recipient, every message told, one line for what is no mail."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from smtplab import bounces
from smtplab.case import Case
from smtplab.examination import examine
from tests.bounces.making import AWAY, LETTER, POSTFIX_TEXT, complaint, dsn, mbox, recipient

KEYS = {
    "file", "kind", "recipient", "reason", "permanent", "suppress", "smtp_code", "enhanced_code", "action", "agent",
    "rule", "confidence", "feedback_type", "diagnostic",
}  # fmt: skip
MERIDIAN = Path(__file__).parents[2] / "data" / "cases" / "meridian"


def run(*words: str | Path, text: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "smtplab", "bounces", *map(str, words)]
    return subprocess.run(command, input=text, capture_output=True, timeout=120, check=False)


def objects(*words: str | Path, text: bytes = b"") -> list[dict[str, Any]]:
    done = run(*words, "--json", text=text)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_one_object_a_recipient_with_the_keys_of_the_contract(tmp_path: Path) -> None:
    two = dsn(recipient("gone@goodpost.example", status="5.1.1", diagnostic="550 5.1.1 no such user"), recipient())
    (tmp_path / "a.eml").write_text(two)
    gone, lost = objects(tmp_path / "a.eml")
    assert gone.keys() >= KEYS
    assert gone["file"] == lost["file"] == str(tmp_path / "a.eml")
    told = [(r["recipient"], r["kind"], r["reason"], r["permanent"], r["suppress"]) for r in (gone, lost)]
    assert told == [
        ("gone@goodpost.example", "bounce", "userunknown", True, True),
        ("lost@gmail.com", "bounce", "authfailure", False, False),
    ]
    assert (gone["smtp_code"], gone["enhanced_code"], gone["action"], gone["agent"]) == (
        550,
        "5.1.1",
        "failed",
        "postfix",
    )


def test_every_message_appears_whatever_it_is_and_a_letter_says_why(tmp_path: Path) -> None:
    (tmp_path / "box").write_text(mbox(dsn(), LETTER, AWAY, complaint(), POSTFIX_TEXT))
    rows = objects(tmp_path / "box")
    assert [(r["file"].rpartition("#")[2], r["kind"]) for r in rows] == [
        ("1", "bounce"), ("2", "none"), ("3", "auto-reply"), ("4", "complaint"), ("5", "bounce"), ("5", "bounce"),
    ]  # fmt: skip
    assert (rows[1]["recipient"], rows[1]["suppress"], bool(rows[1]["why"])) == (None, False, True)
    assert (rows[3]["feedback_type"], rows[3]["suppress"]) == ("abuse", True)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_standard_input_a_folder_gzip_and_any_line_end_tell_the_same(tmp_path: Path, end: bytes) -> None:
    data = mbox(dsn(), LETTER).encode().replace(b"\n", end)
    (tmp_path / "in" / "box").parent.mkdir()
    (tmp_path / "in" / "box").write_bytes(data)
    (tmp_path / "box.gz").write_bytes(gzip.compress(data))
    kinds = [[r["kind"] for r in objects(*words)] for words in ([tmp_path / "in"], [tmp_path / "box.gz"])]
    piped = objects("-", text=data)
    assert [*kinds, [r["kind"] for r in piped]] == [["bounce", "none"]] * 3
    assert [r["file"] for r in piped] == ["standard input#1", "standard input#2"]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("paper.pdf", b"%PDF-1.7 ..."),
        ("notes.txt", b"just a note\n" * 9),
        ("gone", None),
        ("image.png", b"\x89PNG\r\n"),
    ],
)
def test_what_is_no_mail_is_one_line_and_exit_status_2(tmp_path: Path, name: str, data: bytes | None) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    done = run(tmp_path / name, "--json")
    assert (done.returncode, done.stdout) == (2, b"")
    assert len(done.stderr.splitlines()) == 1
    assert name.encode() in done.stderr
    if data is not None:
        piped = run("-", text=data)
        assert (piped.returncode, piped.stdout, len(piped.stderr.splitlines())) == (2, b"", 1)


def test_a_file_that_is_no_mail_does_not_hide_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    (tmp_path / "b.eml").write_text(dsn())
    done = run(tmp_path / "a.pdf", tmp_path / "b.eml", "--json")
    assert (done.returncode, len(done.stdout.splitlines()), len(done.stderr.splitlines())) == (2, 1, 1)
    done = run(tmp_path, "--json")
    assert (done.returncode, len(done.stdout.splitlines()), len(done.stderr.splitlines())) == (0, 1, 1)


def test_workers_tell_the_same_in_the_same_order(tmp_path: Path) -> None:
    (tmp_path / "box").write_text(mbox(dsn(), LETTER, AWAY, complaint(), POSTFIX_TEXT))
    assert objects(tmp_path / "box", "--processes", "2") == objects(tmp_path / "box")


def test_a_server_that_is_not_there_is_one_line() -> None:
    done = run("imaps://anna@127.0.0.1:1/INBOX", "--json")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, b"", 1)


def test_an_empty_mailbox_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "box").write_bytes(b"")
    done = run(tmp_path / "box", "--json")
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"empty" in done.stderr


def test_a_stranger_drives_neither_the_terminal_nor_a_spreadsheet(tmp_path: Path) -> None:
    evil = dsn(recipient("=cmd|a!a0@goodpost.example", status="5.1.1", diagnostic="550 5.1.1 \x1b[2Jno such user"))
    (tmp_path / "a.eml").write_text(evil)
    done = run(tmp_path / "a.eml", "--suppression", tmp_path / "stop.csv")
    assert done.returncode == 0
    assert b"\x1b[2J" not in done.stdout
    assert b"=cmd|a!a0@goodpost.example" in done.stdout
    stop = pd.read_csv(tmp_path / "stop.csv")
    assert stop["recipient"].tolist() == ["'=cmd|a!a0@goodpost.example"]
    assert stop[["rule", "reason"]].to_numpy().tolist() == [["hard", "userunknown"]]


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_a_file_holds_what_the_terminal_shows(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "box").write_text(mbox(dsn(), LETTER))
    assert run(tmp_path / "box", "-o", tmp_path / f"out{suffix}").returncode == 0
    read = {".parquet": pd.read_parquet, ".csv": pd.read_csv, ".jsonl": lambda p: pd.read_json(p, lines=True)}[suffix]
    made = read(tmp_path / f"out{suffix}")
    assert set(made) >= KEYS
    assert made["kind"].tolist() == ["bounce", "none"]


def test_a_case_names_its_own_mailboxes_and_its_logs_decide_too(tmp_path: Path) -> None:
    case = Case.create(tmp_path / "case", "meridian.example")
    (case.path / "sources" / "bounces" / "box").write_text(mbox(dsn(), POSTFIX_TEXT))
    done = run(case.path, "--json", "--suppression", tmp_path / "stop.csv")
    assert done.returncode == 0, done.stderr
    assert pd.read_csv(tmp_path / "stop.csv")["recipient"].tolist() == ["gone@goodpost.example"]
    assert b"stop.csv: 1 recipients, by the logs, events and bounces of the case" in done.stderr


def test_the_suppression_list_of_a_case_is_the_one_that_its_report_counts(tmp_path: Path) -> None:
    done = run(MERIDIAN, "--summary", "--suppression", tmp_path / "stop.csv")
    assert done.returncode == 0, done.stderr
    stopped = bounces.hand_over(examine(Case.open(MERIDIAN)).joined.verdicts)
    assert pd.read_csv(tmp_path / "stop.csv")["recipient"].tolist() == stopped["recipient"].tolist()


def test_a_terminal_gets_the_first_rows_and_their_number(tmp_path: Path) -> None:
    (tmp_path / "box").write_text(mbox(*[dsn()] * 101))
    printed = run(tmp_path / "box").stdout.decode()
    assert printed.count("lost@gmail.com") == 100
    assert "100 of 101 rows" in printed
    assert len(objects(tmp_path / "box")) == 101


def test_a_file_name_that_is_no_utf_8_is_shown_as_far_as_it_can_be(tmp_path: Path) -> None:
    box = os.fsdecode(os.fsencode(tmp_path) + b"/m\xff.eml")
    Path(box).write_text(dsn())
    done = run(box, "-o", tmp_path / "told.csv")
    assert (done.returncode, done.stderr) == (0, b"")
    assert pd.read_csv(tmp_path / "told.csv")["file"][0] == f"{tmp_path}/m\ufffd.eml"


def test_a_date_that_is_missing_is_told_and_marked_in_the_suppression_list(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_text(re.sub("(?m)^Date:.*\n", "", dsn(recipient("x@a.example", status="5.1.1"))))
    done = run(tmp_path / "a.eml", "--suppression", tmp_path / "stop.csv")
    assert b"no Date that can be read, so --suppression takes this moment, or that of the case" in done.stderr
    (tmp_path / "empty").mkdir()
    assert b"no message is there" in run(tmp_path / "empty").stderr


@pytest.mark.parametrize("several", [True, False])
def test_what_is_packed_bears_the_name_under_which_it_lies(tmp_path: Path, several: bool) -> None:
    text = mbox(dsn(), AWAY) if several else dsn()
    (tmp_path / "box.gz").write_bytes(gzip.compress(text.encode()))
    names = [f"{tmp_path}/box.gz#1", f"{tmp_path}/box.gz#2"] if several else [f"{tmp_path}/box.gz"]
    for place in (tmp_path, tmp_path / "box.gz"):
        assert [row["file"] for row in objects(place)] == names


def test_a_summary_counts_what_the_rows_tell(tmp_path: Path) -> None:
    gone = dsn(recipient("gone@goodpost.example", status="5.1.1", diagnostic="550 5.1.1 no such user"), recipient())
    slip = dsn(recipient("anna@gmial.com", status="5.1.2", diagnostic="550 5.1.2 Host unknown"))
    (tmp_path / "box").write_text(mbox(gone, gone, slip, complaint(), AWAY, LETTER))
    told = json.loads(run(tmp_path / "box", "--summary", "--json").stdout)
    rows = objects(tmp_path / "box")
    assert told["kinds"] == {"bounce": 3, "auto-reply": 1, "complaint": 1, "none": 1}
    assert (told["messages"], told["recipients"]) == (6, sum(r["kind"] != "none" for r in rows))
    for reason, count in told["reasons"].items():
        assert count == sum(r["reason"] == reason for r in rows if r["kind"] != "none")
    assert told["actions"] == {"suppress": 3, "keep": 2, "correct": 1}
    assert (told["suppressed"], told["problems"]) == (2, 0)
    assert sum(r["suppress"] for r in rows) == told["actions"]["suppress"]
    assert told["first"] <= told["last"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", told["first"])
    printed = run(tmp_path / "box", "--summary").stdout.decode()
    assert "reason: userunknown (no such user)" in printed
    assert "to do: correct" in printed
    run(tmp_path / "box", "--summary", "-o", tmp_path / "counts.csv")
    counts = pd.read_csv(tmp_path / "counts.csv").set_index("what")["count"]
    assert counts["messages"] == "6"
    assert counts["to do: suppress"] == "3"
