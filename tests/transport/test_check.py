"""Certificates, policies and versions, judged: a table of recordings and the findings each must raise."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

import smtplab
from smtplab import inventory, transport
from smtplab.case import Case
from smtplab.errors import CaseError
from smtplab.findings import Findings, Severity
from smtplab.net.certificates import verify
from smtplab.net.session import TlsFacts
from smtplab.net.tls import Listing, Survey
from smtplab.tape import Question
from smtplab.transport import TransportEvidence
from smtplab.transport.dane import proposal
from tests.net.certs import AT, DAY, Authority, Issued
from tests.servers.taped import ADDRESSES, DOMAIN, MAIL, MX, Answers, Value, case, facts, imap, pop3, smtp, spoke

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
    if answers.own:
        text = (folder / "case.toml").read_text()
        (folder / "case.toml").write_text(text.replace("[sources]", f'[[hosts]]\nname = "{MX}"\nown = true\n[sources]'))
        opened = Case.open(folder)
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
    "named by its common name alone": ({"nameless": True}, "transport.certificate.common_name"),
}


@pytest.mark.parametrize("name", CERTIFICATES)
def test_a_certificate_raises_just_its_finding(name: str, tmp_path: Path) -> None:
    options, code = CERTIFICATES[name]
    issue = partial(AUTHORITY.issue, **options)
    sure = code in ("transport.certificate.ok", "transport.certificate.ending")
    seen = check(tmp_path / "imap", Answers(imaps(issue(MAIL))))
    assert [f.code for f in seen.of("transport.certificate.")] == [code]
    # Under a policy senders verify an MX; without one nobody does, and a bad certificate costs no mail.
    enforced = check(tmp_path / "sts", Answers(mx(issue(MX)), txt=ANNOUNCED, policy=policy()))
    assert [f.code for f in enforced.of("transport.certificate.")] == [code]
    alone = check(tmp_path / "alone", Answers(mx(issue(MX))))
    assert [f.code for f in alone.of("transport.certificate.")] == [
        code if sure else "transport.certificate.opportunistic"
    ]


QUALITIES: list[tuple[Issued, str, str]] = [
    (AUTHORITY.issue(MAIL, swapped=True), "chain_order", "wrong order"),
    (Issued(AUTHORITY.key, (*AUTHORITY.issue(MAIL).chain, Authority().issuer)), "chain_order", "do not belong"),
    (AUTHORITY.issue(MAIL, key=rsa.generate_private_key(65537, 1024)), "weak", "RSA key of 1024 bits"),
    (AUTHORITY.issue(MAIL, more=(x509.TLSFeature([x509.TLSFeatureType.status_request]),)), "must_staple", "OCSP"),
    (AUTHORITY.issue(MAIL, critical=True), "disputed", "subjectAltName"),
]


@pytest.mark.parametrize(("issued", "code", "said"), QUALITIES)
def test_what_stops_only_some_clients_is_told_beside_the_verdict(
    issued: Issued, code: str, said: str, tmp_path: Path
) -> None:
    found = check(tmp_path / "a", Answers(imaps(issued))).of("transport.certificate.")
    assert {f.code for f in found} == {"transport.certificate.ok", f"transport.certificate.{code}"}
    assert any(said.lower() in f.title.lower() for f in found)


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
    "tested and complete": (ANNOUNCED, policy("testing"), "testing"),
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
    assert evidence.certificates()["verdict"].tolist() == ["certificate has expired", "valid"]
    assert evidence.certificates()["strict verdict"].tolist()[1] == "valid"
    assert "not valid at" in evidence.certificates()["strict verdict"][0]
    assert evidence.certificates()["chain"].tolist() == [2, 2]
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


def test_a_policy_served_as_html_or_soon_forgotten_is_told(tmp_path: Path) -> None:
    short = policy() | {"type": "text/html; charset=utf-8"}
    short["body"] = short["body"].replace("604800", "86400")
    found = check(tmp_path / "case", Answers(mx(AUTHORITY.issue(MX)), txt=ANNOUNCED, policy=short)).of("transport.mta")
    assert [f.code.rpartition(".")[2] for f in found] == ["max_age_short", "media_type", "ok"]
    assert "86,400 seconds" in found[0].title
    assert "text/html," in found[1].title


def test_a_promise_of_tls_at_an_mx_without_it_loses_mail(tmp_path: Path) -> None:
    plain: dict[tuple[str, int], Value] = {(MX, 25): spoke(25, smtp("SIZE 1000"))}
    found = check(tmp_path / "a", Answers(plain, txt=ANNOUNCED, policy=policy())).of("transport.mta_sts.mx_without")
    assert [(f.subject, f.severity, f.direction) for f in found] == [(MX, Severity.HIGH, "inbound")]
    testing = Answers(plain, txt=ANNOUNCED, policy=policy("testing"))
    assert not check(tmp_path / "b", testing).of("transport.mta_sts.mx_without")
    unheard = Answers({(MX, 25): "timeout"}, txt=ANNOUNCED, policy=policy())
    assert not check(tmp_path / "c", unheard).of("transport.mta_sts.mx_without")


def chose(port: int, host: str, answers: dict[str, dict[str, Any]]) -> tuple[tuple[Question, Value], ...]:
    """Answers to hellos of a port, by what they were of: "groups -001d" or "weak", at TLS 1.3 but for the weak."""
    made = []
    for key, value in answers.items():
        of, _, without = key.partition(" ")
        version = "TLSv1.2" if of == "weak" else "TLSv1.3"
        params = {"name": host, "version": version, "of": of, "without": without}
        made.append((Question.of("tls", f"{ADDRESSES[host]}:{port}", params), value))
    return tuple(made)


CLASSIC = {
    "post-quantum": {"accepted": False},
    "groups 001d": {"accepted": True, "group": "secp256r1"},
    "groups 001d 0017": {"accepted": False},
}
HYBRID = {"post-quantum": {"accepted": True, "group": "X25519MLKEM768"}}


def test_groups_and_weak_suites_are_judged_and_the_unknown_is_not(tmp_path: Path) -> None:
    issued = AUTHORITY.issue(MX, MAIL)
    null = {"weak": {"accepted": True, "cipher": "NULL-SHA"}}
    answers = Answers(
        mx(issued) | imaps(issued) | {(MAIL, 995): spoke(995, pop3(), None, issued)},
        more=(*chose(25, MX, CLASSIC | null), *chose(993, MAIL, HYBRID | null)),
        own=True,
    )
    evidence = collect(tmp_path / "a", answers)
    assert [h.post_quantum for h in evidence.hosts] == [False, True, None]
    assert evidence.groups()["post-quantum"].tolist() == ["no", "yes", "unknown"]
    assert evidence.groups()["groups"].tolist() == ["x25519, secp256r1", "x25519, X25519MLKEM768", "x25519"]
    assert set(evidence.ciphers()["too weak"]) == {"NULL-SHA", "unknown"}
    found = transport.check(evidence).of("transport.tls.")
    told = {(f.code, f.subject, str(f.severity), str(f.facts["port"])) for f in found}
    assert told == {
        ("transport.tls.weak_cipher", MAIL, "medium", "[993]"),
        ("transport.tls.weak_cipher_relay", MX, "low", "[25]"),
        ("transport.tls.no_post_quantum", MX, "info", "[25]"),
        ("transport.tls.post_quantum", MAIL, "ok", "[993]"),
    }


def test_of_servers_that_are_not_ours_only_what_decides_is_asked(tmp_path: Path) -> None:
    evidence = collect(tmp_path / "a", Answers(mx(AUTHORITY.issue(MX)), more=chose(25, MX, CLASSIC)))
    assert evidence.groups().to_dict("records") == [
        {
            "host": MX,
            "port": 25,
            "used": "x25519",
            "groups": "x25519",
            "perhaps more": "not asked",
            "post-quantum": "no",
        }
    ]
    assert set(evidence.ciphers()["perhaps more"]) == {"not asked"}


def dns(name: str, rtype: str, *records: str, ad: bool = True) -> tuple[Question, Value]:
    """An answer; the resolver vouches for it."""
    value = {"rcode": "NOERROR", "records": list(records), "ad": ad}
    return Question.of("dns", name, {"rtype": rtype}), value


def secure(*records: str, tlsa: str = "", ad: bool = True) -> tuple[tuple[Question, Value], ...]:
    """A signed zone with these TLSA records, or a look-up of them that fails for the reason given."""
    name = f"_25._tcp.{MX}"
    asked: tuple[Question, Value] = (Question.of("dns", name, {"rtype": "TLSA"}), tlsa)
    last = asked if tlsa else dns(name, "TLSA", *records, ad=ad)
    return (dns(DOMAIN, "MX", f"10 {MX}"), dns(MX, "A", ADDRESSES[MX]), last)


def cut(ended: str) -> dict[tuple[str, int], Value]:
    """A session of the MX that ended in its handshake."""
    return {(MX, 25): spoke(25, smtp("STARTTLS"), ended=ended, starttls="220 go")}


SHOWN = AUTHORITY.issue(MX)
RIGHT, WRONG = proposal(SHOWN.der), proposal(AUTHORITY.issue(MX).der)
DANE: dict[str, tuple[tuple[tuple[Question, Value], ...], dict[tuple[str, int], Value], dict[str, Severity]]] = {
    # what stands in DNS, the session of the MX, the findings
    "matches": (secure(RIGHT), mx(SHOWN), {"ok": Severity.OK}),
    "rollover": (secure(RIGHT, WRONG), mx(SHOWN), {"ok": Severity.OK, "rollover": Severity.INFO}),
    "wrong": (secure(WRONG), mx(SHOWN), {"mismatch": Severity.CRITICAL}),
    "no TLS": (secure(RIGHT), {(MX, 25): spoke(25, smtp("SIZE 1"))}, {"no_tls": Severity.CRITICAL}),
    "of no use": (secure(RIGHT.replace("3", "1", 1)), mx(SHOWN), {"unusable": Severity.MEDIUM}),
    "not signed": (secure(WRONG, ad=False), mx(SHOWN), {"ignored": Severity.LOW}),
    "look-up fails": (secure(tlsa="SERVFAIL"), mx(SHOWN), {"lookup_fails": Severity.MEDIUM}),
    "signed and none": (secure(), mx(SHOWN), {"absent": Severity.INFO}),
    "not signed and none": ((), mx(SHOWN), {}),
    "server silent": (secure(WRONG), {(MX, 25): "timeout"}, {"unknown": Severity.INFO}),
    "handshake fails": (secure(RIGHT), cut("TLS handshake failed: internal error"), {"no_tls": Severity.CRITICAL}),
    "cut off": (secure(RIGHT), cut("the server fell silent"), {"unknown": Severity.INFO}),
    "timeout": (secure(tlsa="timeout"), mx(SHOWN), {}),
    "resolver does not check": ((dns(f"_25._tcp.{MX}", "TLSA", WRONG, ad=False),), mx(SHOWN), {"unknown": Severity.INFO}),
}  # fmt: skip


@pytest.mark.parametrize("name", DANE)
def test_dane_raises_just_its_findings(name: str, tmp_path: Path) -> None:
    more, sessions, codes = DANE[name]
    found = check(tmp_path / "case", Answers(sessions, more=more)).of("transport.dane.")
    assert {f.code.rpartition(".")[2]: f.severity for f in found} == codes


def test_a_broken_tlsa_record_is_inbound_loss_and_the_record_to_publish_is_written_out(tmp_path: Path) -> None:
    (found,) = check(tmp_path / "case", Answers(mx(SHOWN), more=secure(WRONG))).of("transport.dane.")
    assert (found.subject, found.direction) == (MX, "inbound")
    assert found.record == f"_25._tcp.{MX}. TLSA {RIGHT}"


def test_a_certificate_that_dane_vouches_for_needs_no_authority(tmp_path: Path) -> None:
    own = AUTHORITY.issue(MX, self_signed=True)
    known = check(tmp_path / "a", Answers(mx(own), more=secure(proposal(own.der)))).of("transport.certificate.")
    assert [f.code for f in known] == ["transport.certificate.dane_alone"]
    other = check(tmp_path / "b", Answers(mx(own), more=secure(WRONG))).of("transport.certificate.")
    assert [f.code for f in other] == ["transport.certificate.opportunistic"]


def test_an_mx_of_two_domains_has_one_finding(tmp_path: Path) -> None:
    evidence = collect(tmp_path / "case", Answers(mx(SHOWN), more=secure(WRONG)))
    both = replace(evidence, dane=(*evidence.dane, replace(evidence.dane[0], domain="other.example")))
    (found,) = transport.check(both).of("transport.dane.")
    assert found.facts["domains"] == [DOMAIN, "other.example"]


def test_of_two_addresses_the_worse_one_counts(tmp_path: Path) -> None:
    six = "2001:4860::10"
    params = {"protocol": "smtp", "name": MX}
    second = (dns(MX, "AAAA", six), (Question.of("session", f"[{six}]:25", params), spoke(25, smtp("SIZE 1"))))
    answers = Answers(mx(SHOWN), txt=ANNOUNCED, policy=policy(), more=(*secure(RIGHT), *second))
    evidence = collect(tmp_path / "case", answers)
    assert {f.code for f in transport.check(evidence).of("transport.dane.")} == {"transport.dane.no_tls"}
    assert transport.check(evidence).of("transport.mta_sts.mx_without_tls")
    assert transport.protection(evidence)["mail is"].tolist() == ["refused by some senders"]


MATRIX: dict[str, tuple[Answers, dict[str, str]]] = {
    "plain text": (
        Answers({(MX, 25): spoke(25, smtp("SIZE 1"))}),
        {"STARTTLS": "no", "certificate": "–", "MTA-STS": "no", "mail is": "readable by any listener"},
    ),
    "opportunistic": (
        Answers(mx(SHOWN), more=secure()),
        {"STARTTLS": "yes", "certificate": "valid", "DANE": "absent", "TLS-RPT": "no", "mail is": "open to an active attacker"},
    ),
    "enforced": (
        Answers(mx(SHOWN), txt=ANNOUNCED, policy=policy()),
        {"MTA-STS": "enforce", "TLS-RPT": "yes", "REQUIRETLS": "no", "mail is": "protected"},
    ),
    "tested": (
        Answers(mx(SHOWN), txt=ANNOUNCED, policy=policy("testing"), more=secure()),
        {"MTA-STS": "testing", "mail is": "open to an active attacker"},
    ),
    "DANE, and a certificate of our own": (
        Answers(mx(Issued(SHOWN.key, SHOWN.chain[:1])), more=secure(RIGHT)),
        {"certificate": "unable to get local issuer certificate", "DANE": "works", "mail is": "protected"},
    ),
    "DANE broken": (
        Answers(mx(SHOWN), txt=ANNOUNCED, policy=policy(), more=secure(WRONG)),
        {"DANE": "broken", "mail is": "refused by some senders"},
    ),
    "expired under enforce": (
        Answers(mx(AUTHORITY.issue(MX, end=AT - DAY)), txt=ANNOUNCED, policy=policy()),
        {"certificate": "expired", "mail is": "refused by some senders"},
    ),
    "expired, and nobody asks": (
        Answers(mx(AUTHORITY.issue(MX, end=AT - DAY)), more=secure()),
        {"certificate": "expired", "mail is": "open to an active attacker"},
    ),
    "for another host under enforce": (
        Answers(mx(AUTHORITY.issue(MAIL)), txt=ANNOUNCED, policy=policy()),
        {"certificate": "for another host", "mail is": "refused by some senders"},
    ),
    "MX not named": (
        Answers(mx(SHOWN), txt=ANNOUNCED, policy=policy(mx="x.example")),
        {"MTA-STS": "enforce, MX not named", "mail is": "refused by some senders"},
    ),
    "handshake fails under enforce": (
        Answers(cut("TLS handshake failed: internal error"), txt=ANNOUNCED, policy=policy()),
        {"certificate": "handshake fails", "mail is": "refused by some senders"},
    ),
    "cut off under enforce": (
        Answers(cut("the server fell silent"), txt=ANNOUNCED, policy=policy(), more=secure()),
        {"certificate": "unknown", "mail is": "unknown"},
    ),
    "policy broken": (Answers(mx(SHOWN), txt=ANNOUNCED, policy=policy(status=404)), {"MTA-STS": "broken"}),
    "reports asked for twice": (
        Answers(mx(SHOWN), txt={RPT: ["v=TLSRPTv1; rua=mailto:a@b.example"] * 2}),
        {"TLS-RPT": "broken"},
    ),
    "not heard": (
        Answers({(MX, 25): "timeout"}, txt={STS: "timeout", RPT: "timeout"}),
        dict.fromkeys(("STARTTLS", "certificate", "MTA-STS", "DANE", "TLS-RPT", "REQUIRETLS", "mail is"), "unknown"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MATRIX)
def test_the_matrix_says_what_it_comes_to(name: str, tmp_path: Path) -> None:
    answers, expected = MATRIX[name]
    evidence = collect(tmp_path / "case", answers)
    (row,) = transport.protection(evidence).to_dict("records")
    assert {key: row[key] for key in expected} == expected
    figure = transport.protections(evidence)
    assert figure.data[0].z[0][-1] == {"protected": 1.0, "unknown": 2 / 3}.get(
        row["mail is"], 1 / 3 if "active" in row["mail is"] else 0.0
    )
    assert f"mail is {row['mail is']}" in figure.layout.meta["alt"]


def test_requiretls_is_read_from_the_offer(tmp_path: Path) -> None:
    session = spoke(25, smtp("STARTTLS"), smtp("REQUIRETLS"), SHOWN)
    (row,) = transport.protection(collect(tmp_path / "case", Answers({(MX, 25): session}))).to_dict("records")
    assert row["REQUIRETLS"] == "yes"


def test_what_protects_is_told_for_every_means_against_every_adversary() -> None:
    table = transport.what_protects().set_index("means")
    adversaries = list(table.columns[1:6])
    assert set(table[adversaries].to_numpy().ravel()) == {"yes", "no", "part"}
    # The common text that takes STARTTLS for S/MIME is wrong: one protects a hop, the other the message.
    assert table.loc["S/MIME", "mailbox at rest"] == "yes"
    assert table.loc["STARTTLS, opportunistic", "mailbox at rest"] == "no"
    assert table.loc["STARTTLS, opportunistic", "active attacker on the route"] == "no"
    assert table.loc["DANE", "attacker on DNS"] == "yes"
    assert all("RFC" in s for s in table["standard"])
    assert all(table["limit"].str.len() > 20)


def test_starttls_missing_on_one_of_two_ways_is_a_finding(tmp_path: Path) -> None:
    plain: dict[tuple[str, int], Value] = {(MX, 25): spoke(25, smtp("XXXXXXXA"))}
    here = collect(tmp_path / "here", Answers(mx(SHOWN)))
    there = collect(tmp_path / "there", Answers(plain))
    silent = collect(tmp_path / "silent", Answers({(MX, 25): "timeout"}))
    for pair, labels in (((here, there), ("home", "office")), ((there, here), ("office", "home"))):
        (found,) = transport.changes(*pair, labels)
        assert (found.code, found.subject, found.severity) == ("transport.starttls.stripped", f"{MX}:25", Severity.HIGH)
        assert "as seen from home, and not as seen from office" in found.title
    assert not transport.changes(here, here)
    assert not transport.changes(here, silent)
    assert not transport.changes(silent, there)


def test_a_policy_that_changes_under_its_old_id_is_a_finding(tmp_path: Path) -> None:
    def seen(folder: str, number: str, mode: str, **more: Any) -> TransportEvidence:
        txt = ANNOUNCED | {STS: [f"v=STSv1; id={number}"]}
        return collect(tmp_path / folder, Answers(mx(SHOWN), txt=txt, policy=policy(mode, **more)))

    old = seen("old", "1", "testing")
    (found,) = transport.changes(old, seen("same", "1", "enforce"))
    assert (found.code, found.subject) == ("transport.mta_sts.id_unchanged", DOMAIN)
    assert found.record.endswith('TXT "v=STSv1; id=20261116060000;"')
    assert not transport.changes(old, old)
    assert not transport.changes(old, seen("new", "2", "enforce"))
    assert not transport.changes(old, seen("broken", "1", "enforce", status=404))


def test_comparing_two_recordings_shows_what_neither_shows_alone(tmp_path: Path) -> None:
    plain: dict[tuple[str, int], Value] = {(MX, 25): spoke(25, smtp("SIZE 1"))}
    pair = [case(tmp_path / name, Answers(s), AUTHORITY) for name, s in (("a", mx(SHOWN)), ("b", plain))]
    compared = smtplab.compare(*pair)
    assert [f.code for f in compared.noticed] == ["transport.starttls.stripped"]
    assert "seen by comparing" in compared.frame()["change"].tolist()


def test_a_trust_anchor_that_cannot_be_used_is_an_error_of_the_case(tmp_path: Path) -> None:
    opened = case(tmp_path, Answers(mx(SHOWN)), AUTHORITY)
    text = (tmp_path / "case.toml").read_text()
    (tmp_path / "case.toml").write_text(text + 'trust_anchor = "sources/root.key"\n')
    with pytest.raises(CaseError, match="not there"):
        Case.open(tmp_path)
    (tmp_path / "sources" / "root.key").write_text("no key\n")
    opened = Case.open(tmp_path)
    with pytest.raises(CaseError, match="trust anchor"):
        transport.collect(opened, inventory.gather(opened))


ENDPOINTS = [
    # port, how its certificate is issued, the finding
    (465, {}, "ok"),
    (465, {"end": AT - DAY}, "expired"),
    (25, {"end": AT - DAY}, "opportunistic"),
    (25, {}, "ok"),
]


@pytest.mark.parametrize(("port", "options", "code"), ENDPOINTS)
def test_one_service_is_judged_alone(port: int, options: dict[str, Any], code: str, tmp_path: Path) -> None:
    chain = AUTHORITY.issue(MAIL, **options)
    groups = Listing(("x25519",))
    negotiated = TlsFacts("TLSv1.2", "AES128-SHA", "x25519", chain.der)
    made = Survey(MAIL, ADDRESSES[MAIL], port, negotiated, (("TLSv1", True),), (), groups, "", False)
    found = transport.check_endpoint(made, AT, AUTHORITY.pem(tmp_path / "ca.pem"))
    assert [f.code for f in found.of("transport.certificate.")] == [f"transport.certificate.{code}"]
    assert {f.code.rpartition(".")[2] for f in found.of("transport.tls.")} == {
        "legacy_relay" if port == 25 else "legacy",
        "no_post_quantum",
    }
    assert not transport.check_endpoint(replace(made, negotiated=None), AT)


def test_a_service_named_by_its_address_is_not_asked_for_its_name(tmp_path: Path) -> None:
    negotiated = TlsFacts("TLSv1.3", "TLS_AES_128_GCM_SHA256", "x25519", AUTHORITY.issue(MAIL).der)
    made = Survey(ADDRESSES[MAIL], ADDRESSES[MAIL], 465, negotiated, (), (), Listing(("x25519",)), "", False)
    (found,) = transport.check_endpoint(made, AT, AUTHORITY.pem(tmp_path / "ca.pem")).of("transport.certificate.")
    assert (found.code, found.facts["names"]) == ("transport.certificate.whose", [MAIL])


def test_a_null_mx_has_its_row_and_nothing_to_protect(tmp_path: Path) -> None:
    evidence = collect(tmp_path, Answers(mx=["0 ."]))
    (row,) = transport.protection(evidence).to_dict("records")
    assert (row["domain"], row["mx"], row["mail is"]) == (DOMAIN, "null MX", "not accepted, and need not be protected")
    assert {row[c] for c in ("STARTTLS", "certificate", "MTA-STS", "DANE")} == {"–"}
    assert "null MX" in str(transport.protections(evidence).layout.meta or transport.protections(evidence).data[0].y)
    assert evidence.dane == ()
