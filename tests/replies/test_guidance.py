"""Who must act and how: the provider's code before its reason, its reason before everybody's; our fault is never theirs."""

from __future__ import annotations

import pytest

from smtplab import replies
from smtplab.replies.rules import rules

OURS = ("authfailure", "requireptr", "failedstarttls", "speeding", "toomanyconn", "blocked", "badreputation")

TOLD = [
    ("badreputation", "gmail", "4.7.28", "you", "slowing down alone is no fix", "support.google.com"),
    ("authfailure", "gmail", "5.7.26", "you", "Let SPF or DKIM pass", "support.google.com"),
    ("authfailure", "microsoft", "5.7.515", "you", "SPF and DKIM", "techcommunity.microsoft.com"),
    ("authfailure", "microsoft365", "5.7.515", "you", "SPF and DKIM", "techcommunity.microsoft.com"),
    ("blocked", "microsoft", "S3150", "you", "delisting", "sendersupport.olc.protection.outlook.com"),
    ("blocked", "microsoft365", None, "you", "SNDS", "sender.office.com"),
    ("badreputation", "yahoo", "TSS04", "you", "complain", "senders.yahooinc.com"),
    ("spamdetected", "apple", "CS01", "you", "spam", "support.apple.com"),
    ("blocked", "apple", "HM08", "you", "icloudadmin@apple.com", "support.apple.com"),
    ("blocked", "gmx", None, "you", "postmaster", "postmaster.gmx.net"),
    ("userunknown", None, None, "you", "Remove the address", ""),
    ("mailboxfull", "x.example", "4.2.2", "the recipient", "make room", ""),
    ("no reason of ours", None, None, "unknown", "Read the reply", ""),
]


@pytest.mark.parametrize(("reason", "provider", "code", "who", "what", "where"), TOLD)
def test_advice(reason: str, provider: str | None, code: str | None, who: str, what: str, where: str) -> None:
    told = replies.advice(reason, provider, code)
    assert told.who == who
    assert what in told.what
    assert where in told.where


def test_a_code_of_another_provider_tells_nothing() -> None:
    assert replies.advice("notaccept", "x.example", "5.7.27") == replies.advice("notaccept")


@pytest.mark.parametrize("reason", OURS)
def test_what_is_our_fault_suppresses_nobody(reason: str) -> None:
    assert not [r.id for r in rules() if r.reason == reason and (r.suppress or r.permanent)]


@pytest.mark.parametrize(
    ("domain", "meant"),
    [("gmial.com", "gmail.com"), ("HOTNAIL.com.", "hotmail.com"), ("gmail.com", None), ("example.org", None)],
)
def test_a_typing_error_is_corrected(domain: str, meant: str | None) -> None:
    assert replies.correction(domain) == meant
