"""Bad input ends every command that takes a case at once: one line that says what, where and what to do, exit status
2, and nothing written. What spoils only a part costs only that part and is told.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from smtplab import cli
from smtplab.case import Case
from smtplab.examination import examine
from smtplab.tape import Entry, Question, Recorder

Spoil = Callable[[Path], object]
LOG = """\
2026-11-02T08:00:00.000000+00:00 out1 postfix/qmgr[7]: AAAAA1: from=<a@b.example>, size=900, nrcpt=1 (queue active)
2026-11-02T08:00:01.000000+00:00 out1 postfix/smtp[8]: AAAAA1: to=<x@c.example>, relay=mx.c.example[203.0.113.9]:25, \
delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 Ok)
"""
WEB = '203.0.113.9 - - [02/Nov/2026:08:00:00 +0000] "GET / HTTP/1.1" 200 5\n'
KERNEL = "Nov  2 08:00:00 h kernel: eth0: link becomes ready\n"
MAIL = "From: a@b.example\nTo: x@c.example\nSubject: hi\nDate: Mon, 02 Nov 2026 08:00:00 +0000\n\nhi\n"
DMARC = (
    "<feedback><report_metadata><org_name>g</org_name><report_id>1</report_id><date_range><begin>1790812800</begin>"
    "<end>1790899199</end></date_range></report_metadata><policy_published><domain>b.example</domain><p>none</p>"
    "</policy_published><record><row><source_ip>203.0.113.9</source_ip><count>2</count><policy_evaluated>"
    "<disposition>none</disposition><dkim>pass</dkim><spf>pass</spf></policy_evaluated></row><identifiers>"
    "<header_from>b.example</header_from></identifiers><auth_results/></record></feedback>"
)
EVENT = '{"event": "delivered", "email": "x@c.example", "timestamp": 1793606400, "smtp-id": "<1@b>"}\n'
GOOD = {
    "logs/mail.log": LOG,
    "bounces/inbox.mbox": f"From a@b.example Mon Nov  2 08:00:00 2026\n{MAIL}",
    "dmarc/1.xml": DMARC,
    "events/e.jsonl": EVENT,
    "messages/1.eml": MAIL,
    "configuration/h.b.example.postconf": "myhostname = h.b.example\n",
}
AT = datetime(2026, 11, 16, 6, tzinfo=UTC)
TAPE = "tape/20261116T060000Z-here.jsonl"


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A case with a good file of every kind and a recording."""
    folder = tmp_path / "work" / "case"
    Case.create(folder, "b.example")
    for name, text in GOOD.items():
        (folder / "sources" / name).write_text(text)
    with Recorder(folder / "tape", started=AT, vantage="here") as tape:
        tape.put(Entry(Question.of("dns", "b.example", {"rtype": "MX"}), AT, 1.0, {"rcode": "NXDOMAIN"}))
    monkeypatch.chdir(folder.parent)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "work" / "home"))
    return folder


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["smtplab", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def held(folder: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def put(name: str, content: str | bytes) -> Spoil:
    data = content if isinstance(content, bytes) else content.encode()
    return lambda case: (case / name).write_bytes(data)


def mend(old: str, new: str, name: str = "case.toml") -> Spoil:
    def change(case: Path) -> None:
        text = (case / name).read_text()
        assert old in text
        (case / name).write_text(text.replace(old, new, 1))

    return change


def empty(case: Path) -> None:
    shutil.rmtree(case)
    case.mkdir()


def file_for_folder(case: Path) -> None:
    shutil.rmtree(case)
    case.write_text("version = 1\n")


def folder_for_file(case: Path) -> None:
    (case / "sources/logs/old").mkdir()


READING = ("findings case", "causes case", "compare case case", "report case -o out/case.html")
ALL = (*READING, "collect case")
CASES: list[tuple[str, Spoil, str, tuple[str, ...]]] = [
    ("no folder", shutil.rmtree, "case: there is no such folder. Make a case with", ALL),
    ("an empty folder", empty, "case: there is no case.toml here. Make a case with", ALL),
    ("a file for a folder", file_for_folder, "case: is a file, not the folder of a case. Make", ALL),
    ("an unknown key", mend("timezone", "timezon"), "unknown key `timezon`. Did you mean `timezone`?", ALL),
    ("case.toml is no TOML", put("case.toml", b"\xff\xfe"), "case/case.toml: not valid TOML", ALL),
    ("a source is missing", mend("logs/*", "logs/x.log"), "case/sources/logs/x.log: sources.logs names a file", ALL),
    ("a folder for a file", folder_for_file, "case/sources/logs/old: is a folder; sources.logs takes files. Mend", ALL),
    ("a pipe for a file", lambda c: os.mkfifo(c / "sources/logs/p"), "logs/p: is neither a file nor a folder", ALL),
    ("a log of a web server", put("sources/logs/mail.log", WEB * 2_000), "mail.log: not a mail log: no line", ALL),
    ("one log of two is a PDF", put("sources/logs/z.log", b"%PDF-1.4\n\0\1"), "logs/z.log: not a mail log: no", ALL),
    ("a log of the kernel", put("sources/logs/mail.log", KERNEL), "mail.log: no line of a mail program that", ALL),
    ("a packed log that is not", put("sources/logs/z.gz", b"\x1f\x8b\x08\0"), "z.gz: no log can be read from it", ALL),
    ("a mailbox is a PDF", put("sources/bounces/inbox.mbox", b"%PDF-1.4\n"), "inbox.mbox: a PDF document, not", ALL),
    ("a mailbox is prose", put("sources/bounces/inbox.mbox", "Dear all,\n"), "inbox.mbox: text without a mail", ALL),
    ("events are no JSON", put("sources/events/e.jsonl", "a,b\n1,2\n"), "e.jsonl: no provider events: expected", ALL),
    ("events of another kind", put("sources/events/e.jsonl", '{"a": 1}\n'), "e.jsonl: no provider events: exp", ALL),
    ("a DMARC report is binary", put("sources/dmarc/1.xml", bytes(range(256))), "1.xml: binary data, not a re", ALL),
    ("a DMARC report is a feed", put("sources/dmarc/1.xml", "<rss/>"), "1.xml: XML, but not a DMARC aggregate", ALL),
    ("a DMARC report is cut", put("sources/dmarc/1.xml", DMARC[:200]), "1.xml: not well-formed XML", ALL),
    ("a TLS report is none", put("sources/tlsrpt/1.json", "{}"), "1.json: JSON, but not a TLS report", ALL),
    ("a damaged zip", put("sources/tlsrpt/1.zip", b"PK\3\4" + bytes(99)), "1.zip: not a readable zip", ALL),
    ("a sample message is an image", put("sources/messages/1.eml", b"\x89PNG\r\n"), "1.eml: an image, not mail", ALL),
    ("no configuration", put("sources/configuration/h.b.example.postconf", "hello\n"), "holds no setting: exp", ALL),
    ("a recording cut short", mend('{"end": 1}\n', "", TAPE), "-here.jsonl: cut short after line 2; its 1 an", READING),
    ("a damaged recording", mend('"ms"', "", TAPE), "-here.jsonl: line 2 is damaged", READING),
    ("a newer recording", mend('"tape": 1', '"tape": 2', TAPE), "line 1: the recording has version 2", READING),
    ("a recording that is none", put(TAPE, MAIL), "-here.jsonl: line 1 is damaged", READING),
    ("nothing to resume", lambda _: None, "case/tape: no interrupted recording to resume", ("collect case --resume",)),
    ("no such recording", lambda _: None, "20250101: there is no such recording", ("compare case case:20250101",)),
]


@pytest.mark.parametrize(
    ("spoil", "says", "command"),
    [pytest.param(s, says, c, id=f"{c.split()[0]}: {name}") for name, s, says, commands in CASES for c in commands],
)
def test_it_is_one_line_and_status_2_and_nothing_is_written(
    case: Path,
    spoil: Spoil,
    says: str,
    command: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil(case)
    before = held(case.parent)
    status = run(monkeypatch, *command.split())
    said = capsys.readouterr()
    assert (status, said.out) == (2, "")
    (line,) = said.err.splitlines()
    assert line.startswith("smtplab: ")
    assert says in line
    assert held(case.parent) == before


def test_the_good_case_behind_the_table_is_accepted(case: Path) -> None:
    exam = examine(Case.open(case))
    assert exam.problems.empty
    assert exam.findings


@pytest.mark.parametrize(
    ("spoil", "file", "says"),
    [
        pytest.param(put("sources/logs/mail.log", f"{LOG}strange\n"), "logs/mail.log", "lines of no mail", id="a line"),
        pytest.param(put("sources/events/e.jsonl", f"{EVENT}[x\n"), "events/e.jsonl", "not JSON", id="an event"),
        pytest.param(put("sources/bounces/2.mbox", "%PDF-1.4"), "bounces/2.mbox", "a PDF document", id="a mailbox"),
        pytest.param(put("sources/dmarc/2.xml", b"\0" * 99), "dmarc/2.xml", "binary data", id="a report"),
        pytest.param(put("sources/messages/2.eml", "\n"), "messages/2.eml", "empty", id="a message"),
        pytest.param(put("sources/configuration/notes.txt", "x"), "configuration/notes.txt", "not named", id="notes"),
    ],
)
def test_what_spoils_a_part_costs_only_that_part_and_is_told(case: Path, spoil: Spoil, file: str, says: str) -> None:
    spoil(case)
    problems = examine(Case.open(case)).problems
    assert problems["file"].tolist() == [f"sources/{file}"]
    assert says in problems["what"][0]


def test_an_empty_source_is_no_mistake(case: Path) -> None:
    for name in GOOD:
        (case / "sources" / name).write_bytes(b"")
    assert examine(Case.open(case)).findings


def test_a_file_that_may_not_be_read_is_named(case: Path) -> None:
    (case / "sources/logs/mail.log").chmod(0)
    # Root reads everything unless it gives up the right to.
    plain = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    command = [*plain, sys.executable, "-m", "smtplab", "findings", "case"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("smtplab: case/sources/logs/mail.log: may not be read: permission denied. Mend it")


@pytest.mark.parametrize("command", ALL)
def test_a_refusal_comes_before_the_slow_imports(case: Path, command: str) -> None:
    put("sources/bounces/inbox.mbox", b"%PDF-1.4\n")(case)
    code = (
        "import sys; from smtplab import cli\ntry: cli.main()\n"
        "except SystemExit as e: print(e.code, sorted({'nbconvert', 'papermill', 'nbformat'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, *command.split()], capture_output=True, text=True, check=True)
    assert done.stdout == "2 []\n"


@pytest.mark.parametrize(
    ("output", "says"),
    [("case", "case: is a folder"), ("case/case.toml/x.html", "case.toml: nothing can be written there")],
)
def test_a_report_that_cannot_be_written_is_refused_before_the_work(
    case: Path, output: str, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = held(case.parent)
    assert run(monkeypatch, "report", "case", "-o", output) == 2
    assert says in capsys.readouterr().err
    assert held(case.parent) == before
