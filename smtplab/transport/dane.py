"""DANE for SMTP, RFC 7672: does an MX show the certificate that its signed TLSA record promises?

RFC 6698 (the record), 7671 (how to use it). The record counts only where DNSSEC proves the MX, the addresses and the
record itself. A sender that checks does not deliver where nothing matches: the loss is inbound, and silent.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from OpenSSL import crypto

from smtplab.net import Network
from smtplab.net.certificates import UNREADABLE, read_leaf
from smtplab.net.dns import DnsAnswer, State, addresses, query
from smtplab.net.dnssec import Anchors
from smtplab.transport.secured import Secured, secured, validates

MAX_RECORDS = 40
"""Of one host; the rest is somebody's attack."""
DIGESTS = {1: "sha256", 2: "sha512"}
TA, EE = 2, 3
"""The certificate usages that SMTP knows (RFC 7672 section 3.1): an authority of ours, or the very certificate."""


@dataclass(frozen=True, order=True)
class Tlsa:
    """One record: certificate usage, selector, matching type (RFC 6698 section 2.1) and data."""

    usage: int
    selector: int
    matching: int
    data: bytes

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """From presentation form; None for what is none."""
        words = text.split()
        try:
            usage, selector, matching = (int(w) for w in words[:3])
            return cls(usage, selector, matching, bytes.fromhex("".join(words[3:])))
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"{self.usage} {self.selector} {self.matching} {self.data.hex()}"

    @property
    def unusable(self) -> str:
        """Why senders pass it over, "" where they use it."""
        if self.usage in (0, 1):
            return f"usage {self.usage} asks for a public authority, which SMTP does not know (RFC 7672 section 3.1.3)"
        if self.usage not in (TA, EE) or self.selector not in (0, 1) or self.matching not in (0, 1, 2):
            return f"{self.usage} {self.selector} {self.matching} is not defined (RFC 6698 section 2.1)"
        size = hashlib.new(DIGESTS[self.matching]).digest_size if self.matching else len(self.data)
        return "" if self.data and len(self.data) == size else f"its digest has {len(self.data)} bytes, not {size}"

    def describes(self, der: bytes) -> bool:
        """Whether it is the certificate's: all of it or its key (selector), in full or as a digest (matching type)."""
        try:
            part = der if self.selector == 0 else _key(der)
        except UNREADABLE:
            return False
        return (part if self.matching == 0 else hashlib.new(DIGESTS[self.matching], part).digest()) == self.data

    def fits(self, chain: tuple[bytes, ...], names: Iterable[str], at: datetime) -> str:
        """Why the chain shown (DER, leaf first) is not what it promises, "" where it is.

        DANE-EE asks for nothing but the certificate: neither name nor date count (RFC 7672 section 3.1.1). DANE-TA
        asks for a valid path to the authority and one of the `names` (section 3.1.2 and 3.2.3).
        """
        if self.usage == EE:
            return "" if self.describes(chain[0]) else "it is not the certificate shown"
        full = [self.data] if (self.selector, self.matching) == (0, 0) else []
        anchors = [der for der in (*chain[1:], *full) if self.describes(der)]
        if not anchors:
            return "no authority in the chain shown is the one promised"
        if why := _path(chain, anchors[0], at):
            return f"the path to the promised authority is not valid: {why}"
        leaf = read_leaf(chain[0])
        return "" if leaf and any(map(leaf.covers, names)) else "the certificate does not name the host"


def _key(der: bytes) -> bytes:
    public = x509.load_der_x509_certificate(der).public_key()
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _path(chain: tuple[bytes, ...], anchor: bytes, at: datetime) -> str:
    store = crypto.X509Store()
    store.set_time(at.astimezone(UTC).replace(tzinfo=None))
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    try:
        store.add_cert(crypto.load_certificate(crypto.FILETYPE_ASN1, anchor))
        leaf, *rest = (crypto.load_certificate(crypto.FILETYPE_ASN1, der) for der in chain)
        crypto.X509StoreContext(store, leaf, rest).verify_certificate()
    except crypto.X509StoreContextError as e:
        return str(e.errors[2])
    except crypto.Error as e:
        return f"it cannot be read: {e}"[:200]
    return ""


def proposal(chain: tuple[bytes, ...]) -> str:
    """The record RFC 7672 section 3.1.1 recommends for a chain: the digest of the leaf's key; "" without one."""
    try:
        return str(Tlsa(EE, 1, 1, hashlib.sha256(_key(chain[0])).digest())) if chain else ""
    except UNREADABLE:
        return ""


class DaneState(StrEnum):
    """What a sender that knows DANE makes of an MX."""

    WORKS = "works"
    """A record matches: mail comes encrypted to the right server, or not at all."""
    BROKEN = "broken"
    """No usable record matches: such senders do not deliver."""
    NO_TLS = "no TLS"
    """Records stand, TLS does not: such senders do not deliver."""
    UNUSABLE = "unusable"
    """No record can be used: TLS is demanded, but from anybody."""
    IGNORED = "ignored"
    """DNSSEC does not prove the records, so senders pass them over."""
    FAILING = "look-up fails"
    """The question fails though the zone is signed: such senders wait."""
    ABSENT = "absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class HostDane:
    """DANE of one MX of a domain.

    `records` with, for each, why it does not match ("" it does; empty where nothing could be compared); `by` who
    vouches for DNSSEC; `why` the state in words; `proposal` the record that would match now; `signed` whether MX and
    addresses are proved, so that a record would count.
    """

    domain: str
    host: str
    state: DaneState
    records: tuple[Tlsa, ...] = ()
    misses: tuple[str, ...] = ()
    by: str = ""
    why: str = ""
    proposal: str = ""
    signed: bool | None = None

    @property
    def spare(self) -> tuple[Tlsa, ...]:
        """Usable records that do not match now: those of the next key in a rollover (RFC 7671 section 8.1)."""
        pairs = zip(self.records, self.misses, strict=False)
        return tuple(r for r, miss in pairs if miss and not r.unusable) if self.state is DaneState.WORKS else ()


Shown = tuple[bool | None, tuple[bytes, ...]]
"""What an MX shows at one address: whether it announces STARTTLS (None: no handshake was seen), and its chain."""
_WORST = (
    *(DaneState.BROKEN, DaneState.NO_TLS, DaneState.UNUSABLE, DaneState.IGNORED, DaneState.FAILING),
    *(DaneState.ABSENT, DaneState.WORKS, DaneState.UNKNOWN),
)


def assess(
    domain: str,
    host: str,
    path: tuple[Secured, ...],
    tlsa: Secured,
    starttls: bool | None,
    chain: tuple[bytes, ...],
    at: datetime,
) -> HostDane:
    """Judge the TLSA answer of an MX. `path` are the answers that led to it (MX, addresses)."""
    signed = _all(path)

    def made(state: DaneState, why: str = "", misses: tuple[str, ...] = ()) -> HostDane:
        by = ", ".join(dict.fromkeys(s.by for s in (*path, tlsa) if s.by))
        return HostDane(domain, host, state, records, misses, by, why, proposal(chain), signed)

    read = (Tlsa.parse(r) for r in tlsa.answer.records[:MAX_RECORDS])
    records = tuple(sorted(r for r in read if r))
    if tlsa.answer.state is State.UNKNOWN:
        failing = tlsa.answer.rcode == "SERVFAIL" and signed
        return made(DaneState.FAILING if failing else DaneState.UNKNOWN, tlsa.answer.why)
    if not records and tlsa.bogus:
        return made(DaneState.FAILING, tlsa.why)
    if not records:
        return made(DaneState.ABSENT)
    insecure = [s for s in (*path, tlsa) if s.secure is False]
    if insecure:
        why = "; ".join(s.why or f"{s.answer.rtype} of {s.answer.name} is not signed" for s in insecure)
        return made(DaneState.IGNORED, why)
    if not (signed and tlsa.secure):
        return made(DaneState.UNKNOWN, next(s.why for s in (*path, tlsa) if s.secure is None))
    if starttls is None:
        return made(DaneState.UNKNOWN, "no handshake with the server was seen")
    if not chain:
        return made(DaneState.NO_TLS, "the TLS handshake fails" if starttls else "the server offers no STARTTLS")
    misses = tuple(r.unusable or r.fits(chain, (host, domain), at) for r in records)
    if "" in misses:
        return made(DaneState.WORKS, misses=misses)
    if all(r.unusable for r in records):
        return made(DaneState.UNUSABLE, "; ".join(dict.fromkeys(misses)), misses)
    return made(DaneState.BROKEN, "; ".join(dict.fromkeys(misses)), misses)


def _all(answers: tuple[Secured, ...]) -> bool | None:
    states = [s.secure for s in answers]
    return False if False in states else None if None in states else True


async def collect(
    network: Network,
    mx: Sequence[tuple[str, str]],
    shown: Mapping[str, Sequence[Shown]],
    anchors: Anchors | None,
    at: datetime,
) -> tuple[HostDane, ...]:
    """Look up and judge the TLSA records of each MX (pairs of domain and host) against what it shows at each address.

    Of several addresses the worst counts: a sender may take any of them.
    """
    hosts = list(dict.fromkeys(host for _, host in mx))
    asked = dict(zip(hosts, await asyncio.gather(*(_answers(network, h) for h in hosts)), strict=True))
    routes = {domain: await query(network, domain, "MX") for domain, _ in mx}
    every = [*routes.values(), *(a for answers in asked.values() for a in answers)]
    needed = any(answers[-1].present for answers in asked.values())
    validating = await validates(network, every) if needed else any(a.ad for a in every) or None
    made = []
    for domain, host in mx:
        answers = [a for a in (routes[domain], *asked[host][:-1]) if not a.absent]
        *path, tlsa = [await secured(network, a, validating, anchors, at) for a in (*answers, asked[host][-1])]
        judged = [assess(domain, host, tuple(path), tlsa, *each, at) for each in shown.get(host) or [(None, ())]]
        made.append(min(judged, key=lambda d: _WORST.index(d.state)))
    return tuple(made)


async def _answers(network: Network, host: str) -> tuple[DnsAnswer, ...]:
    """Addresses, then TLSA."""
    _, a, aaaa = await addresses(network, host)
    return a, aaaa, await query(network, f"_25._tcp.{host}", "TLSA")
