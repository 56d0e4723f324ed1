"""TLS versions a server accepts, and certificate chains judged at the case's time.

RFC 8996 (TLS 1.0 and 1.1 deprecated), 5280 (path validation), 6125 and 9525 (names).
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from OpenSSL import SSL, crypto

from smtplab.net import Network, Unknown
from smtplab.net.session import PORTS
from smtplab.net.starttls import Channel

VERSIONS = {"TLSv1": SSL.TLS1_VERSION, "TLSv1.1": SSL.TLS1_1_VERSION}
"""The versions that RFC 8996 forbids; newer ones are what a normal handshake shows."""
_TRIGGER = {"smtp": b"EHLO probe.smtplab.invalid\r\n", "imap": b"", "pop3": b""}
_STARTTLS = {"smtp": b"STARTTLS\r\n", "imap": b"a1 STARTTLS\r\n", "pop3": b"STLS\r\n"}


@dataclass(frozen=True)
class Certificate:
    """The facts of a leaf certificate that matter for mail."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    key: str
    bits: int
    hash: str
    self_signed: bool

    def covers(self, host: str) -> bool:
        """Whether one of its DNS names is the host, or a wildcard for it (RFC 9525 section 6.3)."""
        host = host.lower().rstrip(".")
        parent = host.partition(".")[2]
        return any(n == host or (n.startswith("*.") and parent and n[2:] == parent) for n in self.names)


@dataclass(frozen=True)
class Verdict:
    """Path validation: OpenSSL's error number (0: valid) and words."""

    code: int
    text: str


async def accepts(network: Network, host: str, address: str, port: int, version: str) -> tuple[bool | None, str]:
    """Whether a server completes a handshake of just this version; None and why where that is not known."""
    target = f"{address}:{port}"

    async def perform() -> dict[str, Any]:
        async with network.slot(address, port):
            return await _offer(network, host, address, port, version)

    entry = await network.ask("tls", target, {"name": host, "version": version}, perform)
    if entry.value is None:
        return None, entry.unknown or ""
    return bool(entry.value["accepted"]), str(entry.value.get("why", ""))


async def _offer(network: Network, host: str, address: str, port: int, version: str) -> dict[str, Any]:
    wait = network.settings.timeout
    protocol, implicit, _ = PORTS[port]
    channel = await Channel.connect(address, port, wait)
    try:
        if not implicit:
            greeting = await channel.line(8192, wait)
            if greeting.startswith(b"421"):
                raise Unknown("throttled")
            if _TRIGGER[protocol]:
                await channel.write(_TRIGGER[protocol], wait)
                while (await channel.line(8192, wait))[3:4] == b"-":
                    continue
            await channel.write(_STARTTLS[protocol], wait)
            reply = await channel.line(8192, wait)
            if b" OK" not in reply[:12] and not reply.startswith((b"2", b"+OK")):
                raise Unknown("no STARTTLS")
        try:
            facts = await channel.start_tls(host, wait, VERSIONS[version])
        except SSL.Error as e:
            # Our own library must be able to offer the version, or its refusal would look like the server's.
            if any("no protocols" in str(p) or "no ciphers" in str(p) for p in e.args[0] if e.args):
                raise Unknown(f"this machine cannot offer {version}") from e
            return {"accepted": False, "why": "handshake refused"}
        except (EOFError, ConnectionError):
            return {"accepted": False, "why": "connection closed"}
        return {"accepted": True, "cipher": facts["cipher"]}
    finally:
        channel.close()


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
            self_signed=cert.subject == cert.issuer,
        )
    except (ValueError, x509.InvalidVersion, x509.DuplicateExtension):
        return None


def _names(cert: x509.Certificate) -> tuple[str, ...]:
    try:
        san = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(n.lower() for n in san.get_values_for_type(x509.DNSName))


def verify(chain: tuple[bytes, ...], at: datetime, trust: Path | None) -> Verdict:
    """Validate a chain (DER, leaf first) at a time against a trust store (None: the system's)."""
    store = crypto.X509Store()
    store.set_time(at.astimezone(UTC).replace(tzinfo=None))
    try:
        if trust:
            store.load_locations(str(trust))
        else:
            # The system's anchors, by the places OpenSSL was built to look in.
            paths = ssl.get_default_verify_paths()
            store.load_locations(paths.cafile, paths.capath)
        certificates = [crypto.load_certificate(crypto.FILETYPE_ASN1, der) for der in chain]
    except crypto.Error as e:
        return Verdict(-1, f"cannot be judged: {e}"[:200])
    if not certificates:
        return Verdict(-1, "no certificate was sent")
    context = crypto.X509StoreContext(store, certificates[0], certificates[1:])
    try:
        context.verify_certificate()
    except crypto.X509StoreContextError as e:
        return Verdict(int(e.errors[0]), str(e.errors[2]))
    return Verdict(0, "valid")
