"""Certificates judged at the case's time: each way in which a chain is not good gets its own verdict."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.net.certificates import Certificate, read_leaf, verify
from tests.net.certs import AT, DAY, HOST, Authority, Issued

VERDICTS = {
    # chain: OpenSSL's code, part of what the strict validator says ("" valid)
    "good": (0, ""),
    "wildcard": (0, ""),
    "ending": (0, ""),
    "expired": (10, "not valid at"),
    "not-yet": (9, "not valid at"),
    "wrong-host": (0, "subjectAltName"),
    "self-signed": (18, "candidates exhausted"),
    "incomplete": (20, "candidates exhausted"),
    "nameless": (0, "subjectAltName"),
}


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def chains(authority: Authority) -> dict[str, Issued]:
    return authority.all()


@pytest.mark.parametrize("name", VERDICTS)
def test_each_broken_chain_gets_its_own_verdict(
    name: str, authority: Authority, chains: dict[str, Issued], tmp_path: Path
) -> None:
    code, strict = VERDICTS[name]
    verdict = verify(chains[name].der, HOST, AT, authority.pem(tmp_path / "ca.pem"))
    assert verdict.code == code, verdict
    assert strict in verdict.strict
    assert bool(verdict.strict) is bool(strict)


def test_the_same_chain_is_judged_at_the_time_given(
    authority: Authority, chains: dict[str, Issued], tmp_path: Path
) -> None:
    trust = authority.pem(tmp_path / "ca.pem")
    assert verify(chains["expired"].der, HOST, AT - 20 * DAY, trust).code == 0
    assert verify(chains["not-yet"].der, HOST, AT + 2 * DAY, trust).code == 0


def test_another_trust_store_knows_no_issuer(chains: dict[str, Issued], tmp_path: Path) -> None:
    stranger = Authority().pem(tmp_path / "other.pem")
    assert verify(chains["good"].der, HOST, AT, stranger).code == 20
    assert verify(chains["good"].der, HOST, AT, None).code == 20


@pytest.mark.parametrize("chain", [(), (b"",), (b"not a certificate",)])
def test_what_is_no_certificate_cannot_be_judged(chain: tuple[bytes, ...], tmp_path: Path) -> None:
    assert verify(chain, HOST, AT, None).code == -1
    assert verify(chain, HOST, AT, tmp_path / "absent.pem").code == -1


@given(st.binary(max_size=200))
def test_reading_a_certificate_never_raises(noise: bytes) -> None:
    assert read_leaf(noise) is None


def test_the_facts_of_a_leaf(chains: dict[str, Issued]) -> None:
    leaf = read_leaf(chains["good"].der[0])
    assert leaf is not None
    assert (leaf.names, leaf.key, leaf.bits, leaf.hash) == ((HOST,), "EC", 256, "sha256")
    assert leaf.not_after - leaf.not_before == timedelta(days=90)
    assert not leaf.self_issued
    assert leaf.issuer == "CN=Test Issuer"


COVERS = [
    (("mx.test.example",), "mx.test.example", True),
    (("mx.test.example",), "MX.test.example.", True),
    (("*.test.example",), "mx.test.example", True),
    (("*.test.example",), "a.mx.test.example", False),
    (("*.test.example",), "test.example", False),
    (("*",), "example", False),
    (("m*.test.example",), "mx.test.example", False),
    ((), "mx.test.example", False),
]


@pytest.mark.parametrize(("names", "host", "covered"), COVERS)
def test_a_wildcard_stands_for_one_label(names: tuple[str, ...], host: str, covered: bool) -> None:
    assert Certificate("", "", names, AT, AT, "", 0, "", False).covers(host) is covered
