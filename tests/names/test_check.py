"""MX, reverse names and authoritative servers: a table of zones and the findings each must raise."""

from __future__ import annotations

from pathlib import Path

import pytest

from smtplab import inventory, names
from smtplab.case import Case
from smtplab.casefile import Host
from smtplab.findings import Finding, Severity
from smtplab.names import NamesEvidence
from smtplab.tables import Sighting
from tests.authentication.dnsserver import Zone, network, serve, txt

DOMAIN = "corp.example"
OUT = "198.51.100.12"
PTR = "12.100.51.198.in-addr.arpa"
PUBLIC = 'public = ["192.0.2.0/24", "198.51.100.0/24"]'


def make(folder: Path, resolver: str = "", host: bool = False) -> Path:
    Case.create(folder, DOMAIN)
    hosts = f'[[hosts]]\nname = "out2.{DOMAIN}"\nroles = ["outbound"]\naddresses = ["{OUT}"]\n' if host else ""
    network = f'[network]\nresolver = "{resolver}"\ntimeout = 0.3\n{PUBLIC}\n'
    (folder / "case.toml").write_text(f'version = 1\ndomains = ["{DOMAIN}"]\n{hosts}{network}')
    return folder


def collect(folder: Path, zone: Zone, *, host: bool = False, recipients: tuple[str, ...] = ()) -> NamesEvidence:
    """Record against the zone, replay, and demand that both say the same."""
    sightings = [Sighting("recipient_domain", d) for d in recipients]
    with serve(zone) as resolver, Case.open(make(folder, resolver, host), live=True) as case:
        live = names.collect(case, inventory.gather(case, sightings))
    case = Case.open(folder)
    again = names.collect(case, inventory.gather(case, sightings))
    assert repr(names.check(again)) == repr(names.check(live))
    return again


MX1 = f"mx.{DOMAIN}"
GOOD: Zone = {
    DOMAIN: [("MX", f"10 {MX1}."), ("MX", f"10 mx2.{DOMAIN}.")],
    MX1: [("A", "192.0.2.10")],
    f"mx2.{DOMAIN}": [("A", "192.0.2.11")],
}


def beside(*records: tuple[str, str], **names: list[tuple[str, str]]) -> Zone:
    """The sound MX with others beside it."""
    return {**GOOD, DOMAIN: [*GOOD[DOMAIN], *records], **{f"{n}.{DOMAIN}": r for n, r in names.items()}}


def alone(*records: tuple[str, str], mx: list[tuple[str, str]] | None = None) -> Zone:
    return {DOMAIN: [*(records or [("MX", f"10 {MX1}.")])], **({MX1: mx} if mx is not None else {})}


ODD = ("MX", f"20 odd.{DOMAIN}.")
CIRCLE: Zone = {f"odd.{DOMAIN}": [("CNAME", f"even.{DOMAIN}.")], f"even.{DOMAIN}": [("CNAME", f"odd.{DOMAIN}.")]}
MX: list[tuple[Zone, dict[str, Severity]]] = [
    (GOOD, {"names.mx.ok": Severity.OK}),
    (alone(mx=[("A", "192.0.2.10")]), {"names.mx.ok": Severity.OK, "names.mx.single": Severity.INFO}),
    (alone(mx=[("A", "192.0.2.10"), ("A", "192.0.2.11")]), {"names.mx.ok": Severity.OK}),
    # RFC 7505: a null MX stands alone.
    (alone(("MX", "0 .")), {"names.mx.null": Severity.INFO}),
    (beside(("MX", "0 .")), {"names.mx.null_beside": Severity.MEDIUM}),
    # RFC 5321 section 5.1: without MX the address of the domain counts.
    (alone(("A", "192.0.2.1")), {"names.mx.implicit": Severity.MEDIUM}),
    (alone(("A", "10.0.0.1")), {"names.mx.missing": Severity.MEDIUM}),
    (alone(("TXT", '"x"')), {"names.mx.missing": Severity.MEDIUM}),
    ({"other.example": []}, {"names.domain.missing": Severity.HIGH}),
    ({DOMAIN: [("CNAME", f"{DOMAIN}.")]}, {"names.alias.loop": Severity.HIGH}),
    # All of them useless: the mail is lost. One of several: it is late.
    (alone(), {"names.mx.none_usable": Severity.CRITICAL}),
    (alone(mx=[("TXT", '"x"')]), {"names.mx.none_usable": Severity.CRITICAL}),
    (alone(("MX", "10 192.0.2.10.")), {"names.mx.none_usable": Severity.CRITICAL}),
    (alone(mx=[("A", "10.0.0.1"), ("AAAA", "fd00::1")]), {"names.mx.none_usable": Severity.CRITICAL}),
    (beside(ODD), {"names.mx.invalid": Severity.MEDIUM}),
    (beside(("MX", "20 192.0.2.10.")), {"names.mx.invalid": Severity.MEDIUM}),
    (beside(ODD, odd=[("A", "127.0.0.1")]), {"names.mx.invalid": Severity.MEDIUM}),
    ({**beside(ODD), **CIRCLE}, {"names.mx.invalid": Severity.MEDIUM}),
    (beside(ODD, odd=[("CNAME", f"{MX1}.")]), {"names.mx.alias": Severity.LOW}),
    (beside(ODD, odd=[("A", "192.0.2.12"), ("A", "10.0.0.1")]), {"names.mx.private_beside": Severity.LOW}),
    (beside(ODD, odd=[("A", "192.0.2.12"), ("AAAA", "fe80::1")]), {"names.mx.private_beside": Severity.LOW}),
    (beside(ODD, odd=[("AAAA", "2a00::1")]), {"names.mx.ipv6_only": Severity.INFO}),
    (alone(mx=[("AAAA", "2a00::1")]), {"names.mx.no_ipv4": Severity.HIGH}),
    # Nothing is known, so nothing is said but that.
    ({DOMAIN: [("*", "SERVFAIL")]}, {"names.unknown": Severity.INFO}),
    (alone(mx=[("*", "TIMEOUT")]), {"names.unknown": Severity.INFO}),
    (beside(ODD, odd=[("*", "SERVFAIL")]), {"names.unknown": Severity.INFO}),
]


@pytest.mark.parametrize(("zone", "expected"), MX)
def test_each_fault_of_an_mx_has_its_code(tmp_path: Path, zone: Zone, expected: dict[str, Severity]) -> None:
    evidence = collect(tmp_path / "case", zone)
    assert {f.code: f.severity for f in names.check(evidence)} == expected
    assert len(evidence.routing()) == len(evidence.hosts) + len(evidence.implicit)


def test_mail_routes_stand_in_the_order_in_which_senders_try_them(tmp_path: Path) -> None:
    zone = beside(("MX", f"5 odd.{DOMAIN}."), odd=[("CNAME", f"{MX1}.")])
    table = collect(tmp_path / "case", zone).routing()
    assert table["preference"].tolist() == [5, 10, 10]
    assert table["what"].tolist() == [f"alias of {MX1}", "", ""]


HOST = f"out2.{DOMAIN}"
FINE = {"names.fcrdns.ok"}
SOUND: list[tuple[str, str]] = [("A", OUT)]
REVERSE: list[tuple[Zone, set[str]]] = [
    ({PTR: [("PTR", f"{HOST}.")], HOST: SOUND}, FINE),
    # Decoy: another name than the reverse one, and both lead to the address.
    ({PTR: [("PTR", "relay.corp.example.")], "relay.corp.example": SOUND, HOST: SOUND}, {*FINE, "names.helo.differs"}),
    ({PTR: [("PTR", "old.pool.example.")], "old.pool.example": [("A", "203.0.113.9")]}, {"names.fcrdns.mismatch"}),
    ({PTR: [("PTR", "gone.example.")]}, {"names.fcrdns.mismatch"}),
    ({}, {"names.fcrdns.mismatch"}),
    ({PTR: [("*", "SERVFAIL")]}, {"names.unknown"}),
    ({PTR: [("PTR", "slow.example.")], "slow.example": [("*", "TIMEOUT")]}, {"names.unknown"}),
    (
        {PTR: [("PTR", f"{HOST}."), ("PTR", "www.corp.example.")], HOST: SOUND},
        {*FINE, "names.ptr.several"},
    ),
    (
        {PTR: [("PTR", "host-198-51-100-12.isp.example.")], "host-198-51-100-12.isp.example": SOUND, HOST: SOUND},
        {*FINE, "names.ptr.generic", "names.helo.differs"},
    ),
    ({PTR: [("PTR", "relay.corp.example.")], "relay.corp.example": SOUND, HOST: []}, {*FINE, "names.helo.invalid"}),
    (
        {PTR: [("PTR", "relay.corp.example.")], "relay.corp.example": SOUND, HOST: [("A", "192.0.2.77")]},
        {*FINE, "names.helo.elsewhere"},
    ),
    ({PTR: [("PTR", f"{HOST}.")], HOST: [*SOUND, ("AAAA", "2a00::1")]}, FINE),
]


def outbound(zone: Zone, address: str, helo: str = "") -> list[Finding]:
    with network(zone, timeout=0.3) as net:
        hosts = (Host(helo, (address,), ("outbound",)),) if helo else ()
        seen = inventory.merge([Sighting("outbound", address)])
        return list(names.check(net.run(names.ask(net, seen, hosts, propagation=False))))


PTR6 = f"1.{'0.' * 29}a.2.ip6.arpa"
"""2a00::1 as RFC 3596 section 2.5 has it: 32 nibbles, the last first, 29 of them zeros."""


@pytest.mark.parametrize(
    ("address", "helo", "record"),
    [
        (OUT, HOST, f"{PTR}. PTR {HOST}.\n{HOST}. A {OUT}"),
        ("2a00::1", HOST, f"{PTR6}. PTR {HOST}.\n{HOST}. AAAA 2a00::1"),
        (OUT, "", f"{PTR}. PTR <name of the host>.\n<name of the host>. A {OUT}"),
        # A greeting that no receiver can resolve is no name to ask for.
        (OUT, "localhost", f"{PTR}. PTR <name of the host>.\n<name of the host>. A {OUT}"),
    ],
)
def test_an_address_without_reverse_name_is_told_both_records_to_ask_for(address: str, helo: str, record: str) -> None:
    (found,) = (f for f in outbound({HOST: [("A", OUT), ("AAAA", "2a00::1")]}, address, helo) if "fcrdns" in f.code)
    assert (found.code, found.record) == ("names.fcrdns.mismatch", record)


def test_a_web_server_that_spf_permits_and_nobody_saw_sending_is_told_quietly() -> None:
    address = "203.0.113.80"
    with network({"corp.example": [("TXT", '"v=spf1 a ip4:203.0.113.81 ~all"'), ("A", address)]}, timeout=0.3) as net:
        seen = inventory.merge([Sighting("domain", "corp.example")])
        found = {f.subject: f for f in names.check(net.run(names.ask(net, seen, (), propagation=False)))}
        sends = inventory.merge([Sighting("domain", "corp.example"), Sighting("outbound", address)])
        proven = {f.subject: f for f in names.check(net.run(names.ask(net, sends, (), propagation=False)))}
    assert (found[address].code, found[address].severity) == ("names.fcrdns.permitted", "low")
    assert found["203.0.113.81"].code == "names.fcrdns.mismatch"
    assert proven[address].code == "names.fcrdns.mismatch"


def test_a_domain_that_receives_by_its_address_is_not_offered_the_record_that_ends_its_mail(tmp_path: Path) -> None:
    (found,) = names.check(collect(tmp_path / "case", alone(("A", "192.0.2.1"))))
    assert found.record == f"{DOMAIN}. MX 10 <name of the mail server>."


def test_a_name_whose_addresses_are_not_known_is_not_called_another_hosts() -> None:
    zone: Zone = {
        PTR: [("PTR", f"{HOST}."), ("PTR", "shut.example.")],
        HOST: SOUND,
        "shut.example": [("*", "SERVFAIL")],
    }
    (several,) = [f for f in outbound(zone, OUT) if f.code == "names.ptr.several"]
    assert several.facts["stray"] == ["none"]


@pytest.mark.parametrize("rows", [[("*", "SERVFAIL")], [("AAAA", "2a00::1"), ("*", "SERVFAIL")]])
def test_a_greeting_of_which_too_little_is_known_is_neither_good_nor_bad(rows: list[tuple[str, str]]) -> None:
    zone: Zone = {PTR: [("PTR", "x.example.")], "x.example": SOUND, HOST: rows}
    assert {f.code for f in outbound(zone, OUT, HOST)} == {*FINE, "names.unknown"}


LOUD = {"names.fcrdns.mismatch", "names.ptr.generic", "names.helo.invalid", "names.helo.elsewhere"}


@pytest.mark.parametrize(("zone", "codes"), REVERSE)
def test_an_address_must_lead_back_to_itself(tmp_path: Path, zone: Zone, codes: set[str]) -> None:
    zone = {HOST: SOUND, **GOOD, **zone}
    found = names.check(collect(tmp_path / "case", zone, host=True))
    assert {f.code for f in found} == {"names.mx.ok", *codes}
    assert {f.code for f in found.at_least("low")} == codes & LOUD


@pytest.mark.parametrize(
    ("helo", "what"),
    [
        ("localhost", "a name that exists only inside"),
        ("localhost.localdomain", "a name that exists only inside"),
        ("mail.lan", "a name that exists only inside"),
        ("mailserver", "a name that exists only inside"),
        ("198.51.100.12", "an address, not a name"),
        ("[198.51.100.12]", "an address, not a name"),
        ("[IPv6:2001:db8::1]", "an address, not a name"),
    ],
)
def test_a_greeting_that_no_receiver_can_resolve_is_told(helo: str, what: str) -> None:
    zone: Zone = {PTR: [("PTR", f"{HOST}.")], HOST: SOUND}
    with network(zone, timeout=0.3) as net:
        hosts = (Host(helo, (OUT,), ("outbound",)),)
        evidence = net.run(names.ask(net, inventory.merge([Sighting("outbound", OUT)]), hosts, propagation=False))
    (found,) = names.check(evidence).of("names.helo")
    assert (found.code, found.facts["what"], found.record) == ("names.helo.invalid", what, f"smtp_helo_name = {HOST}")


def test_addresses_that_the_spf_record_lists_one_by_one_are_asked_for_too(tmp_path: Path) -> None:
    listed = (
        "v=spf1 ip4:198.51.100.7 ip4:198.51.100.8/32 ip4:192.0.2.0/24 ip4:10.0.0.1 ip6:2001:db8::1 include:x.example"
    )
    zone = beside(("TXT", txt(listed.encode())), ("TXT", txt(b"v=spf1 ip4:999.1.1.1")))
    evidence = collect(tmp_path / "case", zone, host=True)
    assert {o.address: o.seen for o in evidence.outbound} == {
        OUT: "case.toml",
        "198.51.100.7": f"SPF of {DOMAIN}",
        "198.51.100.8": f"SPF of {DOMAIN}",
    }
    assert evidence.addresses()["seen in"].tolist()[0] == "case.toml"


def test_greetings_seen_in_evidence_are_judged_and_case_toml_wins(tmp_path: Path) -> None:
    other = "198.51.100.13"
    zone: Zone = {
        **GOOD,
        PTR: [("PTR", f"{HOST}.")],
        HOST: SOUND,
        "13.100.51.198.in-addr.arpa": [("PTR", "out3.corp.example.")],
        "out3.corp.example": [("A", other)],
        "old.corp.example": [("A", "192.0.2.77")],
    }
    seen = [
        Sighting("outbound", other, where="logs"),
        Sighting("helo", "old.corp.example", other, "sample messages", 3),
        Sighting("helo", "out3.corp.example", other, "sample messages", 2),
        Sighting("helo", "old.corp.example", OUT, "sample messages"),
        Sighting("helo", "localhost", "192.0.2.99", "bounces", 9),
    ]
    with serve(zone) as resolver, Case.open(make(tmp_path / "case", resolver, host=True), live=True) as case:
        evidence = names.collect(case, inventory.gather(case, seen))
    assert {o.address: (o.helo, o.seen) for o in evidence.outbound} == {
        OUT: (HOST, "case.toml"),
        other: ("old.corp.example", "logs; HELO in sample messages"),
    }
    assert [(f.code, f.subject) for f in names.check(evidence).of("names.helo")] == [("names.helo.elsewhere", other)]


def test_a_greeting_seen_in_evidence_that_differs_from_the_reverse_name_is_no_fault() -> None:
    zone: Zone = {PTR: [("PTR", "relay.corp.example.")], "relay.corp.example": SOUND, HOST: SOUND}
    with network(zone, timeout=0.3) as net:
        seen = inventory.merge([Sighting("outbound", OUT), Sighting("helo", HOST, OUT, "sample messages")])
        found = names.check(net.run(names.ask(net, seen, propagation=False)))
    assert {f.code: f.severity for f in found} == {
        "names.fcrdns.ok": Severity.OK,
        "names.helo.differs": Severity.INFO,
    }


def test_recipients_that_take_no_mail_are_told(tmp_path: Path) -> None:
    zone = {**GOOD, "rail.example": [("MX", "0 .")], "good.example": [("MX", f"10 mx.{DOMAIN}.")]}
    found = names.check(collect(tmp_path / "case", zone, recipients=("rail.example", "good.example", "typo.example")))
    told = {(f.code, f.subject) for f in found.of("names.recipient.")}
    assert told == {("names.recipient.null_mx", "rail.example"), ("names.recipient.no_domain", "typo.example")}


def test_a_case_that_was_never_recorded_knows_nothing_and_invents_nothing(tmp_path: Path) -> None:
    case = Case.open(make(tmp_path / "case", host=True))
    evidence = names.collect(case, inventory.gather(case))
    assert {f.code for f in names.check(evidence)} == {"names.unknown"}
    assert names.disagreement(evidence).layout.meta["alt"]
    assert evidence.addresses().shape[0] == 1
    assert evidence.servers().empty
    assert evidence.propagation().empty


def test_without_propagation_no_authoritative_server_is_asked() -> None:
    zone = {**GOOD, DOMAIN: [*GOOD[DOMAIN], ("NS", f"mx.{DOMAIN}.")]}
    with network(zone, timeout=0.3) as net:
        evidence = net.run(names.ask(net, inventory.merge([Sighting("domain", DOMAIN)]), propagation=False))
    assert (evidence.zones, len(evidence.hosts)) == ((), 2)
