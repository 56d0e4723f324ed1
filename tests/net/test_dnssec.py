"""Local validation against zones that dnspython signs here: what holds, and each way in which it does not."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import dns.dnssec
import dns.flags
import dns.message
import dns.name
import dns.rrset
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from smtplab.errors import CaseError
from smtplab.net import Network
from smtplab.net.dnssec import Anchors, Proof, Security, prove, read_anchors
from smtplab.tape import Entry, Question, Tape
from tests.net.certs import AT, DAY

ECDSA = dns.dnssec.Algorithm.ECDSAP256SHA256


@dataclass
class Zone:
    """A zone with one key, and its sets of records as they are answered."""

    name: dns.name.Name
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    answers: dict[tuple[dns.name.Name, str], list[dns.rrset.RRset]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.dnskey = dns.dnssec.make_dnskey(self.key.public_key(), ECDSA, flags=257)
        self.add(self.name, "DNSKEY", str(self.dnskey))

    def add(self, name: dns.name.Name, rtype: str, *records: str, signer: Zone | None = None) -> None:
        by = signer or self
        rrset = dns.rrset.from_text(name, 300, "IN", rtype, *records)
        begin, end = AT - 5 * DAY, AT + 5 * DAY
        signature = dns.dnssec.sign(rrset, by.key, by.name, by.dnskey, inception=begin, expiration=end)
        self.answers[name, rtype] = [rrset, dns.rrset.from_rdata(name, 300, signature)]

    def ds(self) -> str:
        return str(dns.dnssec.make_ds(self.name, self.dnskey, "SHA256"))


PARENT, CHILD, STRANGER = (Zone(dns.name.from_text(n)) for n in ("example", "test.example", "stranger.example"))
TLSA = dns.name.from_text("_25._tcp.mx.test.example")
VALUE = "3 1 1 " + "ab" * 32
CHILD.add(TLSA, "TLSA", VALUE)
PARENT.add(CHILD.name, "DS", CHILD.ds())
GOOD = PARENT.answers | CHILD.answers
Answers = dict[tuple[dns.name.Name, str], list[dns.rrset.RRset]]


def anchor(zone: Zone, rtype: str = "DNSKEY") -> Anchors:
    text = zone.ds() if rtype == "DS" else str(zone.dnskey)
    return {zone.name: dns.rrset.from_text(zone.name, 300, "IN", rtype, text)}


def network(answers: Answers) -> Network:
    entries = {}
    for (name, rtype), sets in answers.items():
        message = dns.message.make_response(dns.message.make_query(name, rtype))
        message.answer = sets
        entries |= entry(name.to_text(omit_final_dot=True), rtype, message.to_wire())
    return Network(tape=Tape(Path("x.jsonl"), AT, "here", entries))


def entry(name: str, rtype: str, wire: bytes) -> dict[Question, Entry]:
    question = Question.of("dnssec", name, {"rtype": rtype})
    return {question: Entry(question, AT, 1.0, {"message": base64.b64encode(wire).decode()})}


def proved(answers: Answers, anchors: Anchors, **later: Any) -> Proof:
    net = network(answers)
    return net.run(prove(net, TLSA.to_text(), "TLSA", anchors, AT + timedelta(**later)))


def without(answers: Answers, *keys: tuple[dns.name.Name, str], signature: bool = False) -> Answers:
    """Answers without some, or without their signatures."""
    return {k: v[:1] if signature and k in keys else [] if k in keys else v for k, v in answers.items()}


def swapped(key: tuple[dns.name.Name, str], rtype: str, text: str) -> Answers:
    """Other records under the old signature."""
    return GOOD | {key: [dns.rrset.from_text(key[0], 300, "IN", rtype, text), GOOD[key][1]]}


def stolen() -> Answers:
    """The records signed well, by a zone that has no say in them."""
    thief = Zone(STRANGER.name, STRANGER.key)
    thief.add(TLSA, "TLSA", VALUE)
    return GOOD | thief.answers


PROOFS: dict[str, tuple[Answers, Anchors, Security, str]] = {
    "the zone's own key": (GOOD, anchor(CHILD), Security.SECURE, ""),
    "its DS as anchor": (GOOD, anchor(CHILD, "DS"), Security.SECURE, ""),
    "from the parent down": (GOOD, anchor(PARENT), Security.SECURE, ""),
    "from the parent's DS down": (GOOD, anchor(PARENT, "DS"), Security.SECURE, ""),
    "no signature": (without(GOOD, (TLSA, "TLSA"), signature=True), anchor(PARENT), Security.INSECURE, "not signed"),
    "no such record": (without(GOOD, (TLSA, "TLSA")), anchor(PARENT), Security.INSECURE, "there is no TLSA"),
    "no DS at the parent": (without(GOOD, (CHILD.name, "DS")), anchor(PARENT), Security.INSECURE, "there is no DS"),
    "anchor of elsewhere": (GOOD, anchor(STRANGER), Security.INSECURE, "no trust anchor leads to test.example"),
    "another key as anchor": (GOOD, {CHILD.name: anchor(STRANGER)[STRANGER.name]}, Security.BOGUS, "no key of test"),
    "another record": (swapped((TLSA, "TLSA"), "TLSA", "3 1 1 " + "cd" * 32), anchor(PARENT), Security.BOGUS, "TLSA of"),
    "another DS": (swapped((CHILD.name, "DS"), "DS", STRANGER.ds()), anchor(PARENT), Security.BOGUS, "DS of test"),
    "another DNSKEY": (
        swapped((CHILD.name, "DNSKEY"), "DNSKEY", str(STRANGER.dnskey)), anchor(PARENT), Security.BOGUS, "no key of",
    ),
    "signed by a stranger": (stolen(), anchor(STRANGER), Security.BOGUS, "is signed by stranger.example"),
    "keys not recorded": ({(TLSA, "TLSA"): GOOD[TLSA, "TLSA"]}, anchor(PARENT), Security.UNKNOWN, "not recorded"),
}  # fmt: skip


@pytest.mark.parametrize("name", PROOFS)
def test_a_proof_holds_only_from_the_anchor_down(name: str) -> None:
    answers, anchors, security, why = PROOFS[name]
    found = proved(answers, anchors)
    assert (found.security, why in found.why) == (security, True), found


def test_a_signature_counts_at_the_time_of_the_case() -> None:
    assert proved(GOOD, anchor(PARENT), days=4).security is Security.SECURE
    assert proved(GOOD, anchor(PARENT), days=6).security is Security.BOGUS
    assert proved(GOOD, anchor(PARENT), days=-6).security is Security.BOGUS


@given(st.binary(max_size=100))
def test_a_message_of_noise_proves_nothing(noise: bytes) -> None:
    entries = entry(TLSA.to_text(omit_final_dot=True), "TLSA", noise)
    net = Network(tape=Tape(Path("x.jsonl"), AT, "here", entries))
    assert net.run(prove(net, TLSA.to_text(), "TLSA", anchor(PARENT), AT)).security is not Security.SECURE


def test_anchors_are_read_as_the_tools_write_them(tmp_path: Path) -> None:
    path = tmp_path / "root.key"
    path.write_text(f";; by unbound-anchor\ntest.example.\t3600\tIN\tDNSKEY\t{CHILD.dnskey} ;{{id = 1}}\n")
    assert read_anchors(path) == anchor(CHILD)
    path.write_text(f"example. IN DS {PARENT.ds()}\n")
    assert read_anchors(path) == anchor(PARENT, "DS")
    for text in ("", "what is this", "example. IN A 192.0.2.1\n"):
        path.write_text(text)
        with pytest.raises(CaseError):
            read_anchors(path)
