"""RFC 9989 and RFC 7489: the record, the walk, the organizational domain and the policy of each kind of name.

Expected values are worked out by hand from the paragraphs named beside them.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.authentication import dmarc
from smtplab.authentication.dmarc import Dispute, Dmarc
from smtplab.authentication.dmarc_record import ascii_name, parse, resembles
from smtplab.net.dns import State
from tests.authentication.dnsserver import Zone, network, txt

DEEP = "a.b.c.d.e.f.g.h.i.example"
WALKS = [
    ("example", ["example"]),
    ("a.example", ["a.example", "example"]),
    ("a.b.c.d.e.f.example", [f"{'.'.join('abcdef'[i:])}.example".lstrip(".") for i in range(7)]),
    # Section 4.10 step 4: of eight labels or more, seven are left for the second question; eight in all.
    ("a.b.c.d.e.f.g.example", [f"{'.'.join('abcdefg'[i:])}.example".lstrip(".") for i in range(8)]),
    (DEEP, [DEEP, *(f"{'.'.join('defghi'[i:])}.example".lstrip(".") for i in range(7))]),
]
NONE, ABSENT = ("none",) * 3, ("absent",) * 3
REJECT = ("reject",) * 3
# text, policies by RFC 9989 sections 4.7 and 4.10.1, by RFC 7489 sections 6.3 and 6.6.3
RECORDS = [
    ("v=DMARC1; p=reject", REJECT, REJECT),
    ("v=DMARC1;p=reject;sp=none", ("reject", "none", "none"), ("reject", "none", "none")),
    ("v=DMARC1; p=none; np=reject", ("none", "none", "reject"), NONE),
    (
        "v = DMARC1 ; P = Reject ; sp=quarantine; np=none;",
        ("reject", "quarantine", "none"),
        ("reject", *["quarantine"] * 2),
    ),
    ("v=DMARC1; rua=mailto:a@b.example", NONE, NONE),
    ("v=DMARC1; p=mistyped; rua=mailto:a@b.example", NONE, NONE),
    ("v=DMARC1; p=reject; sp=mistyped; rua=mailto:a@b.example!10m", NONE, NONE),
    ("v=DMARC1; p=reject; np=mistyped; rua=https://b.example/in", NONE, REJECT),
    ("v=DMARC1; p=reject; np=mistyped", ABSENT, REJECT),
    ("v=DMARC1; p=none rua=mailto:a@b.example", ABSENT, ABSENT),
    ("v=DMARC1; p=mistyped; rua=a@b.example", ABSENT, ABSENT),
    ("v=DMARC1; p=mistyped; rua=mailto:", ABSENT, ABSENT),
    ("v=DMARC1; sp=reject", ABSENT, ABSENT),
    ("v=DMARC1", ABSENT, ABSENT),
    # The first of a repeated tag counts.
    ("v=DMARC1; p=reject; p=none", REJECT, REJECT),
]
# records by name, author domain, organizational domain, name of the governing record, policies: RFC 9989
ZONES: list[tuple[dict[str, str], str, str, str, tuple[str, ...]]] = [
    # Section 4.10.2 rule 3: the fewest labels.
    ({"corp.example": "p=reject"}, "corp.example", "corp.example", "corp.example", REJECT),
    ({"corp.example": "p=reject; sp=none"}, "x.corp.example", "corp.example", "corp.example", NONE),
    # Section 4.10.1: the author domain's own record first; what governs below it is the organization's, not its sp.
    (
        {"x.corp.example": "p=none; sp=none", "corp.example": "p=reject; np=quarantine"},
        "x.corp.example",
        "corp.example",
        "x.corp.example",
        ("none", "reject", "quarantine"),
    ),
    # A record between the domain and its organization governs nothing.
    ({"y.corp.example": "p=none", "corp.example": "p=reject"}, "x.y.corp.example", "corp.example", "corp.example", REJECT),
    # Rule 1: psd=n ends the walk, at the start as well.
    ({"y.corp.example": "p=none; psd=n", "corp.example": "p=reject"}, "x.y.corp.example", *["y.corp.example"] * 2, NONE),
    ({"y.corp.example": "p=none; psd=n", "corp.example": "p=reject"}, "y.corp.example", *["y.corp.example"] * 2, NONE),
    # Rule 2: psd=y elsewhere than at the start: one label below it.
    ({"example": "p=reject; psd=y"}, "x.corp.example", "corp.example", "example", REJECT),
    ({"example": "p=reject; psd=y", "corp.example": "p=none"}, "x.corp.example", "corp.example", "corp.example", NONE),
    ({"example": "p=reject; sp=none; psd=y"}, "corp.example", "corp.example", "example", NONE),
    # A suffix that sends mail itself: its own record, and a subdomain is an organization of its own.
    ({"example": "p=reject; sp=none; psd=y"}, "example", "example", "example", ("reject", "none", "none")),
    # One label below is cut from the start, for the walk jumped over that name.
    ({"g.h.i.example": "p=reject; psd=y"}, DEEP, "f.g.h.i.example", "g.h.i.example", REJECT),
    ({"c.d.e.f.g.h.i.example": "p=none", "i.example": "p=reject"}, DEEP, "i.example", "i.example", REJECT),
    # Nothing found: the domain is its own organization (last sentence of 4.10.2), and there is no DMARC.
    ({}, "x.corp.example", "x.corp.example", "", ABSENT),
    # A record without a policy and without reports governs, and asks for no DMARC: section 4.10.1.
    ({"x.corp.example": "adkim=s", "corp.example": "p=reject"}, "x.corp.example", "corp.example", "x.corp.example", ("absent", *REJECT[1:])),
    # Appendix B.4.1 to B.4.3, the walks of the RFC's own examples.
    ({"example.com": "p=reject", "signing.example.com": "p=reject"}, "example.com", *["example.com"] * 2, REJECT),
    ({"example.com": "p=reject", "signing.example.com": "p=none"}, "signing.example.com", "example.com", "signing.example.com", ("none", *REJECT[1:])),
    ({"example.com": "p=reject"}, "a.b.c.d.e.f.g.h.i.j.k.example.com", *["example.com"] * 2, REJECT),
    ({"bank.example": "p=reject; psd=y", "giant.bank.example": "p=none"}, "giant.bank.example", *["giant.bank.example"] * 2, NONE),
    ({"bank.example": "p=reject; psd=y", "giant.bank.example": "p=none"}, "mail.mega.bank.example", "mega.bank.example", "bank.example", REJECT),
]  # fmt: skip


def zone(records: dict[str, str | list[str]], **more: str) -> Zone:
    """DMARC records by domain, without their v=; more names exist with a TXT of no interest."""
    made: dict[str, list[tuple[str, str]]] = {}
    for name, texts in records.items():
        made[f"_dmarc.{name}"] = [
            ("TXT", txt(f"v=DMARC1; {t}".encode())) for t in ([texts] if isinstance(texts, str) else texts)
        ]
    return made


def found(records: dict[str, str | list[str]], domain: str, **broken: str) -> Dmarc:
    names = {**zone(records), **{f"_dmarc.{n}": [("*", how)] for n, how in broken.items()}}
    with network(names, timeout=0.3) as net:
        return net.run(dmarc.collect(net, domain))


REPORTS = "p=reject; rua=mailto:x@in.r.corp.example"
# The DMARC records, what fails, and whether a host below the organization is one of ours
BELOW: list[tuple[dict[str, str | list[str]], dict[str, str], str]] = [
    ({"corp.example": REPORTS}, {}, "own"),
    ({"corp.example": REPORTS, "r.corp.example": "p=none"}, {}, "own"),
    ({"corp.example": REPORTS, "in.r.corp.example": "p=none"}, {}, "own"),
    ({"corp.example": REPORTS, "r.corp.example": "p=none; psd=n"}, {}, "not authorised"),
    ({"corp.example": REPORTS, "in.r.corp.example": "p=none; psd=n"}, {}, "not authorised"),
    ({"corp.example": REPORTS, "r.corp.example": "p=none; psd=y"}, {}, "not authorised"),
    ({"corp.example": f"{REPORTS}; psd=n"}, {}, "own"),
    ({"corp.example": REPORTS}, {"r.corp.example": "SERVFAIL"}, "unknown"),
    # The walk ends before what has no answer.
    ({"corp.example": REPORTS, "in.r.corp.example": "p=none; psd=n"}, {"r.corp.example": "SERVFAIL"}, "not authorised"),
    ({"corp.example": "p=reject; rua=mailto:x@corp.example"}, {"r.corp.example": "SERVFAIL"}, "own"),
]


@pytest.mark.parametrize(("records", "broken", "consent"), BELOW)
def test_a_report_host_below_may_be_another_organization(
    records: dict[str, str | list[str]], broken: dict[str, str], consent: str
) -> None:
    (target,) = found(records, "corp.example", **broken).targets
    assert str(target.consent) == consent


def test_report_hosts_below_are_not_walked_without_end() -> None:
    many = ",".join(f"mailto:x@r{i}.corp.example" for i in range(30))
    got = found({"corp.example": f"p=reject; rua={many}"}, "corp.example").targets
    assert [str(t.consent) for t in got] == ["own"] * 10 + ["unknown"] * 20


@pytest.mark.parametrize(("domain", "names"), WALKS)
def test_the_walk_asks_at_most_eight_names(domain: str, names: list[str]) -> None:
    assert dmarc.walk(domain) == names
    assert len(names) <= dmarc.MAX_QUERIES


@pytest.mark.parametrize(("text", "walked", "listed"), RECORDS)
def test_each_record_means_a_policy_for_each_kind_of_name(
    text: str, walked: tuple[str, ...], listed: tuple[str, ...]
) -> None:
    record = parse("corp.example", text)
    assert record
    assert (record.asked(), record.asked(np=False)) == (walked, listed)


@pytest.mark.parametrize(
    "text",
    ["v=DMARC2; p=none", "v=dmarc1; p=none", "p=none; v=DMARC1", "v=DMARC11", " v=DMARC1; p=none", "v=DMARC1 p=none"],
)
def test_what_does_not_begin_with_the_version_is_no_record_but_was_meant_to_be(text: str) -> None:
    assert parse("corp.example", text) is None
    assert resembles(text)


@pytest.mark.parametrize("text", ["", "v=spf1 -all", "google-site-verification=1"])
def test_what_has_nothing_to_do_with_dmarc_is_left_alone(text: str) -> None:
    assert parse("corp.example", text) is None
    assert not resembles(text)


@pytest.mark.parametrize(("records", "domain", "org", "at", "policies"), ZONES)
def test_the_walk_finds_organization_governing_record_and_policies(
    records: dict[str, str | list[str]], domain: str, org: str, at: str, policies: tuple[str, ...]
) -> None:
    # The author domains of this table exist, so that sp is for those that inherit.
    names = {**zone(records), domain: [("A", "192.0.2.1")]}
    with network(names) as net:
        got = net.run(dmarc.collect(net, domain))
    assert (got.org, got.record.domain if got.record else "", got.walked.policies) == (org, at, policies)
    assert got.state is (State.PRESENT if at else State.ABSENT)


def test_a_domain_that_inherits_gets_np_only_where_it_does_not_exist() -> None:
    records: dict[str, str | list[str]] = {"corp.example": "p=reject; sp=none; np=quarantine"}
    gone = found(records, "gone.corp.example")
    assert (gone.exists, gone.walked.policies[0]) == (False, "quarantine")
    # NODATA: the name exists without a TXT record (section 3.2.13, RFC 8020).
    for there in (
        {"gone.corp.example": [("MX", "10 mx.corp.example.")]},
        {"x.gone.corp.example": [("A", "192.0.2.1")]},
    ):
        with network({**zone(records), **there}) as net:
            got = net.run(dmarc.collect(net, "gone.corp.example"))
        assert (got.exists, got.walked.policies[0]) == (True, "none")
    with network({**zone(records), "gone.corp.example": [("*", "SERVFAIL")]}) as net:
        got = net.run(dmarc.collect(net, "gone.corp.example"))
    assert (got.exists, got.walked.policies[0]) == (None, "unknown")


# records, domain, organization and policies by RFC 7489, pieces of what `differs` says
OLD: list[tuple[dict[str, str | list[str]], str, str, tuple[str, ...], tuple[str, ...]]] = [
    ({"corp.example": "p=reject"}, "corp.example", "corp.example", REJECT, ()),
    ({}, "corp.example", "corp.example", ABSENT, ()),
    ({"corp.example": "p=none; np=reject"}, "corp.example", "corp.example", NONE, ("does not exist: reject by RFC 9989",)),
    # Section 6.6.3 step 3 asks the organizational domain alone, never the names between.
    ({"a.co.uk": "p=reject"}, "x.y.a.co.uk", "a.co.uk", REJECT, ()),
    # A record of the public suffix is unknown to RFC 7489.
    ({"co.uk": "p=reject; psd=y"}, "a.co.uk", "a.co.uk", ABSENT, ("governing record: that of co.uk by RFC 9989, none", "reject by RFC 9989, absent")),
    # psd=n and a record at a subdomain alone move the organization for RFC 9989 only.
    ({"x.corp.example": "p=none; psd=n", "corp.example": "p=reject"}, "x.corp.example", "corp.example", ("none", *REJECT[1:]), ("organizational domain: x.corp.example by the tree walk (psd=n at x.corp.example), corp.example by",)),
    ({"x.corp.example": "p=none"}, "x.corp.example", "corp.example", ("none", *ABSENT[1:]), ("organizational domain: x.corp.example",)),
    # Section 6.6.3 step 5: two records end the search; RFC 9989 goes on.
    ({"x.corp.example": ["p=none", "p=reject"], "corp.example": "p=reject"}, "x.corp.example", "corp.example", ("absent", *REJECT[1:]), ("RFC 7489 stops", "reject by RFC 9989, absent by RFC 7489 (two records")),
    ({"corp.example": "p=reject; t=y"}, "corp.example", "corp.example", REJECT, ("t=y:",)),
    ({"corp.example": "p=reject; pct=20"}, "corp.example", "corp.example", REJECT, ("spares 80%",)),
    ({"corp.example": "p=reject; np=no"}, "corp.example", "corp.example", REJECT, ("np=no is not valid",)),
    # The private section of the list counts, as do its wildcards and exceptions.
    ({"github.io": "p=reject"}, "x.github.io", "x.github.io", ABSENT, ("organizational domain: github.io",)),
    ({}, "a.b.c.kawasaki.jp", "b.c.kawasaki.jp", ABSENT, ()),
    ({}, "a.city.kawasaki.jp", "city.kawasaki.jp", ABSENT, ()),
]  # fmt: skip


@pytest.mark.parametrize(("records", "domain", "org", "policies", "said"), OLD)
def test_rfc_7489_stands_beside_and_differences_have_reasons(
    records: dict[str, str | list[str]], domain: str, org: str, policies: tuple[str, ...], said: tuple[str, ...]
) -> None:
    got = found(records, domain)
    assert (got.org_psl, got.listed.policies) == (org, policies)
    assert bool(got.differs) == bool(said)
    assert all(any(piece in line for line in got.differs) for piece in said), got.differs


def test_the_list_is_asked_where_the_walk_stops_short_of_it() -> None:
    got = found({"x.y.corp.example": "p=none; psd=n", "corp.example": "p=reject"}, "x.y.corp.example")
    assert [s.name for s in got.steps] == ["x.y.corp.example"]
    assert got.listed.policies == ("none", "reject", "reject")


DISPUTES: list[tuple[dict[str, str | list[str]], str, tuple[Dispute, ...]]] = [
    ({"corp.example": "p=reject"}, "corp.example", ()),
    ({"corp.example": ["p=reject", "p=none"]}, "corp.example", (Dispute.MULTIPLE,)),
    ({"corp.example": "p=reject; t=Y"}, "corp.example", (Dispute.TESTING,)),
    ({"corp.example": "p=reject"}, "x.corp.example", (Dispute.EXHAUSTED,)),
    ({"corp.example": "p=reject; psd=n"}, "x.corp.example", ()),
]


@pytest.mark.parametrize(("records", "domain", "cases"), DISPUTES)
def test_disputed_cases_are_named(records: dict[str, str | list[str]], domain: str, cases: tuple[Dispute, ...]) -> None:
    assert found(records, domain).disputed == cases
    assert all(d["first"] and d["second"] and d["date"] for d in map(dmarc.disputes().__getitem__, cases))


def test_a_missing_answer_leaves_unknown_only_what_rests_on_it() -> None:
    got = found({"corp.example": "p=reject"}, "corp.example", example="SERVFAIL")
    assert (got.state, got.org, got.walked.policies) == (State.PRESENT, "", ("reject", "unknown", "unknown"))
    assert "_dmarc.example" in got.why
    # The list never asks the public suffix.
    assert got.listed.policies == REJECT
    got = found({"corp.example": "p=reject"}, "x.corp.example", **{"x.corp.example": "TIMEOUT"})
    # The name that did not answer may hold psd=n, which would govern what is below it; the list asks other names.
    assert (got.state, got.walked.policies) == (State.UNKNOWN, ("unknown",) * 3)
    assert got.listed.policies == ("unknown", "reject", "reject")
    assert got.as_dict()["policy"] == "unknown"


def test_the_contract_has_exactly_its_keys() -> None:
    made = found({"corp.example": "p=reject; np=none"}, "x.corp.example").as_dict()
    assert made == {
        "record": "v=DMARC1; p=reject; np=none",
        "organizational_domain": "corp.example",
        "policy": "none",
        "subdomain_policy": "reject",
        "nonexistent_policy": "none",
        "psl_organizational_domain": "corp.example",
    }
    assert set(found({}, "corp.example").as_dict().values()) == {"corp.example", None}


# what the zone of the report address holds -> consent
CONSENT: list[tuple[dict[str, list[tuple[str, str]]], str]] = [
    ({}, "not authorised"),
    ({"corp.example._report._dmarc.desk.example": [("TXT", '"v=DMARC1"')]}, "agreed"),
    ({"corp.example._report._dmarc.desk.example": [("TXT", '"v=DMARC1;"'), ("TXT", '"other"')]}, "agreed"),
    ({"*._report._dmarc.desk.example": [("TXT", '"v=DMARC1; rua=mailto:else@desk.example"')]}, "agreed"),
    ({"corp.example._report._dmarc.desk.example": [("TXT", '"yes, please"')]}, "not authorised"),
    # The consent is for the domain that publishes the record, not for the one that inherits it.
    ({"x.corp.example._report._dmarc.desk.example": [("TXT", '"v=DMARC1"')]}, "not authorised"),
    ({"corp.example._report._dmarc.desk.example": [("*", "SERVFAIL")]}, "unknown"),
]


@pytest.mark.parametrize(("names", "consent"), CONSENT)
def test_report_addresses_elsewhere_need_consent(names: dict[str, list[tuple[str, str]]], consent: str) -> None:
    addresses = "rua=mailto:x@desk.example!10m,mailto:own@in.corp.example; ruf=mailto:X@Desk.Example"
    with network({**zone({"corp.example": f"p=reject; {addresses}"}), **names}) as net:
        got = net.run(dmarc.collect(net, "x.corp.example"))
    assert [(t.address, t.consent) for t in got.targets] == [
        ("x@desk.example", consent),
        ("own@in.corp.example", "own"),
        ("X@desk.example", consent),
    ]


@pytest.mark.parametrize(
    ("names", "state"),
    [
        ([("MX", "10 mx.corp.example.")], "present"),
        ([("A", "192.0.2.1")], "present"),
        ([("MX", "0 .")], "absent"),
        ([("TXT", '"nothing"')], "absent"),
        ([("*", "SERVFAIL")], "unknown"),
    ],
)
def test_an_own_report_address_may_get_no_mail(names: list[tuple[str, str]], state: str) -> None:
    with network({**zone({"corp.example": "p=reject; rua=mailto:d@corp.example"}), "corp.example": names}) as net:
        (target,) = net.run(dmarc.collect(net, "corp.example")).targets
    assert target.mail == state


@pytest.mark.parametrize("name", ["", "a b.example", "x" * 64 + ".example", "a..example", "[192.0.2.1]", "*.example"])
def test_what_is_no_domain_name_is_unknown(name: str) -> None:
    with network({}) as net:
        got = net.run(dmarc.collect(net, name))
    assert (got.state, got.why) == (State.UNKNOWN, "not a domain name")


def test_a_name_in_any_script_is_asked_in_ascii() -> None:
    assert ascii_name("Bücher.Example.") == "xn--bcher-kva.example"


TEXTS = st.text(max_size=300) | st.text("v=DMARC1;psnprua:@,!. \t", max_size=120)


@given(TEXTS)
def test_no_record_makes_a_reader_raise(text: str) -> None:
    for full in (text, f"v=DMARC1;{text}"):
        record = parse("corp.example", full)
        resembles(full)
        if record:
            assert len(record.asked()) == len(record.asked(np=False)) == 3
            assert 0 <= record.pct <= 100
            again = parse("corp.example", record.changed(p="reject"))
            assert again
            assert again.tags["p"] == "reject"
            assert not again.invalid


@given(st.lists(TEXTS, max_size=4), st.text("abc.-_*\u00fc ", max_size=90))
def test_no_zone_makes_the_selection_raise(texts: list[str], name: str) -> None:
    domain = ascii_name(name) or "a.b.c.example"
    names = dmarc.walk(domain)
    records = {n: parse(n, f"v=DMARC1;{t}") for n, t in zip(names, texts, strict=False)}
    steps = {n: dmarc.Step(n, State.PRESENT, r, 1 if r else 0) for n, r in records.items()}
    org = dmarc.organization(domain, steps)
    assert domain == org or domain.endswith(f".{org}")
    assert len(dmarc.by_walk(domain, steps, None).policies) == 3
