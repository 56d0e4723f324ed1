"""What is published, judged: a table of zones and the findings each must raise, live and in replay."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from smtplab import authentication, inventory
from smtplab.authentication import AuthEvidence, figures
from smtplab.case import Case
from smtplab.findings import Severity
from smtplab.tables import Sighting
from tests.authentication.dnsserver import Zone, serve, txt

DOMAIN = "corp.example"
DMARC = "v=DMARC1; p=reject; rua=mailto:dmarc@corp.example"


def key(bits: int) -> str:
    made = rsa.generate_private_key(65537, bits).public_key()
    raw = made.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"v=DKIM1; k=rsa; p={base64.b64encode(raw).decode()}"


def ed25519_key() -> str:
    raw = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return f"v=DKIM1; k=ed25519; p={base64.b64encode(raw).decode()}"


def zone(**texts: str | list[str]) -> Zone:
    """TXT records by label ("" is the domain; "/" starts a name outside)."""
    made: dict[str, list[tuple[str, str]]] = {DOMAIN: []}
    for label, values in texts.items():
        name = label[1:] if label.startswith("/") else f"{label}.{DOMAIN}".lstrip(".")
        made[name] = [("TXT", txt(v.encode())) for v in ([values] if isinstance(values, str) else values)]
    return made


def collect(folder: Path, names: Zone, *, seen: str = "", outbound: str = "") -> AuthEvidence:
    """Record a case against the zone, replay it, and demand that both say the same."""
    with serve(names) as resolver:
        Case.create(folder, DOMAIN)
        hosts = (
            f'[[hosts]]\nname = "out.{DOMAIN}"\nroles = ["outbound"]\naddresses = ["{outbound}"]\n' if outbound else ""
        )
        (folder / "case.toml").write_text(
            f'version = 1\ndomains = ["{DOMAIN}"]\n{hosts}[network]\nresolver = "{resolver}"\ntimeout = 0.5\n'
        )
        sightings = [Sighting("selector", seen, DOMAIN, "a signed message")] if seen else []
        with Case.open(folder, live=True) as case:
            live = authentication.collect(case, inventory.gather(case, sightings))
    case = Case.open(folder)
    again = authentication.collect(case, inventory.gather(case, sightings))
    assert repr(authentication.check(again)) == repr(authentication.check(live))
    return again


def published(lines: str) -> Zone:
    """Records as a name server reads them from the lines of a zone file."""
    rows = [line.split(" TXT ", 1) for line in lines.splitlines()]
    return {name.rstrip("."): [("TXT", text)] for name, text in rows}


TWELVE = " ".join(f"include:_s{i}.{DOMAIN}" for i in range(12))
INCLUDES = {f"_s{i}": f"v=spf1 ip4:192.0.2.{i} -all" for i in range(12)}
SPF_TABLE: list[tuple[Zone, str, Severity]] = [
    (zone(**{"": f"v=spf1 {TWELVE} ~all", **INCLUDES}), "spf.lookups.exceeded", Severity.CRITICAL),
    (zone(**{"": "unrelated"}), "spf.record.missing", Severity.HIGH),
    (zone(**{"": ["v=spf1 -all", "v=spf1 ip4:192.0.2.1 -all"]}), "spf.record.multiple", Severity.HIGH),
    (zone(**{"": "v=spf1 +all"}), "spf.all.pass", Severity.CRITICAL),
    (zone(**{"": "v=spf1 ip4:1.2.3.4 ?all"}), "spf.all.neutral", Severity.MEDIUM),
    (zone(**{"": "v=spf1 a:no1.example a:no2.example a:no3.example -all"}), "spf.voids.exceeded", Severity.MEDIUM),
    (zone(**{"": "v=spf1 ip4:300.1.1.1 -all"}), "spf.syntax.invalid", Severity.HIGH),
    (zone(**{"": "v=spf1 include:gone.example -all"}), "spf.include.gone", Severity.HIGH),
    (zone(**{"": f"v=spf1 include:{DOMAIN} -all"}), "spf.include.loop", Severity.HIGH),
    ({DOMAIN: [("*", "SERVFAIL")]}, "spf.unknown", Severity.INFO),
    (
        {**zone(**{"": "v=spf1 include:shut.example -all"}), "shut.example": [("*", "TIMEOUT")]},
        "spf.unknown",
        Severity.INFO,
    ),
    (zone(**{"": "v=spf1 ip4:192.0.2.0/24 ~all"}), "spf.ok", Severity.OK),
    (zone(**{"": "v=spf1 redirect=_spf.corp.example", "_spf": "v=spf1 ip4:192.0.2.1 -all"}), "spf.ok", Severity.OK),
]


# The domain's own record, other names, and every code that must be raised: no more and no fewer.
SPF_FLAWS: list[tuple[str, Zone, set[str]]] = [
    ("v=spf1 ip4:192.0.2.1 foo:bar ip4:300.1.1.1 -all", {}, {"spf.syntax.invalid"}),
    (
        "v=spf1 redirect=a.example redirect=b.example",
        {"a.example": [("TXT", txt(b"v=spf1 -all"))]},
        {"spf.syntax.invalid"},
    ),
    (" v=spf1 -all", {}, {"spf.record.malformed"}),
    ('"v=spf1 -all"', {}, {"spf.record.malformed"}),
    ("v=spf1; -all", {}, {"spf.record.malformed"}),
    ("v=spf1 include:bare.example -all", {"bare.example": [("TXT", txt(b"hello"))]}, {"spf.include.norecord"}),
    (
        "v=spf1 include:two.example -all",
        {"two.example": [("TXT", txt(b"v=spf1 -all")), ("TXT", txt(b"v=spf1 mx -all"))]},
        {"spf.include.multiple"},
    ),
    (
        "v=spf1 include:a.example -all",
        {
            "a.example": [("TXT", txt(b"v=spf1 include:b.example -all"))],
            "b.example": [("TXT", txt(b"v=spf1 include:a.example -all"))],
        },
        {"spf.include.loop"},
    ),
    (
        "v=spf1 mx:m.example -all",
        {
            "m.example": [("MX", f"10 h{i}.m.example.") for i in range(11)],
            **{f"h{i}.m.example": [("A", "192.0.2.1")] for i in range(11)},
        },
        {"spf.mx.exceeded"},
    ),
    # The name, and the domain above it that nobody has: who registers it passes.
    ("v=spf1 include:_spf.gone-vendor.com -all", {}, {"spf.include.gone", "spf.name.registrable"}),
    ("v=spf1 a:mail.gone-vendor.com -all", {}, {"spf.name.registrable"}),
    (
        "v=spf1 include:a.example -all",
        {"a.example": [("TXT", txt(b"v=spf1 mx:gone-vendor.co.uk -all"))]},
        {"spf.name.registrable"},
    ),
    ("v=spf1 a:old.example -all", {"old.example": [("CNAME", "host.gone-vendor.com.")]}, {"spf.name.registrable"}),
    ("v=spf1 include:_spf.vendor.com -all", {"www.vendor.com": [("A", "192.0.2.1")]}, {"spf.include.gone"}),
    # Nobody can register below .example, nor a public suffix itself.
    ("v=spf1 a:gone.example -all", {}, {"spf.void.terms"}),
    ("v=spf1 a:co.uk -all", {}, {"spf.void.terms"}),
    ("v=spf1 a mx ~all", {}, {"spf.void.terms"}),
    ("v=spf1 mx:null.example ~all", {"null.example": [("MX", "0 .")]}, {"spf.void.terms"}),
    ("v=spf1 ip4:192.0.2.1 exists:gone.%{d} ~all", {}, {"spf.void.terms"}),
    ("v=spf1 ~all", {}, {"spf.ok"}),
    ("v=spf1 -all", {}, {"spf.ok"}),
    ("v=spf1 exists:%{i}.gone.example a:shut.example -all", {"shut.example": [("*", "SERVFAIL")]}, {"spf.unknown"}),
    ("v=spf1 ptr -all", {}, {"spf.ptr.used"}),
    ("v=spf1 ip4:192.0.2.1", {}, {"spf.all.missing"}),
    ("v=spf1", {}, {"spf.all.missing"}),
    ("v=spf1 ip4:192.0.2.1 -all ip4:192.0.2.2", {}, {"spf.term.unreached"}),
    ("v=spf1 ip4:192.0.2.1 -all redirect=gone.example", {}, {"spf.redirect.ignored"}),
    ("v=spf1 include=vendor.example -all", {}, {"spf.modifier.mistyped"}),
    ("v=spf1 redirct=vendor.example ip4=192.0.2.1 -all", {}, {"spf.modifier.mistyped"}),
    ("v=spf1 colour=blue -all", {}, {"spf.modifier.unknown"}),
    ("v=spf1 ip4:10.0.0.0/15 -all", {}, {"spf.network.broad"}),
    ("v=spf1 ip6:2001:db8::/31 -all", {}, {"spf.network.broad"}),
    ("v=spf1 ip4:192.0.0.0/16 ip6:2001:db8::/32 -all", {}, {"spf.ok"}),
    ("v=spf1 ip4:0.0.0.0/0 -all", {}, {"spf.all.pass"}),
    ("v=spf1 all", {}, {"spf.all.pass"}),
    ("v=spf1 include:open.example -all", {"open.example": [("TXT", txt(b"v=spf1 +all"))]}, {"spf.all.pass"}),
    ("v=spf1 a:h.example/0 -all", {"h.example": [("A", "192.0.2.1")]}, {"spf.all.pass"}),
    ("v=spf1 exists:h.example -all", {"h.example": [("A", "192.0.2.1")]}, {"spf.all.pass"}),
    # What matches without letting pass lets nobody in.
    ("v=spf1 ?include:open.example -all", {"open.example": [("TXT", txt(b"v=spf1 +all"))]}, {"spf.ok"}),
    ("v=spf1 -exists:h.example ~all", {"h.example": [("A", "192.0.2.1")]}, {"spf.ok"}),
    ("v=spf1 " + " ".join(f"ip4:192.0.2.{i}" for i in range(30)) + " -all", {}, {"spf.record.long"}),
    (
        "v=spf1 a:h1.example a:h1.example a:h1.example ip6:2001:db8::/48 -all",
        {"h1.example": [("A", "192.0.2.1")]},
        {"spf.voids.family"},
    ),
    (
        "v=spf1 ip6:2001:db8::/48 a:h1.example a:h1.example a:h1.example -all",
        {"h1.example": [("A", "192.0.2.1")]},
        {"spf.ok"},
    ),
    (
        "v=spf1 a:h1.example a:h1.example a:h1.example ip4:192.0.2.9 -all",
        {"h1.example": [("AAAA", "2001:db8::1")]},
        {"spf.voids.family"},
    ),
    # Odd, and as good as any.
    ("V=SPF1 IP4:192.0.2.1 ~ALL", {}, {"spf.ok"}),
    ("v=spf1   ip4:192.0.2.1   ~all  ", {}, {"spf.ok"}),
    ("v=spf1 ra=abuse rp=100 rr=all +ip4:192.0.2.1 -all exp=why.corp.example", {}, {"spf.ok"}),
    ("v=spf1 Include:A.Example. -all", {"a.example": [("TXT", txt(b"v=spf1 ip4:192.0.2.1"))]}, {"spf.ok"}),
    # One flaw hides no other.
    (
        "v=spf1 ptr include:gone.example include=x.example nonsense:1 a:no1.example a:no2.example a:no3.example ?all mx redirect=r.example",
        {},
        {
            "spf.ptr.used",
            "spf.include.gone",
            "spf.modifier.mistyped",
            "spf.syntax.invalid",
            "spf.voids.exceeded",
            "spf.all.neutral",
            "spf.term.unreached",
            "spf.redirect.ignored",
        },
    ),
]


@pytest.mark.parametrize(
    ("record", "others", "codes"), SPF_FLAWS, ids=[f"{i}-{r[:60]}" for i, (r, _, _) in enumerate(SPF_FLAWS)]
)
def test_each_flaw_of_a_record_is_told_and_no_other(tmp_path: Path, record: str, others: Zone, codes: set[str]) -> None:
    found = authentication.check(collect(tmp_path / "case", {**zone(**{"": record}), **others})).of("spf.")
    assert {f.code for f in found} == codes


def test_other_texts_of_a_name_count_for_the_size_of_its_answer(tmp_path: Path) -> None:
    proofs = [f"service-{i}-verification={'x' * 60}" for i in range(6)]
    names = zone(**{"": ["v=spf1 ip4:192.0.2.1 -all", *proofs]})
    (found,) = authentication.check(collect(tmp_path / "case", names)).of("spf.")
    # RFC 1035: 12 bytes of head, name and type and class, then 12 bytes and a length byte for each record.
    question = len("corp.example") + 2 + 4
    texts = [len(t) + 13 for t in ("v=spf1 ip4:192.0.2.1 -all", *proofs)]
    assert (found.code, found.facts["size"]) == ("spf.answer.large", 12 + question + sum(texts))


def test_two_records_are_judged_as_the_one_they_would_be(tmp_path: Path) -> None:
    names = zone(**{"": ["v=spf1 include:gone.example -all", "v=spf1 ip4:192.0.2.1 -all"]})
    found = authentication.check(collect(tmp_path / "case", names)).of("spf.")
    assert {f.code for f in found} == {"spf.record.multiple", "spf.include.gone"}
    merged = next(f for f in found if f.code == "spf.record.multiple").record
    assert merged == f'{DOMAIN}. TXT "v=spf1 include:gone.example ip4:192.0.2.1 -all"'


def test_a_broken_term_names_the_networks_that_it_costs(tmp_path: Path) -> None:
    names = zone(**{"": "v=spf1 ip4:192.0.2.1 include:gone.example ip4:192.0.2.2 -all"})
    (found,) = authentication.check(collect(tmp_path / "case", names)).of("spf.")
    assert found.facts["lost_networks"] == ["192.0.2.2/32"]


@pytest.mark.parametrize(("names", "code", "severity"), SPF_TABLE)
def test_each_fault_of_spf_has_its_code(tmp_path: Path, names: Zone, code: str, severity: Severity) -> None:
    found = authentication.check(collect(tmp_path / "case", names)).of("spf.")
    assert {(f.code, f.severity) for f in found} == {(code, severity)}


def test_networks_beyond_the_tenth_lookup_are_named_and_the_proposed_record_needs_fewer(tmp_path: Path) -> None:
    names = zone(**{"": f"v=spf1 ip4:198.51.100.1 {TWELVE} ~all", **INCLUDES})
    evidence = collect(tmp_path / "case", names, outbound="192.0.2.11")
    (found,) = authentication.check(evidence).of("spf.lookups")
    assert found.facts["lookups"] == 12
    assert found.facts["unreachable_networks"] == ["192.0.2.10/32", "192.0.2.11/32"]
    assert evidence.verdicts["result"].tolist() == ["permerror"]
    assert found.record.startswith(f'{DOMAIN}. TXT "v=spf1 ')
    mended = {**names, **published(found.record)}
    (after,) = authentication.check(collect(tmp_path / "after", mended)).of("spf.")
    assert after.code == "spf.ok"


def test_an_address_before_the_limit_still_passes(tmp_path: Path) -> None:
    names = zone(**{"": f"v=spf1 ip4:198.51.100.1 {TWELVE} ~all", **INCLUDES})
    evidence = collect(tmp_path / "case", names, outbound="198.51.100.1")
    assert evidence.verdicts["result"].tolist() == ["pass"]


KEYS: list[tuple[str, str, Severity]] = [
    (key(2048), "dkim.key.ok", Severity.OK),
    (ed25519_key(), "dkim.key.ok", Severity.OK),
    (key(1024), "dkim.key.short", Severity.LOW),
    ("v=DKIM1; p=", "dkim.key.revoked", Severity.HIGH),
    ("v=DKIM1; p=***", "dkim.key.invalid", Severity.HIGH),
    ("v=DKIM1; p=AAAA", "dkim.key.invalid", Severity.HIGH),
    ("v=DKIM2; p=AAAA", "dkim.key.invalid", Severity.HIGH),
    ("k=dsa; p=AAAA", "dkim.key.invalid", Severity.HIGH),
    ("nothing", "dkim.key.invalid", Severity.HIGH),
    (f"{key(2048)}; t=y", "dkim.key.testing", Severity.LOW),
    (
        "v=DKIM1; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKr8ryWETX4mg8hiAGQoX6iZUcPu7FWXE/o5c+RJFZuJLiuLuIcZI9KgHKT1fi1tPLA"
        "Xe9rWrw2WT6zC8WG+JusCAwEAAQ==",
        "dkim.key.weak",
        Severity.HIGH,
    ),
]


@pytest.mark.parametrize(
    ("record", "code", "severity"), KEYS, ids=[f"{code}-{i}" for i, (_, code, _) in enumerate(KEYS)]
)
def test_each_fault_of_a_key_has_its_code(tmp_path: Path, record: str, code: str, severity: Severity) -> None:
    names = zone(**{"": "v=spf1 -all", "s1._domainkey": record})
    (found,) = authentication.check(collect(tmp_path / "case", names, seen="s1")).of("dkim.")
    assert (found.code, found.severity) == (code, severity)


def test_a_key_is_missing_only_where_evidence_shows_the_selector(tmp_path: Path) -> None:
    names = zone(**{"": "v=spf1 -all"})
    (seen,) = authentication.check(collect(tmp_path / "seen", names, seen="pr1")).of("dkim.")
    assert (seen.code, seen.severity) == ("dkim.key.missing", Severity.CRITICAL)
    names["other._domainkey.corp.example"] = [("TXT", txt(b"v=DKIM1; p="))]
    (guessed,) = authentication.check(collect(tmp_path / "guessed", names)).of("dkim.")
    assert (guessed.code, guessed.severity) == ("dkim.selectors.unknown", Severity.INFO)


def test_a_selector_seen_long_before_the_case_is_not_missing(tmp_path: Path) -> None:
    made = Case.create(tmp_path / "case", DOMAIN)
    with serve(zone(**{"": "v=spf1 -all"})) as resolver:
        text = (
            f'version = 1\ndomains = ["{DOMAIN}"]\nas_of = 2026-06-01T00:00:00Z\n[network]\nresolver = "{resolver}"\n'
        )
        (made.path / "case.toml").write_text(text)
        with Case.open(made.path, live=True) as case:
            for month, code in ((3, "dkim.key.retired"), (5, "dkim.key.missing")):
                seen = Sighting("selector", "s1", DOMAIN, "reports", 3, datetime(2026, month, 20, tzinfo=UTC))
                found = authentication.check(authentication.collect(case, inventory.gather(case, [seen])))
                assert [f.code for f in found.of("dkim.")] == [code]


def test_a_selector_of_case_toml_alone_is_not_confirmed(tmp_path: Path) -> None:
    collect(tmp_path / "case", zone(**{"": "v=spf1 -all"}))
    file = tmp_path / "case" / "case.toml"
    file.write_text(f'{file.read_text()}[dkim.selectors]\n"{DOMAIN}" = ["default"]\n')
    case = Case.open(tmp_path / "case")
    (found,) = authentication.check(authentication.collect(case, inventory.gather(case))).of("dkim.")
    assert (found.code, found.severity) == ("dkim.key.unconfirmed", Severity.INFO)


def test_a_key_that_could_not_be_asked_for_is_unknown(tmp_path: Path) -> None:
    names = {**zone(**{"": "v=spf1 -all"}), f"pr1._domainkey.{DOMAIN}": [("*", "SERVFAIL")]}
    (found,) = authentication.check(collect(tmp_path / "case", names, seen="pr1")).of("dkim.")
    assert (found.code, found.severity) == ("dkim.key.unknown", Severity.INFO)


def test_a_common_selector_that_holds_a_key_is_found(tmp_path: Path) -> None:
    names = zone(**{"": "v=spf1 -all", "google._domainkey": key(2048)})
    (found,) = authentication.check(collect(tmp_path / "case", names)).of("dkim.")
    assert (found.code, found.subject) == ("dkim.key.ok", f"google._domainkey.{DOMAIN}")


POLICIES: list[tuple[Zone, set[str]]] = [
    (zone(_dmarc=DMARC), {"dmarc.ok"}),
    (zone(), {"dmarc.record.missing"}),
    (zone(_dmarc="v=DMARC1; p=none; rua=mailto:d@corp.example"), {"dmarc.policy.none"}),
    ({**zone(), f"_dmarc.{DOMAIN}": [("*", "SERVFAIL")]}, {"dmarc.unknown"}),
]


@pytest.mark.parametrize(("names", "codes"), POLICIES)
def test_each_policy_has_its_code(tmp_path: Path, names: Zone, codes: set[str]) -> None:
    evidence = collect(tmp_path / "case", {**names, DOMAIN: [*names[DOMAIN], ("MX", f"10 mx.{DOMAIN}.")]})
    found = authentication.check(evidence).of("dmarc.")
    assert {f.code for f in found} == codes


def test_a_case_that_was_never_recorded_knows_nothing_and_invents_nothing(tmp_path: Path) -> None:
    case = Case.create(tmp_path / "case", DOMAIN)
    evidence = authentication.collect(case, inventory.gather(case))
    found = authentication.check(evidence)
    assert {f.severity for f in found} == {Severity.INFO}
    assert {f.code for f in found} == {"spf.unknown", "dmarc.unknown", "dkim.selectors.unknown", "bimi.unknown"}
    for frame in (evidence.published(), evidence.keys(), evidence.policies(), evidence.report_addresses()):
        assert frame.columns.size
    assert "could not be determined" in figures.spf_tree(evidence, DOMAIN).layout.title.text
    assert "could not be determined" in figures.spoofing_table(evidence).layout.title.text


def test_figures_state_what_they_show(tmp_path: Path) -> None:
    names = zone(**{"": f"v=spf1 {TWELVE} ~all", **INCLUDES, "_dmarc": "v=DMARC1; p=reject; sp=none"})
    evidence = collect(tmp_path / "case", names, outbound="192.0.2.11")
    assert f"include:_s10.{DOMAIN} is look-up 11" in figures.spf_tree(evidence, DOMAIN).layout.meta["alt"] + str(
        figures.spf_tree(evidence, DOMAIN).layout.title.text
    )


def test_report_addresses_say_who_agreed(tmp_path: Path) -> None:
    names = zone(_dmarc="v=DMARC1; p=reject; rua=mailto:own@corp.example,mailto:x@desk.example")
    table = collect(tmp_path / "case", names).report_addresses()
    assert table["consent"].tolist() == ["own", "not authorised"]
    assert table["mail"].tolist() == ["absent", "unknown"]


def test_evidence_that_names_thousands_of_selectors_is_bounded_and_says_so(tmp_path: Path) -> None:
    case = Case.create(tmp_path / "case", DOMAIN)
    sightings = [Sighting("selector", f"s{i}", DOMAIN, "a report") for i in range(300)]
    evidence = authentication.collect(case, inventory.gather(case, sightings))
    assert len(evidence.dkim) == 50
    assert "250 more not asked for" in repr(evidence)


def test_the_figure_of_senders_tells_who_is_never_reached(tmp_path: Path) -> None:
    names = zone(**{"": f"v=spf1 ip4:198.51.100.1 {TWELVE} ~all", **INCLUDES})
    evidence = collect(tmp_path / "case", names)
    seen = pd.DataFrame({"source_ip": ["198.51.100.1", "192.0.2.11", "203.0.113.9", "<b>no address</b>"]})
    figure = figures.networks_seen(evidence, seen, DOMAIN)
    assert "75% of recipients" in figure.layout.title.text
    for words in ("198.51.100.1: 1 recipients, authorised;", "192.0.2.11: 1 recipients, authorised, but never reached"):
        assert words in figure.layout.meta["alt"]
    assert "is known" in figures.networks_seen(evidence, seen[:0], DOMAIN).layout.title.text
