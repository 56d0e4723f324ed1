"""Single addresses of SPF records (RFC 7208 sections 5 and 6.1): each term, its bounds, and what is not known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab import inventory, names
from smtplab.names import listed
from smtplab.tables import Sighting
from tests.authentication.dnsserver import Zone, network, txt

DOMAIN = "corp.example"
HOSTS: Zone = {
    f"out.{DOMAIN}": [("A", "198.51.100.1"), ("AAAA", "2001:db8::1")],
    f"mx1.{DOMAIN}": [("A", "198.51.100.2")],
    f"mx2.{DOMAIN}": [("A", "198.51.100.3")],
    "vendor.example": [("TXT", txt(b"v=spf1 ip4:203.0.113.9 a:out.corp.example -all"))],
    f"_spf.{DOMAIN}": [("TXT", txt(b"v=spf1 ip4:198.51.100.7 a -all")), ("A", "198.51.100.8")],
    f"loop.{DOMAIN}": [("TXT", txt(b"v=spf1 ip4:198.51.100.9 redirect=corp.example"))],
}
OWN = [("A", "198.51.100.4"), ("MX", f"10 mx1.{DOMAIN}."), ("MX", f"20 mx2.{DOMAIN}.")]
OUT4, OUT6 = "198.51.100.1", "2001:db8::1"
MX = ["198.51.100.2", "198.51.100.3"]


def collect(record: str, more: Zone | None = None, ours: tuple[str, ...] = (DOMAIN,)) -> listed.Listed:
    zone = {**HOSTS, DOMAIN: [*OWN, ("TXT", txt(record.encode()))], **(more or {})}
    with network(zone, timeout=0.3) as net:
        return net.run(listed.collect(net, DOMAIN, ours))


@pytest.mark.parametrize(
    ("record", "found"),
    [
        ("v=spf1 mx a:out.corp.example -all", [*MX, OUT4, OUT6]),
        ("v=spf1 a -all", ["198.51.100.4"]),
        ("v=spf1 A:OUT.corp.example. MX:corp.example ~all", [OUT4, OUT6, *MX]),
        # A prefix names a network; each family has its own (RFC 7208 section 5.6).
        ("v=spf1 a:out.corp.example/24 mx/31 -all", [OUT6]),
        ("v=spf1 a:out.corp.example//64 -all", [OUT4]),
        ("v=spf1 a:out.corp.example/32//128 -all", [OUT4, OUT6]),
        ("v=spf1 ip4:198.51.100.5 ip4:198.51.100.6/32 ip4:192.0.2.0/24 ip6:2001:DB8:0::2 -all",
         ["198.51.100.5", "198.51.100.6", "2001:db8::2"]),
        # Only what lets pass, only what is reached, nothing that the message decides.
        ("v=spf1 -a ?mx ~ip4:198.51.100.5 +a:out.corp.example -all", [OUT4, OUT6]),
        ("v=spf1 -all a mx ip4:198.51.100.5", []),
        ("v=spf1 a:%{i}.corp.example -all", []),
        ("v=spf1 exists:out.corp.example ptr -all", []),
        ("v=spf1 include:vendor.example -all", []),
        # A redirect within the organization; `a` then means its target (RFC 7208 section 6.1).
        ("v=spf1 redirect=_spf.corp.example", ["198.51.100.7", "198.51.100.8"]),
        ("v=spf1 redirect=_spf.corp.example -all", []),
        ("v=spf1 redirect=vendor.example", []),
        ("v=spf1 a redirect=loop.corp.example", ["198.51.100.9", "198.51.100.4"]),
        ("v=spf1 redirect=corp.example", []),
        ("v=spf1 redirect=%{d}", []),
        # A receiver answers permerror.
        ("v=spf1 a ip4:999.1.1.1 -all", []),
        ("no record", []),
    ],
)  # fmt: skip
def test_terms_name_single_addresses(record: str, found: list[str]) -> None:
    made = collect(record)
    assert (made.addresses, made.why) == (tuple(found), "")
    assert made.hosts <= set(found)


def test_a_redirect_to_another_domain_of_the_case_is_followed() -> None:
    found = collect("v=spf1 redirect=vendor.example", ours=(DOMAIN, "vendor.example"))
    assert found.addresses == ("203.0.113.9", OUT4, OUT6)


def test_a_record_of_a_stranger_is_followed_so_far_only() -> None:
    many: Zone = {f"h{n}.{DOMAIN}": [("A", f"192.0.2.{10 * n + i}") for i in range(9)] for n in range(20)}
    found = collect(f"v=spf1 {' '.join(f'a:h{n}.corp.example' for n in range(20))} -all", many)
    assert len(found.addresses) == listed.MAX_RESOLVED
    deep: Zone = {f"r{n}.{DOMAIN}": [("TXT", txt(f"v=spf1 redirect=r{n + 1}.{DOMAIN}".encode()))] for n in range(9)}
    assert collect("v=spf1 redirect=r0.corp.example", deep) == listed.Listed(DOMAIN, ())


@pytest.mark.parametrize(
    ("record", "more"),
    [
        ("v=spf1 ip4:198.51.100.5 a:shut.corp.example -all", {f"shut.{DOMAIN}": [("*", "SERVFAIL")]}),
        ("v=spf1 ip4:198.51.100.5 mx:shut.corp.example -all", {f"shut.{DOMAIN}": [("*", "SERVFAIL")]}),
        ("v=spf1 ip4:198.51.100.5 redirect=shut.corp.example", {f"shut.{DOMAIN}": [("*", "SERVFAIL")]}),
    ],
)
def test_an_answer_that_is_missing_is_told_and_hides_no_other(record: str, more: Zone) -> None:
    found = collect(record, more)
    assert (found.addresses, found.why) == (("198.51.100.5",), "SERVFAIL")


def test_addresses_behind_names_are_asked_for_their_reverse_names_and_what_is_unknown_is_said() -> None:
    zone = {**HOSTS, DOMAIN: [*OWN, ("TXT", txt(b"v=spf1 a:out.corp.example a:shut.corp.example -all"))]}
    zone |= {f"shut.{DOMAIN}": [("*", "SERVFAIL")], "1.100.51.198.in-addr.arpa": [("PTR", f"out.{DOMAIN}.")]}
    with network(zone, timeout=0.3) as net:
        seen = inventory.merge([Sighting("domain", DOMAIN)])
        evidence = net.run(names.ask(net, seen, propagation=False))
    told = {(f.code, f.subject) for f in names.check(evidence) if not f.code.startswith("names.mx")}
    assert {o.address: o.seen for o in evidence.outbound} == {o.address: f"SPF of {DOMAIN}" for o in evidence.outbound}
    assert {("names.fcrdns.ok", OUT4), ("names.unknown", f"SPF of {DOMAIN}")} <= told


@given(st.text(max_size=200))
def test_no_record_crashes(text: str) -> None:
    assert isinstance(listed.terms(f"v=spf1 {text}"), list)
