"""Findings, sightings, figures and the outcomes that only bounces tell of."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from smtplab import bounces
from smtplab.case import Case
from smtplab.findings import Finding
from smtplab.tables import conform
from tests.bounces.making import AWAY, LETTER, POSTFIX_TEXT, complaint, dsn, mbox, recipient


def evidence(folder: Path, *messages: str) -> bounces.BounceEvidence:
    (folder / "box").write_text(mbox(*messages), "utf-8")
    return bounces.read_paths([folder / "box"], domains=("meridian.example",))


def codes(found: bounces.BounceEvidence) -> dict[str, Finding]:
    return {f.code: f for f in bounces.check(found)}


def test_a_vendors_losses_are_told_as_a_source_that_no_log_shows(tmp_path: Path) -> None:
    found = codes(evidence(tmp_path, dsn(), POSTFIX_TEXT))["bounces.source.unseen"]
    assert (found.subject, found.facts["count"]) == ("out.crm-vendor.example", 1)
    assert found.facts["signed_by"] == ["crm-vendor.example"]


def test_our_own_fault_is_no_reason_to_remove_a_recipient(tmp_path: Path) -> None:
    facts = codes(evidence(tmp_path, dsn(), POSTFIX_TEXT))["bounces.suppression"].facts
    assert (facts["remove"], facts["keep"], facts["total"]) == (1, 1, 3)


def test_what_else_came_back_is_counted(tmp_path: Path) -> None:
    found = codes(evidence(tmp_path, dsn(), complaint(), LETTER, POSTFIX_TEXT))
    assert found["bounces.complaints"].facts["lists"] == ["news.meridian.example (1)"]
    assert found["bounces.other"].facts["count"] == 1
    assert found["bounces.userunknown"].facts["count"] == 1
    assert "bounces.failures.none" in codes(evidence(tmp_path, AWAY))


def test_nothing_to_read_and_nothing_readable_are_told_apart(tmp_path: Path) -> None:
    empty = bounces.read_paths([])
    assert [f.code for f in bounces.check(empty)] == ["bounces.missing"]
    (tmp_path / "paper").write_bytes(b"")
    assert "bounces.unreadable" in codes(bounces.read_paths([tmp_path / "paper"]))
    for draw in (bounces.by_reason_and_provider, bounces.over_time):
        assert "The case holds no" in draw(empty).layout.meta["alt"]


def test_nothing_is_worse_than_low(tmp_path: Path) -> None:
    found = evidence(tmp_path, dsn(), complaint(), LETTER, POSTFIX_TEXT, AWAY)
    assert not bounces.check(found).at_least("medium")


def test_a_selector_and_a_greeting_are_sighted_once_three_messages_show_it(tmp_path: Path) -> None:
    for count, seen in ((2, []), (3, ["v1"])):
        found = evidence(tmp_path, *[dsn()] * count)
        sighted = [s for s in bounces.sightings(found) if s.kind == "selector"]
        assert [s.value for s in sighted] == seen
        # The Date of the message that came back.
        assert all(s.last == datetime(2026, 11, 2, 9, 59, 30, tzinfo=UTC) for s in sighted)
        assert [s.value for s in bounces.sightings(found) if s.kind == "selector"] == seen
        helo = [(s.value, s.of) for s in bounces.sightings(found) if s.kind == "helo"]
        assert helo == [("app.meridian.example", "192.0.2.30") for _ in seen]
    assert {s.value for s in bounces.sightings(found) if s.kind == "recipient_domain"} == {"gmail.com"}
    assert {s.value for s in bounces.sightings(found) if s.kind == "author"} == {"meridian.example"}


def test_figures_tell_counts_in_words_and_bound_what_strangers_wrote(tmp_path: Path) -> None:
    found = evidence(tmp_path, *[dsn(recipient(f"u{n}@gmail.com")) for n in range(4)], POSTFIX_TEXT)
    figure = bounces.by_reason_and_provider(found)
    assert figure.layout.title.text.startswith(
        "Mail to 6 recipients came back; most, 4, from Gmail: authentication failed"
    )
    many = evidence(tmp_path, *[dsn(recipient(f"a@<script>{n}.example")) for n in range(40)])
    assert len(bounces.matrix(many).columns) <= 10
    assert len(bounces.over_time(found).data) == 1


@pytest.fixture
def case(tmp_path: Path) -> Case:
    made = Case.create(tmp_path / "case", "meridian.example")
    text = (made.path / "case.toml").read_text("utf-8")
    streams = '\n[[streams]]\nname = "crm"\nmatch = { sender_domain = "crm-vendor.example" }\n'
    (made.path / "case.toml").write_text(text + streams, "utf-8")
    return Case.open(made.path)


def _put(case: Case, *messages: str) -> bounces.BounceEvidence:
    (case.path / "sources" / "bounces" / "box").write_text(mbox(*messages), "utf-8")
    return bounces.read(case)


def only_here(case: Case, found: bounces.BounceEvidence, known: pd.DataFrame | None = None) -> pd.DataFrame:
    matches = bounces.matched(found, conform("outcomes", []) if known is None else known)
    return bounces.outcomes(case, found, matches)


def test_a_loss_that_the_logs_do_not_hold_becomes_an_outcome(case: Case) -> None:
    late = dsn(recipient("late@gmail.com", action="delayed", status="4.2.2"))
    rows = only_here(case, _put(case, dsn(), dsn(), late))
    assert len(rows) == 1
    row = rows.iloc[0]
    assert (row["recipient"], row["outcome"], row["origin"], row["provider"]) == (
        "lost@gmail.com",
        "lost",
        "bounce",
        "gmail",
    )
    assert (row["stream"], row["sender_domain"], row["dkim_domain"]) == (
        "crm",
        "crm-vendor.example",
        "crm-vendor.example",
    )
    assert (str(row["time"]), row["delay"]) == ("2026-11-02 09:59:30+00:00", 30)


@pytest.mark.parametrize(
    ("key", "value", "left"),
    [("message_id", "m1@crm.example", 0), ("queue_id", "4F1XYZ", 0), ("message_id", "other", 1), ("queue_id", "", 1)],
)
def test_a_loss_that_the_logs_hold_is_not_counted_again(case: Case, key: str, value: str, left: int) -> None:
    row = {"recipient": "Lost@gmail.com", key: value or None, "time": datetime(2026, 11, 2, tzinfo=UTC)}
    known = conform("outcomes", [{**row, "last_time": row["time"]}])
    assert len(only_here(case, _put(case, dsn()), known)) == left


def test_a_case_with_only_a_domain_has_no_bounces(case: Case) -> None:
    found = bounces.read(case)
    assert found.bounces.empty
    assert only_here(case, found).empty
    assert bounces.sightings(found) == []
    assert repr(found) == "BounceEvidence(0 messages: none; 0 problems)"


def test_the_cache_gives_the_same_tables(case: Case) -> None:
    first, second = _put(case, dsn(), AWAY), bounces.read(case)
    for name in ("bounces", "messages", "returned", "problems"):
        assert getattr(first, name).equals(getattr(second, name))
        assert list(getattr(first, name).dtypes) == list(getattr(second, name).dtypes)


def test_overviews_count_what_is_there_and_bound_long_replies(case: Case) -> None:
    found = _put(case, dsn(), dsn(recipient("b@gmail.com", diagnostic="550 5.7.32 " + "x" * 500)), AWAY)
    assert bounces.kinds(found)[["kind", "messages"]].to_numpy().tolist() == [["bounce", 2], ["auto-reply", 1]]
    replies = bounces.replies(found)
    assert [len(t) for t in replies["example"] if t.endswith("…")] == [110]
    assert replies["recipients"].tolist() == [2]
    assert replies["example"].str.len().max() <= 110
    lost = bounces.unseen(only_here(case, found))
    assert lost[["host", "recipients"]].to_numpy().tolist() == [["out.crm-vendor.example", 2]]
    empty = bounces.read_paths([])
    assert bounces.replies(empty).empty
    assert bounces.kinds(empty).empty
    assert bounces.unseen(conform("outcomes", [])).empty
