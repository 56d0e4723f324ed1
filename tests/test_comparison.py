"""Two recordings of a case: findings gone, new and changed, and the answers behind them, as a reader meets them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import smtplab
from smtplab.case import Case
from smtplab.comparison import Comparison, compare
from smtplab.differences import behind, differences, moved
from smtplab.tape import Entry, Question, Recorder, Tape

AT = datetime(2026, 11, 16, 6, tzinfo=UTC)
Answers = dict[tuple[str, str, str], dict[str, Any] | str]


def tape(folder: Path, answers: Answers, day: int = 0) -> Tape:
    with Recorder(folder, started=AT + timedelta(days=day), vantage="here") as recorder:
        for (kind, target, params), value in answers.items():
            question = Question.of(kind, target, dict(p.split("=") for p in params.split()))
            known = isinstance(value, dict)
            recorder.put(Entry(question, AT, 1.0, value if known else None, None if known else value))  # type: ignore[arg-type]
    return Tape.load(recorder.target)


TXT = ("dns", "a.example", "rtype=TXT")
SPF = "v=spf1 ip4:192.0.2.1 include:b.example include:c.example -all"


def session(banner: str, ms: int) -> dict[str, object]:
    told = (("greeting", "", banner, ms), ("quit", "QUIT", "221", 1))
    return {"steps": [{"phase": p, "sent": s, "reply": [r], "ms": took} for p, s, r, took in told]}


BANNER, GREETS = session("220 old", 1), session("220 new", 9)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        pytest.param({TXT: {"records": ["x"], "ttl": 1}}, {TXT: {"records": ["x"], "ttl": 2}}, [], id="only the TTL"),
        pytest.param(
            {TXT: {"records": [], "rcode": "NXDOMAIN"}},
            {TXT: {"records": ["x"]}},
            ["TXT a.example: no such name → x"],
            id="a record came",
        ),
        pytest.param(
            {TXT: {"records": [SPF]}},
            {TXT: {"records": [SPF.replace(" include:b.example", "")]}},
            ["TXT a.example: − include:b.example"],
            id="a long record lost a word",
        ),
        pytest.param({TXT: {"records": ["x"]}}, {}, ["TXT a.example: x → not asked"], id="not asked again"),
        pytest.param(
            {("dns", "a.example", "rtype=MX server=192.0.2.9"): "timeout"},
            {("dns", "a.example", "rtype=MX server=192.0.2.9"): {"records": ["10 m.example"]}},
            ["MX a.example at 192.0.2.9: unknown (timeout) → 10 m.example"],
            id="unknown is told apart",
        ),
        pytest.param(
            {("session", "192.0.2.1:25", "name=m.example"): BANNER},
            {("session", "192.0.2.1:25", "name=m.example"): GREETS},
            ["session 192.0.2.1:25 m.example: 220 old → 220 new"],
            id="of a conversation the line that changed",
        ),
    ],
)
def test_an_answer_is_told_by_what_changed_in_it(
    tmp_path: Path, before: Answers, after: Answers, told: list[str]
) -> None:
    assert list(map(str, differences(tape(tmp_path, before), tape(tmp_path, after, 1)))) == told


@pytest.mark.parametrize(
    ("question", "words", "named"),
    [
        (TXT, "DNS TXT a.example", True),
        (TXT, "DNS TXT a.example; more", True),
        (TXT, "DNS TXT b.a.example", False),
        (TXT, "DNS TXT a.example.org", False),
        (TXT, "DNS MX a.example", False),
        (("dns", "9.2.0.192.in-addr.arpa", "rtype=PTR"), "DNS PTR 192.0.2.9", True),
        (("session", "192.0.2.9:25", "name=m.example"), "session with 192.0.2.9 port 25", True),
        (("session", "192.0.2.9:25", "name=m.example"), "session with 192.0.2.9 port 255", False),
    ],
)
def test_an_answer_stands_behind_the_findings_whose_evidence_names_it(
    tmp_path: Path, question: tuple[str, str, str], words: str, named: bool
) -> None:
    answer = session("220 m.example", 1) if question[0] == "session" else {"records": ["x"]}
    found = differences(tape(tmp_path, {question: answer}), None)
    assert bool(behind(found, [words])) is named


def test_a_short_text_is_told_whole_and_a_long_one_is_bounded() -> None:
    assert moved("a b", "a c") == "a b → a c"
    assert len(moved("x" * 9_000, "y" * 9_000)) < 300


@pytest.fixture(scope="module")
def mended(meridian: Path) -> Comparison:
    return compare(Case.open(meridian), Case.open(meridian, recording=Case.open(meridian).recordings[-1]))


def test_what_was_mended_is_gone_and_stands_with_the_record_that_did_it(mended: Comparison) -> None:
    gone = mended.frame()[lambda f: f["change"] == "gone"].set_index("code")["answers"]
    assert gone["dkim.key.missing"].startswith("TXT pr1._domainkey.meridian.example: no such name → v=DKIM1")
    assert "TXT meridian.example: − include:" in gone["spf.lookups.exceeded"]
    assert "static-12.colohouse.example → out2.meridian.example" in gone["names.fcrdns.mismatch"]


def test_a_day_that_passed_is_no_change_and_every_answer_is_told_once(mended: Comparison) -> None:
    assert "days" not in " ".join(mended.frame()["what"])
    told = "\n".join(mended.frame()["answers"])
    assert [q for q in mended.others()["question"] if f"{q}: " in told] == []
    assert 0 < len(mended.others()) < len(mended.answers) == len(mended.records)


def test_a_case_beside_itself_is_the_same(meridian: Path) -> None:
    same = smtplab.compare(Case.open(meridian), Case.open(meridian))
    assert (same.frame().empty, same.answers) == (True, ())
