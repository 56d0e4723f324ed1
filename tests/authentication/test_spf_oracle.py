"""Two evaluators, one zone, real packets: where ours and pyspf differ, RFC 7208 decides, and the reason has a name."""

from __future__ import annotations

import re
from typing import Any

import dns.message
import dns.query
import dns.rdatatype
import pytest
import spf as pyspf
from hypothesis import given, settings

from smtplab.authentication import spf_trace
from smtplab.authentication.spf_record import MAX_VOIDS
from smtplab.authentication.spf_trace import SpfCheck
from tests.authentication import spf_zones as zones
from tests.authentication.dnsserver import Zone, network, txt


def ask(resolver: str) -> Any:
    """pyspf's look-up, pointed at a server on loopback."""
    host, _, port = resolver.rpartition(":")

    def lookup(name: str, qtype: str, *_: object) -> list[tuple[tuple[str, str], Any]]:
        question = dns.message.make_query(name, qtype)
        answer, _tcp = dns.query.udp_with_fallback(question, host, timeout=2, port=int(port))
        rows: list[tuple[tuple[str, str], Any]] = []
        for rrset in answer.answer:
            kind = dns.rdatatype.to_text(rrset.rdtype)
            for rdata in rrset:
                value: Any = rdata.to_text().rstrip(".")
                if kind == "TXT":
                    value = rdata.strings
                elif kind == "MX":
                    value = (rdata.preference, rdata.exchange.to_text(omit_final_dot=True))
                rows.append(((rrset.name.to_text(omit_final_dot=True), kind), value))
        return rows

    return lookup


MX_TERM = re.compile(r"[+\-~?]?mx(?=$|[:/])", re.IGNORECASE)
"""The mechanism itself, not a name that holds these letters."""

UNREACHED = "an include of the own domain that is not reached"
"""pyspf calls it an error of syntax. RFC 7208 section 4.6.2: mechanisms are evaluated in turn, and the first match ends
it; section 4.6.4 stops a circle by its look-ups."""
BEHIND = "exchangers behind the one that matches"
"""pyspf asks for the addresses of all MX hosts and counts the empty ones. RFC 7208 section 5.4: they are compared one
after the other, and a match ends the mechanism."""

DIFFERENCES: list[tuple[str, Zone, str]] = [
    (UNREACHED, {zones.DOMAIN: [("TXT", txt(b"v=spf1 +all include:d.example"))]}, "pass"),
    (
        BEHIND,
        {
            zones.DOMAIN: [("TXT", txt(b"v=spf1 mx -all")), *(("MX", f"{i} h{i}.example.") for i in range(4))],
            "h0.example": [("A", "192.0.2.1")],
        },
        "pass",
    ),
]


def both(zone: Zone, address: str) -> tuple[SpfCheck, str]:
    """What ours and pyspf say to mail of someone at the domain."""
    with network(zone) as net, pytest.MonkeyPatch.context() as patch:
        patch.setattr(pyspf, "DNSLookup", ask(net.settings.resolver))
        theirs = pyspf.check2(address, f"someone@{zones.DOMAIN}", "helo.example", timeout=5, querytime=0)[0]
        return net.run(spf_trace.evaluate(net, address, f"someone@{zones.DOMAIN}", "helo.example")), str(theirs)


def difference(zone: Zone, ours: SpfCheck) -> str:
    """The name of the difference that a zone and a verdict of ours invite; "" for none."""
    if any(f"include:{name} " in f"{text} " for name, texts in plainly(zone).items() for text in texts):
        return UNREACHED
    return BEHIND if ours.void_lookups + behind(zone, ours) > MAX_VOIDS else ""


def behind(zone: Zone, ours: SpfCheck) -> int:
    """Exchangers that ours did not ask for, because one before them matches, and that have no address."""
    kind, empty = ("AAAA" if ":" in ours.ip else "A"), 0
    for step in ours.trace:
        if step.outcome == "match" and MX_TERM.match(step.term):
            asked = {a.split(": ")[0] for a in step.asked}
            name = next(a.split(" ")[1].rstrip(":") for a in step.asked if a.startswith("MX "))
            hosts = {h.split()[1].rstrip(".") for t, h in zone[name] if t == "MX"}
            left = [h for h in hosts if f"{kind} {h}" not in asked]
            empty += sum(all(t != kind for t, _ in zone.get(h, [])) for h in left)
    return empty


def plainly(zone: Zone) -> dict[str, list[str]]:
    """The TXT records of a zone as text."""

    def text(value: str) -> str:
        return "".join(chr(int(n)) for n in value.replace('"', "").split("\\")[1:])

    return {name: [text(v) for t, v in rows if t == "TXT"] for name, rows in zone.items()}


@pytest.mark.parametrize(("name", "zone", "right"), DIFFERENCES, ids=[n for n, _, _ in DIFFERENCES])
def test_where_the_two_differ_the_standard_decides(name: str, zone: Zone, right: str) -> None:
    ours, theirs = both(zone, "192.0.2.1")
    assert (ours.result, theirs, difference(zone, ours)) == (right, "permerror", name)


@pytest.mark.parametrize(
    ("record", "hosts"),
    [
        # A name that holds the letters, a match of the last exchanger, and one with none but living ones behind it.
        ("v=spf1 a:mx.example -all", []),
        ("v=spf1 mx -all", ["no0.example", "no1.example", "mx.example"]),
        ("v=spf1 mx -all", ["mx.example", "mx.example", "mx.example", "mx.example"]),
        ("v=spf1 mx -all", ["mx.example", "no0.example", "no1.example"]),
    ],
)
def test_no_other_zone_is_excused(record: str, hosts: list[str]) -> None:
    exchangers = [("MX", f"{i} {h}.") for i, h in enumerate(hosts)]
    zone: Zone = {zones.DOMAIN: [("TXT", txt(record.encode())), *exchangers], "mx.example": [("A", "192.0.2.1")]}
    ours, theirs = both(zone, "192.0.2.1")
    assert (ours.result, theirs, difference(zone, ours)) == ("pass", "pass", "")


@settings(max_examples=120, deadline=None)
@given(zones.zone(zones.record(zones.plain(), zones.plain(), zones.dynamic, zones.odd, most=4)), zones.sender)
def test_both_say_the_same_of_any_record(zone: Zone, address: str) -> None:
    ours, theirs = both(zone, address)
    if ours.result != theirs:
        assert (theirs, difference(zone, ours) in (UNREACHED, BEHIND)) == ("permerror", True), (ours, theirs)
