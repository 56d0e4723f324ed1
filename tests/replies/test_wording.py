"""Replies in words of their own: most are understood, and a wrong guess removes nobody."""

from __future__ import annotations

import pytest

from smtplab import replies
from smtplab.bounces.policies import policy
from smtplab.replies.gist import meanings, table
from tests.replies.wording import REPLIES

ROWS = [(reason, text) for reason, texts in REPLIES.items() for text in texts]


def test_words_of_their_own_are_understood() -> None:
    wrong = [(r, found, t) for r, t in ROWS if (found := replies.classify(t).reason) != r]
    for reason, found, text in wrong:
        print(f"wanted {reason}, got {found}: {text}")
    print(f"own words: {1 - len(wrong) / len(ROWS):.1%} of {len(ROWS)}")
    assert len(ROWS) > 400
    assert len({t for _, t in ROWS}) == len(ROWS)
    assert 1 - len(wrong) / len(ROWS) >= 0.9
    assert sum(found == "undefined" for _, found, _ in wrong) <= 0.02 * len(ROWS)


@pytest.mark.parametrize(("reason", "text"), ROWS)
def test_nobody_is_removed_for_a_wrong_guess(reason: str, text: str) -> None:
    found = replies.classify(text)
    assert not found.suppress or replies.reasons()[reason].suppress


@pytest.mark.parametrize(
    ("row", "rule"), [*zip(table()["meaning"], meanings(), strict=True)], ids=[r.id for r in meanings()]
)
def test_two_groups_of_words_mean_something_together_and_nothing_apart(row: dict[str, str], rule: replies.Rule) -> None:
    found = replies.classify(row["example"])
    assert (found.rule, found.reason, found.suppress) == (rule.id, row["reason"], False)
    assert replies.classify(row["miss"]).rule != rule.id


def test_words_of_a_whole_notice_are_not_put_together() -> None:
    notice = "We are a subscriber of many things. " + "Nothing happened here, and nothing will. " * 10
    assert replies.classify(notice + "It is gone.").reason == "undefined"
    assert replies.classify("this subscriber of many things is gone").reason == "userunknown"


def test_who_puts_mail_off_without_a_cause_is_not_said_to_have_one() -> None:
    for text in ("421 4.7.0 Try again later, closing connection", "451 4.7.1 Please try again later", "421 4.7.0"):
        found = replies.classify(text)
        assert (found.reason, found.permanent, found.suppress, found.ours) == ("onhold", False, False, False)
    assert replies.classify("421 4.7.0 Try again later, closing connection", provider="gmail").reason == "toomanyconn"
    assert replies.classify("550 5.7.0 no").reason == "securityerror"


def test_the_subject_of_a_code_counts_where_its_detail_is_not_known() -> None:
    """RFC 3463 section 2."""
    assert [replies.classify(f"550 5.{n}.77 no").reason for n in (3, 4, 5, 6, 7)] == [
        "systemerror", "networkerror", "syntaxerror", "contenterror", "securityerror",
    ]  # fmt: skip
    assert replies.classify("550 5.1.99 no").reason == "undefined"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("550 this subscriber is gone", "userunknown"),
        # The guess is wrong: all three speak of us.
        ("550 unknown client host; mailbox protected", "userunknown"),
        ("554 Invalid attachment for user", "userunknown"),
        ("550 your mail host is unknown to us; user not tried", "userunknown"),
    ],
)
def test_what_was_guessed_from_words_removes_nobody_however_often(text: str, reason: str) -> None:
    found = replies.classify(text)
    assert found.reason == reason
    assert policy().counting(found.reason, found.smtp_code, found.rule) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("550 you sent to too many unknown users; your IP is blocked", "speeding"),
        ("554 5.7.1 Too many invalid recipients", "speeding"),
        ("550 5.7.1 The mailbox of the recipient does not accept mail from your domain", "blocked"),
        ("550 Your domain has no MX, its users cannot get replies", "rejected"),
        ("550 Recipient rejected your message: no subject", "filtered"),
    ],
)
def test_what_a_server_says_of_us_removes_no_recipient(text: str, reason: str) -> None:
    found = replies.classify(text)
    assert (found.reason, found.permanent, found.suppress) == (reason, False, False)


@pytest.mark.parametrize(
    "text",
    [
        "550 invalid recipient count",
        "550 Invalid number of recipients",
        "550 5.1.1 Invalid recipient: too many recipients for one message",
        "550 5.7.1 Too many recipients in one transaction",
        "550 5.5.3 only one recipient allowed per message",
        "550 5.5.3 Too many recipients",
        "550 recipient limit exceeded",
        "554 5.5.3 recipient count too high",
    ],
)
def test_how_many_recipients_are_too_many_is_no_fault_of_any(text: str) -> None:
    """RFC 5321 section 4.5.3.1.10."""
    for command in (None, "rcpt", "data"):
        found = replies.classify(text, command=command)
        assert (found.reason, found.ours, found.permanent, found.suppress) == ("toomanyconn", True, False, False)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("550 quota exceeded, you cannot send more messages", "speeding"),
        ("554 Your account quota exceeded; cannot send messages until tomorrow", "speeding"),
        ("550 account is over quota and cannot send mail", "speeding"),
        ("550 sender over quota", "speeding"),
        ("550 5.4.5 Daily sending quota exceeded", "speeding"),
        ("550 Outgoing mail quota exceeded", "speeding"),
        ("552 5.2.2 quota exceeded, you cannot send to this mailbox", "mailboxfull"),
        ("552 5.2.2 The user's mailbox is over quota; you cannot send messages to him", "mailboxfull"),
        ("552 Mail quota exceeded for recipient", "mailboxfull"),
        ("452 4.2.2 Over quota", "mailboxfull"),
    ],
)
def test_our_share_of_messages_is_not_the_recipient_s_mailbox(text: str, reason: str) -> None:
    found = replies.classify(text)
    assert (found.reason, found.ours) == (reason, reason == "speeding")


@pytest.mark.parametrize(
    "text",
    [
        "550 The attachment was deleted",
        "554 nobody by that IP may connect",
        "550 nobody here accepts mail from your IP",
    ],
)
def test_what_was_deleted_may_be_no_mailbox(text: str) -> None:
    assert replies.classify(text).reason != "userunknown"


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("251 User not local; will forward to <other@example.net>", (251, None)),
        ("250 2.6.0 message queued, spam suspected", (250, "2.6.0")),
        ("250 ok, mailbox full soon", (250, None)),
        ("  250-2.1.5 mailbox full soon\r\n250 2.1.5 really", (250, "2.1.5")),
        ("2.0.0 queued, user unknown", (None, "2.0.0")),
        ("host mx.example[192.0.2.1] said: 250 2.0.0 spam, but taken", (250, "2.0.0")),
    ],
)
def test_a_reply_that_took_the_mail_has_no_reason(text: str, codes: tuple[int | None, str | None]) -> None:
    for place in (True, False):
        found = replies.classify(text, place=place)
        assert (found.reason, found.rule, found.permanent, found.suppress, found.advice) == ("", "", False, False, "")
        assert (found.smtp_code, found.enhanced_code, found.confidence, found.runner_up) == (*codes, 0, None)
        assert (found.matched, found.span) == ("", None)
    assert replies.classify("mailbox full soon", 250).reason == ""


@pytest.mark.parametrize(
    "text",
    [
        "mailbox full, 250 MB used",
        "552 5.2.2 mailbox full, 250 2.0.0 no more",
        "gave up after 250 seconds: mailbox full",
    ],
)
def test_a_number_within_a_reply_takes_nothing(text: str) -> None:
    assert replies.classify(text).reason == "mailboxfull"
