"""A connection that failed until the queue gave up is "expired"; an answer of a receiver is not (RFC 5321 section 4.5.4.1)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from smtplab import replies
from smtplab.bounces import lifetime

ARRIVED = datetime(2026, 11, 20, 9, tzinfo=UTC)
SILENT = "connect to mx.x.example[192.0.2.9]:25: Connection timed out"
GAVE_UP = (
    "Your message could not be sent for more than 5 day(s). It will be deleted: message expired, retry timeout exceeded"
)


@pytest.mark.parametrize(
    ("reply", "words", "reason"),
    [
        (SILENT, GAVE_UP, "expired"),
        (SILENT, "It could not be delivered.", "networkerror"),
        ("452 4.2.2 mailbox full", GAVE_UP, "mailboxfull"),
    ],
)
def test_only_a_silent_receiver_lets_mail_expire(reply: str, words: str, reason: str) -> None:
    given = replies.classify(reply)
    made = lifetime.judged(given, words.lower(), ARRIVED, ARRIVED + timedelta(hours=1))
    assert made.reason == reason
    # What was said stays as it was said.
    assert (made.smtp_code, made.enhanced_code, made.matched) == (given.smtp_code, given.enhanced_code, given.matched)
