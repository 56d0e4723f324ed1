"""The command line as a user meets it: its output, its files, its exit status."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from smtplab.case import Case
from smtplab.cli import output
from tests.authentication.dnsserver import serve

COMMANDS = (
    "report",
    "new",
    "collect",
    "findings",
    "causes",
    "compare",
    "explain",
    "bounces",
    "domain",
    "spf",
    "dmarc",
    "lab",
)


def smtplab(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "smtplab", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120, check=False)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "case"
    Case.create(folder, "example.org")
    return folder


def test_help_names_every_command_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; from smtplab.cli import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "print('heavy:', sorted({'pandas', 'plotly', 'dns', 'lxml'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert all(f"\n  {name} " in done.stdout for name in COMMANDS)
    assert "heavy: []" in done.stdout


def test_new_makes_a_case_that_findings_reads(tmp_path: Path) -> None:
    done = smtplab("new", tmp_path / "mine", "--domain", "example.org")
    assert (done.returncode, done.stderr) == (0, "")
    assert Case.open(tmp_path / "mine").domains == ("example.org",)


def test_json_is_one_finding_a_line(case: Path) -> None:
    done = smtplab("findings", case, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert rows
    assert all({"severity", "code", "subject", "title", "fix"} <= row.keys() for row in rows)


def test_collect_asks_the_resolver_it_is_told(tmp_path: Path) -> None:
    Case.create(tmp_path / "mine", "corp.example")
    with serve({"corp.example": [("MX", "0 .")]}) as resolver:
        done = smtplab("collect", tmp_path / "mine", "--resolver", resolver)
    assert done.returncode == 0, done.stderr
    (tape,) = (tmp_path / "mine" / "tape").glob("*.jsonl")
    assert '"records": ["0 ."], "server": "127.0.0.1"' in tape.read_text("utf-8")
    assert "no resolver" in smtplab("collect", tmp_path / "mine", "--resolver", "ns.example").stderr


@pytest.mark.parametrize(("severity", "status"), [("critical", 0), ("info", 1)])
def test_fail_on_decides_the_exit_status(case: Path, severity: str, status: int) -> None:
    assert smtplab("findings", case, "--json", "--fail-on", severity).returncode == status


FRAME = pd.DataFrame({"subject": ["=1+1", "+1", "-1", "@a", "fine"], "n": [1, 2, 3, 4, 5]})


def test_a_spreadsheet_never_runs_a_cell(tmp_path: Path) -> None:
    output.write(FRAME, tmp_path / "x.csv")
    told = pd.read_csv(tmp_path / "x.csv")
    assert list(told["subject"]) == ["'=1+1", "'+1", "'-1", "'@a", "fine"]
    assert list(told["n"]) == [1, 2, 3, 4, 5]


def test_an_address_is_handed_over_as_it_is(tmp_path: Path) -> None:
    addresses = ["+tag@x.example", "-a=b@x.example", "=cmd|'/C calc'!A0@x.example", "=SUM(A1)@x.example"]
    output.write(pd.DataFrame({"recipient": addresses}), tmp_path / "x.csv")
    told = list(pd.read_csv(tmp_path / "x.csv")["recipient"])
    assert told == [*addresses[:2], *(f"'{a}" for a in addresses[2:])]


def test_parquet_and_json_lines_hold_the_values_as_they_are(tmp_path: Path) -> None:
    output.write(FRAME, tmp_path / "x.parquet")
    output.write(FRAME, tmp_path / "x.jsonl")
    assert pd.read_parquet(tmp_path / "x.parquet").to_dict("list") == FRAME.to_dict("list")
    assert pd.read_json(tmp_path / "x.jsonl", lines=True, dtype=False).to_dict("list") == FRAME.to_dict("list")


def test_html_shows_markup_as_text(tmp_path: Path) -> None:
    output.write(pd.DataFrame({"banner": ["<script>alert(1)</script>"]}), tmp_path / "x.html")
    page = (tmp_path / "x.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_evidence_cannot_drive_the_terminal() -> None:
    assert output.one_line("a\x1b[2Jb\r\nc\u202ed\u200be") == "a<U+001B>[2Jb  c<U+202E>d<U+200B>e"


def test_what_hides_in_a_strangers_text_is_shown_to_people_and_kept_for_programs() -> None:
    reply = "550 5.1.1 <an\u200bna\u202e@x.example> User unknown"
    frame = pd.DataFrame({"reply": [reply]})
    assert "<an<U+200B>na<U+202E>@x.example>" in _printed(lambda: output.show(frame, False, None))
    assert json.loads(_printed(lambda: output.show(frame, True, None)))["reply"] == reply


def _printed(work: Callable[[], None]) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        work()
    return out.getvalue()


def test_a_reply_is_explained() -> None:
    done = smtplab("explain", "550-5.7.26 Your email has been blocked", "--provider", "gmail")
    assert done.returncode == 0
    assert done.stdout.startswith("authfailure ")


@pytest.mark.parametrize("words", [["new", "CASE/new", "--domain", "a.example"], ["findings", "CASE", "--json"]])
def test_a_reader_that_stops_early_sees_no_traceback(case: Path, words: list[str]) -> None:
    command = [sys.executable, "-m", "smtplab", *(w.replace("CASE", str(case)) for w in words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
