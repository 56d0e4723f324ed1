"""Causes: a row counts once, joint causes are joint, order and ranges are honest, coincidence explains nothing."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from smtplab.causes import Causes, rank
from smtplab.findings import Finding, Findings, catalogue
from smtplab.tables import conform, empty


def found(code: str, subject: str, **facts: Any) -> Finding:
    """A finding with the facts that this test is about; the rest of its wording is no matter."""
    rest = dict.fromkeys(catalogue()[code].placeholders - {"subject"}, "-")
    return Finding(code, subject, **{**rest, **facts})


SPF = found(
    "spf.lookups.exceeded",
    "meridian.example",
    domain="meridian.example",
    unreachable_networks=["203.0.113.96/28"],
    envelope_domains=["bounce.meridian.example"],
)
DKIM = found(
    "dkim.key.missing",
    "pr1._domainkey.meridian.example",
    domain="meridian.example",
    selector="pr1",
    where="events",
)
PTR_FACTS = {"address": "198.51.100.12", "ptr": "old.example", "forward": ["none"], "name": "out2.meridian.example"}
PTR = found("names.fcrdns.mismatch", "198.51.100.12", **PTR_FACTS)


def row(**facts: Any) -> dict[str, Any]:
    base = {"time": "2026-10-10", "last_time": "2026-10-10", "recipient": "a@gmail.com", "outcome": "lost"}
    return {**base, "reason": "authfailure", "enhanced_code": "5.7.26", "rule": "gmail", **facts}


NEWSLETTER = {"source_ip": "203.0.113.100", "dkim_domain": "meridian.example", "dkim_selector": "pr1"}


def ranked(rows: list[dict[str, Any]], *findings: Finding, tls: pd.DataFrame | None = None) -> Causes:
    tables = conform("outcomes", rows), empty("tls_reports") if tls is None else tls, empty("aggregate")
    return rank(Findings(findings), *tables, rescued_by={"gmail": "any"})


def test_joint_causes_are_joint_and_fixing_one_is_a_range_where_one_of_them_suffices() -> None:
    rows = [row(**NEWSLETTER)] * 6 + [row(**NEWSLETTER, rule="microsoft", enhanced_code="5.7.515")] * 4
    ledger = ranked(rows, SPF, DKIM).outbound
    first, second = ledger.causes
    assert [(c.alone, c.joint) for c in ledger.causes] == [(0, 10), (0, 10)]
    assert (first.gain, first.gain_at_most, first.left, first.left_at_best) == (0, 6, 10, 4)
    assert (second.gain, second.left, second.left_at_best) == (10, 0, 0)
    assert first.partners == (second.finding.code,)
    assert ledger.groups().to_dict("records")[0]["count"] == 10


def test_a_row_outside_the_key_or_with_another_reply_is_unexplained() -> None:
    other_address = row(source_ip="198.51.100.11")
    other_reply = row(source_ip="198.51.100.12", reason="userunknown", enhanced_code="5.1.1")
    ledger = ranked([other_address, other_reply, row(source_ip=None)], SPF, DKIM, PTR).outbound
    assert (ledger.causes, ledger.unexplained, ledger.total) == ((), 3, 3)
    assert len(ledger.unexplained_rows()) == 3


def test_a_failure_before_the_fault_began_is_not_its_doing() -> None:
    since = found("names.fcrdns.mismatch", "198.51.100.12", **PTR_FACTS, since="2026-10-13")
    rows = [
        row(source_ip="198.51.100.12", reason="requireptr", enhanced_code="5.7.25", last_time=d)
        for d in ("2026-10-12", "2026-10-14")
    ]
    ledger = ranked(rows, since).outbound
    assert (ledger.causes[0].alone, ledger.unexplained) == (1, 1)


@pytest.mark.parametrize("outcome", ["accepted", "pending"])
def test_what_was_accepted_or_is_under_way_is_no_loss(outcome: str) -> None:
    ledger = ranked([row(source_ip="198.51.100.12", outcome=outcome)], PTR).outbound
    assert (ledger.total, ledger.frame().empty) == (0, True)


def test_groups_add_up_to_the_total() -> None:
    rows = [row(**NEWSLETTER)] * 3 + [row(source_ip="198.51.100.12", reason="requireptr")] * 2 + [row(reason="expired")]
    groups = ranked(rows, SPF, DKIM, PTR).outbound.groups()
    assert groups["count"].sum() == 6
    assert groups.iloc[-1].tolist()[:2] == ["unexplained", 1]


def test_nothing_failed_gives_empty_ledgers() -> None:
    made = ranked([])
    assert [ledger.total for ledger in made.ledgers] == [0, 0, 0]
    assert made.frame().empty
