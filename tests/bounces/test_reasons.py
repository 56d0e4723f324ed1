"""Why delivery failed, where the report's fields alone do not tell: the notice, the dates and a quoted reply do."""

from __future__ import annotations

import pytest

from smtplab import bounces

REPORT = """From: MAILER-DAEMON@mx.example
To: a@b.example
Date: {date}
Subject: Returned mail
Content-Type: multipart/report; report-type=delivery-status; boundary=B

--B

{notice}

--B
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example
Arrival-Date: Mon, 2 Nov 2026 10:00:00 +0000

Final-Recipient: rfc822; lost@example.net
Action: {action}
Status: {status}
{diagnostic}
--B--
"""
AT_ONCE, LATE = "Mon, 2 Nov 2026 10:00:09 +0000", "Sat, 7 Nov 2026 10:00:09 +0000"
NOTICE = "Your message could not be delivered."
SILENT = "connect to mx.example.net[192.0.2.1]:25: Connection timed out"
ROUTE = "connect to mx.example.net[192.0.2.1]:25: No route to host"
FULL = "host mx.example.net[192.0.2.1] said: 452 4.2.2 Mailbox full (in reply to RCPT TO command)"


def row(
    diagnostic: str, date: str = LATE, notice: str = NOTICE, status: str = "4.4.1", action: str = "failed"
) -> dict[str, object]:
    field = f"Diagnostic-Code: X-Postfix; {diagnostic}\n" if diagnostic else ""
    text = REPORT.format(date=date, notice=notice, action=action, status=status, diagnostic=field)
    (one,) = bounces.sort(text.encode()).rows
    return one


@pytest.mark.parametrize(
    ("diagnostic", "date", "notice", "status", "action", "reason"),
    [
        (SILENT, LATE, NOTICE, "4.4.1", "failed", "expired"),
        # It was given up at once, so time was not why.
        (SILENT, AT_ONCE, NOTICE, "4.4.1", "failed", "networkerror"),
        # It goes on being tried.
        (SILENT, LATE, NOTICE, "4.4.1", "delayed", "networkerror"),
        (ROUTE, LATE, NOTICE, "4.4.1", "failed", "networkerror"),
        (ROUTE, AT_ONCE, "The message could not be delivered for 3 days.", "4.4.1", "failed", "expired"),
        ("426 connection timed out", AT_ONCE, "Giving up after 4 days", "4.0.0", "failed", "expired"),
        ("retry timeout exceeded: connection timed out", AT_ONCE, NOTICE, "4.0.0", "failed", "expired"),
        # A permanent code means no matter of time.
        (SILENT, LATE, NOTICE, "5.4.1", "failed", "networkerror"),
        # Whoever answered said why, however long it took.
        (FULL, LATE, "The message could not be delivered for 3 days.", "4.2.2", "failed", "mailboxfull"),
    ],
)
def test_a_queue_that_gave_up_is_told_from_a_way_that_was_closed(
    diagnostic: str, date: str, notice: str, status: str, action: str, reason: str
) -> None:
    found = row(diagnostic, date, notice, status, action)
    assert (found["reason"], found["enhanced_code"]) == (reason, status)
    assert found["permanent"] is False


def test_a_suspended_delivery_keeps_the_reply_that_it_quotes() -> None:
    found = row(f"delivery temporarily suspended: {FULL}", status="4.2.2")
    assert (found["reason"], found["smtp_code"], found["enhanced_code"]) == ("mailboxfull", 452, "4.2.2")
    assert FULL in str(found["diagnostic"])


def test_a_network_code_that_tells_nothing_yields_to_the_notice() -> None:
    notice = "This is only a notification about a delay. The server will continue trying."
    assert row("", AT_ONCE, notice, "4.4.0", "delayed")["reason"] == "expired"
    assert row("", AT_ONCE, NOTICE, "4.4.0")["reason"] == "networkerror"


def test_a_providers_own_words_in_the_notice_beat_a_stock_phrase_without_a_reply() -> None:
    notice = "The user(s) account is disabled.\n\n<lost@ezweb.ne.jp>: user unknown"
    text = REPORT.format(date=AT_ONCE, notice=notice, action="failed", status="5.0.0", diagnostic="")
    (one,) = bounces.sort(text.replace("lost@example.net", "lost@ezweb.ne.jp").encode()).rows
    assert one["reason"] == "suspend"


LIST = """From: pets-admin@lists.example
To: {to}
Subject: {subject}
Message-ID: <1@lists.example>
References: <2@elsewhere.example>

Duplicated Message-ID in <pets@lists.example>.

Original mail as follows:

   From owner-pets@lists.example  Mon Nov  2 10:00:00 2026
   Received: from a.example by b.example; Mon, 2 Nov 2026 10:00:00 +0000
   From: x@elsewhere.example
   To: x@elsewhere.example
   Subject: Cats
"""


def test_a_list_managers_alert_of_a_loop_is_a_report_and_an_answer_to_it_is_none() -> None:
    answer = bounces.sort(
        LIST.format(to="pets-admin@lists.example", subject="Loop Alert: Duplicated Message-ID").encode()
    )
    assert [(r["kind"], r["recipient"], r["reason"]) for r in answer.rows] == [
        ("bounce", "pets@lists.example", "systemerror")
    ]
    answer = bounces.sort(LIST.format(to="a@b.example", subject="Re: Loop Alert: Duplicated Message-ID").encode())
    assert answer.kind == "none"
