"""DANE: which records describe a chain, and what a sender makes of them; RFC 6698, 7671 and 7672 as tables."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from smtplab.net.dns import DnsAnswer, State
from smtplab.transport.dane import DaneState, HostDane, Tlsa, assess, proposal
from smtplab.transport.secured import Secured
from tests.net.certs import AT, DAY, HOST, Authority, Issued

AUTHORITY = Authority()
GOOD = AUTHORITY.issue(HOST)
EXPIRED = AUTHORITY.issue(HOST, end=AT - DAY)
OTHER = AUTHORITY.issue("other.example")
SELF = AUTHORITY.issue(HOST, self_signed=True)
BARE = Issued(GOOD.key, GOOD.chain[:1])
WITH_ROOT = Issued(GOOD.key, (*GOOD.chain, AUTHORITY.root))


def record(usage: int, selector: int, matching: int, issued: Issued, place: int = 0) -> str:
    """A record for a certificate of a chain, made by the book: RFC 6698 section 2.1."""
    cert = issued.chain[place]
    whole = cert.public_bytes(Encoding.DER)
    key = cert.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    part = key if selector else whole
    data = [part, hashlib.sha256(part).digest(), hashlib.sha512(part).digest()][matching]
    return f"{usage} {selector} {matching} {data.hex()}"


FITS = [
    # the record, the chain shown, whether it fits
    *((record(3, s, m, GOOD), GOOD, True) for s in (0, 1) for m in (0, 1, 2)),
    *((record(2, s, m, GOOD, 1), GOOD, True) for s in (0, 1) for m in (0, 1, 2)),
    (record(3, 1, 1, OTHER), GOOD, False),
    (record(3, 0, 1, GOOD, 1), GOOD, False),
    # Name and date do not count for DANE-EE (RFC 7672 section 3.1.1), nor who signed.
    (record(3, 1, 1, EXPIRED), EXPIRED, True),
    (record(3, 1, 1, OTHER), OTHER, True),
    (record(3, 1, 1, SELF), SELF, True),
    (record(3, 1, 1, GOOD), BARE, True),
    # They do for DANE-TA (section 3.1.2).
    (record(2, 1, 1, EXPIRED, 1), EXPIRED, False),
    (record(2, 1, 1, OTHER, 1), OTHER, False),
    # The authority must be sent (section 3.1.2), or stand whole in DNS (RFC 7671 section 5.2.2).
    (record(2, 1, 1, GOOD, 1), BARE, False),
    (record(2, 0, 0, GOOD, 1), BARE, True),
    (record(2, 1, 1, WITH_ROOT, 2), WITH_ROOT, True),
    (record(2, 1, 1, WITH_ROOT, 2), GOOD, False),
    # An authority promised is not the leaf.
    (record(2, 1, 1, GOOD), GOOD, False),
]


@pytest.mark.parametrize(("text", "issued", "fits"), FITS, ids=range(len(FITS)))
def test_a_record_fits_the_chain_it_describes_and_no_other(text: str, issued: Issued, fits: bool) -> None:
    parsed = Tlsa.parse(text)
    assert parsed is not None
    assert str(parsed) == text
    assert parsed.unusable == ""
    why = parsed.fits(issued.der, (HOST, "test.example"), AT)
    assert (why == "") is fits, why


def test_the_names_of_a_trusted_authority_are_the_mx_and_the_domain() -> None:
    parsed = Tlsa.parse(record(2, 1, 1, OTHER, 1))
    assert parsed is not None
    assert parsed.fits(OTHER.der, (HOST, "other.example"), AT) == ""


UNUSABLE = [
    (record(0, 1, 1, GOOD), "usage 0"),
    (record(1, 1, 1, GOOD), "usage 1"),
    ("4 1 1 " + "ab" * 32, "not defined"),
    ("3 2 1 " + "ab" * 32, "not defined"),
    ("3 1 3 " + "ab" * 32, "not defined"),
    ("3 1 1 " + "ab" * 31, "31 bytes, not 32"),
    ("3 1 2 " + "ab" * 32, "32 bytes, not 64"),
    ("3 1 0", "0 bytes"),
]


@pytest.mark.parametrize(("text", "why"), UNUSABLE, ids=range(len(UNUSABLE)))
def test_a_record_that_senders_pass_over_says_why(text: str, why: str) -> None:
    parsed = Tlsa.parse(text)
    assert parsed is not None
    assert why in parsed.unusable


@given(st.text(max_size=60))
def test_reading_a_record_never_raises(text: str) -> None:
    parsed = Tlsa.parse(text)
    assert parsed is None or Tlsa.parse(str(parsed)) == parsed


@given(st.integers(0, 4), st.integers(0, 2), st.integers(0, 3), st.binary(max_size=70), st.binary(max_size=50))
def test_comparing_with_noise_never_raises(usage: int, selector: int, matching: int, data: bytes, noise: bytes) -> None:
    parsed = Tlsa(usage, selector, matching, data)
    if not parsed.unusable and data != noise:
        assert parsed.fits((noise, noise), (HOST,), AT)


def test_the_record_proposed_is_the_digest_of_the_key_of_the_leaf() -> None:
    assert proposal(GOOD.der) == record(3, 1, 1, GOOD)
    assert proposal(()) == proposal((b"noise",)) == ""


def signed(rtype: str = "MX", secure: bool | None = True, why: str = "") -> Secured:
    return Secured(DnsAnswer("test.example", rtype, State.PRESENT), secure, "the resolver" if secure else "", why)


def tlsa(*records: str, secure: bool | None = True, why: str = "") -> Secured:
    state = State.PRESENT if records else State.ABSENT
    return Secured(DnsAnswer(f"_25._tcp.{HOST}", "TLSA", state, records=records), secure, "the resolver", why)


def failed(why: str) -> Secured:
    rcode = why.partition(":")[0]
    return Secured(DnsAnswer(f"_25._tcp.{HOST}", "TLSA", State.UNKNOWN, rcode, why=why), None, why=why)


def judge(found: Secured, *path: Secured, starttls: bool | None = True, issued: Issued | None = GOOD) -> HostDane:
    chain = issued.der if issued else ()
    return assess("test.example", HOST, path or (signed(), signed("A")), found, starttls, chain, AT)


NOW, NEXT = record(3, 1, 1, GOOD), record(3, 1, 1, OTHER)
PKIX = record(1, 1, 1, GOOD)
STATES = {
    # what stands and what is shown: the state
    "none": (judge(tlsa()), DaneState.ABSENT),
    "none, and the proof of that is forged": (
        judge(replace(tlsa(secure=False, why="bogus: x"), bogus=True)),
        DaneState.FAILING,
    ),
    "one that matches": (judge(tlsa(NOW)), DaneState.WORKS),
    "a rollover": (judge(tlsa(NOW, NEXT)), DaneState.WORKS),
    "another key": (judge(tlsa(NEXT)), DaneState.BROKEN),
    "another key beside one of no use": (judge(tlsa(NEXT, PKIX)), DaneState.BROKEN),
    "only of no use": (judge(tlsa(PKIX)), DaneState.UNUSABLE),
    "not signed": (judge(tlsa(NOW, secure=False)), DaneState.IGNORED),
    "not signed and wrong": (judge(tlsa(NEXT, secure=False)), DaneState.IGNORED),
    "MX not signed": (judge(tlsa(NOW), signed(secure=False), signed("A")), DaneState.IGNORED),
    "address not signed": (judge(tlsa(NEXT), signed(), signed("A", False)), DaneState.IGNORED),
    "nobody can say whether": (judge(tlsa(NEXT, secure=None, why="the resolver")), DaneState.UNKNOWN),
    "no STARTTLS": (judge(tlsa(NOW), starttls=False, issued=None), DaneState.NO_TLS),
    "handshake fails": (judge(tlsa(NOW), issued=None), DaneState.NO_TLS),
    "server not heard": (judge(tlsa(NEXT), starttls=None, issued=None), DaneState.UNKNOWN),
    "look-up fails": (judge(failed("SERVFAIL")), DaneState.FAILING),
    "look-up fails in an unsigned zone": (judge(failed("SERVFAIL"), signed(secure=False)), DaneState.UNKNOWN),
    "signature of it does not hold": (judge(failed("SERVFAIL: DNSSEC bogus")), DaneState.FAILING),
    "timeout": (judge(failed("timeout")), DaneState.UNKNOWN),
    "not recorded": (judge(failed("not recorded")), DaneState.UNKNOWN),
    "nonsense": (judge(tlsa("what")), DaneState.ABSENT),
}


@pytest.mark.parametrize("name", STATES)
def test_each_set_up_has_its_state(name: str) -> None:
    found, state = STATES[name]
    assert found.state is state, found


def test_in_a_rollover_the_next_key_is_spare() -> None:
    found = judge(tlsa(NOW, NEXT, PKIX))
    assert [str(r) for r in found.spare] == [NEXT]
    assert judge(tlsa(NEXT)).spare == ()


def test_who_vouches_and_what_is_not_proved_are_told() -> None:
    assert judge(tlsa(NOW)).by == "the resolver"
    both = replace(signed(), by="the resolver and validated here")
    assert judge(tlsa(NOW), both).by == "the resolver and validated here, the resolver"
    assert judge(tlsa(NOW), signed(secure=False)).why == "MX of test.example is not signed"
    assert judge(tlsa(NOW), signed(secure=False, why="bogus: expired")).why == "bogus: expired"
