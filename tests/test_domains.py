"""One domain without a case: a table of zones, what each is called in a word, and the object that scripts read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from dns import reversename

from smtplab import domains, names
from smtplab.errors import SmtplabError
from smtplab.findings import Finding, Findings
from smtplab.net import Network, NetworkSettings
from smtplab.tape import Recorder
from tests.authentication.dnsserver import Zone, network, serve, txt

DOMAIN = "corp.example"
KEY = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
"""The public key of RFC 8463 appendix A.2."""
SPF = "v=spf1 mx include:_spf.mail.example -all"
DMARC = "v=DMARC1; p=quarantine; sp=none; np=reject"
GOOD: Zone = {
    DOMAIN: [("TXT", txt(SPF.encode())), ("MX", f"20 mx2.{DOMAIN}."), ("MX", f"10 mx1.{DOMAIN}.")],
    f"mx1.{DOMAIN}": [("A", "192.0.2.1"), ("AAAA", "2001:db8::1")],
    f"mx2.{DOMAIN}": [("A", "192.0.2.2"), ("AAAA", "2001:db8::2")],
    # The record lets both MX send, so each of their addresses needs its reverse name.
    **{reversename.from_address(f"192.0.2.{n}").to_text(True): [("PTR", f"mx{n}.{DOMAIN}.")] for n in (1, 2)},
    **{reversename.from_address(f"2001:db8::{n}").to_text(True): [("PTR", f"mx{n}.{DOMAIN}.")] for n in (1, 2)},
    "_spf.mail.example": [("TXT", txt(b"v=spf1 ip4:198.51.100.0/24 -all"))],
    f"_dmarc.{DOMAIN}": [("TXT", txt(DMARC.encode()))],
    f"s1._domainkey.{DOMAIN}": [("TXT", txt(KEY.encode()))],
}


def report(zone: Zone, *selectors: str, guess: bool = False, timeout: float = 0.3) -> domains.DomainReport:
    with network(zone, timeout) as net:
        return domains.examine_domain(net, DOMAIN, selectors, guess=guess)


def test_the_object_for_scripts_says_what_is_published() -> None:
    made = report(GOOD, "s1").as_dict()
    found = made.pop("findings")
    dmarc = made.pop("dmarc")
    assert made == {
        "domain": DOMAIN,
        "exists": True,
        "spf": {"record": SPF, "lookups": 2, "void_lookups": 0, "all": "-all", "state": "present"},
        "dkim": [{"selector": "s1", "state": "present", "type": "ed25519", "bits": 256}],
        "dkim_tried": 0,
        "mx": {
            "state": "present",
            "null": False,
            "hosts": [
                {"name": f"mx1.{DOMAIN}", "preference": 10, "addresses": ["192.0.2.1", "2001:db8::1"]},
                {"name": f"mx2.{DOMAIN}", "preference": 20, "addresses": ["192.0.2.2", "2001:db8::2"]},
            ],
        },
    }
    wanted = {
        "record": DMARC,
        "organizational_domain": DOMAIN,
        "policy": "quarantine",
        "subdomain_policy": "none",
        "nonexistent_policy": "reject",
        "psl_organizational_domain": DOMAIN,
    }
    assert wanted.items() <= dmarc.items()
    assert all(f.keys() == {"code", "severity", "subject", "title"} for f in found)
    assert {"spf.ok", "dkim.key.ok", "names.mx.ok"} <= {f["code"] for f in found}


def test_what_does_not_exist_is_null_not_empty() -> None:
    made = report({}).as_dict()
    assert (made["exists"], made["spf"]["record"], made["spf"]["all"], made["dmarc"]["record"]) == (False, *3 * [None])
    assert (made["spf"]["state"], made["dkim"], made["mx"]["hosts"]) == ("absent", [], [])


def without(*names: str) -> Zone:
    return {name: rows for name, rows in GOOD.items() if name not in names}


TWELVE = " ".join(f"a:h{n}.{DOMAIN}" for n in range(12))
HOSTS = {f"h{n}.{DOMAIN}": [("A", "192.0.2.9")] for n in range(12)}
MX = [("MX", f"10 mx1.{DOMAIN}.")]
WORDS: list[tuple[Zone, dict[str, str]]] = [
    (GOOD, {"spf": "ok", "dkim": "ok", "dmarc": "quarantine", "mx": "ok"}),
    ({}, {"spf": "–", "dkim": "–", "dmarc": "–", "mx": "no such domain", "worst": "high"}),
    (without(f"_dmarc.{DOMAIN}"), {"dmarc": "missing", "spf": "ok"}),
    ({**GOOD, DOMAIN: [*MX, ("TXT", txt(b"v=spf1 +all"))]}, {"spf": "all pass", "worst": "critical"}),
    (
        {**GOOD, **HOSTS, DOMAIN: [*MX, ("TXT", txt(f"v=spf1 {TWELVE} -all".encode()))]},
        {"spf": "lookups exceeded", "worst": "critical"},
    ),
    ({**GOOD, DOMAIN: [("MX", "0 .")]}, {"mx": "null"}),
    (without(f"mx1.{DOMAIN}", f"mx2.{DOMAIN}"), {"mx": "none usable"}),
    ({**GOOD, DOMAIN: [("TXT", txt(SPF.encode()))]}, {"mx": "missing"}),
    ({**GOOD, f"mx1.{DOMAIN}": [("*", "SERVFAIL")]}, {"mx": "unknown"}),
    (without(f"s1._domainkey.{DOMAIN}"), {"dkim": "unconfirmed"}),
    (
        {name: [("*", "SERVFAIL")] for name in (DOMAIN, f"_dmarc.{DOMAIN}", f"s1._domainkey.{DOMAIN}")},
        {"spf": "unknown", "dkim": "unknown", "dmarc": "unknown", "mx": "unknown", "worst": "unknown"},
    ),
    ({**GOOD, f"_dmarc.{DOMAIN}": [("*", "REFUSED")]}, {"dmarc": "unknown", "spf": "ok", "worst": "unknown"}),
]


@pytest.mark.parametrize(("zone", "words"), WORDS)
def test_a_domain_in_a_few_words(zone: Zone, words: dict[str, str]) -> None:
    said = domains.verdict(report(zone, "s1").as_dict())
    assert said.items() >= words.items()


def test_a_selector_that_nobody_can_know_leaves_the_rest_fine() -> None:
    dmarc = f"v=DMARC1; p=reject; rua=mailto:d@{DOMAIN}".encode()
    zone = {**without(f"s1._domainkey.{DOMAIN}"), f"_dmarc.{DOMAIN}": [("TXT", txt(dmarc))]}
    said = domains.verdict(report({**zone, f"odd7._domainkey.{DOMAIN}": [("TXT", txt(b"x"))]}, guess=True).as_dict())
    assert (said["dkim"], said["worst"]) == ("unknown", "info")


def test_unknown_is_never_absent() -> None:
    made = report({DOMAIN: [("*", "TIMEOUT")], f"_dmarc.{DOMAIN}": [("*", "TIMEOUT")]})
    assert not made.known
    states = {made.as_dict()[k]["state"] for k in ("spf", "dmarc", "mx")}
    assert (states, made.as_dict()["exists"]) == ({"unknown"}, None)
    assert not made.findings.at_least("low")


def asked(folder: Path, zone: Zone, *selectors: str, guess: bool) -> list[str]:
    """The names asked for."""
    with serve(zone) as resolver, Recorder(folder, started=datetime(2026, 11, 16, tzinfo=UTC), vantage="test") as tape:
        net = Network(NetworkSettings(resolver=resolver, timeout=0.3), recorder=tape, live=True)
        domains.examine_domain(net, DOMAIN, selectors, guess=guess)
        return [q.target for q in tape.entries]


def test_without_guessing_no_selector_is_asked_for_but_those_named(tmp_path: Path) -> None:
    assert not [n for n in asked(tmp_path / "1", GOOD, guess=False) if "_domainkey" in n]
    named = [n for n in asked(tmp_path / "2", GOOD, "s1", guess=False) if "_domainkey" in n]
    assert named == [f"s1._domainkey.{DOMAIN}"]
    assert len([n for n in asked(tmp_path / "3", GOOD, guess=True) if "_domainkey" in n]) > 20


def test_guessing_finds_a_common_selector() -> None:
    made = report(GOOD, guess=True).as_dict()
    assert [k["selector"] for k in made["dkim"]] == ["s1"]
    assert made["dkim_tried"] > 20


@pytest.mark.parametrize(
    "name", ["", "exa mple.org", "example", "-.example", "a..example", "192.0.2.1", "1.2.3.4/24", "a@b.example"]
)
def test_what_is_no_domain_is_refused_before_a_question_is_sent(name: str) -> None:
    with pytest.raises(SmtplabError, match="is not a domain name"):
        domains.examine_domain(Network.without_case(), name)


def test_a_report_reads_in_a_notebook_and_hostile_records_stay_text() -> None:
    hostile = f"v=DMARC1; p=none; rua=mailto:<b>x</b>@{DOMAIN}"
    made = report({**GOOD, f"_dmarc.{DOMAIN}": [("TXT", txt(hostile.encode()))]})
    assert repr(made).startswith(f"{DOMAIN}: spf ok, dkim not asked, dmarc none, mx ok\n")
    page = made._repr_html_()
    assert "<b>x" not in page
    assert page.count("<table") == 2


def test_an_include_without_answer_leaves_a_domain_unknown_whatever_else_is_wrong_with_it() -> None:
    text = "v=spf1 ptr include:shut.example -all"
    zone = {**GOOD, DOMAIN: [("TXT", txt(text.encode())), GOOD[DOMAIN][1]], "shut.example": [("*", "SERVFAIL")]}
    made = report(zone, "s1")
    assert {"spf.ptr.used", "spf.unknown"} <= {f.code for f in made.findings}
    assert not made.known


def test_of_a_name_that_does_not_exist_only_that_is_said() -> None:
    assert [f.code for f in report({}, "s1").findings] == ["names.domain.missing"]


def test_what_happened_to_a_domain_that_is_gone_stays() -> None:
    def missing(domain: str, code: str = "names.mx.missing") -> Finding:
        return Finding(code, domain, ("DNS",), domain=domain)

    facts = dict.fromkeys(("account", "guesses", "messages", "networks", "since", "source_ips"), "")
    happened = Finding("logs.account.compromised", "gone.example", ("mail.log",), domain="gone.example", **facts)
    found = Findings(
        [missing("gone.example", "names.domain.missing"), missing("gone.example"), missing("b.example"), happened]
    )
    assert {(f.code, f.subject) for f in names.settled(found)} == {
        ("names.domain.missing", "gone.example"),
        ("names.mx.missing", "b.example"),
        ("logs.account.compromised", "gone.example"),
    }
