"""One message traced: by any of its names, over every hop, with nothing of another message in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from smtplab import logs
from smtplab.errors import SourceError
from smtplab.logs.evidence import LogEvidence
from smtplab.logs.story import duration
from tests.logs.frames import at, evidence

MID = "1@shop.example"
LATER = "452 4.2.2 mailbox full"


def arrived(time: str, host: str, queue_id: str, **more: object) -> dict[str, object]:
    base = {"time": at(time), "host": host, "queue_id": queue_id, "message_id": MID, "sender": "a@shop.example"}
    return base | {"recipients": 1, "size": 900, "outcome": "accepted", "lifetime": 1.0} | more


def tried(time: str, host: str, queue_id: str, status: str, **more: object) -> dict[str, object]:
    base = {"time": at(time), "host": host, "queue_id": queue_id, "message_id": MID, "sender": "a@shop.example"}
    return base | {"recipient": "b@x.example", "status": status, "relay_host": "mx.x.example"} | more


@pytest.fixture
def two_hops() -> LogEvidence:
    """An application's message: mail hands it to out within a second; out tries, and four hours later succeeds."""
    return evidence(
        messages=[
            arrived("13 02:00:00", "out", "QOUT", lifetime=15_000.0, client_host="mail", client_ip="192.0.2.20"),
            arrived("13 02:00:00", "mail", "QMAIL", lifetime=0.0, sasl_user="shop", client_ip="192.0.2.9"),
            arrived("14 02:00:00", "out", "QOUT", message_id="2@shop.example"),
        ],
        deliveries=[
            tried("13 02:00:00", "mail", "QMAIL", "sent", relay_host="out", response="250 2.0.0 Ok: queued as QOUT"),
            tried("13 02:00:03", "out", "QOUT", "deferred", reason="greylisted", response="450 4.2.0 greylisted"),
            tried("13 06:10:00", "out", "QOUT", "sent", response="250 2.0.0 Ok: queued as 7", tls_version="TLSv1.3"),
            tried("14 02:00:01", "out", "QOUT", "sent", message_id="2@shop.example"),
        ],
    )


STORY = [
    ("mail", "arrived"), ("mail", "sent"), ("mail", "removed"),
    ("out", "arrived"), ("out", "deferred"), ("out", "sent"), ("out", "removed"),
]  # fmt: skip


@pytest.mark.parametrize("what", [MID, f"<{MID}>", "QMAIL", f"  {MID} "])
def test_a_message_is_told_over_all_hops_in_order_whatever_name_it_is_asked_by(
    two_hops: LogEvidence, what: str
) -> None:
    done = logs.trace(two_hops, what)
    assert (done.found, list(done.messages["outcome"]), list(done.messages["hosts"])) == (
        1,
        ["accepted"],
        ["mail, out"],
    )
    assert list(zip(done.steps["host"], done.steps["step"], strict=True)) == STORY
    assert list(done.steps["after"].fillna(0)) == [0, 0, 0, 0, 3, 14_997, 0]
    text = str(done)
    for said in ("signed in as shop", "... 4 h 9 min later ...", "(greylisted)", "TLSv1.3", "2026-11-13 (UTC)"):
        assert said in text, said
    assert "2026-11-14" not in text


def test_a_queue_id_that_was_used_again_is_two_messages_newest_first(two_hops: LogEvidence) -> None:
    done = logs.trace(two_hops, "QOUT")
    assert list(done.messages["message_id"]) == ["2@shop.example", MID]
    assert "2 messages for QOUT, newest first" in str(done)


def test_a_reused_queue_id_without_message_id_is_cut_at_the_arrival() -> None:
    rows = [arrived(f"{day} 02:00", "out", "Q1", message_id=None) for day in (13, 14)]
    ends = [tried(f"{day} 02:01", "out", "Q1", "sent", message_id=None) for day in (13, 14)]
    done = logs.trace(evidence(messages=rows, deliveries=ends), "Q1")
    assert [len(done.steps[done.steps["number"] == n]) for n in (1, 2)] == [3, 3]


def test_only_the_recipient_asked_for_is_told_of_a_mailing() -> None:
    rows = [tried("13 02:00:01", "out", "Q1", "sent", recipient=f"r{n}@x.example") for n in range(500)]
    mailing = evidence(messages=[arrived("13 02:00:00", "out", "Q1", recipients=500)], deliveries=rows)
    done = logs.trace(mailing, "R7@X.example")
    assert list(done.steps["recipient"]) == ["", "r7@x.example", ""]
    assert len(logs.trace(mailing, "a@shop.example").steps) == 502


def test_dozens_of_equal_replies_are_one_sentence() -> None:
    rows = [
        tried(f"13 {h:02}:00:00", "out", "Q1", "deferred", reason="mailboxfull", response=LATER) for h in range(2, 22)
    ]
    queued = arrived("13 02:00:00", "out", "Q1", outcome="expired", lifetime=68_400.0)
    done = logs.trace(evidence(messages=[queued], deliveries=rows), "Q1")
    assert list(done.messages["outcome"]) == ["expired"]
    assert len(done.steps) == 22
    assert str(done).count(LATER) == 1
    assert "the same 19 more times until 2026-11-13 21:00:00, over 19 h" in str(done)


def test_what_was_refused_before_it_was_queued_is_told_too() -> None:
    row = {
        "time": at("13 02:00"),
        "host": "mx",
        "stage": "RCPT",
        "client_ip": "203.0.113.9",
        "recipient": "b@x.example",
    }
    row |= {"sender": "s@evil.example", "response": "550 5.1.1 no such user", "reason": "userunknown"}
    for name in ("b@x.example", "s@evil.example"):
        done = logs.trace(evidence(rejections=[row]), name)
        assert list(done.messages["outcome"]) == ["refused"]
        assert "was refused for b@x.example (no such user)" in str(done)


def test_a_provider_s_message_has_attempts_and_no_arrival() -> None:
    row = tried("13 02:00", "provider", "e1", "sent", message_id=None, relay_host=None, sender=None)
    done = logs.trace(evidence(deliveries=[row]), "e1")
    assert "from an unknown sender to b@x.example: accepted" in str(done)
    assert list(done.steps["step"]) == ["sent"]
    assert "the next server accepted it for b@x.example" in str(done)


def test_nothing_found_is_said_and_is_no_error() -> None:
    for what in ("", "<>", "x@y.example", "\x1b[31m<script>"):
        done = logs.trace(evidence(), what)
        assert (done.found, len(done.messages), len(done.steps)) == (0, 0, 0)
        assert any(said in str(done) for said in ("hold nothing on", "No message to trace"))
        assert "\x1b" not in str(done)
        assert "<script>" not in done._repr_html_()


def test_many_messages_are_listed_up_to_the_bound_newest_first() -> None:
    rows = [arrived(f"13 {n // 60:02}:{n % 60:02}:00", "out", f"Q{n}", message_id=f"{n}@x.example") for n in range(200)]
    done = logs.trace(evidence(messages=rows), "a@shop.example")
    assert (done.found, len(done.messages), done.messages["message_id"][0]) == (200, 50, "199@x.example")
    assert "and 180 older ones" in str(done)


def test_a_stranger_s_reply_drives_no_terminal_and_is_no_markup() -> None:
    row = tried("13 02:00", "out", "Q1", "bounced", response="550 \x1b[2J<img src=x onerror=alert(1)>\u202e")
    done = logs.trace(evidence(deliveries=[row]), "Q1")
    assert "\x1b" not in str(done)
    assert "<img" not in done._repr_html_()


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59.6, "1 min"), (3600, "1 h"), (15_120, "4 h 12 min"), (90_061, "1 d 1 h")]
)
def test_a_span_is_told_in_its_two_largest_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_refusal_names_the_sender_that_was_refused_and_no_empty_host(tmp_path: Path) -> None:
    log = tmp_path / "mainlog"
    log.write_text(
        "2026-11-20 08:10:04 H=bad.example [203.0.113.9] F=<spam@bad.example> rejected RCPT <anna@example.org>:"
        " relay not permitted\n"
    )
    told = str(logs.trace(logs.read_paths(log), "anna@example.org"))
    assert "from spam@bad.example to anna@example.org: refused" in told
    assert "08:10:04  bad.example [203.0.113.9] was refused" in told


def test_one_path_need_not_be_in_a_list(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    log.write_text("Nov 20 08:00:04 mx1 postfix/qmgr[900]: 5A1A2B3C4E: removed\n")
    assert len(logs.read_paths(str(log)).messages) == len(logs.read_paths([log]).messages)
    with pytest.raises(SourceError, match="no file is there"):
        logs.read_paths(str(tmp_path / "*.none"))
