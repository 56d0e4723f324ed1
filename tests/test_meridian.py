"""The ground truth of the bundled case: every planted fault is found, none is invented, the causes cost what they cost."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

import smtplab
from smtplab.case import Case
from smtplab.examination import Examination
from smtplab.findings import Findings, Severity

ROOT = Path(__file__).parents[1]
CASE = ROOT / "data" / "cases" / "meridian"
FAULTS = tomllib.loads((CASE / "faults.toml").read_text("utf-8"))
DECOYS = tomllib.loads((CASE / "decoys.toml").read_text("utf-8"))["decoy"]
TRUTH = json.loads((CASE / "truth.json").read_text("utf-8"))
QUIET = (Severity.INFO, Severity.OK)
MENDED = (1, 2, 6)

Fault = dict[str, Any]


@pytest.fixture(scope="module")
def before() -> Examination:
    return smtplab.examine(Case.open(CASE))


@pytest.fixture(scope="module")
def after() -> Findings:
    recording = sorted((CASE / "tape").glob("*-after.jsonl"))[-1].stem
    return smtplab.examine(Case.open(CASE, recording=recording)).findings


def told(findings: Findings, fault: Fault) -> bool:
    return any(f.code == fault["code"] and f.subject == fault["subject"] for f in findings)


def test_there_are_twenty_faults_and_nine_decoys() -> None:
    assert [f["number"] for f in FAULTS["fault"]] == list(range(1, 21))
    assert len(DECOYS) == 9


@pytest.mark.parametrize(
    "one", [*FAULTS["fault"], *FAULTS["consequence"], *DECOYS], ids=lambda o: o.get("code") or o["name"]
)
def test_what_is_planted_stands_where_the_answers_say(one: Fault) -> None:
    assert one["planted"]["line"] in (ROOT / one["planted"]["file"]).read_text("utf-8")


@pytest.mark.parametrize("fault", FAULTS["fault"], ids=lambda f: f"{f['number']}-{f['code']}")
def test_every_planted_fault_is_found(before: Examination, fault: Fault) -> None:
    assert told(before.findings, fault)


def test_nothing_else_of_medium_or_worse_is_found(before: Examination) -> None:
    known = {(f["code"], f["subject"]) for f in [*FAULTS["fault"], *FAULTS["consequence"]]}
    assert [f for f in before.findings.at_least("medium") if (f.code, f.subject) not in known] == []


@pytest.mark.parametrize("decoy", DECOYS, ids=lambda d: d["name"])
def test_no_decoy_is_raised_above_info_nor_explains_a_loss(before: Examination, decoy: Fault) -> None:
    about = [
        f
        for f in before.findings
        if f.code.startswith(tuple(decoy["codes"])) and decoy["subject"] in f.subject + " ".join(f.evidence)
    ]
    planted = {(f["code"], f["subject"]) for f in FAULTS["fault"]}
    assert [f for f in about if f.severity not in QUIET and (f.code, f.subject) not in planted] == []
    blamed = {c.finding.code for c in before.causes.outbound.causes}
    assert not {f.code for f in about if f.severity in QUIET} & blamed


def test_the_answers_repeat_what_was_counted_while_the_story_was_made() -> None:
    counted = TRUTH["by_cause"]
    assert FAULTS["totals"]["recipients"] == TRUTH["recipients"]
    assert FAULTS["totals"]["lost_or_late"] == TRUTH["lost_or_late"]
    assert FAULTS["totals"]["unexplained"] == counted["none"]
    for fault in FAULTS["fault"][:11]:
        name = "1+2" if fault["number"] in (1, 2) else str(fault["number"])
        assert fault["recipients"] == counted[name], fault["code"]
        assert fault["share"] == pytest.approx(counted[name] / TRUTH["lost_or_late"], abs=0.005)


@pytest.mark.parametrize("fault", FAULTS["fault"][:11], ids=lambda f: f"{f['number']}-{f['code']}")
def test_a_cause_explains_within_a_tenth_what_its_fault_cost(before: Examination, fault: Fault) -> None:
    causes = [c for c in before.causes.outbound.causes if c.finding.code == fault["code"]]
    assert sum(c.alone + c.joint for c in causes) == pytest.approx(fault["recipients"], rel=0.1)


def test_every_recipient_of_the_story_has_one_outcome(before: Examination) -> None:
    counts = before.outcomes["stream"].value_counts(dropna=False)
    assert counts.to_dict() == TRUTH["recipients_by_stream"]
    assert len(before.outcomes) == TRUTH["recipients"]
    assert before.outcomes["outcome"].value_counts()["late"] == TRUTH["late"]


def test_the_first_two_faults_cost_their_recipients_jointly_and_nothing_alone(before: Examination) -> None:
    causes = {c.finding.code: c for c in before.causes.outbound.causes}
    for fault in FAULTS["fault"][:2]:
        assert (causes[fault["code"]].alone, causes[fault["code"]].joint) == (0, pytest.approx(1900, rel=0.1))


def test_the_rest_stays_unexplained(before: Examination) -> None:
    ledger = before.causes.outbound
    assert ledger.total == pytest.approx(TRUTH["lost_or_late"], rel=0.02)
    assert ledger.unexplained == pytest.approx(FAULTS["totals"]["unexplained"], rel=0.1)


def test_inbound_loss_is_shared_by_the_certificate_and_the_policy(before: Examination) -> None:
    inbound = {c.finding.code for c in before.causes.inbound.causes if c.alone + c.joint}
    assert {FAULTS["fault"][11]["code"], FAULTS["fault"][12]["code"]} <= inbound
    assert before.causes.inbound.unexplained == 0


def test_every_source_can_be_read(before: Examination) -> None:
    assert before.problems.empty


@pytest.mark.parametrize("fault", FAULTS["fault"], ids=lambda f: f"{f['number']}-{f['code']}")
def test_the_second_recording_lacks_the_mended_faults_and_no_other(after: Findings, fault: Fault) -> None:
    assert told(after, fault) == (fault["number"] not in MENDED)
