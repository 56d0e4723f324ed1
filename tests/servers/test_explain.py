"""Error texts: every row knows its examples and none of its neighbours; what nobody knows is said so."""

from __future__ import annotations

import tomllib
from importlib import resources

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.findings import Finding, catalogue
from smtplab.servers import explain
from smtplab.servers.explain import error_texts

ROWS = tomllib.loads((resources.files("smtplab") / "data" / "error_texts.toml").read_text("utf-8"))["text"]


@pytest.mark.parametrize("row", ROWS, ids=[r["id"] for r in ROWS])
def test_a_row_knows_its_examples_and_not_its_neighbours(row: dict[str, list[str]]) -> None:
    assert [explain(text).rule for text in row["examples"]] == [row["id"]] * len(row["examples"])
    pattern = next(r.pattern for r in error_texts() if r.id == row["id"])
    assert not [text for text in row["misses"] if pattern.search(text)]
    assert row["misses"]
    assert row["source"]
    assert row["date"]


@pytest.mark.parametrize("row", ROWS, ids=[r["id"] for r in ROWS])
def test_a_row_points_to_findings_that_exist(row: dict[str, list[str]]) -> None:
    assert [f for f in row["findings"] if not any(code.startswith(f) for code in catalogue())] == []


FALLBACKS = [
    ("535 5.7.8 Error: authentication failed: UGFzc3dvcmQ6", "auth-wrong"),
    ("553 5.7.1 <a@x.example>: Sender address rejected: not owned by user b@x.example", "sender-not-allowed"),
    ("550 5.1.1 <x@y.example>: Recipient address rejected: User unknown", "recipient-unknown"),
    ("550 5.7.26 Unauthenticated email from x.example is not accepted due to domain's DMARC policy", "iana-x.7.26"),
    ("550 5.7.515 Access denied, sending domain does not meet the required authentication level", "microsoft-5.7.515"),
    ("something that nobody has ever said", ""),
]


@pytest.mark.parametrize(("text", "rule"), FALLBACKS)
def test_what_no_row_knows_is_left_to_the_rules_of_replies(text: str, rule: str) -> None:
    found = explain(text)
    assert found.rule == rule
    assert found.known is bool(rule)
    assert found.meaning
    assert found.next


def test_a_reply_rule_is_the_last_resort() -> None:
    found = explain("452 4.2.2 The email account that you tried to reach is over quota")
    assert found.reply.reason == "mailboxfull"
    assert found.known


def test_a_provider_s_own_rule_beats_a_guess_by_the_words() -> None:
    text = "421 4.7.28 Our system has detected an unusual rate of unsolicited mail"
    assert explain(text, provider="gmail").rule == "gmail-4.7.28"
    assert "sign-ins" not in explain(text).meaning


def test_a_case_adds_its_evidence() -> None:
    closed = Finding("servers.mx.closed", "mx.example", host="mx.example", port=25)
    other = Finding("servers.greeting.slow", "mx.example", host="mx.example", port=25, seconds=9)
    found = explain("ConnectionRefusedError: [Errno 111] Connection refused", findings=[closed, other])
    assert [f.code for f in found.related] == ["servers.mx.closed"]
    outcomes = pd.DataFrame({"reason": ["userunknown", "userunknown", "mailboxfull"]})
    told = explain("550 5.1.1 User unknown", outcomes=outcomes)
    assert told.seen == 2
    assert "2 recipients" in told.frame()["answer"].iloc[-1]
    assert told.as_dict()["recipients"] == 2


@given(st.text(max_size=300))
def test_explaining_never_raises(text: str) -> None:
    assert explain(text).meaning


def test_bytes_of_a_command_line_that_are_no_utf_8_are_a_text_like_any_other() -> None:
    assert explain("\udcff 550 5.7.1").text == "? 550 5.7.1"
