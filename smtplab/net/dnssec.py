"""Is a DNS answer signed all the way from a key we hold? Local validation, RFC 4033 to 4035, with dnspython.

A resolver's AD bit is worth as much as the resolver and the way to it; where the case gives a trust anchor, the
signatures are checked here, at the case's time: those of records, or of what says that there are none (denial.py).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import dns.dnssec
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.zonefile

from smtplab.errors import CaseError
from smtplab.net import Network, Unknown, denial
from smtplab.net.dns import resolvers
from smtplab.net.exchange import PAYLOAD, exchange

MAX_KEYS = 20
"""Keys or signatures of one set that are tried: more would let a stranger's zone burn our time (CVE-2023-50387)."""
MAX_DENIALS = 8
"""Records that deny, of one answer: three are the most that a proof needs."""
DENIALS = (dns.rdatatype.NSEC, dns.rdatatype.NSEC3)
Anchors = Mapping[dns.name.Name, dns.rrset.RRset]


class Security(StrEnum):
    """What is proved of an answer, in the words of RFC 4035 section 4.3."""

    SECURE = "secure"
    """Signed, from the anchor down."""
    INSECURE = "insecure"
    """It carries no signature, or none that begins at an anchor of ours."""
    BOGUS = "bogus"
    """It is signed, and the signature does not hold: forged, expired, or a broken zone."""
    UNKNOWN = "unknown"
    """The records for it could not be had."""


@dataclass(frozen=True)
class Proof:
    """The outcome, and why where it is not secure."""

    security: Security
    why: str = ""


class _Unproved(Exception):
    def __init__(self, security: Security, why: str) -> None:
        self.proof = Proof(security, why)
        super().__init__(why)


def read_anchors(path: Path) -> Anchors:
    """DNSKEY or DS records in a file of presentation format, as unbound-anchor writes it; raises CaseError."""
    try:
        found = dns.zonefile.read_rrsets(path.read_text("utf-8"), rdclass=None, default_ttl=3600)
    except (OSError, UnicodeDecodeError, dns.exception.DNSException, ValueError) as e:
        raise CaseError(f"no trust anchor can be read: {e}"[:200], where=path.name) from e
    kept = {r.name: r for r in found if r.rdtype in (dns.rdatatype.DNSKEY, dns.rdatatype.DS)}
    if not kept:
        raise CaseError("it holds no DNSKEY and no DS record", where=path.name)
    return kept


async def prove(network: Network, name: str, rtype: str, anchors: Anchors, at: datetime) -> Proof:
    """Validate the answer to a name and type at a time; never raises for what a zone publishes.

    Secure is also the proof that there is no such record.
    """
    try:
        owner = dns.name.from_text(name)
        if await _absent(network, owner, rtype, anchors, at):
            return Proof(Security.SECURE)
        rrset, signatures = await _signed(network, owner, rtype)
        signer = signatures[0].signer
        keys = await _keys(network, signer, anchors, at)
        _validate(rrset, signatures, signer, keys, at)
    except _Unproved as e:
        return e.proof
    except (dns.exception.DNSException, ValueError) as e:
        return Proof(Security.UNKNOWN, f"{type(e).__name__}: {e}"[:200])
    return Proof(Security.SECURE)


async def _absent(network: Network, name: dns.name.Name, rtype: str, anchors: Anchors, at: datetime) -> bool:
    """Whether the answer is that there is no such record, and its zone proves that; raises _Unproved."""
    message = await _message(network, name, rtype)
    kind = dns.rdatatype.from_text(rtype)
    # An alias is an answer of its own, proved as any other set.
    if message.answer:
        return False
    denials = [r for r in message.authority if r.rdtype in DENIALS][:MAX_DENIALS]
    if not denials:
        raise _Unproved(Security.INSECURE, f"there is no {rtype} at {_text(name)}, and nothing proves it")
    records: list[denial.Owned] = []
    signer = dns.name.root
    for rrset in denials:
        signed = message.get_rrset(
            dns.message.AUTHORITY, rrset.name, dns.rdataclass.IN, dns.rdatatype.RRSIG, rrset.rdtype
        )
        if not signed:
            raise _Unproved(Security.BOGUS, f"what denies {rtype} of {_text(name)} is not signed")
        if not name.is_subdomain(signed[0].signer) or (records and signed[0].signer != signer):
            raise _Unproved(Security.BOGUS, f"{_text(name)} is denied by {_text(signed[0].signer)}")
        if signed[0].labels != len(rrset.name) - 1 - rrset.name.is_wild():
            raise _Unproved(Security.BOGUS, f"what denies {_text(name)} is made from a wildcard")
        signer = signed[0].signer
        _validate(rrset, list(signed), signer, await _keys(network, signer, anchors, at), at)
        records += [(rrset.name, rdata) for rdata in rrset]
    try:
        denial.check(name, kind, signer, records)
    except denial.Unproved as e:
        raise _Unproved(Security.INSECURE, f"{rtype} of {_text(name)}: {e}") from e
    return True


async def _keys(network: Network, zone: dns.name.Name, anchors: Anchors, at: datetime) -> dns.rrset.RRset:
    """The keys of a zone, trusted because an anchor or the signed DS records of its parent name one of them."""
    rrset, signatures = await _signed(network, zone, "DNSKEY")
    if zone in anchors:
        named = anchors[zone]
    elif zone == dns.name.root or not any(zone.is_subdomain(a) for a in anchors):
        raise _Unproved(Security.INSECURE, f"no trust anchor leads to {_text(zone)}")
    else:
        named, above = await _signed(network, zone, "DS")
        parent = above[0].signer
        if parent == zone or not zone.is_subdomain(parent):
            raise _Unproved(Security.BOGUS, f"DS of {_text(zone)} is signed by {_text(parent)}")
        _validate(named, above, parent, await _keys(network, parent, anchors, at), at)
    trusted = [key for key in list(rrset)[:MAX_KEYS] if _named(zone, key, named)]
    if not trusted:
        raise _Unproved(Security.BOGUS, f"no key of {_text(zone)} is the one its parent or the anchor names")
    _validate(rrset, signatures, zone, dns.rrset.from_rdata_list(zone, rrset.ttl, trusted), at)
    return rrset


def _named(zone: dns.name.Name, key: Any, named: dns.rrset.RRset) -> bool:
    if named.rdtype == dns.rdatatype.DNSKEY:
        return key in named
    for ds in list(named)[:MAX_KEYS]:
        try:
            if dns.dnssec.make_ds(zone, key, ds.digest_type, validating=True) == ds:
                return True
        except (dns.exception.DNSException, ValueError):
            continue
    return False


def _validate(
    rrset: dns.rrset.RRset, signatures: list[Any], signer: dns.name.Name, keys: dns.rrset.RRset, at: datetime
) -> None:
    if not rrset.name.is_subdomain(signer):
        raise _Unproved(Security.BOGUS, f"{_text(rrset.name)} is signed by {_text(signer)}")
    usable = dns.rrset.from_rdata_list(signer, keys.ttl, list(keys)[:MAX_KEYS])
    signed = dns.rrset.from_rdata_list(rrset.name, rrset.ttl, signatures[:MAX_KEYS])
    try:
        dns.dnssec.validate(rrset, signed, {signer: usable}, now=at.timestamp())
    except (dns.exception.DNSException, ValueError) as e:
        what = f"{dns.rdatatype.to_text(rrset.rdtype)} of {_text(rrset.name)}"
        raise _Unproved(Security.BOGUS, f"the signature of {what} does not hold: {e}"[:200]) from e


def _text(name: dns.name.Name) -> str:
    return str(name.to_text(omit_final_dot=True).lower())


async def _signed(network: Network, name: dns.name.Name, rtype: str) -> tuple[dns.rrset.RRset, list[Any]]:
    """A set of records and its signatures, as the resolver hands them on."""
    message = await _message(network, name, rtype)
    kind = dns.rdatatype.from_text(rtype)
    rrset = message.get_rrset(dns.message.ANSWER, name, dns.rdataclass.IN, kind)
    signatures = message.get_rrset(dns.message.ANSWER, name, dns.rdataclass.IN, dns.rdatatype.RRSIG, kind)
    if rrset is None:
        raise _Unproved(Security.INSECURE, f"there is no {rtype} at {_text(name)}")
    if not signatures:
        raise _Unproved(Security.INSECURE, f"{rtype} of {_text(name)} is not signed")
    return rrset, list(signatures)


async def _message(network: Network, name: dns.name.Name, rtype: str) -> dns.message.Message:
    async def perform() -> dict[str, Any]:
        why = "no resolver"
        for host, port in resolvers(network):
            # Checking is our own affair (CD): a bogus answer is shown instead of withheld.
            question = dns.message.make_query(name, rtype, want_dnssec=True, payload=PAYLOAD)
            question.flags |= dns.flags.CD
            try:
                async with network.turn(host, port):
                    response = await exchange(question, host, port, network.settings.timeout)
            except Unknown as e:
                why = e.reason
                continue
            if response.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                return {"message": base64.b64encode(response.to_wire(max_size=65535)).decode()}
            why = dns.rcode.to_text(response.rcode())
        raise Unknown(why)

    text = _text(name)
    entry = await network.ask("dnssec", text, {"rtype": rtype}, perform)
    if entry.value is None:
        raise _Unproved(Security.UNKNOWN, f"{rtype} of {text}: {entry.unknown}")
    return dns.message.from_wire(base64.b64decode(str(entry.value["message"])))
