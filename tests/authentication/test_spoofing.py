"""What becomes of a forged message, name by name, and the record that changes it: proved by publishing that record."""

from __future__ import annotations

import pytest

from smtplab.authentication import dmarc, spf, spoofing
from smtplab.authentication.check.spoofing import findings
from smtplab.authentication.spoofing import UNLIKELY, Fate, Forgery, Kind, Target
from smtplab.inventory import merge
from smtplab.net import Network
from smtplab.tables import Sighting
from tests.authentication.dnsserver import Zone, network, txt

NEWS, MISSING, LOOKALIKE = "news.corp.example", f"{UNLIKELY}.corp.example", "corp-billing.example"


def targets(net: Network, *more: Sighting, domain: str = "corp.example") -> tuple[Target, ...]:
    inventory = merge([Sighting("domain", domain), *more])

    async def work() -> tuple[Target, ...]:
        known = [await dmarc.collect(net, d) for d in inventory.domains()]
        return await spoofing.collect(net, inventory, known, [await spf.collect(net, d) for d in inventory.domains()])

    return net.run(work())


def forged(names: Zone, *more: Sighting, domain: str = "corp.example") -> dict[str, Forgery]:
    with network(names, timeout=0.4) as net:
        return {f.name: f for f in spoofing.forgeries(targets(net, *more, domain=domain))}


def zone(record: str = "", spf_: str = "v=spf1 -all", **more: list[tuple[str, str]]) -> Zone:
    made: dict[str, list[tuple[str, str]]] = {"corp.example": [("TXT", txt(spf_.encode()))]}
    if record:
        made["_dmarc.corp.example"] = [("TXT", txt(f"v=DMARC1; {record}".encode()))]
    return {**made, NEWS: [("A", "192.0.2.1")], **more}


AUTHOR = Sighting("author", NEWS, "", "reports")
D, S, R = Fate.DELIVERED, Fate.SPAM, Fate.REFUSED
# record, fates by RFC 9989 and by RFC 7489: the domain, a subdomain in use, one that does not exist
POLICIES: list[tuple[str, tuple[tuple[Fate, Fate], ...]]] = [
    ("", ((D, D), (D, D), (D, D))),
    ("p=none", ((D, D), (D, D), (D, D))),
    ("p=quarantine", ((S, S), (S, S), (S, S))),
    ("p=reject", ((R, R), (R, R), (R, R))),
    ("p=reject; sp=none", ((R, R), (D, D), (D, D))),
    ("p=none; sp=quarantine; np=reject", ((D, D), (S, S), (R, S))),
    ("p=reject; t=y", ((S, R), (S, R), (S, R))),
    ("p=quarantine; t=y", ((D, S), (D, S), (D, S))),
    ("p=reject; pct=10", ((R, S), (R, S), (R, S))),
    ("adkim=s", ((D, D), (D, D), (D, D))),
]


@pytest.mark.parametrize(("record", "fates"), POLICIES)
def test_each_policy_decides_for_each_kind_of_name(record: str, fates: tuple[tuple[Fate, Fate], ...]) -> None:
    rows = forged(zone(record), AUTHOR)
    assert [rows[n].kind for n in ("corp.example", NEWS, MISSING)] == [Kind.DOMAIN, Kind.SUBDOMAIN, Kind.MISSING]
    assert [(rows[n].walked, rows[n].listed) for n in ("corp.example", NEWS, MISSING)] == list(fates)


@pytest.mark.parametrize("record", [r for r, _ in POLICIES if "reject" not in r or ";" in r])
def test_publishing_the_record_proposed_makes_forgery_fare_worse(record: str) -> None:
    harm = list(Fate)
    for name, before in forged(zone(record), AUTHOR).items():
        if before.kind is Kind.LOOKALIKE or (before.walked, before.listed) == (R, R):
            assert not before.change
            continue
        at, _, text = before.change.partition(". TXT ")
        after = forged({**zone(record), at: [("TXT", text)]}, AUTHOR)[name]
        old, new = ([harm.index(f) for f in (r.walked, r.listed)] for r in (before, after))
        assert sum(new) > sum(old), before
        assert new[0] >= old[0], before
        # What carries mail is not refused at one stroke; a name that does not exist is.
        if before.kind is not Kind.MISSING and before.walked is D and "t=y" not in record:
            assert after.walked is S
        if before.kind is Kind.MISSING and before.walked is not R:
            assert after.walked is R


def test_where_no_record_governs_one_record_is_proposed_for_all_names() -> None:
    changes = {f.change for f in forged(zone(), AUTHOR).values() if f.kind is not Kind.LOOKALIKE}
    assert changes == {'_dmarc.corp.example. TXT "v=DMARC1; p=quarantine; np=reject; rua=mailto:dmarc@corp.example"'}


CAUTIONS = [
    # the record; whether the domain, the subdomain in use and the one that does not exist carry the caution
    ("", (True, True, True)),
    ("p=none", (True, True, False)),
    ("p=none; sp=quarantine; np=reject", (True, False, False)),
    ("p=reject; sp=none; np=none", (False, True, False)),
    ("p=quarantine", (False, False, False)),
    ("p=reject", (False, False, False)),
]


@pytest.mark.parametrize(("record", "expected"), CAUTIONS)
def test_a_first_record_that_may_hit_own_mail_says_when_to_publish_it(record: str, expected: tuple[bool, ...]) -> None:
    with network(zone(record), timeout=0.4) as net:
        table = spoofing.table(targets(net, AUTHOR)).set_index("name")
    said = [table.loc[n, "why"].endswith("until then, none") for n in ("corp.example", NEWS, MISSING)]
    assert tuple(said) == expected


TAKEN: list[tuple[Zone, str]] = [
    ({}, "free to register"),
    ({LOOKALIKE: [("NS", "ns.example.")]}, "exists, without DMARC"),
    ({LOOKALIKE: [("A", "192.0.2.9")]}, "exists, without DMARC"),
    ({LOOKALIKE: [("A", "192.0.2.9")], f"_dmarc.{LOOKALIKE}": [("TXT", '"hello"')]}, "exists, without DMARC"),
    ({LOOKALIKE: [("A", "192.0.2.9")], f"_dmarc.{LOOKALIKE}": [("TXT", '"v=DMARC1; p=none"')]}, "exists, with DMARC"),
    ({LOOKALIKE: [("A", "192.0.2.9")], f"_dmarc.{LOOKALIKE}": [("*", "SERVFAIL")]}, "exists, DMARC unknown ("),
    ({LOOKALIKE: [("*", "SERVFAIL")]}, "unknown ("),
]


@pytest.mark.parametrize("number", range(len(TAKEN)))
def test_a_look_alike_is_another_domain_and_told_as_an_example(number: int) -> None:
    names, words = TAKEN[number]
    row = forged({**zone("p=reject"), **names})[LOOKALIKE]
    assert (row.walked, row.listed, row.spf, row.change) == (Fate.OUTSIDE, Fate.OUTSIDE, "not asked", "")
    assert row.why.startswith(words)
    assert str(row.kind).startswith("an example")


def test_a_name_of_ours_is_no_look_alike() -> None:
    own = Sighting("domain", LOOKALIKE)
    for first, second in (("corp.example", own), (LOOKALIKE, Sighting("domain", "corp.example"))):
        assert forged(zone("p=reject"), second, domain=first)[LOOKALIKE].kind is Kind.DOMAIN


def test_a_look_alike_that_is_not_on_the_tape_is_unknown() -> None:
    (row,) = [f for f in spoofing.forgeries(targets(Network())) if f.kind is Kind.LOOKALIKE]
    assert row.why.startswith("unknown (")


STRANGERS = [
    ("v=spf1 -all", "fail"),
    ("v=spf1 ip4:192.0.2.1 ~all", "softfail"),
    ("v=spf1 ?all", "neutral"),
    ("v=spf1 ip4:192.0.2.1", "neutral"),
    ("v=spf1 +all", "pass"),
    ("v=spf1 all", "pass"),
    ("v=spf1 ip4:0.0.0.0/0 -all", "pass"),
    ("v=spf1 include:open.example -all", "pass"),
    ("v=spf1 redirect=open.example", "pass"),
    # The first term that matches decides, by its own sign: RFC 7208 sections 4.6.2 and 5.2.
    ("v=spf1 ~include:open.example -all", "softfail"),
    ("v=spf1 -include:open.example +all", "fail"),
    ("v=spf1 -ip4:0.0.0.0/0 -ip6:::/0 +all", "fail"),
    ("v=spf1 ip4:300.0.0.1 -all", "permerror"),
    ("v=spf1 include:shut.example -all", "unknown"),
    ("other", "none"),
]


@pytest.mark.parametrize(("record", "result"), STRANGERS)
def test_the_end_of_the_record_says_what_a_stranger_gets(record: str, result: str) -> None:
    more: Zone = {"open.example": [("TXT", '"v=spf1 +all"')], "shut.example": [("*", "SERVFAIL")]}
    row = forged({**zone("p=reject", record), **more})["corp.example"]
    assert row.spf == result
    # Whoever may pass as the domain passes DMARC, whatever the policy.
    assert row.walked is (D if result == "pass" else R)


def test_an_spf_record_that_lets_anyone_pass_opens_its_siblings_too() -> None:
    news: Zone = {NEWS: [("TXT", '"v=spf1 a:x.example +all"')]}
    relaxed = forged({**zone("p=reject"), **news}, AUTHOR)
    assert {n: f.walked for n, f in relaxed.items()} == {
        "corp.example": D,
        NEWS: D,
        MISSING: D,
        LOOKALIKE: Fate.OUTSIDE,
    }
    assert relaxed["corp.example"].change == f'{NEWS}. TXT "v=spf1 a:x.example -all"'
    strict = forged({**zone("p=reject; aspf=s"), **news}, AUTHOR)
    assert {n: f.walked for n, f in strict.items()} == {"corp.example": R, NEWS: D, MISSING: R, LOOKALIKE: Fate.OUTSIDE}


def test_a_subdomain_with_a_record_of_its_own_is_judged_by_it() -> None:
    own: Zone = {f"_dmarc.{NEWS}": [("TXT", '"v=DMARC1; p=none"')]}
    row = forged({**zone("p=reject"), **own}, AUTHOR)[NEWS]
    assert (row.walked, row.change) == (D, f'_dmarc.{NEWS}. TXT "v=DMARC1; p=quarantine"')


def test_the_domain_above_a_subdomain_is_a_row() -> None:
    rows = forged(zone("p=none"), domain=NEWS)
    assert {n: f.kind for n, f in rows.items()} == {
        NEWS: Kind.DOMAIN,
        f"{UNLIKELY}.{NEWS}": Kind.MISSING,
        "corp.example": Kind.PARENT,
        LOOKALIKE: Kind.LOOKALIKE,
    }


def test_no_answer_is_unknown_and_proposes_nothing() -> None:
    rows = spoofing.forgeries(targets(Network()))
    assert {f.walked for f in rows if f.kind is not Kind.LOOKALIKE} == {Fate.UNKNOWN}
    assert not any(f.change for f in rows)
    assert spoofing.table(()).columns.size == 7


def test_thousands_of_forged_names_are_bounded() -> None:
    many = [Sighting("author", f"x{i}.corp.example", "", "reports", 9_000 - i) for i in range(4_000)]
    with network(zone("p=reject"), timeout=5) as net:
        found = targets(net, *many)
    assert [t.name for t in found if t.kind is Kind.SUBDOMAIN] == [f"x{i}.corp.example" for i in range(30)]


def vouched(domain: str, signer: str = "", envelope: str = "") -> list[Sighting]:
    return [
        Sighting("author", domain, "", "reports"),
        *([Sighting("signer", signer, domain, "reports")] if signer else []),
        *([Sighting("envelope", envelope, domain, "reports")] if envelope else []),
    ]


@pytest.mark.parametrize(
    ("record", "seen", "tags"),
    [
        ("p=reject; adkim=s", vouched("corp.example", NEWS), ["adkim=s"]),
        ("p=reject; aspf=s", vouched("corp.example", "", "bounce.corp.example"), ["aspf=s"]),
        ("p=reject; adkim=s; aspf=s", vouched("corp.example", "corp.example", NEWS), ["aspf=s"]),
        ("p=reject; adkim=s; aspf=s", vouched(NEWS, "corp.example", NEWS), ["adkim=s"]),
        ("p=reject", vouched("corp.example", NEWS, NEWS), []),
        ("p=reject; adkim=s", vouched("corp.example"), []),
    ],
)
def test_strict_alignment_that_own_mail_cannot_meet_is_a_fault(
    record: str, seen: list[Sighting], tags: list[str]
) -> None:
    with network(zone(record)) as net:
        made = [f for f in findings(targets(net, *seen)) if f.code == "dmarc.alignment.strict"]
    assert [f.facts["tag"] for f in made] == tags
    assert all(f"{t[:-1]}r" in f.record for f, t in zip(made, tags, strict=True))


def test_a_wildcard_leaves_np_without_effect() -> None:
    wild: Zone = {"*.corp.example": [("A", "192.0.2.9")]}
    with network({**zone("p=none; np=reject"), **wild}) as net:
        found = targets(net)
        (one,) = findings(found)
        assert (one.code, one.subject) == ("dmarc.np.wildcard", "corp.example")
        row = next(f for f in spoofing.forgeries(found) if f.kind is Kind.MISSING)
    assert (row.walked, "wildcard" in row.why) == (D, True)
    with network(zone("p=none; np=reject")) as net:
        assert not list(findings(targets(net)))
