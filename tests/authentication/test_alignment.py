"""RFC 9989 sections 4.4, 4.10.2 and 5.3.4: alignment by the walk and by the list, and the verdict that follows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.authentication.alignment import MAX_SIGNATURES, Alignment, Checked, Result, align
from smtplab.authentication.dmarc import Standard
from tests.authentication.dnsserver import Zone, network
from tests.authentication.test_dmarc import zone

CORP: dict[str, str | list[str]] = {"corp.example": "p=reject"}
# records, From, identity, organizational domain by the walk, strict, relaxed by the walk, relaxed by the list
IDENTITIES: list[tuple[dict[str, str | list[str]], str, str, str, bool, bool, bool]] = [
    (CORP, "corp.example", "corp.example", "corp.example", True, True, True),
    (CORP, "corp.example", "CORP.Example.", "corp.example", True, True, True),
    (CORP, "corp.example", "bounce.corp.example", "corp.example", False, True, True),
    (CORP, "news.corp.example", "bounce.corp.example", "corp.example", False, True, True),
    (CORP, "corp.example", "vendor.example", "vendor.example", False, False, False),
    (CORP, "corp.example", "evilcorp.example", "evilcorp.example", False, False, False),
    # d= a top label never aligns, for it is nobody's organizational domain: section 4.4.1.
    (CORP, "corp.example", "example", "example", False, False, False),
    # A record at the subdomain alone: what is above it has no record, and is another organization for the walk.
    ({"x.corp.example": "p=reject"}, "x.corp.example", "corp.example", "corp.example", False, False, True),
    # psd=n makes an organization of its own.
    ({**CORP, "x.corp.example": "p=reject; psd=n"}, "x.corp.example", "corp.example", "corp.example", False, False, True),
    ({**CORP, "x.corp.example": "p=reject; psd=n"}, "x.corp.example", "a.x.corp.example", "x.corp.example", False, True, True),
    ({**CORP, "x.corp.example": "p=reject; psd=n"}, "corp.example", "a.x.corp.example", "x.corp.example", False, False, True),
    # psd=y: two registrants are strangers; Appendix B.4.3. The list does not know this suffix.
    ({"bank.example": "p=reject; psd=y"}, "giant.bank.example", "mail.mega.bank.example", "mega.bank.example", False, False, True),
    ({"bank.example": "p=reject; psd=y"}, "giant.bank.example", "mail.giant.bank.example", "giant.bank.example", False, True, True),
    # The suffix itself sends: its subdomains are not of its organization.
    ({"bank.example": "p=reject; psd=y"}, "bank.example", "mail.bank.example", "mail.bank.example", False, False, True),
    # A suffix of the list that publishes a record without psd: one organization for the walk.
    ({"github.io": "p=reject"}, "a.github.io", "b.github.io", "github.io", False, True, False),
]  # fmt: skip


def held(
    records: dict[str, str | list[str]], author: str, spf: Checked | None, *dkim: Checked, more: Zone
) -> Alignment:
    with network({**zone(records), **more}, timeout=0.3) as net:
        return net.run(align(net, author, spf, dkim))


@pytest.mark.parametrize(("records", "author", "domain", "org", "strict", "relaxed", "listed"), IDENTITIES)
def test_each_identity_is_walked_by_itself(
    records: dict[str, str | list[str]], author: str, domain: str, org: str, strict: bool, relaxed: bool, listed: bool
) -> None:
    made = held(records, author, (domain, "pass"), more={})
    (one,) = made.identities
    assert (one.org, one.strict, one.relaxed, one.relaxed_psl) == (org, strict, relaxed, listed)
    assert made.frame()["relaxed (9989)"].tolist() == ["aligned" if relaxed else "not aligned"]


REJECT, NONE, QUARANTINE = "reject", "none", "quarantine"
# record of corp.example, SPF, DKIM, what RFC 9989 and RFC 7489 say: result and disposition
VERDICTS: list[tuple[str, Checked | None, list[Checked], tuple[str, str], tuple[str, str]]] = [
    ("p=reject", ("bounce.corp.example", "pass"), [], ("pass", NONE), ("pass", NONE)),
    ("p=reject", ("vendor.example", "pass"), [("corp.example", "pass")], ("pass", NONE), ("pass", NONE)),
    ("p=reject", ("vendor.example", "pass"), [("corp.example", "fail")], ("fail", REJECT), ("fail", REJECT)),
    ("p=reject", None, [], ("fail", REJECT), ("fail", REJECT)),
    ("p=none", None, [], ("fail", NONE), ("fail", NONE)),
    # Strict alignment asks for the very name.
    ("p=reject; aspf=s", ("bounce.corp.example", "pass"), [], ("fail", REJECT), ("fail", REJECT)),
    ("p=reject; aspf=S", ("bounce.corp.example", "pass"), [("x.corp.example", "pass")], ("pass", NONE), ("pass", NONE)),
    ("p=reject; adkim=s", None, [("x.corp.example", "pass")], ("fail", REJECT), ("fail", REJECT)),
    # A passing error may yet have been a pass: section 5.3.4; but not where it could not align.
    ("p=reject", ("bounce.corp.example", "temperror"), [], ("temperror", NONE), ("temperror", NONE)),
    ("p=reject", ("vendor.example", "temperror"), [], ("fail", REJECT), ("fail", REJECT)),
    ("p=reject", ("corp.example", "temperror"), [("corp.example", "pass")], ("pass", NONE), ("pass", NONE)),
    # softfail and permerror are failures.
    ("p=reject", ("corp.example", "softfail"), [("corp.example", "permerror")], ("fail", REJECT), ("fail", REJECT)),
    # t is known to RFC 9989 alone, pct to RFC 7489 alone.
    ("p=reject; t=y", None, [], ("fail", QUARANTINE), ("fail", REJECT)),
    ("p=quarantine; pct=0", None, [], ("fail", QUARANTINE), ("fail", NONE)),
    # Without a usable policy there is no DMARC.
    ("adkim=s", ("corp.example", "pass"), [], ("none", "absent"), ("none", "absent")),
]  # fmt: skip


@pytest.mark.parametrize(("record", "spf", "dkim", "walked", "listed"), VERDICTS)
def test_each_message_has_its_verdict(
    record: str, spf: Checked | None, dkim: list[Checked], walked: tuple[str, str], listed: tuple[str, str]
) -> None:
    made = held({"corp.example": record}, "corp.example", spf, *dkim, more={})
    for standard, expected in ((Standard.WALK, walked), (Standard.LIST, listed)):
        verdict = made.verdict(standard)
        assert (verdict.result, verdict.disposition) == expected, verdict
    assert repr(made).count("dmarc=") == 2


def test_a_subdomain_that_inherits_gets_sp_and_one_that_does_not_exist_np() -> None:
    records: dict[str, str | list[str]] = {"corp.example": "p=reject; sp=none; np=quarantine"}
    there: Zone = {"x.corp.example": [("A", "192.0.2.1")]}
    assert held(records, "x.corp.example", None, more=there).verdict().disposition == NONE
    made = held(records, "x.corp.example", None, more={})
    assert (made.verdict().disposition, made.verdict(Standard.LIST).disposition) == (QUARANTINE, NONE)


@pytest.mark.parametrize(
    ("broken", "identity", "result"),
    [
        ("_dmarc.corp.example", "corp.example", Result.TEMPERROR),
        ("_dmarc.example", "corp.example", Result.PASS),
        ("_dmarc.example", "x.corp.example", Result.TEMPERROR),
        ("_dmarc.x.corp.example", "x.corp.example", Result.TEMPERROR),
        ("_dmarc.x.corp.example", "corp.example", Result.PASS),
    ],
)
def test_a_missing_answer_is_an_error_only_where_the_result_rests_on_it(
    broken: str, identity: str, result: Result
) -> None:
    with network({**zone(CORP), broken: [("*", "SERVFAIL")]}) as net:
        got = net.run(align(net, "corp.example", (identity, "pass"), ()))
    assert got.verdict().result is result


def test_a_message_with_hundreds_of_signatures_is_bounded() -> None:
    signatures = [(f"s{i}.corp.example", "fail") for i in range(300)]
    assert len(held(CORP, "corp.example", None, *signatures, more={}).identities) == MAX_SIGNATURES


@given(st.text(max_size=80), st.text(max_size=20))
def test_no_identity_raises(domain: str, result: str) -> None:
    from smtplab.net import Network

    made = Network().run(align(Network(), domain, (domain, result), [(f"x.{domain}", "pass")]))
    assert made.verdict().result in Result
    assert len(made.frame()) == 2
