"""Whom to stop writing to: the policy, played over outcomes, and the list that is handed over."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from smtplab import bounces, casefile, replies
from smtplab.bounces.policies import correction, policy
from smtplab.case import Case
from smtplab.errors import CaseError
from smtplab.tables import conform
from tests.bounces.making import AWAY, POSTFIX_TEXT, complaint, dsn, mbox

START = datetime(2026, 11, 1, 8, tzinfo=UTC)
NONE = bounces.read_paths([])

Sent = tuple[float, str, str]
"""Day after the start, what became of it (a reason, or "accepted"), enhanced code."""


def outcomes(*sent: Sent, recipient: str = "anna@goodpost.example") -> pd.DataFrame:
    return conform("outcomes", [_row(n, *one, recipient) for n, one in enumerate(sent)])


def _row(number: int, day: float, what: str, code: str, recipient: str) -> dict[str, Any]:
    fine = what == "accepted"
    return {
        "time": START + timedelta(days=day),
        "last_time": START + timedelta(days=day),
        "message_id": f"m{number}",
        "recipient": recipient,
        "provider": "goodpost.example",
        "campaign": "autumn",
        "outcome": "accepted" if fine else "lost",
        "attempts": 2,
        "reason": None if fine else what,
        "enhanced_code": code or None,
    }


GONE: Sent = (0, "userunknown", "5.1.1")


@pytest.mark.parametrize(
    ("sent", "action", "rule", "day"),
    [
        # Once and for all.
        ([GONE], "suppress", "hard", 0),
        # A domain may be gone for a day: three times, over eight days or more.
        ([(2, "hostunknown", "5.4.4")], "wait", "gone", None),
        ([(n, "hostunknown", "5.4.4") for n in (0, 1, 7.9)], "wait", "gone", None),
        ([(n, "hostunknown", "5.4.4") for n in (0, 8)], "wait", "gone", None),
        ([(n, "hostunknown", "5.4.4") for n in (0, 1, 2, 8, 9)], "suppress", "gone", 8),
        ([(n, "hostunknown", "5.4.4") for n in (0, 30, 61)], "wait", "gone", None),
        ([(0, "hostunknown", "5.4.4"), (4, "accepted", ""), (8, "hostunknown", "5.4.4"), (9, "hostunknown", "5.4.4")],
         "wait", "gone", None),
        ([(2, "notaccept", "5.1.10")], "suppress", "hard", 2),
        ([(0, "userunknown", "")], "suppress", "hard", 0),
        # A 4xx says "not now", whatever the text.
        ([(0, "userunknown", "4.1.1")], "wait", "soft", None),
        ([(0, "hostunknown", "4.4.3")], "wait", "unreachable", None),
        # Three in a row within thirty days.
        ([(0, "mailboxfull", "4.2.2"), (10, "mailboxfull", "5.2.2")], "wait", "soft", None),
        ([(0, "mailboxfull", "4.2.2"), (10, "suspend", "4.2.1"), (30, "mailboxfull", "5.2.2")], "suppress", "soft", 30),
        ([(0, "mailboxfull", "4.2.2"), (10, "suspend", "4.2.1"), (31, "mailboxfull", "5.2.2")], "wait", "soft", None),
        ([(n, "mailboxfull", "4.2.2") for n in (0, 10, 31, 39)], "suppress", "soft", 39),
        (
            [(n, "mailboxfull", "4.2.2") for n in (0, 1)] + [(2, "accepted", ""), (3, "mailboxfull", "4.2.2")],
            "wait", "soft", None,
        ),
        # Our own fault is never a reason, however often.
        ([(n, "authfailure", "5.7.27") for n in range(9)], "keep", "setup", None),
        ([(n, "requireptr", "5.7.25") for n in range(9)], "keep", "setup", None),
        ([(n, "failedstarttls", "5.7.29") for n in range(9)], "keep", "setup", None),
        ([(n, "speeding", "4.7.28") for n in range(9)], "keep", "setup", None),
        ([(0, "spamdetected", "5.7.1")], "keep", "message", None),
        # What is not understood says nothing of the recipient.
        ([(n, "undefined", "5.0.0") for n in range(9)], "wait", None, None),
        ([(0, "authfailure", "5.7.26"), (1, *GONE[1:])], "suppress", "hard", 1),
    ],
)  # fmt: skip
def test_the_policy_decides(sent: list[Sent], action: str, rule: str | None, day: float | None) -> None:
    (row,) = bounces.suppress(NONE, outcomes(*sent), policy()).to_dict("records")
    assert (row["action"], row["rule"] if isinstance(row["rule"], str) else None) == (action, rule)
    assert (None if pd.isna(row["since"]) else row["since"]) == (None if day is None else START + timedelta(days=day))


@pytest.mark.parametrize(
    ("domain", "meant"),
    [
        ("gmial.com", "gmail.com"), ("gmail.con", "gmail.com"), ("hotnail.com", "hotmail.com"),
        ("outlok.de", "outlook.com"), ("yahooo.com", "yahoo.com"),
        ("gmail.com", None), ("mail.com", None), ("gmx.at", None), ("ymail.com", None), ("gmial.corp.example", None),
        ("gmail.example", None),
    ],
)  # fmt: skip
def test_a_misspelt_domain_is_corrected_not_suppressed(domain: str, meant: str | None) -> None:
    made = bounces.suppress(NONE, outcomes(GONE, recipient=f"Anna@{domain}"), policy())
    wanted = ("correct", f"anna@{meant}") if meant else ("suppress", None)
    assert (made["action"][0], made["correction"][0] if meant else None) == wanted
    assert len(bounces.hand_over(made)) == (meant is None)


def test_no_known_provider_is_taken_for_a_misspelt_one() -> None:
    from smtplab import providers

    domains, _ = providers._table()
    assert [d for d in domains if correction(d)] == []


def test_an_accepted_message_does_not_undo_what_is_for_good() -> None:
    made = bounces.suppress(NONE, outcomes(GONE, (1, "accepted", "")), policy())
    assert (made["action"][0], made["failures"][0]) == ("suppress", 1)


def test_a_stop_that_has_run_out_counts_anew() -> None:
    full = [(n, "mailboxfull", "4.2.2") for n in (0, 1, 2)]
    made = bounces.suppress(NONE, outcomes(*full), policy())
    assert made["until"][0] == START + timedelta(days=182)
    again = bounces.suppress(NONE, outcomes(*full, (183, "mailboxfull", "4.2.2")), policy())
    assert (again["action"][0], again["failures"][0]) == ("wait", 4)


def test_what_would_not_have_been_sent_is_told_with_its_price() -> None:
    sent = outcomes(GONE, (1, *GONE[1:]), (2, *GONE[1:]), (3, "accepted", ""))
    (row,) = bounces.avoided(NONE, sent, policy()).to_dict("records")
    assert row == {
        "mailing": "autumn",
        "recipients": 1,
        "messages": 3,
        "attempts": 6,
        "lost": 2,
        "unwanted": 0,
        "accepted": 1,
    }
    assert bounces.avoided(NONE, outcomes(GONE), policy()).empty


@pytest.mark.parametrize(
    ("kind", "stops"), [("abuse", True), ("fraud", True), ("not-spam", False), ("auth-failure", False)]
)
def test_a_complaint_stops_at_once_and_praise_does_not(tmp_path: Path, kind: str, stops: bool) -> None:
    (tmp_path / "box").write_text(mbox(complaint(kind)), "utf-8")
    made = bounces.suppress(bounces.read_paths([tmp_path / "box"]), conform("outcomes", []), policy())
    assert made["recipient"].tolist() == (["reader@yahoo.com"] if stops else [])
    assert set(made["rule"]) <= {"complaint"}


def test_a_complaint_without_a_date_is_listed_as_of_the_case_and_marked(tmp_path: Path) -> None:
    undated = "\n".join(line for line in complaint("abuse").splitlines() if not line.startswith("Date:"))
    (tmp_path / "box").write_text(mbox(undated), "utf-8")
    found = bounces.read_paths([tmp_path / "box"])
    (row,) = bounces.hand_over(
        bounces.suppress(found, conform("outcomes", []), replace(policy(), as_of=START))
    ).to_dict("records")
    assert (row["recipient"], row["since"], row["rule"], row["derived"]) == (
        "reader@yahoo.com",
        START,
        "complaint",
        "since",
    )
    (dated,) = bounces.hand_over(bounces.suppress(NONE, outcomes(GONE), replace(policy(), as_of=START))).to_dict(
        "records"
    )
    assert pd.isna(dated["derived"])


def test_complaints_of_provider_events_count_too_and_the_first_gives_the_date() -> None:
    rows = [{"time": START + timedelta(days=d), "recipient": "Anna@goodpost.example"} for d in (5, 2)]
    told = pd.DataFrame(rows).assign(stream="newsletter", campaign=None)
    made = bounces.suppress(NONE, outcomes((0, "accepted", ""), (9, "accepted", "")), policy(), told)
    assert made[["action", "rule", "since"]].to_numpy().tolist() == [
        ["suppress", "complaint", START + timedelta(days=2)]
    ]
    spared = bounces.avoided(NONE, outcomes((9, "accepted", "")), policy(), told)
    assert spared[["unwanted", "accepted"]].to_numpy().tolist() == [[1, 0]]


def test_without_logs_the_bounces_alone_decide_and_a_second_report_counts_once(tmp_path: Path) -> None:
    (tmp_path / "box").write_text(mbox(dsn(), dsn(), POSTFIX_TEXT, AWAY), "utf-8")
    found = bounces.read_paths([tmp_path / "box"])
    made = bounces.suppress(found, conform("outcomes", []), policy()).set_index("recipient")
    assert made["action"].to_dict() == {
        "gone@goodpost.example": "suppress",
        "full@goodpost.example": "wait",
        "lost@gmail.com": "keep",
    }
    assert made.loc["lost@gmail.com", "failures"] == 1


def test_a_bounce_that_the_logs_hold_counts_once(tmp_path: Path) -> None:
    (tmp_path / "box").write_text(mbox(dsn()), "utf-8")
    known = conform(
        "outcomes",
        [{"time": START, "last_time": START, "recipient": "lost@gmail.com", "message_id": "m1@crm.example",
          "outcome": "lost", "reason": "authfailure", "enhanced_code": "5.7.32"}],
    )  # fmt: skip
    made = bounces.suppress(bounces.read_paths([tmp_path / "box"]), known, policy())
    assert made["failures"].tolist() == [1]


def test_a_null_mx_of_our_own_is_our_fault_though_the_reason_has_the_name_of_theirs() -> None:
    reply = replies.classify("550 5.7.27 Sender address has null MX", None, None, "goodpost.example")
    sent = outcomes((0, reply.reason, "5.7.27")).assign(rule=reply.rule)
    assert bounces.suppress(NONE, sent, policy())["action"].tolist() == ["keep"]


def test_a_refusal_that_only_seems_to_mean_an_unknown_user_is_no_proof() -> None:
    reply = replies.classify("550 rejected", 550, None, "goodpost.example", "rcpt")
    assert (reply.reason, reply.suppress) == ("userunknown", False)
    sent = outcomes((0, reply.reason, "")).assign(rule=reply.rule)
    assert bounces.suppress(NONE, sent, policy())[["action", "rule"]].to_numpy().tolist() == [["wait", "soft"]]


def test_nothing_known_means_nobody_is_named() -> None:
    empty = conform("outcomes", [])
    made = bounces.suppress(NONE, empty, policy())
    assert made.empty
    assert bounces.avoided(NONE, empty, policy()).empty
    assert list(bounces.hand_over(made)) == [
        "recipient",
        "since",
        "until",
        "rule",
        "reason",
        "enhanced_code",
        "derived",
    ]


def test_a_case_sets_its_own_numbers(tmp_path: Path) -> None:
    case = Case.create(tmp_path / "case", "example.org")
    file = case.path / "case.toml"
    file.write_text(file.read_text("utf-8") + "\n[suppression.soft]\ntimes = 2\nexpires_days = 0\n", "utf-8")
    own = policy(Case.open(case.path))
    assert repr(own.rules[1]) == "gone: 3 times within 60 days over 8 or more, then for good"
    assert repr(own.rules[2]) == "soft: 2 times within 30 days, then for good"
    assert repr(own.rules[0]) == "hard: once, then for good"
    made = bounces.suppress(NONE, outcomes((0, "mailboxfull", "4.2.2"), (1, "mailboxfull", "4.2.2")), own)
    assert made["action"].tolist() == ["suppress"]


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"sofft": {}}, "Did you mean `soft`"),
        ({"soft": {"time": 2}}, "Did you mean `times`"),
        ({"soft": {"times": 0}}, "from 1 to 3650"),
        ({"soft": {"times": "2"}}, "must be a int"),
    ],
)
def test_a_slip_in_case_toml_is_told(section: dict[str, Any], told: str) -> None:
    with pytest.raises(CaseError) as e:
        casefile.parse({"version": 1, "domains": ["example.org"], "suppression": section})
    assert told in str(e.value)


def test_the_data_names_the_rules_of_case_toml_and_every_reason_at_most_once_for_keeping() -> None:
    default = policy()
    assert tuple(r.name for r in default.rules) == casefile.SUPPRESSION_RULES
    suppressed = {name for name, reason in replies.reasons().items() if reason.suppress}
    assert {reason for rule in default.rules if rule.times == 1 for reason in rule.reasons} == suppressed
    assert {name for name, reason in replies.reasons().items() if reason.ours} <= default.keep.keys()
    counted = {reason for rule in default.rules for reason in rule.reasons}
    assert not counted & default.keep.keys()
