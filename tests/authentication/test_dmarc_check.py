"""What DMARC findings say: a table of records, and the codes that each must raise and no other."""

from __future__ import annotations

import pytest
from hypothesis import given

from smtplab.authentication import dmarc
from smtplab.authentication.check.dmarc import judge
from smtplab.authentication.check.dmarc_record import findings, ignored
from smtplab.authentication.dmarc_record import parse
from smtplab.findings import Finding, Findings
from smtplab.net.dns import State
from tests.authentication.dnsserver import Zone, network, txt
from tests.authentication.test_dmarc import TEXTS, found, zone

RUA = "rua=mailto:d@corp.example"
MAIL: Zone = {"corp.example": [("MX", "10 mx.corp.example.")]}
# text after v=DMARC1 at corp.example, codes without their "dmarc."
RECORDS: list[tuple[str, set[str]]] = [
    (f"p=reject; {RUA}", {"ok"}),
    (f"p=quarantine; sp=reject; np=reject; {RUA}", {"ok"}),
    ("p=reject", {"ok", "report.missing"}),
    (f"p=none; {RUA}", {"policy.none"}),
    (f"p=none; np=reject; {RUA}", {"policy.none", "standards.differ"}),
    (f"p=reject; sp=none; {RUA}", {"policy.gap"}),
    (f"p=reject; np=none; {RUA}", {"policy.gap", "standards.differ"}),
    (f"p=reject; t=y; {RUA}", {"policy.testing", "disputed", "standards.differ"}),
    (f"p=reject; pct=20; {RUA}", {"policy.sampled", "tags.historic", "standards.differ"}),
    (f"p=none; pct=100; rf=afrf; ri=86400; {RUA}", {"policy.none", "tags.historic"}),
    (f"p=reject; {RUA}!10m", {"ok", "tags.historic"}),
    (f"p=reject; adkm=s; {RUA}", {"ok", "tags.unknown"}),
    (f"p=rejct; {RUA}", {"policy.invalid"}),
    ("p=rejct", {"policy.invalid", "report.missing"}),
    (f"p=reject; np=rejct; {RUA}", {"policy.invalid", "standards.differ"}),
    (RUA, {"policy.missing", "policy.none"}),
    ("adkim=r", {"record.ineffective", "report.missing"}),
    (f"p=reject {RUA}", {"policy.invalid", "syntax.invalid", "report.missing"}),
    (f"p=reject; p=none; {RUA}", {"ok", "syntax.invalid"}),
    (f"p=reject; aspf=strict; {RUA}", {"ok", "syntax.invalid"}),
    (f"p=reject; fo=9; {RUA}; and more", {"ok", "syntax.invalid"}),
    ("p=reject; rua=d@corp.example", {"ok", "report.unusable", "report.missing"}),
    (f"p=reject; {RUA},https://corp.example/in", {"ok", "report.unusable"}),
    ("p=reject; rua=mailto:x@desk.example", {"ok", "report.unauthorised"}),
    ("p=reject; rua=mailto:x@shut.example", {"ok", "report.unknown"}),
    ("p=reject; rua=mailto:x@yes.example", {"ok"}),
    ("p=reject; rua=mailto:x@no.corp.example", {"ok", "report.undeliverable"}),
]  # fmt: skip


def codes(made: Findings) -> set[str]:
    return {f.code.removeprefix("dmarc.") for f in made}


@pytest.mark.parametrize(("text", "expected"), RECORDS)
def test_each_record_raises_its_codes_and_no_other(text: str, expected: set[str]) -> None:
    names = {
        **zone({"corp.example": text}),
        **MAIL,
        "corp.example._report._dmarc.yes.example": [("TXT", '"v=DMARC1"')],
        "corp.example._report._dmarc.shut.example": [("*", "SERVFAIL")],
    }
    with network(names) as net:
        made = Findings(judge(net.run(dmarc.collect(net, "corp.example"))))
    assert codes(made) == expected
    assert all(f.title and "{" not in f.title + f.why + f.fix + f.record for f in made)


# records by name, author domain, codes: what depends on more than one record
TREES: list[tuple[dict[str, str | list[str]], str, set[str]]] = [
    ({}, "x.corp.example", {"record.missing"}),
    ({"corp.example": ["p=reject", "p=none"]}, "corp.example", {"record.multiple", "disputed"}),
    ({"x.corp.example": ["p=reject", "p=none"], "corp.example": f"p=reject; {RUA}"}, "x.corp.example", {"record.multiple", "ok", "disputed", "standards.differ"}),
    ({"corp.example": f"p=reject; {RUA}"}, "x.corp.example", {"ok", "disputed"}),
    # To RFC 9989 corp.example is then another organization, which must agree to take reports: RFC 9990 section 4.
    ({"x.corp.example": f"p=reject; {RUA}"}, "x.corp.example", {"ok", "organization.narrow", "standards.differ", "report.unauthorised"}),
    ({"x.corp.example": f"p=reject; psd=n; {RUA}"}, "x.corp.example", {"ok", "standards.differ", "report.unauthorised"}),
    ({"x.corp.example": f"p=reject; sp=none; {RUA}", "corp.example": "p=none"}, "x.corp.example", {"ok", "tags.ineffective"}),
    ({"example": "p=reject; psd=y"}, "corp.example", {"record.inherited", "standards.differ"}),
    ({"example": "p=none; sp=quarantine; psd=y"}, "x.corp.example", {"record.inherited", "standards.differ"}),
    ({"example": "p=reject; sp=none; psd=y"}, "corp.example", {"record.missing", "standards.differ"}),
]  # fmt: skip


@pytest.mark.parametrize(("records", "domain", "expected"), TREES)
def test_each_tree_raises_its_codes_and_no_other(
    records: dict[str, str | list[str]], domain: str, expected: set[str]
) -> None:
    with network({**zone(records), **MAIL}) as net:
        made = Findings(judge(net.run(dmarc.collect(net, domain))))
    assert codes(made) == expected


def test_a_subject_is_where_the_fault_stands() -> None:
    records: dict[str, str | list[str]] = {"x.corp.example": ["p=reject", "p=none"], "corp.example": "p=reject"}
    made = Findings(judge(found(records, "x.corp.example")))
    assert {f.code: f.subject for f in made.of("dmarc.record")} == {"dmarc.record.multiple": "x.corp.example"}
    assert {f.subject for f in Findings(judge(found({}, "x.corp.example"))).of("dmarc.record")} == {"corp.example"}


# Records at one name, and the one to keep
SEVERAL = [
    (["p=none; rua=mailto:a@corp.example", "p=reject"], "p=reject"),
    (["p=reject; sp=none", "p=reject; sp=quarantine"], "p=reject; sp=quarantine"),
    (["p=quarantine", "p=rejct", "p=none"], "p=quarantine"),
    (["p=reject; t=y", "p=reject; ruf=mailto:a@corp.example"], "p=reject; ruf=mailto:a@corp.example"),
    (["p=reject", f"p=reject; {RUA}"], f"p=reject; {RUA}"),
]


@pytest.mark.parametrize(("texts", "kept"), SEVERAL)
def test_of_several_records_the_strictest_is_the_one_to_keep(texts: list[str], kept: str) -> None:
    (one,) = Findings(judge(found({"corp.example": texts}, "corp.example"))).of("dmarc.record.multiple")
    assert one.record == f'_dmarc.corp.example. TXT "v=DMARC1; {kept}"'


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        (f"p=reject; sp=none; {RUA}", f"p=reject; sp=reject; np=reject; {RUA}"),
        ("p=quarantine; sp=reject; np=none; adkim=s", "p=quarantine; sp=reject; np=quarantine; adkim=s"),
        ("p=reject; sp=none; np=reject", "p=reject; sp=reject; np=reject"),
    ],
)
def test_the_record_that_closes_a_gap_is_written_out(text: str, mended: str) -> None:
    (one,) = Findings(judge(found({"corp.example": text}, "corp.example"))).of("dmarc.policy.gap")
    assert one.record == f'_dmarc.corp.example. TXT "v=DMARC1; {mended}"'
    assert not Findings(judge(found({"corp.example": mended}, "corp.example"))).of("dmarc.policy.gap")


def test_what_was_said_of_one_domain_is_not_said_of_the_next() -> None:
    told: set[str] = set()
    first = list(judge(found({"corp.example": "p=none"}, "corp.example"), told))
    again = list(judge(found({"corp.example": "p=none"}, "x.corp.example"), told))
    assert codes(Findings(first)) == {"policy.none", "report.missing"}
    assert codes(Findings(again)) == {"disputed"}


# the record, the one proposed, what the title and the reason say
OPEN = [
    (
        "p=none; rua=mailto:a@x.example,mailto:b@x.example; adkim=s",
        "p=quarantine; sp=quarantine; np=reject; rua=mailto:a@x.example,mailto:b@x.example; adkim=s",
        ("asks for nothing (", "do not exist (neither sp nor np is set)."),
    ),
    (
        "p=none; sp=reject; pct=50; t=y",
        "p=quarantine; sp=reject; np=reject",
        ("nothing for the domain itself (", "all of them are protected."),
    ),
    (
        "p=none; np=reject",
        "p=quarantine; sp=quarantine; np=reject",
        ("nothing for the domain itself (", "those that do not exist are protected."),
    ),
]


@pytest.mark.parametrize(("text", "proposed", "words"), OPEN)
def test_the_step_up_from_p_none_makes_nothing_milder_and_drops_no_tag(
    text: str, proposed: str, words: tuple[str, str]
) -> None:
    (one,) = Findings(judge(found({"corp.example": text}, "corp.example"))).of("dmarc.policy.none")
    assert one.record == f'_dmarc.corp.example. TXT "v=DMARC1; {proposed}"'
    assert words[0] in one.title
    assert words[1] in one.why


def test_both_readings_of_a_disputed_case_are_told() -> None:
    (one,) = Findings(judge(found({"corp.example": "p=reject; t=y"}, "corp.example"))).of("dmarc.disputed")
    assert "one step down" in one.why
    assert "not applied at all" in one.why


MEANT = [
    ("v=dmarc1; p=reject", "capitals", "v=DMARC1; p=reject"),
    ("p=reject; v=DMARC1", "not the first", "v=DMARC1; p=reject"),
    ("v=DMARC1 p=reject", "no semicolon", "v=DMARC1; p=reject"),
    ("v=DMARC1, p=reject; rua=mailto:a@b.example", "no semicolon", "v=DMARC1; p=reject; rua=mailto:a@b.example"),
    (" v=DMARC1; p=reject", "a space", "v=DMARC1; p=reject"),
    ("p=reject; sp=none", "is missing", "v=DMARC1; p=reject; sp=none"),
    ("v=DMARC2; p=rejekt", "not DMARC1", "v=DMARC1; p=reject"),
]


@pytest.mark.parametrize(("text", "problem", "mended"), MEANT)
def test_a_record_that_is_none_is_explained_and_mended(text: str, problem: str, mended: str) -> None:
    with network({"_dmarc.corp.example": [("TXT", txt(text.encode()))]}) as net:
        made = Findings(judge(net.run(dmarc.collect(net, "corp.example"))))
    (one,) = made.of("dmarc.record.ignored")
    assert problem in one.title
    assert one.record == f'_dmarc.corp.example. TXT "{mended}"'
    assert codes(made) == {"record.ignored"}


MENDED = [
    ("p=rejct; rua=mailto:a@b.example", "p=reject; rua=mailto:a@b.example"),
    ("p=quarintine; sp=rejected", "p=quarantine; sp=reject"),
    ("p=reject rua=mailto:a@b.example", "p=reject; rua=mailto:a@b.example"),
    ("p=", "p=none"),
    ("p=block; np=non", "p=none; np=none"),
]


@pytest.mark.parametrize(("text", "mended"), MENDED)
def test_the_record_proposed_is_the_one_that_was_meant(text: str, mended: str) -> None:
    record = parse("corp.example", f"v=DMARC1; {text}")
    assert record
    (one,) = [f for f in findings(record) if f.code == "dmarc.policy.invalid"]
    assert one.record == f'_dmarc.corp.example. TXT "v=DMARC1; {mended}"'


def test_an_answer_that_is_missing_costs_only_its_part() -> None:
    partly = Findings(judge(found({"corp.example": "p=reject; sp=none"}, "corp.example", example="SERVFAIL")))
    assert codes(partly) == {"unknown", "ok", "report.missing"}
    assert "organizational domain" in partly.of("dmarc.unknown")[0].title
    assert codes(Findings(judge(found({}, "corp.example", **{"corp.example": "SERVFAIL"})))) == {"unknown"}


@given(TEXTS)
def test_no_record_makes_a_finding_raise(text: str) -> None:
    made: list[Finding] = []
    for full in (text, f"v=DMARC1;{text}"):
        if record := parse("corp.example", full):
            made += findings(record)
        made += ignored(dmarc.Step("corp.example", State.PRESENT, meant=(full,)))
    for finding in made:
        assert finding.title
        assert '"v=DMARC1' in finding.record or not finding.record
