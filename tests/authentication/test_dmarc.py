"""RFC 9989: the walk, the organizational domain and the policy of each kind of name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.authentication import dkim, dmarc
from tests.authentication.dnsserver import network, txt

DEEP = "a.b.c.d.e.f.g.h.i.example"
WALKS = [
    ("example", ["example"]),
    ("a.example", ["a.example", "example"]),
    ("a.b.c.d.e.f.example", [f"{'.'.join('abcdef'[i:])}.example".lstrip(".") for i in range(7)]),
    # Eight labels or more: the name itself, then seven labels, then one less each time; eight questions in all.
    (DEEP, [DEEP, *(f"{'.'.join('defghi'[i:])}.example".lstrip(".") for i in range(7))]),
]
RECORDS = [
    ("v=DMARC1; p=reject", ("reject", "reject", "reject")),
    ("v=DMARC1;p=reject;sp=none", ("reject", "none", "none")),
    ("v=DMARC1; p=none; np=reject", ("none", "none", "reject")),
    ("v = DMARC1 ; P = Reject ; sp=quarantine; np=none;", ("reject", "quarantine", "none")),
    ("v=DMARC1; rua=mailto:a@b.example", ("none", "none", "none")),
    ("v=DMARC1; p=mistyped; rua=mailto:a@b.example", ("none", "none", "none")),
    ("v=DMARC1; sp=reject", ("", "reject", "reject")),
]
# names with records -> author domain -> (organizational domain, name of the governing record, its policy)
ZONES = [
    ({"corp.example": "p=reject"}, "corp.example", ("corp.example", "corp.example", ("reject", "reject", "reject"))),
    (
        {"corp.example": "p=reject; sp=none"},
        "x.corp.example",
        ("corp.example", "corp.example", ("none", "none", "none")),
    ),
    (
        {"x.corp.example": "p=none", "corp.example": "p=reject"},
        "x.corp.example",
        ("corp.example", "x.corp.example", ("none", "none", "none")),
    ),
    # A record between the domain and its organization governs nothing.
    (
        {"y.corp.example": "p=none", "corp.example": "p=reject"},
        "x.y.corp.example",
        ("corp.example", "corp.example", ("reject", "reject", "reject")),
    ),
    (
        {"y.corp.example": "p=none; psd=n", "corp.example": "p=reject"},
        "x.y.corp.example",
        ("y.corp.example", "y.corp.example", ("none", "none", "none")),
    ),
    ({"example": "p=reject; psd=y"}, "x.corp.example", ("corp.example", "example", ("reject", "reject", "reject"))),
    (
        {"example": "p=reject; psd=y", "corp.example": "p=none"},
        "x.corp.example",
        ("corp.example", "corp.example", ("none", "none", "none")),
    ),
]


@pytest.mark.parametrize(("domain", "names"), WALKS)
def test_the_walk_asks_at_most_eight_names(domain: str, names: list[str]) -> None:
    assert dmarc.walk(domain) == names
    assert len(names) <= dmarc.MAX_QUERIES


@pytest.mark.parametrize(("text", "policy"), RECORDS)
def test_each_record_means_a_policy_for_each_kind_of_name(text: str, policy: tuple[str, str, str]) -> None:
    record = dmarc.parse("corp.example", text)
    assert record
    assert (record.p, record.sp, record.np) == policy


@pytest.mark.parametrize("text", ["", "v=DMARC2; p=none", "v=dmarc1; p=none", "p=none; v=DMARC1", "v=DMARC11"])
def test_what_is_no_dmarc_record_is_none(text: str) -> None:
    assert dmarc.parse("corp.example", text) is None


@pytest.mark.parametrize(("records", "domain", "expected"), ZONES)
def test_the_walk_finds_organization_and_governing_record(
    records: dict[str, str], domain: str, expected: tuple[str, str, tuple[str, str, str]]
) -> None:
    zone = {f"_dmarc.{n}": [("TXT", txt(f"v=DMARC1; {r}".encode()))] for n, r in records.items()}
    with network(zone) as net:
        found = net.run(dmarc.collect(net, domain))
    assert found.record
    assert (found.org, found.record.domain, found.policy) == expected


def test_relaxed_alignment_compares_organizations() -> None:
    org = {"bounce.corp.example": "corp.example", "corp.example": "corp.example"}
    assert dmarc.aligned("bounce.corp.example", "corp.example", org)
    assert not dmarc.aligned("bounce.corp.example", "corp.example", org, strict=True)
    assert not dmarc.aligned("vendor.example", "corp.example", org)


@given(st.text(max_size=400))
def test_no_record_crashes_a_reader(text: str) -> None:
    dmarc.parse("corp.example", text)
    dmarc.parse("corp.example", f"v=DMARC1;{text}")
    assert dkim.parse("corp.example", "s", text).name == "s._domainkey.corp.example"
    assert dkim.parse("corp.example", "s", f"v=DKIM1; p={text}").record


@given(st.dictionaries(st.sampled_from(["v", "p", "k", "t", "h"]), st.text("abcXYZ019+/=: ", max_size=30)))
def test_a_tag_list_survives_folding(found: dict[str, str]) -> None:
    plain = {k: v.strip() for k, v in found.items()}
    assert dkim.tags("; ".join(f"{k}={v}" for k, v in found.items())) == plain
    assert dkim.tags(" ;\t".join(f" {k} = {v} " for k, v in found.items())) == plain
