"""Certificates: their facts, and whether a client that verifies would take them at a given time.

RFC 5280 (path validation), 9525 (names), 6962 (certificate transparency), 7633 (must-staple). Two validators judge:
OpenSSL, whose numbers and words administrators search for, and the stricter one of the library cryptography.
"""

from __future__ import annotations

import ipaddress
import ssl
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import verification
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID
from OpenSSL import crypto

EXPIRED, NOT_YET, SELF_SIGNED, INCOMPLETE = 10, 9, (18, 19), (20, 21)
"""OpenSSL's numbers of the errors that have remedies of their own."""
MIN_RSA, MIN_EC = 2048, 224
"""Bits; NIST SP 800-131A allows nothing shorter, and OpenSSL's default security level refuses it."""
WEAK_HASHES = ("md5", "sha1")
UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension)
"""What the library raises for a certificate that is none, or one it does not know."""


@dataclass(frozen=True)
class Certificate:
    """The facts of a certificate that matter for mail; `self_issued`: subject and issuer are the same.

    `names` are those of its subjectAltName that a client compares: DNS names, and addresses in their usual form.

    `common_name` counts for no client of today (RFC 9525 section 6.3). `scts` are the proofs of certificate
    transparency in it, `must_staple` whether it demands a stapled OCSP answer, `ocsp`, `crl` and `issuer_at` URLs.
    """

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    key: str
    bits: int
    hash: str
    self_issued: bool
    common_name: str = ""
    scts: int = 0
    must_staple: bool = False
    ocsp: tuple[str, ...] = ()
    crl: tuple[str, ...] = ()
    issuer_at: tuple[str, ...] = ()

    def covers(self, host: str) -> bool:
        """Whether one of its names is the host, or a wildcard for it (RFC 9525 section 6.3)."""
        return covers(self.names, host)

    def leaves_open(self, host: str) -> bool:
        """Whether the host is an address that it does not list: only a name could tell whose certificate it is."""
        return is_address(host) and not self.covers(host)

    @property
    def weak(self) -> tuple[str, ...]:
        """What of its key and signature is too weak for today."""
        least = {"RSA": MIN_RSA, "EC": MIN_EC}.get(self.key, 0)
        made = [f"an {self.key} key of {self.bits} bits"] if 0 < self.bits < least else []
        return tuple([*made, f"a signature with {self.hash}"] if self.hash in WEAK_HASHES else made)


def is_address(host: str) -> bool:
    """Whether a host was given as an address, and not by its name."""
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def covers(names: Iterable[str], host: str) -> bool:
    """Whether a name is the host, or a wildcard that stands for its first label."""
    host = host.lower().rstrip(".")
    parent = host.partition(".")[2]
    return any(n == host or (n.startswith("*.") and parent and n[2:] == parent) for n in names)


@dataclass(frozen=True)
class Verdict:
    """Path validation: OpenSSL's error number (0 valid, -1 cannot be judged) and words.

    `strict` is what a validator by the letter of RFC 5280 says, host name included: "" valid.
    """

    code: int
    text: str
    strict: str = ""


@dataclass(frozen=True)
class Chain:
    """What was sent besides the leaf: whether each certificate is issued by the next (RFC 5246 section 7.4.2).

    `unrelated` counts those that no path from the leaf leads to, `weak` says what of keys and signatures is too weak.
    """

    length: int = 0
    ordered: bool = True
    unrelated: int = 0
    weak: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judgement:
    """A leaf (None: it cannot be read), its chain, and what the validators say."""

    certificate: Certificate | None
    chain: Chain
    verdict: Verdict

    def as_dict(self, host: str, at: datetime) -> dict[str, Any]:
        """Plain values, as `smtplab server --json` prints them; `days_left` counted from `at`."""
        cert, verdict = self.certificate, self.verdict
        if cert is None:
            return {"readable": False, "openssl": verdict.text}
        return {
            "readable": True,
            "subject": cert.subject,
            "issuer": cert.issuer,
            "names": list(cert.names),
            "covers_host": None if cert.leaves_open(host) else cert.covers(host),
            "not_before": cert.not_before.isoformat(),
            "not_after": cert.not_after.isoformat(),
            "days_left": (cert.not_after - at).days,
            "key": cert.key,
            "bits": cert.bits,
            "signature_hash": cert.hash,
            "self_signed": cert.self_issued,
            "chain_length": self.chain.length,
            "chain_in_order": self.chain.ordered,
            "weak": list(self.chain.weak),
            "openssl_code": verdict.code,
            "openssl": verdict.text,
            "strict": verdict.strict or "valid",
            "scts": cert.scts,
            "must_staple": cert.must_staple,
            "ocsp": list(cert.ocsp),
            "crl": list(cert.crl),
        }


def judge(chain: tuple[bytes, ...], host: str, at: datetime, trust: Path | None) -> Judgement:
    """Read and validate a chain (DER, leaf first) at a time against a PEM file of authorities (None: the system's)."""
    read = [read_leaf(der) for der in chain]
    return Judgement(read[0] if read else None, _arrangement([c for c in read if c]), verify(chain, host, at, trust))


def _arrangement(sent: list[Certificate]) -> Chain:
    """Follow the issuers by name, as a client does that builds a path."""
    path, left = sent[:1], list(sent[1:])
    while found := next((c for c in left if path and not path[-1].self_issued and c.subject == path[-1].issuer), None):
        path.append(found)
        left.remove(found)
    # A root is trusted for what it is: the hash of its own signature counts for nothing.
    weak = [w for i, c in enumerate(path) if i == 0 or not c.self_issued for w in c.weak]
    return Chain(len(sent), sent[: len(path)] == path, len(left), tuple(dict.fromkeys(weak)))


def read_leaf(der: bytes) -> Certificate | None:
    """The facts of a certificate, None if it cannot be read."""
    try:
        cert = x509.load_der_x509_certificate(der)
        public = cert.public_key()
        digest = cert.signature_hash_algorithm
        return Certificate(
            subject=cert.subject.rfc4514_string(),
            issuer=cert.issuer.rfc4514_string(),
            not_before=cert.not_valid_before_utc,
            not_after=cert.not_valid_after_utc,
            key=type(public).__name__.strip("_").replace("PublicKey", ""),
            bits=public.key_size if isinstance(public, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) else 0,
            hash=digest.name if isinstance(digest, hashes.HashAlgorithm) else "",
            self_issued=cert.subject == cert.issuer,
            common_name="".join(str(a.value).lower() for a in cert.subject.get_attributes_for_oid(NameOID.COMMON_NAME)),
            **_extensions(cert),
        )
    except UNREADABLE:
        return None


def _extensions(cert: x509.Certificate) -> dict[str, Any]:
    made: dict[str, Any] = {"names": ()}
    try:
        found = [e.value for e in cert.extensions]
    except ValueError:
        return made
    for value in found:
        if isinstance(value, x509.SubjectAlternativeName):
            addresses = map(str, value.get_values_for_type(x509.IPAddress))
            made["names"] = (*(n.lower() for n in value.get_values_for_type(x509.DNSName)), *addresses)
        elif isinstance(value, x509.PrecertificateSignedCertificateTimestamps):
            made["scts"] = len(list(value))
        elif isinstance(value, x509.TLSFeature):
            made["must_staple"] = x509.TLSFeatureType.status_request in value
        elif isinstance(value, x509.AuthorityInformationAccess):
            made["ocsp"] = tuple(_locations(value, AuthorityInformationAccessOID.OCSP))
            made["issuer_at"] = tuple(_locations(value, AuthorityInformationAccessOID.CA_ISSUERS))
        elif isinstance(value, x509.CRLDistributionPoints):
            named = (n for point in value for n in point.full_name or ())
            made["crl"] = tuple(str(n.value) for n in named if isinstance(n, x509.UniformResourceIdentifier))
    return made


def _locations(access: x509.AuthorityInformationAccess, method: x509.ObjectIdentifier) -> Iterator[str]:
    for entry in access:
        where = entry.access_location
        if entry.access_method == method and isinstance(where, x509.UniformResourceIdentifier):
            yield where.value


def verify(chain: tuple[bytes, ...], host: str, at: datetime, trust: Path | None) -> Verdict:
    """Validate a chain (DER, leaf first) at a time against a PEM file of authorities (None: the system's).

    OpenSSL says what is wrong in the words administrators search for; `strict` adds a second opinion.
    """
    if not chain:
        return Verdict(-1, "no certificate was sent")
    # The system's anchors lie where OpenSSL was built to look.
    paths = ssl.get_default_verify_paths()
    store = crypto.X509Store()
    store.set_time(at.astimezone(UTC).replace(tzinfo=None))
    try:
        store.load_locations(*((str(trust), None) if trust else (paths.cafile, paths.capath)))
        certificates = [crypto.load_certificate(crypto.FILETYPE_ASN1, der) for der in chain]
    except (crypto.Error, TypeError) as e:
        return Verdict(-1, f"cannot be judged: {e}"[:200])
    strict = _strict(chain, host, at, trust or Path(paths.cafile or ""))
    try:
        crypto.X509StoreContext(store, certificates[0], certificates[1:]).verify_certificate()
    except crypto.X509StoreContextError as e:
        return Verdict(int(e.errors[0]), str(e.errors[2]), strict)
    return Verdict(0, "valid", strict)


def _strict(chain: tuple[bytes, ...], host: str, at: datetime, trust: Path) -> str:
    try:
        with warnings.catch_warnings():
            # Old authorities of the system's store have serial numbers that the library grumbles about.
            warnings.simplefilter("ignore")
            anchors = x509.load_pem_x509_certificates(trust.read_bytes())
        leaf, *rest = [x509.load_der_x509_certificate(der) for der in chain]
        builder = verification.PolicyBuilder().store(verification.Store(anchors)).time(at)
        builder.build_server_verifier(_subject(chain[0], host)).verify(leaf, rest)
    except (verification.VerificationError, UnsupportedAlgorithm, OSError, ValueError, TypeError) as e:
        # The library adds the certificate it was at, as Python shows it.
        return str(e).partition(" (encountered processing")[0][:200] or type(e).__name__
    return ""


def _subject(leaf: bytes, host: str) -> x509.DNSName | x509.IPAddress:
    """What the certificate must name; for an address that it does not list, a name that it has."""
    cert = read_leaf(leaf)
    if cert and cert.leaves_open(host):
        host = next((n.replace("*", "any", 1) for n in cert.names if not is_address(n)), host)
    return x509.IPAddress(ipaddress.ip_address(host)) if is_address(host) else x509.DNSName(host)
