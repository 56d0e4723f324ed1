"""ARC chains: the validation suite of RFC 8617's authors, and hops told apart in chains made here."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from smtplab.authentication import arc
from smtplab.authentication.arc import Arc, Chain
from smtplab.net import Network
from tests.authentication.dnsserver import Zone, network, txt
from tests.authentication.signing import MESSAGE, key, seal, sign

CASES = 171
ENDED = {"cv_fail_i1_as_cv_fail", "cv_fail_i2_as2_fail", "cv_fail_i2_as1_fail"}
"""Cases for which the suite names no result, for a seal in them says cv=fail: RFC 8617 section 5.2 calls the chain failed
at once, and nothing more is tried."""
SAW = "dkim=pass header.d=corp.example; spf=pass smtp.mailfrom=corp.example"


def names(*sealers: str, **records: str) -> Zone:
    zone = {f"s1._domainkey.{s}": [("TXT", txt(key("rsa2048")[1].encode()))] for s in sealers}
    return zone | {f"s1._domainkey.{s}": [("TXT", txt(r.encode()))] for s, r in records.items()}


LIST, HOME = "list.example", "home.example"
BOTH = names(LIST, HOME)
ONE = seal(MESSAGE, 1, LIST, SAW)
TAGGED = seal(sign(), 1, LIST, SAW).replace(b"Subject: ", b"Subject: [dev] ")
TWO = seal(TAGGED, 2, HOME, "arc=pass")


def validate(raw: bytes, zone: Zone = BOTH) -> Arc:
    with network(zone, timeout=0.5) as net:
        return arc.validate_chain(net, raw)


def test_the_suite_passes_over_real_packets(corpora: Path) -> None:
    ran, ended, wrong = 0, set(), []
    for scenario in yaml.safe_load_all((corpora / "arc" / "arc-draft-validation-tests.yml").read_text("utf-8")):
        if not scenario:
            continue
        zone = {n: [("TXT", txt(r.encode()))] for n, r in scenario["txt-records"].items()}
        with network(zone, timeout=0.5) as net:
            for name, case in scenario["tests"].items():
                found = arc.validate_chain(net, case["message"].encode())
                expected = (case["cv"] or "").strip().lower()
                if not expected:
                    ended.add(name)
                    assert "this hop says" in found.why
                if str(found.chain) != (expected or "fail"):
                    wrong.append(f"{scenario['description']}/{name}: {found.chain} ({found.why}), not {expected}")
                ran += 1
    assert not wrong, "\n".join(wrong)
    assert ran == CASES
    assert ended == ENDED


def test_a_message_without_sets_has_no_chain() -> None:
    assert validate(MESSAGE) == Arc(Chain.NONE)
    assert validate(b"ARC-Seal: cv=none\r\n" + MESSAGE).chain is Chain.NONE


def test_each_hop_is_told_with_what_it_saw() -> None:
    found = validate(TWO)
    assert (found.chain, found.broken, found.first) == (Chain.PASS, 0, f"{LIST}; {SAW}")
    assert [(h.instance, h.sealer, h.cv, h.seal, h.message) for h in found.hops] == [
        (1, LIST, "none", True, False),  # the list tagged the subject after it had sealed
        (2, HOME, "pass", True, True),
    ]


BROKEN: list[tuple[bytes, Zone, Chain, int, str]] = [
    # message, zone; the chain, the hop at which it breaks and why
    (ONE + b"footer\r\n", BOTH, Chain.FAIL, 1, "changed after this hop"),
    (TWO.replace(b"ten. ", b"nine. "), BOTH, Chain.FAIL, 2, "changed after this hop"),
    (TWO.replace(b"dkim=pass", b"dkim=none"), BOTH, Chain.FAIL, 1, "its seal does not verify"),
    (TWO, names(HOME), Chain.FAIL, 1, "there is no key"),
    (ONE, names(**{LIST: "v=DKIM1; p="}), Chain.FAIL, 1, "revoked"),
    (ONE, names(**{LIST: key("rsa2048-other")[1]}), Chain.FAIL, 1, "changed after this hop"),
    (seal(MESSAGE, 1, LIST, SAW, cv="fail"), BOTH, Chain.FAIL, 1, "says that the chain was broken"),
    (seal(MESSAGE, 1, LIST, SAW, cv="pass"), BOTH, Chain.FAIL, 1, "cv=pass, which cannot be"),
    (seal(ONE, 2, HOME, "arc=pass", cv="none"), BOTH, Chain.FAIL, 2, "cv=none, which cannot be"),
    (seal(MESSAGE, 2, HOME, "arc=pass"), BOTH, Chain.FAIL, 1, "Incomplete ARC set for instance 1"),
    (ONE.replace(b"ARC-Seal", b"X-Seal"), BOTH, Chain.FAIL, 0, "Incomplete ARC set for instance 1"),
    (ONE.replace(b"a=rsa-sha256", b"a=rsa-md5"), BOTH, Chain.FAIL, 0, "unknown signature algorithm: rsa-md5"),
    (ONE, {f"s1._domainkey.{LIST}": [("*", "SERVFAIL")]}, Chain.UNKNOWN, 0, "SERVFAIL"),
]


@pytest.mark.parametrize("number", range(len(BROKEN)))
def test_where_the_chain_breaks_is_told(number: int) -> None:
    raw, zone, chain, broken, words = BROKEN[number]
    found = validate(raw, zone)
    assert (found.chain, found.broken) == (chain, broken)
    assert words in found.why


def test_the_table_has_a_row_a_hop() -> None:
    table = validate(TWO).table()
    assert table["sealer"].tolist() == [LIST, HOME]
    assert table["message"].tolist() == [False, True]
    assert validate(MESSAGE).table().empty


@pytest.mark.parametrize(
    "head",
    [
        b"".join(b"ARC-Seal: i=%d; cv=pass\r\n" % n for n in range(200)),
        b"ARC-Seal: i=" + b"9" * 15_000 + b"\r\n",
        b"ARC-Seal: i=1; b=" + b" " * 15_000 + b"\r\n",
        b"ARC-Seal: i=999999999\r\n",
    ],
)
def test_a_chain_made_to_last_fails_at_once(head: bytes) -> None:
    began = time.monotonic()
    assert validate(head + MESSAGE).chain in (Chain.FAIL, Chain.NONE)
    assert time.monotonic() - began < 2


def test_hops_over_a_large_message_are_done_in_seconds() -> None:
    raw = MESSAGE + b"a line \t of text \r\n" * 200_000
    for instance in range(1, 4):
        raw = seal(raw, instance, LIST, SAW)
    began = time.monotonic()
    assert validate(raw).chain is Chain.PASS
    assert time.monotonic() - began < 10


@pytest.fixture(scope="module")
def net() -> Iterator[Network]:
    with network(BOTH, timeout=0.3) as made:
        yield made


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([ONE, TWO]), st.integers(0, 1500), st.binary(max_size=10), st.integers(0, 5))
def test_no_damage_makes_it_raise(net: Network, raw: bytes, at: int, noise: bytes, cut: int) -> None:
    found = arc.validate_chain(net, raw[:at] + noise + raw[at + cut :])
    assert found.chain in Chain
    assert found.table().columns.size == 7
