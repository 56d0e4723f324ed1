"""What a record authorises, what a term costs and whose it is: tables worked out by hand."""

from __future__ import annotations

import ipaddress
import tomllib
from datetime import date
from importlib import resources

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.authentication import AuthEvidence, figures, spf, spf_costs, spf_flattened, spf_networks
from smtplab.authentication.owners import service
from smtplab.authentication.ranges import EVERYONE, Ranges
from smtplab.authentication.spf_networks import decide, seen
from smtplab.authentication.spf_record import SpfRecord
from smtplab.names.suffixes import organization, sold_as
from tests.authentication.dnsserver import Zone, network, txt

DOMAIN = "corp.example"


def zone(own: str, **others: str) -> Zone:
    rows = {DOMAIN: own, **{n.replace("_", "."): t for n, t in others.items()}}
    made: dict[str, list[tuple[str, str]]] = {n: [("TXT", txt(t.encode()))] for n, t in rows.items()}
    return {**made, "h.example": [("A", "192.0.2.1"), ("AAAA", "2001:db8::1")]}


def read(names: Zone) -> SpfRecord:
    with network(names) as net:
        return net.run(spf.collect(net, DOMAIN))


def evidence(names: Zone) -> AuthEvidence:
    return AuthEvidence((DOMAIN,), (), (read(names),), (), (), ())


# A term, and what stands there without the message: its target, its networks and whether all is known.
MACROS: list[tuple[str, str, tuple[str, ...], bool]] = [
    ("a:h.%{d1}", "h.example", ("192.0.2.1/32", "2001:db8::1/128"), True),
    ("a:h.%{D1}/24//64", "h.example", ("192.0.2.0/24", "2001:db8::/64"), True),
    ("a:%{d2r}.h.example", "example.corp.h.example", (), True),
    ("a:%{dr-}.h.example", "corp.example.h.example", (), True),
    ("exists:h.%{d1}", "h.example", ("0.0.0.0/0", "::/0"), True),
    ("exists:%{i}.%{d}", "", (), False),
    ("a:%{o}", "", (), False),
    ("a:%{H}.example", "", (), False),
    ("include:%{d}._spf.%{p}", "", (), False),
]


@pytest.mark.parametrize(("text", "target", "networks", "known"), MACROS, ids=[m[0] for m in MACROS])
def test_a_macro_of_the_domain_alone_is_a_name(text: str, target: str, networks: tuple[str, ...], known: bool) -> None:
    (term, _) = read(zone(f"v=spf1 {text} -all")).terms
    assert (term.target, term.networks, term.known, term.lookup) == (target, networks, known, 1)


def test_a_macro_in_an_included_record_is_of_that_domain() -> None:
    names = {**zone("v=spf1 include:_s.%{d} redirect=r.%{d1} ra=x", r_example="v=spf1 include:gone.%{d} -all")}
    names[f"_s.{DOMAIN}"] = [("TXT", txt(b"v=spf1 a:h.%{d1} a:%{d} -all"))]
    record = read(names)
    assert (record.lookups, record.redirect, record.networks()) == (5, "r.example", ["192.0.2.1/32", "2001:db8::1/128"])
    assert [t.target for t in record.terms if t.lookup] == [
        f"_s.{DOMAIN}", "h.example", f"_s.{DOMAIN}", "r.example", "gone.r.example",
    ]  # fmt: skip
    assert record.error.startswith("r.example: include:gone.%{d}")


NAMES: Zone = {
    **zone(
        "v=spf1 ip4:192.0.2.0/24 a:h.example include:_spf.google.com ?include:x.example exists:%{i}.z.example ~all",
        x_example="v=spf1 ip4:198.51.100.1 -all",
    ),
    "_spf.google.com": [("TXT", txt(b"v=spf1 include:_netblocks.google.com ip4:203.0.0.0/15 ~all"))],
    "_netblocks.google.com": [("TXT", txt(b"v=spf1 ip4:192.0.2.128/25 ip6:2001:db8::/31 ~all"))],
}
OUTCOMES = pd.DataFrame({"source_ip": ["192.0.2.200", "192.0.2.200", "192.0.2.5", None, "nonsense"]})
AGGREGATE = pd.DataFrame({"source_ip": ["192.0.2.5", "203.1.0.1"], "count": [7, 3]})


def test_each_term_tells_its_cost_its_owner_and_who_uses_it() -> None:
    table = spf_costs(evidence(NAMES), DOMAIN, OUTCOMES, AGGREGATE)
    columns = ["term", "lookups", "from", "to", "networks", "addresses", "owner", "service", "used"]
    none = pd.NA
    expected = pd.DataFrame(
        [
            # 192.0.2.200 twice and 192.0.2.5, which the reports saw seven times.
            ("ip4:192.0.2.0/24", 0, none, none, 1, 256, "", "", 9),
            ("a:h.example", 1, 1, 1, 2, 1, "h.example", "", 0),
            ("include:_spf.google.com", 2, 2, 3, 3, 131072 + 128, "google.com", "Google Workspace", 5),
            # It lets nobody pass, and what an exists matches nobody can list.
            ("?include:x.example", 1, 4, 4, 0, 0, "x.example", "", none),
            ("exists:%{i}.z.example", 1, 5, 5, 0, 0, "", "", none),
            ("~all", 0, none, none, 0, 0, "", "", none),
        ],
        columns=columns,
    )
    pd.testing.assert_frame_equal(table[columns], expected.astype(table[columns].dtypes.to_dict()))


def test_each_network_tells_who_holds_it_twice_who_is_too_large_and_who_is_idle() -> None:
    table = spf_networks(evidence(NAMES), DOMAIN, OUTCOMES, AGGREGATE)
    columns = ["network", "through", "inside", "broad", "used"]
    assert [tuple(None if pd.isna(v) else v for v in row) for row in table[columns].itertuples(index=False)] == [
        ("192.0.2.0/24", "ip4:192.0.2.0/24", None, False, "yes"),
        ("192.0.2.1/32", "a:h.example", "192.0.2.0/24", False, "no"),
        ("2001:db8::1/128", "a:h.example", "2001:db8::/31", False, "no"),
        ("192.0.2.128/25", "include:_spf.google.com", "192.0.2.0/24", False, "yes"),
        ("2001:db8::/31", "include:_spf.google.com", None, True, "no"),
        ("203.0.0.0/15", "include:_spf.google.com", None, True, "yes"),
    ]


def test_without_evidence_of_any_sender_nothing_is_called_unused() -> None:
    case = evidence(NAMES)
    for tables in ((), (OUTCOMES[:0],), (OUTCOMES[:0], AGGREGATE[:0])):
        assert set(spf_networks(case, DOMAIN, *tables)["used"]) == {"no evidence"}
        assert spf_costs(case, DOMAIN, *tables)["used"].isna().all()


def test_a_domain_that_was_not_asked_for_has_empty_tables() -> None:
    case = evidence(NAMES)
    assert (len(spf_costs(case, "other.example")), len(spf_networks(case, "other.example"))) == (0, 0)
    assert spf_flattened(case, "other.example") is None
    assert "costs no look-ups" in figures.spf_tree(case, "other.example").layout.title.text


def test_the_same_network_of_two_terms_is_held_by_the_first() -> None:
    table = spf_networks(evidence(zone("v=spf1 ip4:192.0.2.1 a:h.example ip4:192.0.2.1 -all")), DOMAIN)
    held = table[table["network"] == "192.0.2.1/32"]
    assert [v if isinstance(v, str) else None for v in held["inside"]] == [None, "192.0.2.1/32", "192.0.2.1/32"]


# First match decides: RFC 7208 section 4.6.2; an include passes on its pass alone: section 5.2.
DECIDED: list[tuple[str, list[str]]] = [
    ("v=spf1 ip4:192.0.2.0/30 -all", ["192.0.2.0/30"]),
    ("v=spf1 -ip4:192.0.2.0/31 ip4:192.0.2.0/30 -all", ["192.0.2.2/31"]),
    ("v=spf1 -all ip4:192.0.2.0/30", []),
    ("v=spf1 include:x.example -all", ["198.51.100.1/32"]),
    ("v=spf1 -include:x.example ip4:198.51.100.0/31 -all", ["198.51.100.0/32"]),
    ("v=spf1 ip4:192.0.2.1 redirect=x.example", ["192.0.2.1/32", "198.51.100.1/32"]),
    ("v=spf1 exists:%{i}.x.example a:h.example -all", ["192.0.2.1/32", "2001:db8::1/128"]),
    ("v=spf1 all", ["0.0.0.0/0", "::/0"]),
]


@pytest.mark.parametrize(("record", "networks"), DECIDED)
def test_the_first_match_decides_who_passes(record: str, networks: list[str]) -> None:
    assert decide(read(zone(record, x_example="v=spf1 ip4:198.51.100.1 ~all")).top).networks() == networks


def test_the_larger_count_of_two_sources_counts() -> None:
    assert seen(OUTCOMES, AGGREGATE) == {"192.0.2.200": 2, "192.0.2.5": 7, "nonsense": 1, "203.1.0.1": 3}


small = st.builds(
    lambda a, p: str(ipaddress.ip_network(f"10.0.0.{a}/{p}", strict=False)), st.integers(0, 255), st.integers(26, 32)
)
wide = st.one_of(
    small,
    st.builds(
        lambda a, p: str(ipaddress.ip_network(f"2001:db8::{a}/{p}", strict=False)),
        st.integers(0, 9),
        st.integers(120, 128),
    ),
)


def plain(ranges: Ranges) -> set[object]:
    return {a for n in ranges.networks() for a in ipaddress.ip_network(n)}


@given(st.lists(wide), st.lists(wide))
def test_sets_of_addresses_are_sets(left: list[str], right: list[str]) -> None:
    a, b = Ranges.of(left), Ranges.of(right)
    ones, others = plain(a), plain(b)
    assert ones == {x for n in left for x in ipaddress.ip_network(n)}
    assert (plain(a | b), plain(a & b), plain(a - b)) == (ones | others, ones & others, ones - others)
    assert (a <= b, bool(a)) == (ones <= others, bool(ones))
    assert all(a.holds(n) == (set(ipaddress.ip_network(n)) <= ones) for n in right)
    assert a.count(4) + a.count(6) == len(ones)
    assert a <= EVERYONE
    assert not a.holds("nonsense")


OWNERS = [
    ("_spf.google.com", "google.com", "google.com"),
    ("a.b.co.uk", "b.co.uk", "b.co.uk"),
    ("co.uk", "co.uk", ""),
    ("corp.example", "corp.example", ""),
    ("x.github.io", "x.github.io", "github.io"),
]


@pytest.mark.parametrize(("name", "whose", "sold"), OWNERS)
def test_whose_a_name_is_and_under_which_name_it_is_sold(name: str, whose: str, sold: str) -> None:
    assert (organization(name), sold_as(name)) == (whose, sold)


def test_every_service_has_a_source_and_a_date() -> None:
    table = tomllib.loads((resources.files("smtplab") / "data" / "spf_owners.toml").read_text("utf-8"))
    suffixes = [row["suffix"] for row in table["owners"]]
    assert len(suffixes) == len(set(suffixes))
    for row in table["owners"]:
        assert isinstance(row["date"], date)
        assert table["sources"][row["source"]].startswith("https://")
        assert service(f"x.{row['suffix']}") == row["service"]
    assert service("corp.example") == ""


def test_a_tree_of_forty_terms_stays_a_picture() -> None:
    own = " ".join(f"include:v{i}.example" for i in range(14))
    names: Zone = {DOMAIN: [("TXT", txt(f"v=spf1 {own} -all".encode()))]}
    for i in range(14):
        inner = " ".join(f"a:h{j}.v{i}.example" for j in range(3))
        names = {**names, f"v{i}.example": [("TXT", txt(f"v=spf1 {inner} -all".encode()))]}
    figure = figures.spf_tree(evidence(names), DOMAIN)
    labels = {y for bar in figure.data for y in bar.y}
    # 56 terms cost look-ups: those of the record itself are drawn, each with all that it costs.
    assert len(labels) == 14
    assert "include:v2.example is look-up 9" not in figure.layout.title.text
    assert "include:v3.example is look-up 13" in figure.layout.title.text
    assert sum(sum(bar.x) for bar in figure.data) == 56
