"""A verdict and its working, term by term, over real packets; hostile records are text and never raise."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtplab import authentication, inventory
from smtplab.authentication import spf, spf_trace
from smtplab.authentication.spf_flat import flatten
from smtplab.authentication.spf_networks import decide
from smtplab.authentication.spf_record import merged, pasted, spf_texts
from smtplab.authentication.spf_trace import SpfCheck
from smtplab.case import Case
from tests.authentication import spf_zones as zones
from tests.authentication.dnsserver import Zone, network, serve, txt

DOMAIN = "d.example"


def zone(own: str, **others: str) -> Zone:
    rows = {DOMAIN: own, **{f"{n}.example": t for n, t in others.items()}}
    made: dict[str, list[tuple[str, str]]] = {n: [("TXT", txt(t.encode()))] for n, t in rows.items()}
    return {**made, "h.example": [("A", "192.0.2.1"), ("MX", "10 h.example.")]}


def check(names: Zone, address: str, **more: str) -> SpfCheck:
    with network(names) as net:
        return net.run(spf_trace.check(net, DOMAIN, address, **more))


TREE = zone(
    "v=spf1 ip4:198.51.100.0/24 a:gone.example ?include:b.example ip6:2001:db8::/32 include:a.example mx:h.example ~all",
    a="v=spf1 include:c.example a:h.example -all",
    b="v=spf1 exists:%{ir}.x.example ?all",
    c="v=spf1 -all",
)


def test_the_trace_is_a_tree_of_terms_in_order_each_with_its_cost_and_reason() -> None:
    done = check(TREE, "192.0.2.1")
    rows = [(s.depth, s.lookup, s.term, s.outcome, s.voids) for s in done.trace]
    assert rows == [
        (0, 0, "ip4:198.51.100.0/24", "no match", 0),
        (0, 1, "a:gone.example", "no match", 1),
        (0, 2, "?include:b.example", "no match", 0),
        (1, 3, "exists:%{ir}.x.example", "no match", 1),
        (1, 0, "?all", "match", 0),
        (0, 0, "ip6:2001:db8::/32", "no match", 0),
        (0, 4, "include:a.example", "match", 0),
        (1, 5, "include:c.example", "no match", 0),
        (2, 0, "-all", "match", 0),
        (1, 6, "a:h.example", "match", 0),
    ]
    assert (done.result, done.mechanism, done.lookups, done.void_lookups) == ("pass", "include:a.example", 6, 2)
    assert done.worst_case_lookups == 7
    assert done.trace[3].asked == ("A 1.2.0.192.x.example: NXDOMAIN",)
    assert done.trace[6].why == "a.example says pass"
    assert [s.domain for s in done.trace][-4:] == [DOMAIN, "a.example", "c.example", "a.example"]


def test_a_redirect_stands_in_the_tree_and_the_term_behind_it_decides() -> None:
    done = check(zone("v=spf1 redirect=a.example", a="v=spf1 ip4:192.0.2.1 -all"), "192.0.2.1")
    assert [(s.depth, s.lookup, s.term, s.outcome) for s in done.trace] == [
        (0, 1, "redirect=a.example", "followed"),
        (1, 0, "ip4:192.0.2.1", "match"),
    ]
    assert (done.result, done.mechanism) == ("pass", "ip4:192.0.2.1")


# The record, further arguments, and result, deciding term and the reason of a failure.
REASONS: list[tuple[Zone, dict[str, str], tuple[str, str, str]]] = [
    (zone("v=spf1 ip4:198.51.100.1"), {}, ("neutral", "default", "")),
    (
        zone("v=spf1 ip4:198.51.100.1 -all"),
        {"record": "v=spf1 ip4:192.0.2.0/28 -all"},
        ("pass", "ip4:192.0.2.0/28", ""),
    ),
    (zone("v=spf1 -all"), {"record": '"v=spf1 ip4:192.0" ".2.1 -all"'}, ("pass", "ip4:192.0.2.1", "")),
    (zone("v=spf1 -all"), {"record": "spf1 all"}, ("none", "", "the record given does not begin with v=spf1")),
    ({DOMAIN: [("A", "192.0.2.1")]}, {}, ("none", "", f"no v=spf1 record for {DOMAIN}")),
    ({DOMAIN: [("*", "REFUSED")]}, {}, ("temperror", "", f"TXT {DOMAIN}: REFUSED")),
    (
        {**zone("v=spf1 include:shut.example -all"), "shut.example": [("*", "SERVFAIL")]},
        {},
        ("temperror", "include:shut.example", "include:shut.example: TXT shut.example: SERVFAIL"),
    ),
    (
        zone("v=spf1 include:a.example -all", a="v=spf1 " + "a:d.example " * 11),
        {},
        ("permerror", "include:a.example", "a:d.example: look-up 3 that finds nothing; receivers stop after 2"),
    ),
    (
        zone("v=spf1 " + "mx:h.example/32 " * 11),
        {"address": "192.0.2.9"},
        ("permerror", "mx:h.example/32", "mx:h.example/32: look-up 11; receivers stop after 10"),
    ),
    (
        zone(f"v=spf1 exists:%{{d{'9' * 5000}}}.example -all"),
        {},
        ("permerror", "", "Exceeds the limit"),
    ),
    # The domain asked about counts, not that of the sender; a macro sees the sender.
    (zone("v=spf1 exists:%{o}.x.example -all"), {"sender": "a@other.example"}, ("fail", "-all", "")),
]


@pytest.mark.parametrize(("names", "more", "expected"), REASONS, ids=[str(i) for i in range(len(REASONS))])
def test_each_result_says_what_decided_or_what_went_wrong(
    names: Zone, more: dict[str, str], expected: tuple[str, str, str]
) -> None:
    address = more.pop("address", "192.0.2.1")
    done = check(names, address, **more)
    assert (done.result, done.mechanism) == expected[:2]
    assert done.why.startswith(expected[2])
    assert bool(done.why) == bool(expected[2])


def test_a_null_sender_is_the_postmaster_of_the_helo() -> None:
    names = zone("v=spf1 exists:%{l}.%{o}.x.example -all")
    with network({**names, f"postmaster.{DOMAIN}.x.example": [("A", "192.0.2.1")]}) as net:
        done = net.run(spf_trace.evaluate(net, "192.0.2.9", "", DOMAIN))
    assert (done.result, done.sender, done.domain) == ("pass", f"postmaster@{DOMAIN}", DOMAIN)


def test_a_recording_answers_as_the_world_did_and_what_it_lacks_is_no_absence(tmp_path: Path) -> None:
    names = zone("v=spf1 include:a.example -all", a="v=spf1 ip4:192.0.2.1 -all")
    with serve(names) as resolver:
        Case.create(tmp_path / "case", DOMAIN)
        file = tmp_path / "case" / "case.toml"
        file.write_text(f'version = 1\ndomains = ["{DOMAIN}"]\n[network]\nresolver = "{resolver}"\n')
        with Case.open(tmp_path / "case", live=True) as case:
            authentication.collect(case, inventory.gather(case))
            live = authentication.spf_check(case, DOMAIN, "192.0.2.1")
    case = Case.open(tmp_path / "case")
    assert authentication.spf_check(case, DOMAIN, "192.0.2.1") == live
    what_if = authentication.spf_check(case, DOMAIN, "192.0.2.1", record="v=spf1 a:new.example -all")
    assert (what_if.result, what_if.why) == ("temperror", "a:new.example: A new.example: not recorded")


def test_what_strangers_publish_is_text() -> None:
    names = zone("v=spf1 exists:<b>x</b>.example a:h.example -all exp=why.example", why="<script> %{i} may not")
    done = check(names, "192.0.2.9")
    assert (done.result, done.explanation) == ("fail", "<script> 192.0.2.9 may not")
    assert "<b>" not in done._repr_html_()
    assert repr(done) == repr(check(names, "192.0.2.9"))
    assert list(done.frame()["lookup"].dropna()) == [1, 2]
    broken = check(zone("v=spf1 \x1b[2J -all"), "192.0.2.9")
    assert (broken.result, broken.record) == ("permerror", "v=spf1 \x1b[2J -all")
    assert "\x1b" not in repr(broken)
    assert check(zone("v=spf1 -all exp=why.example", why="\x1b[2J"), "192.0.2.9").explanation == ""


def survive(names: Zone, address: str) -> None:
    with network(names, timeout=0.3) as net:
        done = net.run(spf_trace.check(net, DOMAIN, address))
        record = net.run(spf.collect(net, DOMAIN))
    assert done.result in ("pass", "fail", "softfail", "neutral", "none", "permerror", "temperror")
    assert repr(done)
    assert done._repr_html_()
    assert repr(record)
    assert record._repr_html_()
    assert repr(flatten(record))
    decide(record.top)


@settings(max_examples=60, deadline=None)
@given(zones.zone(zones.record(zones.plain(), zones.dynamic, zones.odd, most=12)), zones.sender)
def test_no_zone_makes_it_raise(names: Zone, address: str) -> None:
    survive(names, address)


@settings(max_examples=120, deadline=None)
@given(
    st.one_of(
        st.text(max_size=300),
        st.text("v=spf1 incluedamxptr:46/%{}.-~?+0123", max_size=300).map("v=spf1 {}".format),
        st.binary(max_size=300).map(lambda b: f"v=spf1 {b.decode('latin-1')}"),
    )
)
def test_no_record_makes_it_raise(text: str) -> None:
    with network({}) as net:
        for address in ("192.0.2.1", "2001:db8::1"):
            done = net.run(spf_trace.check(net, DOMAIN, address, record=text))
            assert repr(done)
        assert repr(flatten(net.run(spf.collect(net, DOMAIN, text))))


@given(st.lists(st.text(max_size=60)))
def test_texts_of_a_name_are_sorted_into_records_and_what_resembles_one(texts: list[str]) -> None:
    records, nearly = spf_texts(texts)
    assert not set(records) & set(nearly)
    assert {*records, *nearly} <= set(texts)


@given(st.lists(zones.record(zones.plain(), zones.dynamic), min_size=1, max_size=3))
def test_records_that_are_merged_say_each_term_once(records: list[str]) -> None:
    one = merged(records)
    terms = one.split(" ")
    assert terms[0] == "v=spf1"
    assert len(set(terms)) == len(terms)
    assert merged([one]) == one
    ends = ("all", "+all", "-all", "~all", "?all")
    assert {t for r in records for t in r.split(" ") if t} - set(terms) <= {
        e for r in records for e in r.split(" ") if e.lower() in ends
    }


@given(st.text("abc =:.", min_size=1, max_size=600).filter(str.strip))
def test_a_record_pasted_from_a_zone_file_is_the_record(text: str) -> None:
    plain = " ".join(text.split())
    parts = [plain[i : i + 255] for i in range(0, len(plain), 255)]
    assert pasted(" ".join(f'"{p}"' for p in parts)) == plain
    assert pasted(f"  {plain}\n") == plain


@pytest.mark.parametrize("text", ['"' * 60_000, '"' + '\\"' * 60_000, '"a\\' * 60_000])
def test_strings_without_an_end_cost_no_time(text: str) -> None:
    began = time.monotonic()
    pasted(text)
    assert time.monotonic() - began < 2
    assert pasted('"v=spf1 -all') == '"v=spf1 -all'
