"""Certificates, policies and versions, judged: a table of recordings and the findings each must raise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from smtplab import inventory, transport
from smtplab.case import Case
from smtplab.findings import Findings, Severity
from smtplab.net.certificates import verify
from smtplab.transport import TransportEvidence
from tests.net.certs import AT, DAY, Authority, Issued
from tests.servers.taped import DOMAIN, MAIL, MX, Answers, Value, case, facts, imap, pop3, smtp, spoke

AUTHORITY = Authority()
STS = f"_mta-sts.{DOMAIN}"
RPT = f"_smtp._tls.{DOMAIN}"
ANNOUNCED: dict[str, list[str] | str] = {STS: ["v=STSv1; id=1"], RPT: ["v=TLSRPTv1; rua=mailto:tls@test.example"]}
HOUSE = AUTHORITY.issue(f"mta-sts.{DOMAIN}")


def policy(
    mode: str = "enforce", mx: str = MX, issued: Issued = HOUSE, status: int = 200, **more: Any
) -> dict[str, Any]:
    body = f"version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: 604800\n"
    return {"status": status, "body": body, "type": "text/plain", "tls": facts(issued), **more}


def collect(folder: Path, answers: Answers) -> TransportEvidence:
    opened = case(folder, answers, AUTHORITY)
    return transport.collect(opened, inventory.gather(opened))


def check(folder: Path, answers: Answers) -> Findings:
    return transport.check(collect(folder, answers))


def mx(issued: Issued | None) -> dict[tuple[str, int], Value]:
    return {(MX, 25): spoke(25, smtp("STARTTLS"), smtp(), issued)}


def imaps(issued: Issued | None) -> dict[tuple[str, int], Value]:
    return {(MAIL, 993): spoke(993, imap("AUTH=PLAIN"), None, issued)}


CERTIFICATES = {
    # what the certificate is: how it is issued, the finding where clients verify
    "good": ({}, "transport.certificate.ok"),
    "expired": ({"begin": AT - 107 * DAY, "end": AT - 17.75 * DAY}, "transport.certificate.expired"),
    "not yet valid": ({"begin": AT + DAY}, "transport.certificate.not_yet_valid"),
    "ending": ({"begin": AT - 80 * DAY, "end": AT + 10 * DAY}, "transport.certificate.ending"),
    "short and half over": ({"begin": AT - 3 * DAY, "end": AT + 3 * DAY}, "transport.certificate.ok"),
    "self-signed": ({"self_signed": True}, "transport.certificate.self_signed"),
    "without its issuer": ({"bare": True}, "transport.certificate.chain_incomplete"),
}


@pytest.mark.parametrize("name", CERTIFICATES)
def test_a_certificate_raises_just_its_finding(name: str, tmp_path: Path) -> None:
    options, code = CERTIFICATES[name]
    sure = code in ("transport.certificate.ok", "transport.certificate.ending")
    seen = check(tmp_path / "imap", Answers(imaps(AUTHORITY.issue(MAIL, **options))))
    assert [f.code for f in seen.of("transport.certificate.")] == [code]
    # Under a policy senders verify an MX; without one nobody does, and a bad certificate costs no mail.
    enforced = check(tmp_path / "sts", Answers(mx(AUTHORITY.issue(MX, **options)), txt=ANNOUNCED, policy=policy()))
    assert [f.code for f in enforced.of("transport.certificate.")] == [code]
    alone = check(tmp_path / "alone", Answers(mx(AUTHORITY.issue(MX, **options))))
    assert [f.code for f in alone.of("transport.certificate.")] == [
        code if sure else "transport.certificate.opportunistic"
    ]


def test_a_certificate_for_another_host(tmp_path: Path) -> None:
    (found,) = check(tmp_path / "a", Answers(imaps(AUTHORITY.issue("other.example")))).of("transport.certificate.")
    assert (found.code, found.facts["names"]) == ("transport.certificate.name", ["other.example"])
    (found,) = check(tmp_path / "b", Answers(mx(AUTHORITY.issue("other.example")))).of("transport.certificate.")
    assert (found.code, found.severity) == ("transport.certificate.opportunistic", Severity.LOW)


def test_the_issuer_of_another_certificate_completes_no_chain(tmp_path: Path) -> None:
    broken = Issued(AUTHORITY.key, (AUTHORITY.issue(MAIL).chain[0], Authority().issuer))
    (found,) = check(tmp_path / "a", Answers(imaps(broken))).of("transport.certificate.")
    assert found.code == "transport.certificate.chain_incomplete"


def test_an_issuer_that_has_expired_makes_the_chain_invalid(tmp_path: Path) -> None:
    leaf = AUTHORITY.issue(MAIL, begin=AT - 30 * DAY, end=AT + 4000 * DAY)
    evidence = collect(tmp_path / "a", Answers(imaps(leaf)))
    later = AT + 3900 * DAY
    verdict = verify(leaf.der, MAIL, later, tmp_path / "a" / "sources" / "ca.pem")
    aged = replace(evidence, hosts=(replace(evidence.hosts[0], verdict=verdict),), as_of=later)
    assert transport.check(aged).of("transport.certificate.")[0].code == "transport.certificate.invalid"


def test_the_expired_certificate_of_an_mx_under_enforce(tmp_path: Path) -> None:
    old = AUTHORITY.issue(MX, begin=AT - 107 * DAY, end=AT - 17.75 * DAY)
    found = check(tmp_path / "a", Answers(mx(old), txt=ANNOUNCED, policy=policy())).of("transport.certificate.")[0]
    assert (found.subject, found.severity, found.direction) == (MX, Severity.HIGH, "inbound")
    assert (found.facts["days"], found.facts["not_after"]) == (17, "29 October 2026")
    assert "MTA-STS" in found.why


def test_one_certificate_on_many_ports_is_one_finding(tmp_path: Path) -> None:
    issued = AUTHORITY.issue("other.example")
    sessions = imaps(issued) | {(MAIL, 995): spoke(995, pop3(), None, issued)}
    (found,) = check(tmp_path / "a", Answers(sessions)).of("transport.certificate.")
    assert found.facts["port"] == [993, 995]
    assert len(found.evidence) == 2


def test_bytes_that_are_no_certificate(tmp_path: Path) -> None:
    session = spoke(993, imap("AUTH=PLAIN"), None, AUTHORITY.issue(MAIL))
    session["tls"]["chain"] = ["AAAA"]
    found = check(tmp_path / "a", Answers({(MAIL, 993): session}))
    assert [f.code for f in found.of("transport.certificate.")] == ["transport.certificate.unreadable"]


POLICIES: dict[str, tuple[dict[str, list[str] | str], Value | None, str]] = {
    # what stands: TXT records, what the policy host answers, the finding
    "enforced and complete": (ANNOUNCED, policy(), "ok"),
    "a wildcard": (ANNOUNCED, policy(mx=f"*.{DOMAIN}"), "ok"),
    "MX not named": (ANNOUNCED, policy(mx="old.test.example"), "mx_not_listed"),
    "MX not named while testing": (ANNOUNCED, policy("testing", "old.test.example"), "mx_not_listed_testing"),
    "switched off": (ANNOUNCED, policy("none", "old.test.example"), "off"),
    "no record": ({}, None, "absent"),
    "another record": ({STS: ["v=spf1 -all"]}, None, "absent"),
    "two records": ({STS: ["v=STSv1; id=1", "v=STSv1; id=2"]}, None, "broken"),
    "no id": ({STS: ["v=STSv1;"]}, None, "broken"),
    "DNS fails": ({STS: "SERVFAIL"}, None, "unknown"),
    "host silent": (ANNOUNCED, "timeout", "unknown"),
    "host has no address": (ANNOUNCED, {"error": "mta-sts.test.example has no address"}, "broken"),
    "not found": (ANNOUNCED, policy(status=404), "broken"),
    "redirected": (ANNOUNCED, policy(status=301), "broken"),
    "a page instead": (ANNOUNCED, policy() | {"body": "<html>"}, "broken"),
    "host's certificate expired": (ANNOUNCED, policy(issued=AUTHORITY.issue(f"mta-sts.{DOMAIN}", end=AT - DAY)), "broken"),
    "host's certificate for another": (ANNOUNCED, policy(issued=AUTHORITY.issue(DOMAIN)), "broken"),
    "host's certificate self-signed": (
        ANNOUNCED,
        policy(issued=AUTHORITY.issue(f"mta-sts.{DOMAIN}", self_signed=True)),
        "broken",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_raises_just_its_finding(name: str, tmp_path: Path) -> None:
    txt, answer, code = POLICIES[name]
    found = check(tmp_path / "case", Answers(mx(AUTHORITY.issue(MX)), txt=txt, policy=answer))
    assert [f.code for f in found.of("transport.mta_sts.")] == [f"transport.mta_sts.{code}"]


def test_an_unlisted_mx_under_enforce_is_inbound_and_its_record_is_the_line_to_add(tmp_path: Path) -> None:
    answers = Answers(mx(AUTHORITY.issue(MX)), txt=ANNOUNCED, policy=policy(mx="old.test.example"))
    (found,) = check(tmp_path / "case", answers).of("transport.mta_sts.")
    assert (found.subject, found.severity, found.direction) == (MX, Severity.HIGH, "inbound")
    assert found.record == f"mx: {MX}"


REPORTS: list[tuple[list[str] | str, set[str]]] = [
    (["v=TLSRPTv1; rua=mailto:a@test.example"], {"transport.tls_reporting.ok"}),
    ([], {"transport.tls_reporting.absent"}),
    (["v=TLSRPTv1; rua=mailto:a@b.example", "v=TLSRPTv1; rua=mailto:c@d.example"], {"transport.tls_reporting.broken"}),
    ("SERVFAIL", set()),
]


@pytest.mark.parametrize(("records", "codes"), REPORTS)
def test_tls_reports_are_asked_for_by_exactly_one_record(
    records: list[str] | str, codes: set[str], tmp_path: Path
) -> None:
    found = check(tmp_path / "case", Answers(mx(AUTHORITY.issue(MX)), txt={RPT: records}))
    assert {f.code for f in found.of("transport.tls_reporting.")} == codes


def test_old_tls_is_low_between_servers_and_medium_where_people_sign_in(tmp_path: Path) -> None:
    issued = AUTHORITY.issue(MX, MAIL)
    sessions = mx(issued) | {
        (MAIL, 587): spoke(587, smtp("STARTTLS"), smtp("AUTH PLAIN"), issued),
        (MAIL, 465): spoke(465, smtp("AUTH PLAIN"), None, issued),
        (MAIL, 993): spoke(993, imap("AUTH=PLAIN"), None, issued),
    }
    old = {25: ("TLSv1",), 587: ("TLSv1", "TLSv1.1"), 465: ("TLSv1", "TLSv1.1"), 993: ("TLSv1.1",)}
    found = check(tmp_path / "case", Answers(sessions, old)).of("transport.tls.")
    told = {(f.code, f.subject, str(f.severity), str(f.facts["port"]), str(f.facts["versions"])) for f in found}
    assert told == {
        ("transport.tls.legacy_relay", MX, "low", "[25]", "['TLSv1']"),
        ("transport.tls.legacy", MAIL, "medium", "[587, 465]", "['TLSv1', 'TLSv1.1']"),
        ("transport.tls.legacy", MAIL, "medium", "[993]", "['TLSv1.1']"),
    }
    assert any("ssl_min_protocol = TLSv1.2" in f.record for f in found)


def test_tables_and_figure_show_what_was_found(tmp_path: Path) -> None:
    old = AUTHORITY.issue(MX, begin=AT - 107 * DAY, end=AT - 17.75 * DAY)
    answers = Answers(
        mx(old) | imaps(AUTHORITY.issue(MAIL)), {25: ("TLSv1",)}, ANNOUNCED, policy=policy(mx="x.example")
    )
    evidence = collect(tmp_path / "case", answers)
    assert repr(evidence) == "TransportEvidence(2 services with TLS, 1 policies)"
    assert evidence.certificates()["days left"].tolist() == [-17, 60]
    assert evidence.certificates()["life left"].tolist() == ["0%", "67%"]
    assert evidence.versions()["TLSv1"].tolist() == ["yes", "no"]
    assert evidence.promises()["named"].tolist() == ["NO"]
    figure = transport.lifetimes(evidence)
    assert "17 days ago" in figure.layout.title.text
    assert f"{MX}:25: -17 days left" in figure.layout.meta["alt"]


def test_a_case_without_recording_has_unknowns_and_no_error(tmp_path: Path) -> None:
    opened = Case.create(tmp_path / "case", DOMAIN)
    evidence = transport.collect(opened, inventory.gather(opened))
    assert evidence.hosts == ()
    assert not transport.check(evidence).at_least("low")
    assert "No certificate was seen" in transport.lifetimes(evidence).layout.title.text
    assert evidence.certificates().empty
