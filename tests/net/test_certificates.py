"""Certificates judged at the case's time: each way in which a chain is not good gets its own verdict."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID
from hypothesis import given
from hypothesis import strategies as st

from smtplab.net.certificates import Certificate, Chain, _arrangement, judge, read_leaf, verify
from tests.net.certs import AT, DAY, HOST, Authority, Issued

SCT_LIST = bytes.fromhex("04350033003100" + "ab" * 32 + "0000018f000000000000040300023000")
"""One timestamp as RFC 6962 section 3.3 writes it: version, log, time, no extensions, an empty signature."""
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
    "swapped": (0, ""),
    "short-key": (0, ""),
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
    assert (leaf.issuer, leaf.common_name) == ("CN=Test Issuer", HOST)
    assert (leaf.scts, leaf.must_staple, leaf.ocsp, leaf.crl, leaf.issuer_at) == (0, False, (), (), ())


def test_what_a_certificate_says_of_revocation_and_transparency(authority: Authority) -> None:
    uri = x509.UniformResourceIdentifier
    access = [
        x509.AccessDescription(AuthorityInformationAccessOID.OCSP, uri("http://ocsp.test.example/")),
        x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, uri("http://ca.test.example/i.cer")),
    ]
    point = x509.DistributionPoint([uri("http://crl.test.example/1.crl")], None, None, None)
    more = (
        x509.TLSFeature([x509.TLSFeatureType.status_request]),
        x509.AuthorityInformationAccess(access),
        x509.CRLDistributionPoints([point]),
        x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2"), SCT_LIST),
    )
    leaf = read_leaf(authority.issue(HOST, more=more).der[0])
    assert leaf is not None
    assert (leaf.scts, leaf.must_staple) == (1, True)
    assert leaf.ocsp == ("http://ocsp.test.example/",)
    assert leaf.crl == ("http://crl.test.example/1.crl",)
    assert leaf.issuer_at == ("http://ca.test.example/i.cer",)


ARRANGED = {
    # the chain as sent: its arrangement
    "good": Chain(2),
    "incomplete": Chain(1),
    "self-signed": Chain(1),
    "swapped": Chain(3, ordered=False),
    "short-key": Chain(2, weak=("an RSA key of 1024 bits",)),
}


@pytest.mark.parametrize("name", ARRANGED)
def test_the_arrangement_of_a_chain(name: str, chains: dict[str, Issued]) -> None:
    assert judge(chains[name].der, HOST, AT, None).chain == ARRANGED[name]


def test_a_certificate_that_belongs_to_another_chain_is_counted(chains: dict[str, Issued]) -> None:
    leaf, issuer = chains["good"].der
    stranger = chains["self-signed"].der[0]
    assert judge((leaf, issuer, stranger), HOST, AT, None).chain == Chain(3, unrelated=1)
    assert judge((leaf, stranger, issuer), HOST, AT, None).chain == Chain(3, ordered=False, unrelated=1)
    assert judge((leaf, issuer, b"noise"), HOST, AT, None).chain == Chain(2)


def test_a_loop_of_issuers_ends(authority: Authority) -> None:
    twice = (authority.root.public_bytes(Encoding.DER),) * 3
    assert judge(twice, HOST, AT, None).chain == Chain(3, unrelated=2)


def test_a_signature_with_sha1_is_weak_and_that_of_a_root_is_not_looked_at(chains: dict[str, Issued]) -> None:
    leaf = read_leaf(chains["good"].der[0])
    assert leaf is not None
    old = replace(leaf, hash="sha1")
    root = replace(old, subject=old.issuer, self_issued=True)
    assert old.weak == ("a signature with sha1",)
    assert _arrangement([leaf, root]).weak == ()
    assert _arrangement([old, root]).weak == ("a signature with sha1",)


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
