"""Which delivery a report tells of: by Message-ID, queue id, VERP or recipient; what was accepted and came back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab import bounces
from smtplab.bounces.verp import candidates
from smtplab.tables import conform
from tests.bounces.making import ORIGINAL, complaint, dsn, mbox, recipient

SENT = datetime(2026, 11, 2, 9, 59, 30, tzinfo=UTC)
BLANK = ORIGINAL.replace("Message-ID: <m1@crm.example>\n", "")


@pytest.mark.parametrize(
    ("sender", "found"),
    [
        ("news+anna=gmail.com@bounce.example.org", ("news+anna@gmail.com", "anna@gmail.com")),
        ("list-return-7-anna=gmail.com@lists.example.org", (
            "list-return-7-anna@gmail.com", "return-7-anna@gmail.com", "7-anna@gmail.com", "anna@gmail.com",
        )),
        ("anna=gmail.com@bounce.example.org", ("anna@gmail.com",)),
        ("bounce+anna==a==gmail.com==news@lists.example.org", ("bounce+anna@gmail.com", "anna@gmail.com")),
        ("Bounce-1-Anna=GMail.com@x.example", ("bounce-1-anna@gmail.com", "1-anna@gmail.com", "anna@gmail.com")),
        # A forwarder's rewriting names a sender; BATV is a tag.
        ("SRS0=HHH=TT=example.com=anna@forwarder.example", ()),
        ("SRS1=HHH=first.example==HHH=TT=example.com=anna@forwarder.example", ()),
        ("srs0+abc=12=example.com=anna@forwarder.example", ()),
        ("prvs=0123456789=anna@example.org", ()),
        ("btv1==012==anna@example.org", ()),
        ("news@example.org", ()),
        ("a=b@example.org", ()),
        ("", ()),
        (None, ()),
    ],
)  # fmt: skip
def test_an_envelope_sender_names_the_recipient(sender: str | None, found: tuple[str, ...]) -> None:
    assert candidates(sender) == found


@given(st.text(max_size=400))
def test_any_sender_is_taken(text: str) -> None:
    assert len(candidates(text)) <= 21


def outcome(**known: Any) -> pd.DataFrame:
    row = {
        "time": SENT, "last_time": SENT, "message_id": "other@x.example", "queue_id": "Q0", "outcome": "lost",
        "recipient": "lost@gmail.com", "provider": "gmail", "stream": "crm",
    }  # fmt: skip
    return conform("outcomes", [{**row, **known}])


def told(folder: Path, *messages: str) -> bounces.BounceEvidence:
    (folder / "box").write_text(mbox(*messages), "utf-8")
    return bounces.read_paths([folder / "box"])


def bounce(
    message: str = ORIGINAL, queue: str = "4F1XYZ", sender: str = "bounce@crm-vendor.example", **block: str
) -> str:
    made = dsn(recipient(**block), original=message)
    queue_line = f"X-Postfix-Queue-ID: {queue}\n" if queue else ""
    made = made.replace("X-Postfix-Queue-ID: 4F1XYZ\n", queue_line)
    return made.replace("rfc822; bounce@crm-vendor.example", f"rfc822; {sender}")


@pytest.mark.parametrize(
    ("message", "known", "how"),
    [
        (bounce(), {"message_id": "m1@crm.example"}, "Message-ID"),
        (bounce(), {"message_id": "m1@crm.example", "recipient": "Lost@gmail.com"}, "Message-ID"),
        (bounce(BLANK), {"queue_id": "4F1XYZ"}, "queue id"),
        # The report names where a forwarder sent it on to; Original-Recipient names whom we wrote to.
        (bounce(address="new@other.example", original="lost@gmail.com"), {"message_id": "m1@crm.example"}, "Message-ID"),
        (
            bounce(address="new@other.example", original="new@other.example", sender="news+lost=gmail.com@b.example"),
            {"message_id": "m1@crm.example"}, "VERP",
        ),
        (bounce(address="new@other.example", original="new@other.example"), {"message_id": "m1@crm.example"},
         "Message-ID alone"),
        (bounce(BLANK, "", "bounce-12-lost=gmail.com@b.example", address="new@other.example", original="n@o.example"),
         {}, "VERP"),
        (bounce(BLANK, "", "b-77@b.example", address="new@other.example", original="n@o.example"),
         {"sender": "b-77@b.example"}, "envelope sender"),
        (bounce(BLANK, ""), {}, "recipient"),
        # A forwarder's SRS address is no VERP.
        (bounce(BLANK, "", "SRS0=H=T=gmail.com=lost@b.example", address="n@o.example", original="n@o.example"), {}, None),
        # It names a message, and that is none of ours.
        (bounce(), {}, None),
        # Too old to be meant.
        (bounce(BLANK, ""), {"time": SENT - timedelta(days=6)}, None),
        (bounce(BLANK, ""), {"time": SENT + timedelta(days=1)}, None),
    ],
)  # fmt: skip
def test_each_way_to_name_a_message_leads_to_it(
    tmp_path: Path, message: str, known: dict[str, Any], how: str | None
) -> None:
    (row,) = bounces.matched(told(tmp_path, message), outcome(**known)).to_dict("records")
    assert (row["how"] if isinstance(row["how"], str) else None) == how
    assert pd.isna(row["row"]) == (how is None)
    if how:
        assert (row["addressed"].lower(), row["stream"], row["outcome"]) == ("lost@gmail.com", "crm", "lost")


def test_one_message_to_many_is_matched_recipient_by_recipient(tmp_path: Path) -> None:
    known = pd.concat(
        [outcome(message_id="m1@crm.example", recipient=r, stream=r[:1]) for r in ("a@x.example", "b@x.example")],
        ignore_index=True,
    )
    two = dsn(*(recipient(address=f"{n}@x.example") for n in "ba"))
    made = bounces.matched(told(tmp_path, two), known)
    assert made[["addressed", "stream"]].to_numpy().tolist() == [["a@x.example", "a"], ["b@x.example", "b"]]


def test_what_is_not_matched_says_why(tmp_path: Path) -> None:
    twice = pd.concat([outcome(message_id=f"{n}@x.example") for n in "ab"], ignore_index=True)
    why = [
        bounces.matched(told(tmp_path, message), twice)["why"][0]
        for message in (
            bounce(),
            bounce(BLANK, ""),
            bounce(BLANK, "", address="new@x.example", original="new@x.example"),
        )
    ]
    assert why == [
        "no log or event holds this message",
        "names no message, and several fit",
        "names no message, and none fits",
    ]


def test_what_was_accepted_and_came_back_is_lost_and_counted_once(tmp_path: Path) -> None:
    known = outcome(message_id="m1@crm.example", outcome="accepted", last_time=SENT)
    matches = bounces.matched(told(tmp_path, bounce(), bounce()), known)
    assert matches["asynchronous"].tolist() == [True, True]
    assert matches["after"].tolist() == [30, 30]
    (row,) = bounces.corrected(known, matches).to_dict("records")
    assert (row["outcome"], row["origin"], row["reason"], row["enhanced_code"]) == (
        "lost", "bounce", "authfailure", "5.7.32",
    )  # fmt: skip
    assert row["last_time"] == SENT + timedelta(seconds=30)
    assert known["outcome"].tolist() == ["accepted"]


def test_a_delay_notice_and_a_loss_the_log_knows_change_nothing(tmp_path: Path) -> None:
    late = bounce(action="delayed", status="4.4.1")
    for message, state in ((late, "accepted"), (bounce(), "lost")):
        known = outcome(message_id="m1@crm.example", outcome=state)
        assert bounces.corrected(known, bounces.matched(told(tmp_path, message), known)).equals(known)


def test_a_complaint_leads_to_its_delivery_which_stays_accepted(tmp_path: Path) -> None:
    known = outcome(message_id="n1@postrider.example", recipient="reader@yahoo.com", outcome="accepted")
    matches = bounces.matched(told(tmp_path, complaint()), known)
    assert matches[["how", "asynchronous"]].to_numpy().tolist() == [["Message-ID", False]]
    assert bounces.corrected(known, matches).equals(known)


def test_without_bounces_or_without_logs_there_is_an_empty_join(tmp_path: Path) -> None:
    empty = conform("outcomes", [])
    assert bounces.matched(bounces.read_paths([]), outcome()).empty
    made = bounces.matched(told(tmp_path, bounce()), empty)
    assert made[["how", "addressed"]].fillna("").to_numpy().tolist() == [["", "lost@gmail.com"]]
    assert bounces.corrected(empty, made).empty
