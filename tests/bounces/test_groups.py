"""Where failures gather: rates with intervals, bursts that are dated, full mailboxes, and the findings on them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from smtplab import bounces, rates
from smtplab.bounces.joined import Joined
from smtplab.case import Case
from smtplab.findings import Finding
from smtplab.tables import conform
from tests.bounces.making import ORIGINAL, complaint, dsn, mbox, recipient

START = datetime(2026, 10, 1, 8, tzinfo=UTC)


def sent(count: int, day: float = 0, reason: str = "", first: int = 0, **more: Any) -> list[dict[str, Any]]:
    """Outcomes of one kind, a message each."""
    when = START + timedelta(days=day)
    base = {
        "time": when, "last_time": when, "outcome": "lost" if reason else "accepted", "reason": reason or None,
        "provider": "gmail", "stream": "news", "campaign": "autumn", "origin": "log", "attempts": 1,
        "enhanced_code": {"userunknown": "5.1.1", "mailboxfull": "4.2.2"}.get(reason),
    }  # fmt: skip
    made = [{**base, "message_id": f"{reason}{day}-{n}", "recipient": f"u{first + n}@gmail.com"} for n in range(count)]
    return [{**row, **more} for row in made]


def table(*parts: list[dict[str, Any]]) -> pd.DataFrame:
    return conform("outcomes", [row for part in parts for row in part])


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    # By hand from Wilson's formula with z = 1.959964; 8 of 50 and 0 of 10 are the textbook cases.
    [(8, 50, 0.0834, 0.2851), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (0, 0, 0.0, 1.0)],
)
def test_wilsons_interval(hits: int, total: int, low: float, high: float) -> None:
    assert rates.wilson(hits, total) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_a_rate_has_its_count_and_interval_for_each_side() -> None:
    known = table(sent(42), sent(8, reason="userunknown", first=50), sent(9, first=90, provider="yahoo", stream="shop"))
    told = pd.DataFrame({"provider": ["gmail"] * 3, "campaign": ["autumn"] * 3, "stream": ["news"] * 3})
    gmail, yahoo = bounces.rates(known, "provider", told).to_dict("records")
    assert (gmail["provider"], gmail["recipients"], gmail["lost"], gmail["gone"], gmail["complaints"]) == (
        "gmail", 50, 8, 8, 3,
    )  # fmt: skip
    assert (gmail["gone_rate"], gmail["gone_low"], gmail["gone_high"]) == pytest.approx(
        (0.16, 0.0834, 0.2851), abs=1e-4
    )
    assert gmail["complaints_rate"] == pytest.approx(3 / 42)
    assert (yahoo["recipients"], yahoo["lost_rate"], yahoo["complaints_rate"]) == (9, 0, 0)
    by_source = bounces.rates(known, "source", told, {"news": "list of 2019"}).set_index("source")
    assert by_source["recipients"].to_dict() == {"list of 2019": 50, "shop": 9}
    assert by_source["complaints"].to_dict() == {"list of 2019": 3, "shop": 0}


def test_what_only_bounces_tell_of_has_counts_and_no_rate() -> None:
    (row,) = bounces.rates(table(sent(8, reason="userunknown", origin="bounce")), "campaign").to_dict("records")
    assert (row["lost"], row["recipients"]) == (8, 8)
    assert pd.isna(row["lost_rate"])
    assert pd.isna(row["lost_low"])


def test_a_complaint_about_mail_that_no_log_holds_is_shown() -> None:
    told = pd.DataFrame({"provider": ["yahoo"], "campaign": [None], "stream": [None]})
    made = bounces.rates(table(sent(3)), "provider", told).set_index("provider")
    assert made["complaints"].to_dict() == {"gmail": 0, "yahoo": 1}
    assert pd.isna(made.loc["yahoo", "complaints_rate"])
    assert bounces.rates(table(), "provider").empty


def daily(counts: dict[int, int], **more: Any) -> pd.DataFrame:
    """Unknown addresses by day, among a message a day for forty days."""
    known = [sent(1, day, first=1_000 + day, **more) for day in range(40)]
    known += [sent(n, day, "userunknown", first=day * 100, **more) for day, n in counts.items()]
    return table(*known)


@pytest.mark.parametrize(
    ("counts", "span"),
    [
        ({12: 8, 13: 9, 14: 7, 30: 2}, (12, 13)),
        ({12: 30}, (12, 12)),
        ({3: 10, 20: 20, 39: 8}, (20, 20)),
        # Half of them take longer than a quarter of the time: nothing came at once.
        (dict.fromkeys(range(40), 1), None),
        ({12: 19}, None),
    ],
)
def test_a_burst_is_the_shortest_time_that_holds_half(counts: dict[int, int], span: tuple[int, int] | None) -> None:
    made = bounces.bursts(daily(counts))
    assert len(made) == (span is not None)
    if span:
        row = made.iloc[0]
        days = tuple((row[c] - pd.Timestamp(START).floor("D")).days for c in ("begin", "end"))
        assert (row["mailing"], days, row["of_days"]) == ("autumn", span, 40)
        assert row["gone"] == sum(counts.values())
        assert row["within"] == sum(n for d, n in counts.items() if span[0] <= d <= span[1])


def test_full_mailboxes_are_counted_by_provider_with_the_day_of_most() -> None:
    rows = table(sent(3, 1, "mailboxfull"), sent(2, 5, "mailboxfull"), sent(1, 2, "mailboxfull", provider="yahoo"))
    gmail, yahoo = bounces.full(rows).to_dict("records")
    assert (gmail["mailboxes"], gmail["messages"], gmail["repeated"], gmail["on_peak"]) == (3, 5, 2, 3)
    assert (gmail["peak"].day, yahoo["mailboxes"]) == (2, 1)
    assert bounces.full(table()).empty


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case.create(tmp_path / "case", "meridian.example")


def joined(case: Case, known: pd.DataFrame, *messages: str) -> Joined:
    (case.path / "sources" / "bounces" / "box").write_text(mbox(*messages), "utf-8")
    return bounces.join(case, bounces.read(case), known)


def codes(made: Joined) -> dict[str, Finding]:
    return {f.code: f for f in bounces.check(made.evidence, made)}


def test_what_was_accepted_and_came_back_is_a_finding(case: Case) -> None:
    known = table(sent(1, 32.05, message_id="m1@crm.example", recipient="lost@gmail.com"))
    made = joined(case, known, dsn())
    finding = codes(made)["bounces.asynchronous"]
    assert (finding.facts["count"], finding.facts["providers"]) == (1, ["Gmail"])
    assert made.outcomes["outcome"].tolist() == ["lost"]
    assert made.only_here.empty
    assert repr(made) == (
        "Joined(1 bounces and complaints: 1 matched to a delivery, 1 of them accepted first; "
        "0 losses that only bounces tell of)"
    )
    (row,) = bounces.asynchronous(made.matches).to_dict("records")
    assert (row["provider"], row["recipients"], row["campaigns"]) == ("gmail", 1, "autumn")


def test_reports_without_a_delivery_are_counted(case: Case) -> None:
    made = joined(case, table(sent(1)), dsn(), complaint())
    finding = codes(made)["bounces.unmatched"]
    assert (finding.facts["count"], finding.facts["total"]) == (2, 2)
    assert bounces.matches_by_way(made.matches)["recipients"].tolist() == [1, 1]
    assert len(made.only_here) == 1
    assert made.complaints["recipient"].tolist() == ["reader@yahoo.com"]


def test_a_burst_in_mail_that_no_log_holds_is_dated_and_ours_is_left_to_the_logs(case: Case) -> None:
    gone = [
        dsn(
            recipient(f"u{n}@gmail.com", status="5.1.1", diagnostic="550 5.1.1 no such user"),
            original=ORIGINAL.replace("m1@", f"m{n}@"),
        )
        for n in range(20)
    ]
    for number, message in enumerate(gone):
        day = 30 if number == 19 else 2 + number % 2
        gone[number] = message.replace("Date: Mon, 2 Nov", f"Date: {day} Nov")
    finding = codes(joined(case, table(), *gone))["bounces.burst"]
    assert (finding.facts["count"], finding.facts["within"]) == (20, 10)
    assert finding.severity == "medium"
    known = daily({12: 30})
    assert "bounces.burst" not in codes(joined(case, known))
    assert len(bounces.bursts(known)) == 1


def test_shares_above_the_limits_are_told_only_when_sure(case: Case) -> None:
    bad = table(sent(900), sent(100, reason="userunknown", first=2_000))
    finding = codes(joined(case, bad))["bounces.rate.unknown_users"]
    assert (finding.subject, finding.facts["rate"], finding.facts["side"]) == ("gmail", "10.00%", "at")
    for fine in (
        table(sent(945), sent(55, reason="userunknown", first=2_000)),
        table(sent(10), sent(40, reason="userunknown", first=2_000)),
        table(sent(900), sent(100, reason="notaccept", first=2_000)),
    ):
        assert "bounces.rate.unknown_users" not in codes(joined(case, fine))


def test_complaints_of_feedback_loops_are_measured_against_what_was_accepted(case: Case) -> None:
    known = table(sent(200, provider="yahoo"))
    many = [complaint().replace("reader@", f"r{n}@") for n in range(5)]
    finding = codes(joined(case, known, *many))["bounces.rate.complaints"]
    assert (finding.subject, finding.facts["rate"], finding.severity) == ("yahoo", "2.50%", "high")
    assert "bounces.rate.complaints" not in codes(joined(case, known, *many[:1]))


def test_many_full_mailboxes_on_one_day_are_the_providers_doing(case: Case) -> None:
    finding = codes(joined(case, table(sent(12, 1, "mailboxfull"), sent(8, 5, "mailboxfull", first=50))))
    facts = finding["bounces.mailbox_full.cluster"].facts
    assert (facts["count"], facts["total"], facts["day"]) == (12, 20, "2026-10-02")
    spread = table(*(sent(2, d, "mailboxfull", first=d * 10) for d in range(10)))
    assert "bounces.mailbox_full.cluster" not in codes(joined(case, spread))


def test_mail_to_those_who_should_have_been_left_out_is_counted(case: Case) -> None:
    known = table(sent(2, 0, "userunknown"), sent(2, 3, "userunknown"), sent(1, 4))
    found = codes(joined(case, known))["bounces.suppression.late"]
    assert [found.facts[name] for name in ("messages", "lost", "accepted")] == [3, 2, 1]
    assert found.evidence == ("3 messages of autumn",)


def test_misspelt_domains_and_replies_that_no_rule_knows_are_told(case: Case) -> None:
    known = table(
        sent(1, 0, "userunknown", recipient="anna@gmial.com"),
        sent(3, 0, "undefined", response="599 Zorble 17"),
    )
    found = codes(joined(case, known))
    assert found["bounces.typo"].facts["domains"] == ["gmial.com for gmail.com (1)"]
    assert (found["bounces.replies.unknown"].facts["count"], found["bounces.replies.unknown"].facts["wordings"]) == (
        3,
        1,
    )


def test_a_case_without_anything_is_joined_too(case: Case) -> None:
    made = bounces.join(case, bounces.read(case), table())
    assert [f.code for f in bounces.check(made.evidence, made)] == ["bounces.missing"]
    assert made.verdicts.empty
    assert made.rates("provider").empty
