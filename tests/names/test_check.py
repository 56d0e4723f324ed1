"""MX, reverse names and authoritative servers: a table of zones and the findings each must raise."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from smtplab import inventory, names
from smtplab.case import Case
from smtplab.findings import Severity
from smtplab.names import NamesEvidence
from smtplab.tables import Sighting
from smtplab.tape import Entry, Question, Recorder
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


GOOD: Zone = {DOMAIN: [("MX", f"10 mx.{DOMAIN}.")], f"mx.{DOMAIN}": [("A", "192.0.2.10")]}
MX: list[tuple[Zone, str, Severity]] = [
    (GOOD, "names.mx.ok", Severity.OK),
    ({DOMAIN: [("MX", "0 .")]}, "names.mx.null", Severity.INFO),
    ({DOMAIN: [("A", "192.0.2.1")]}, "names.mx.missing", Severity.MEDIUM),
    ({DOMAIN: [("MX", f"10 gone.{DOMAIN}.")]}, "names.mx.invalid", Severity.HIGH),
    ({DOMAIN: [("MX", "10 192.0.2.10.")]}, "names.mx.invalid", Severity.HIGH),
    ({DOMAIN: [("MX", f"10 in.{DOMAIN}.")], f"in.{DOMAIN}": [("A", "10.0.0.1")]}, "names.mx.invalid", Severity.HIGH),
    (
        {**GOOD, DOMAIN: [("MX", f"10 al.{DOMAIN}.")], f"al.{DOMAIN}": [("CNAME", f"mx.{DOMAIN}.")]},
        "names.mx.alias",
        Severity.LOW,
    ),
    ({DOMAIN: [("*", "SERVFAIL")]}, "names.unknown", Severity.INFO),
    ({DOMAIN: [("MX", f"10 mx.{DOMAIN}.")], f"mx.{DOMAIN}": [("*", "TIMEOUT")]}, "names.unknown", Severity.INFO),
]


@pytest.mark.parametrize(("zone", "code", "severity"), MX)
def test_each_fault_of_an_mx_has_its_code(tmp_path: Path, zone: Zone, code: str, severity: Severity) -> None:
    (found,) = names.check(collect(tmp_path / "case", zone))
    assert (found.code, found.severity) == (code, severity)


REVERSE: list[tuple[Zone, set[str]]] = [
    ({PTR: [("PTR", f"out2.{DOMAIN}.")], f"out2.{DOMAIN}": [("A", OUT)]}, {"names.fcrdns.ok"}),
    (
        {PTR: [("PTR", "relay.corp.example.")], "relay.corp.example": [("A", OUT)]},
        {"names.fcrdns.ok", "names.helo.differs"},
    ),
    ({PTR: [("PTR", "old.pool.example.")], "old.pool.example": [("A", "203.0.113.9")]}, {"names.fcrdns.mismatch"}),
    ({PTR: [("PTR", "gone.example.")]}, {"names.fcrdns.mismatch"}),
    ({}, {"names.fcrdns.mismatch"}),
    ({PTR: [("*", "SERVFAIL")]}, {"names.unknown"}),
    ({PTR: [("PTR", "slow.example.")], "slow.example": [("*", "TIMEOUT")]}, {"names.unknown"}),
]


@pytest.mark.parametrize(("zone", "codes"), REVERSE)
def test_an_address_must_lead_back_to_itself(tmp_path: Path, zone: Zone, codes: set[str]) -> None:
    found = names.check(collect(tmp_path / "case", {**GOOD, **zone}, host=True))
    assert {f.code for f in found} == {"names.mx.ok", *codes}
    assert not found.at_least("low") or codes == {"names.fcrdns.mismatch"}


def test_recipients_that_take_no_mail_are_told(tmp_path: Path) -> None:
    zone = {**GOOD, "rail.example": [("MX", "0 .")], "good.example": [("MX", f"10 mx.{DOMAIN}.")]}
    found = names.check(collect(tmp_path / "case", zone, recipients=("rail.example", "good.example", "typo.example")))
    told = {(f.code, f.subject) for f in found.of("names.recipient.")}
    assert told == {("names.recipient.null_mx", "rail.example"), ("names.recipient.no_domain", "typo.example")}


def recorded(folder: Path, spf1: str, spf2: str, serial2: int, ttl: int = 3600, lame: bool = False) -> NamesEvidence:
    """A case on tape whose two name servers answer these; servers asked by address need port 53, a tape does not."""
    at = datetime(2026, 11, 16, tzinfo=UTC)
    make(folder)
    with Recorder(folder / "tape", started=at, vantage="test") as tape:

        def put(name: str, rtype: str, records: list[str], server: str = "", ttl: int = 3600) -> None:
            question = Question.of("dns", name, {"rtype": rtype, "server": server})
            tape.put(Entry(question, at, 1.0, {"rcode": "NOERROR", "records": records, "ttl": ttl}))

        put(DOMAIN, "NS", ["ns1.corp.example", "ns2.corp.example"])
        put(DOMAIN, "MX", ["10 mx.corp.example"])
        put("mx.corp.example", "A", ["192.0.2.10"])
        put("mx.corp.example", "AAAA", [])
        for n, (spf, serial) in enumerate(((spf1, 7), (spf2, serial2)), 1):
            server = f"192.0.2.{n}"
            put(f"ns{n}.corp.example", "A", [server])
            put(f"ns{n}.corp.example", "AAAA", [])
            if lame and n == 2:
                continue
            put(DOMAIN, "SOA", [f"ns1.corp.example. root.corp.example. {serial} 1 1 1 1"], server)
            put(DOMAIN, "TXT", [spf], server, ttl)
            put(DOMAIN, "MX", ["10 mx.corp.example"], server)
    case = Case.open(folder)
    return names.collect(case, inventory.gather(case))


def test_servers_that_disagree_are_named_with_what_only_one_authorises(tmp_path: Path) -> None:
    new, old = "v=spf1 ip4:192.0.2.1 ip4:198.51.100.12 ip6:2001:db8::/48 -all", "v=spf1 ip4:192.0.2.1 -all"
    evidence = recorded(tmp_path / "case", new, old, 5)
    (found,) = names.check(evidence).of("names.propagation")
    assert (found.code, found.subject) == ("names.propagation.disagree", "corp.example TXT")
    assert found.facts["missing_networks"] == ["198.51.100.12/32", "2001:db8::/48"]
    assert found.facts["stale"] == ["ns2.corp.example"]
    assert evidence.servers()["networks in SPF"].tolist() == [
        "192.0.2.1/32, 198.51.100.12/32, 2001:db8::/48",
        "192.0.2.1/32",
    ]
    figure = names.disagreement(evidence)
    assert "ns2.corp.example of corp.example answers from an old zone" in figure.layout.title.text.replace("<br>", " ")


def test_servers_that_agree_are_fine_and_a_low_ttl_is_only_told(tmp_path: Path) -> None:
    found = names.check(recorded(tmp_path / "case", txt(b"x"), txt(b"x"), 7, ttl=60))
    assert {f.code for f in found} == {"names.propagation.ok", "names.ttl.low", "names.mx.ok"}


def test_a_server_that_does_not_answer_differs_from_nothing(tmp_path: Path) -> None:
    found = names.check(recorded(tmp_path / "case", "v=spf1 -all", "", 0, lame=True))
    assert not found.at_least("low")


def test_a_case_that_was_never_recorded_knows_nothing_and_invents_nothing(tmp_path: Path) -> None:
    case = Case.open(make(tmp_path / "case", host=True))
    evidence = names.collect(case, inventory.gather(case))
    assert {f.code for f in names.check(evidence)} == {"names.unknown"}
    assert names.disagreement(evidence).layout.meta["alt"]
    assert evidence.addresses().shape[0] == 1
    assert evidence.servers().empty


def test_without_propagation_no_authoritative_server_is_asked() -> None:
    zone = {**GOOD, DOMAIN: [*GOOD[DOMAIN], ("NS", f"mx.{DOMAIN}.")]}
    with network(zone, timeout=0.3) as net:
        evidence = net.run(names.ask(net, inventory.merge([Sighting("domain", DOMAIN)]), propagation=False))
    assert (evidence.zones, len(evidence.hosts)) == ((), 1)
