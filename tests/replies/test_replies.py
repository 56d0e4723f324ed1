"""What a reply means: provider before IANA, the receiver's own code before ours, and our own faults never suppress."""

from __future__ import annotations

import pytest

from smtplab import replies
from smtplab.replies.rules import files

CASES = [
    ("550-5.7.26 unauthenticated", "gmail", "authfailure", "gmail-5.7.26"),
    ("550 5.7.27 SPF did not pass", "gmail", "authfailure", "gmail-5.7.27"),
    ("450 4.7.28 unusual rate", "gmail", "badreputation", "gmail-4.7.28"),
    ("550 5.7.25 PTR", "gmail", "requireptr", "gmail-5.7.25"),
    ("550 5.7.515 Access denied", "microsoft", "authfailure", "microsoft-5.7.515"),
    ("550 5.7.1 ... on our block list (S3150)", "microsoft", "blocked", "microsoft-block-list"),
    ("421 4.7.0 Too many connections", "yahoo", "toomanyconn", "yahoo-too-many"),
    ("421 4.7.0 [TSS04]", None, "badreputation", "yahoo-user-complaints"),
    ("421 4.7.0 [TS02] deferred", None, "badreputation", "yahoo-user-complaints"),
    ("421 4.7.1 [TSS09]", None, "badreputation", "yahoo-TSS11"),
    ("host mx[192.0.2.1] said: 550 5.1.1 unknown", "x.example", "userunknown", "iana-5.1.1"),
    ("Domain x.example does not accept mail (nullMX)", "x.example", "notaccept", "null-mx"),
    ("connect to mx[203.5.1.1]:25: Connection timed out", "x.example", "networkerror", "text-connect"),
    ("450 4.2.0 Greylisted, try again", "x.example", "greylisted", "text-greylist"),
    ("452 4.2.2 full", "x.example", "mailboxfull", "iana-x.2.2"),
    ("550 5.7.27 null MX of sender", "x.example", "notaccept", "iana-x.7.27"),
    ("550 5.7.29 no TLS", "gmail", "failedstarttls", "gmail-5.7.29"),
    ("550 5.7.29 ARC", "x.example", "authfailure", "iana-x.7.29"),
    ("550 5.7.30 DKIM did not pass", "gmail", "authfailure", "gmail-5.7.30"),
    ("550 5.7.30 Basic authentication is not supported", "x.example", "securityerror", "text-basic-authentication"),
    ("550 5.7.30 REQUIRETLS needed", "x.example", "failedstarttls", "iana-x.7.30"),
    ("421 Too many concurrent SMTP connections", "x.example", "toomanyconn", "text-too-many-connections"),
    ("554 5.7.1 Relay access denied", "x.example", "norelaying", "text-relay"),
    ("550 5.7.1 SPF check failed", "x.example", "authfailure", "auth-spf"),
    ("554 5.7.1 blocked using zen.spamhaus.org", "x.example", "blocked", "text-listed"),
    ("450 4.7.1 Client host rejected: cannot find your hostname", "x.example", "requireptr", "ptr-hostname"),
    ("552 5.3.4 Message too big", "x.example", "mesgtoobig", "text-too-big"),
    ("4.4.7 expired", "x.example", "expired", "iana-x.4.7"),
    ("550 5.7.1 refused", "x.example", "policyviolation", "iana-x.7.1"),
    ("450 4.1.8 <a@b.example>: Sender address rejected: Domain not found", "x.example", "rejected", "sender-domain"),
    ("complete nonsense", "x.example", "undefined", ""),
    ("", None, "undefined", ""),
]


@pytest.mark.parametrize(("text", "provider", "reason", "rule"), CASES)
def test_meaning(text: str, provider: str | None, reason: str, rule: str) -> None:
    reply = replies.classify(text, provider=provider)
    assert (reply.reason, reply.rule) == (reason, rule)


def test_what_is_our_own_fault_is_never_permanent() -> None:
    assert not [r.id for r in replies.rules() if r.ours and r.permanent]


def test_gmail_is_rescued_by_one_of_two_and_microsoft_only_by_both() -> None:
    assert replies.rescued_by() == {"gmail-5.7.26": "any", "microsoft-5.7.515": "all"}


NOTICES = [
    ("<x@example.org>: host mx[192.0.2.1] said: 550 no (in reply to end of DATA command)", "data"),
    ("192.0.2.1 does not like recipient. Remote host said: 550 no", "rcpt"),
    ("Connected to 192.0.2.1 but my name was rejected.", "helo"),
    ("in reply to MAIL FROM command; another (in reply to RCPT TO command)", None),
    ("nothing of the kind", None),
]


@pytest.mark.parametrize(("notice", "command"), NOTICES)
def test_a_notice_tells_the_command_that_was_refused_if_it_is_one(notice: str, command: str | None) -> None:
    assert replies.command(notice) == command


def test_the_command_decides_between_an_unknown_user_and_a_filter() -> None:
    text = "550 Unknown user x@example.org"
    assert replies.classify(text, command="rcpt").reason == "userunknown"
    assert replies.classify(text, command="data").reason == "filtered"
    # Carriers say it of both: where neither command nor code tells, nobody is removed for it.
    assert replies.classify(text).reason == "filtered"
    assert not replies.classify(text).suppress
    assert replies.classify("550 5.1.1 Unknown user x@example.org").suppress
    assert replies.classify("550 Unknown user").reason == "userunknown"


def test_what_is_settled_no_command_changes_and_what_one_changes_is_not_settled() -> None:
    commands = ("connect", "helo", "mail", "rcpt", "data")
    told = [
        (row["example"], p) for _, head in files() for row in head.get("rule", ()) for p in (None, "gmail", "docomo")
    ]
    for text, provider in told:
        one = replies.classify(text, provider=provider, place=False)
        others = {replies.classify(text, None, None, provider, c, place=False)._replace(command="") for c in commands}
        assert not one.settled or others == {one._replace(command="")}, text
    assert not replies.classify("550 5.7.1 Access denied", place=False).settled
    assert replies.classify("452 4.2.2 The mailbox is full", place=False).settled


def test_a_reply_is_the_same_whether_or_not_its_place_is_asked_for() -> None:
    for text, provider, _, _ in CASES:
        told = replies.classify(text, provider=provider)
        quick = replies.classify(text, provider=provider, place=False)
        assert quick == told._replace(matched=quick.matched, span=quick.span, settled=quick.settled)


def test_text_and_code_that_disagree_are_a_conflict_and_those_that_agree_are_sure() -> None:
    torn = replies.classify("552 5.1.1 sorry, that mailbox is over quota")
    assert (torn.reason, torn.conflict, torn.runner_up.reason if torn.runner_up else "") == (
        "mailboxfull", True, "userunknown",
    )  # fmt: skip
    agreed = replies.classify("550 5.1.1 User unknown")
    assert not agreed.conflict
    assert agreed.confidence > 0.95 > torn.confidence
    assert (agreed.permanent, agreed.suppress) == (True, True)


def test_a_provider_is_known_by_the_host_that_spoke_or_by_its_words() -> None:
    assert replies.classify("host gmail-smtp-in.l.google.com[192.0.2.1] said: 550 5.7.27 no").rule == "gmail-5.7.27"
    assert replies.classify("550 5.7.27 no x1 - gsmtp").provider == "gmail"
    assert replies.classify("550 5.7.27 no").rule == "iana-x.7.27"


def test_an_address_is_no_enhanced_code() -> None:
    assert replies.classify("lost connection with mx[2.1.1.1]").enhanced_code is None


def test_every_reason_of_the_rules_has_plain_words_and_what_is_none_stays() -> None:
    reasons = {rule.reason for rule in replies.rules()} | {"undefined"}
    assert [r for r in reasons if replies.words(r) == r and r not in ("greylisted",)] == []
    assert replies.words("no reason of ours") == "no reason of ours"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("554 go and look at the worm in it, please", "virusdetected"),
        ("550 mx7.example.net: lookup error", "hostunknown"),
        ("551 she has left us", "hasmoved"),
        ("550 bad person", "userunknown"),
        ("500 line limit of this server", "mesgtoobig"),
        ("550 qwerty asdf", "undefined"),
    ],
)
def test_a_text_never_seen_is_judged_by_its_plain_words_and_removes_nobody(text: str, reason: str) -> None:
    found = replies.classify(text)
    assert found.reason == reason
    assert not found.suppress
