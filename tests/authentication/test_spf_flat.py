"""A flattened record lets exactly those pass who passed before: proved by evaluating both over real packets."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

import pytest
import spftrace
from hypothesis import given, settings
from hypothesis import strategies as st
from spftrace.session import Limits

from smtplab.authentication import spf, spf_trace
from smtplab.authentication.spf_flat import Flattened, flatten
from smtplab.authentication.spf_record import MAX_LOOKUPS, MAX_RECORD, SpfRecord
from smtplab.net import Network
from tests.authentication import spf_zones as zones
from tests.authentication.dnsserver import Zone, network, txt

DOMAIN = zones.DOMAIN
NO_LIMITS = Limits(max_terms=10_000, max_void=10_000, max_queries=None)


def mended(zone: Zone, flat: Flattened) -> Zone:
    """The zone with the proposed records published, as its lines say."""
    made = {n: [r for r in rows if n != DOMAIN or r[0] != "TXT"] for n, rows in zone.items()}
    for line in flat.zone().splitlines():
        name, text = line.split(". TXT ", 1)
        made.setdefault(name, []).append(("TXT", text))
    return made


def meant(net: Network, address: str) -> str:
    """The result if nobody counted look-ups."""
    evaluator = spftrace.Evaluator(spf_trace.Resolver(net), limits=NO_LIMITS)
    return str(net.run(evaluator.evaluate(address, f"x@{DOMAIN}", "helo.example")).result)


def borders(record: SpfRecord) -> Iterator[str]:
    """Addresses at and beside the edge of every network of a record."""
    for text in dict.fromkeys(n for t in record.terms for n in t.networks):
        net = ipaddress.ip_network(text)
        for number in (int(net[0]) - 1, int(net[0]), int(net[-1]), int(net[-1]) + 1):
            if 0 <= number < 2**net.max_prefixlen:
                yield str(type(net[0])(number))


def prove(zone: Zone, limit: int) -> Flattened:
    with network(zone) as net:
        record = net.run(spf.collect(net, DOMAIN))
        assert not record.error
        senders = [*zones.ADDRESSES, *list(borders(record))[:60]]
        before = {a: meant(net, a) == "pass" for a in senders}
        flat = flatten(record, limit)
    if record.cut:
        # Nobody means a record of that size: it is not read to its end, and nothing is proposed.
        assert not flat.records
        return flat
    with network(mended(zone, flat)) as net:
        again = net.run(spf.collect(net, DOMAIN))
        assert again.lookups == flat.lookups
        assert {a: meant(net, a) == "pass" for a in senders} == before, (record, flat)
        if flat.fits and flat.lookups <= MAX_LOOKUPS and not again.voids:
            strict = {a: net.run(spf_trace.evaluate(net, a, domain=DOMAIN)).result for a in senders}
            assert {a: r == "pass" for a, r in strict.items()} == before
    assert all(len(text) <= MAX_RECORD for _, text in flat.records)
    return flat


@settings(max_examples=60, deadline=None)
@given(zones.sound(), st.sampled_from([0, 0, 1, 3]))
def test_who_passed_passes_and_nobody_else(zone: Zone, limit: int) -> None:
    prove(zone, limit)


@settings(max_examples=30, deadline=None)
@given(zones.sound(zones.dynamic), st.sampled_from([0, 2]))
def test_terms_that_depend_on_the_message_stay_and_decide_as_before(zone: Zone, limit: int) -> None:
    prove(zone, limit)


# The record, the other names, the most look-ups, and the records proposed.
WRITTEN: list[tuple[str, dict[str, str], int, list[str]]] = [
    # Nested includes, each with an end of its own that matches nobody outside.
    (
        "v=spf1 include:a.example -all",
        {"a.example": "v=spf1 include:b.example ip4:192.0.2.8/29 ?all", "b.example": "v=spf1 ip4:192.0.2.0/29 -all"},
        0,
        ["v=spf1 ip4:192.0.2.0/28 -all"],
    ),
    # What an include does not let pass is cut out of its networks.
    (
        "v=spf1 include:a.example ~all",
        {"a.example": "v=spf1 -ip4:192.0.2.0/31 ip4:192.0.2.0/30 -all"},
        0,
        ["v=spf1 ip4:192.0.2.2/31 ~all"],
    ),
    # The qualifier of an include is that of its networks, and the order stays.
    (
        "v=spf1 -include:a.example ip4:192.0.2.0/24 -all",
        {"a.example": "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all"},
        0,
        ["v=spf1 -ip4:192.0.2.1 -ip6:2001:db8::1 ip4:192.0.2.0/24 -all"],
    ),
    # A redirect is followed; its `a` is that of the domain it leads to, and its end counts.
    (
        "v=spf1 redirect=a.example",
        {"a.example": "v=spf1 exists:%{i}.x.example a/28 include:b.example ~all", "b.example": "v=spf1 ip4:192.0.2.1"},
        3,
        ["v=spf1 exists:%{i}.x.example a:a.example/28 include:b.example ~all"],
    ),
    # But not where a macro asks for the domain: that would be another one.
    (
        "v=spf1 ip4:192.0.2.1 redirect=a.example",
        {"a.example": "v=spf1 exists:%{i}.%{d} -all"},
        0,
        ["v=spf1 ip4:192.0.2.1 redirect=a.example"],
    ),
    # A macro that stands for the domain alone is a name like any other, wherever it stands.
    (
        "v=spf1 include:_s.%{d} exists:%{d2r}.x.example redirect=a.%{d1}",
        {
            "_s.d.example": "v=spf1 ip4:192.0.2.9 a:h.%{D}//64 -all",
            "h._s.d.example": "",
            "a.example": "v=spf1 include:b.%{d1} ip4:192.0.2.4 -all",
            "b.example": "v=spf1 ip4:192.0.2.1 ?all",
        },
        1,
        ["v=spf1 ip4:192.0.2.9 ip4:192.0.2.4 include:b.example -all"],
    ),
    # Beside a macro of the message it stays one.
    (
        "v=spf1 a:%{d}/28 redirect=a.example",
        {"a.example": "v=spf1 mx:%{d}/24 exists:%{d}.%{i} -all"},
        3,
        ["v=spf1 redirect=a.example"],
    ),
    # What leads nowhere goes, the explanation stays, and no term is written out without need.
    (
        "v=spf1 a:gone.example include:a.example -all exp=why.example",
        {"a.example": "v=spf1 ip4:192.0.2.1 -all"},
        1,
        ["v=spf1 include:a.example -all exp=why.example"],
    ),
    # Own names first: nobody else changes them.
    (
        "v=spf1 include:_s.d.example include:a.example -all",
        {
            "_s.d.example": "v=spf1 ip4:192.0.2.9 -all",
            "a.example": "v=spf1 include:b.example -all",
            "b.example": "v=spf1 ip4:192.0.2.1 -all",
        },
        2,
        ["v=spf1 ip4:192.0.2.9 include:a.example -all"],
    ),
]


@pytest.mark.parametrize(("own", "others", "limit", "expected"), WRITTEN)
def test_each_construct_is_written_out(own: str, others: dict[str, str], limit: int, expected: list[str]) -> None:
    zone = {n: [("TXT", txt(t.encode()))] for n, t in {DOMAIN: own, **others}.items()}
    flat = prove({**zone, "a.example": [*zone["a.example"], ("A", "203.0.113.1")]}, limit)
    assert [text for _, text in flat.records] == expected


def test_too_many_networks_for_one_record_go_to_names_of_their_own() -> None:
    texts = {DOMAIN: "v=spf1 a:_spf1.d.example " + " ".join(f"include:v{i}.example" for i in range(5)) + " -all"}
    for i in range(5):
        texts[f"v{i}.example"] = "v=spf1 " + " ".join(f"include:w{i}{j}.example" for j in range(3)) + " -all"
        for j in range(3):
            networks = " ".join(f"ip4:198.51.{10 * i + j}.{n * 2}" for n in range(10))
            texts[f"w{i}{j}.example"] = f"v=spf1 {networks} ?all"
    zone: Zone = {n: [("TXT", txt(t.encode()))] for n, t in texts.items()}
    flat = prove({**zone, "_spf1.d.example": [("A", "192.0.2.1")]}, MAX_LOOKUPS)
    # A name that is taken stays as it is.
    assert [n for n, _ in flat.records[:3]] == [DOMAIN, "_spf2.d.example", "_spf3.d.example"]
    assert (flat.fits, flat.before) == (True, 21)
    assert "v0.example" in flat.risk
    assert all(len(part) <= 255 for part in flat.zone().split('"')[1::2])


def test_a_record_that_only_the_message_decides_does_not_fit() -> None:
    terms = " ".join(f"exists:%{{i}}.l{i}.example" for i in range(11))
    flat = prove({DOMAIN: [("TXT", txt(f"v=spf1 {terms} -all".encode()))]}, MAX_LOOKUPS)
    assert (flat.fits, flat.lookups, flat.replaced) == (False, 11, ())
    assert "does not fit" in repr(flat)


def test_what_gave_no_answer_is_not_written_out() -> None:
    zone: Zone = {
        DOMAIN: [("TXT", txt(b"v=spf1 include:shut.example a:open.example -all"))],
        "shut.example": [("*", "SERVFAIL")],
        "open.example": [("A", "192.0.2.1")],
    }
    with network(zone) as net:
        flat = flatten(net.run(spf.collect(net, DOMAIN)), 0)
    assert flat.records == ((DOMAIN, "v=spf1 include:shut.example ip4:192.0.2.1 -all"),)
    assert not flat.fits


def test_without_one_record_there_is_nothing_to_write_out() -> None:
    with network({DOMAIN: [("A", "192.0.2.1")]}) as net:
        flat = flatten(net.run(spf.collect(net, DOMAIN)))
    assert (flat.records, flat.fits, flat.zone()) == ((), False, "")
    huge = "v=spf1 " + "ip4:192.0.2.1 " * 500 + "-all"
    with network({DOMAIN: [("TXT", txt(huge.encode()))]}) as net:
        flat = flatten(net.run(spf.collect(net, DOMAIN)))
    assert (flat.records, flat.fits) == ((), False)
