"""TLS versions a service accepts, and certificate chains judged at the case's time.

RFC 8996 (TLS 1.0 and 1.1 deprecated), 5280 (path validation), 9525 (names).
"""

from __future__ import annotations

import ssl
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import verification
from OpenSSL import crypto

from smtplab.net import Network, Unknown
from smtplab.net.channel import Channel
from smtplab.net.hello import LEGACY, VERSIONS, offer
from smtplab.net.session import endpoint
from smtplab.net.talk import Flood, Talk

__all__ = ["LEGACY", "VERSIONS", "Certificate", "Verdict", "accepts", "read_leaf", "verify"]

EXPIRED, NOT_YET, SELF_SIGNED, INCOMPLETE = 10, 9, (18, 19), (20, 21)
"""OpenSSL's numbers of the errors that have remedies of their own."""


@dataclass(frozen=True)
class Certificate:
    """The facts of a leaf certificate that matter for mail; `self_issued`: subject and issuer are the same."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    key: str
    bits: int
    hash: str
    self_issued: bool

    def covers(self, host: str) -> bool:
        """Whether one of its DNS names is the host, or a wildcard for it (RFC 9525 section 6.3)."""
        host = host.lower().rstrip(".")
        parent = host.partition(".")[2]
        return any(n == host or (n.startswith("*.") and parent and n[2:] == parent) for n in self.names)


@dataclass(frozen=True)
class Verdict:
    """Path validation: OpenSSL's error number (0 valid, -1 cannot be judged) and words.

    `strict` is what a validator by the letter of RFC 5280 says, host name included: "" valid.
    """

    code: int
    text: str
    strict: str = ""


async def accepts(
    network: Network, host: str, address: str, port: int, version: str, like: int | None = None
) -> tuple[bool | None, str]:
    """Whether a service accepts a version ("TLSv1" to "TLSv1.3"), and why not; None where that is not known."""

    async def perform() -> dict[str, Any]:
        async with network.slot(address, port):
            accepted, why = await _offer(Talk(host, address, port, network.settings.timeout, like), version)
        return {"accepted": accepted, "why": why} if why else {"accepted": accepted}

    entry = await network.ask("tls", endpoint(address, port), {"name": host, "version": version}, perform)
    if entry.value is None:
        return None, entry.unknown or ""
    return bool(entry.value["accepted"]), str(entry.value.get("why", ""))


async def _offer(talk: Talk, version: str) -> tuple[bool, str]:
    talk.channel = await Channel.connect(talk.address, talk.port, talk.timeout)
    try:
        if not talk.implicit:
            if not await talk.greet():
                busy = talk.steps[-1]["reply"][-1].startswith("421")
                raise Unknown("throttled" if busy else talk.ended)
            await talk.capabilities("capabilities")
            if not await talk.begin_tls():
                raise Unknown("no STARTTLS")
            talk.channel.buffer = b""
        return await offer(talk.channel, talk.host, version, talk.timeout)
    except Flood as e:
        raise Unknown(str(e)) from e
    finally:
        talk.channel.close()


def read_leaf(der: bytes) -> Certificate | None:
    """The facts of a certificate, None if it cannot be read."""
    try:
        cert = x509.load_der_x509_certificate(der)
        public = cert.public_key()
        digest = cert.signature_hash_algorithm
        return Certificate(
            subject=cert.subject.rfc4514_string(),
            issuer=cert.issuer.rfc4514_string(),
            names=_names(cert),
            not_before=cert.not_valid_before_utc,
            not_after=cert.not_valid_after_utc,
            key=type(public).__name__.strip("_").replace("PublicKey", ""),
            bits=public.key_size if isinstance(public, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) else 0,
            hash=digest.name if isinstance(digest, hashes.HashAlgorithm) else "",
            self_issued=cert.subject == cert.issuer,
        )
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension):
        return None


def _names(cert: x509.Certificate) -> tuple[str, ...]:
    try:
        san = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(n.lower() for n in san.get_values_for_type(x509.DNSName))


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
        builder.build_server_verifier(x509.DNSName(host)).verify(leaf, rest)
    except (verification.VerificationError, UnsupportedAlgorithm, OSError, ValueError, TypeError) as e:
        return str(e)[:200] or type(e).__name__
    return ""
