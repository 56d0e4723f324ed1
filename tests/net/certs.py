"""A small authority for tests: chains that are good, and each way in which a chain is not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AT = datetime(2026, 11, 16, 6, tzinfo=UTC)
"""The clock of these tests: certificates are judged here, not at the machine's date."""
HOST = "mx.test.example"
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Issued:
    """A key and its chain, leaf first."""

    key: Key
    chain: tuple[x509.Certificate, ...]

    @property
    def der(self) -> tuple[bytes, ...]:
        return tuple(c.public_bytes(serialization.Encoding.DER) for c in self.chain)

    def write(self, folder: Path) -> tuple[Path, Path]:
        """chain.pem and key.pem, for a server."""
        folder.mkdir(parents=True, exist_ok=True)
        chain, key = folder / "chain.pem", folder / "key.pem"
        chain.write_bytes(b"".join(c.public_bytes(serialization.Encoding.PEM) for c in self.chain))
        form = serialization.PrivateFormat.PKCS8
        key.write_bytes(self.key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
        return chain, key


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    """A root and an issuer below it."""

    def __init__(self) -> None:
        self.root_key, self.key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        self.root = self._authority("Test Root", self.root_key, "Test Root", self.root_key)
        self.issuer = self._authority("Test Issuer", self.key, "Test Root", self.root_key)

    def pem(self, path: Path) -> Path:
        """The root, for a trust store."""
        path.write_bytes(self.root.public_bytes(serialization.Encoding.PEM))
        return path

    def _builder(self, subject: str, key: Key, issuer: str, signer: Key):  # type: ignore[no-untyped-def]
        return (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(_name(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False)
        )

    def _authority(self, subject: str, key: Key, issuer: str, signer: Key) -> x509.Certificate:
        usage = x509.KeyUsage(
            digital_signature=False, key_cert_sign=True, crl_sign=True, content_commitment=False,
            key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
            decipher_only=False,
        )  # fmt: skip
        made: x509.Certificate = (
            self._builder(subject, key, issuer, signer)
            .not_valid_before(AT - 3650 * DAY)
            .not_valid_after(AT + 3650 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
            .add_extension(usage, True)
            .sign(signer, hashes.SHA256())
        )
        return made

    def issue(
        self,
        *names: str,
        begin: datetime = AT - 30 * DAY,
        end: datetime = AT + 60 * DAY,
        self_signed: bool = False,
        bare: bool = False,
        swapped: bool = False,
        nameless: bool = False,
        critical: bool = False,
        key: Key | None = None,
        more: tuple[x509.ExtensionType, ...] = (),
    ) -> Issued:
        """A leaf; `bare` leaves the issuer out of the chain, `swapped` puts the root before it.

        `nameless` puts the first name into the common name alone; `critical` marks the names so, as RFC 5280 forbids.
        """
        key = key or ec.generate_private_key(ec.SECP256R1())
        subject = names[0] if names else HOST
        signer, issuer = (key, subject) if self_signed else (self.key, "Test Issuer")
        builder = (
            self._builder(subject, key, issuer, signer)
            .not_valid_before(begin)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        )
        if names and not nameless:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical)
        for extension in more:
            builder = builder.add_extension(extension, False)
        leaf = builder.sign(signer, hashes.SHA256())
        above = (self.root, self.issuer) if swapped else (self.issuer,)
        return Issued(key, (leaf,) if self_signed or bare else (leaf, *above))

    def all(self) -> dict[str, Issued]:
        """One chain for each verdict."""
        return {
            "good": self.issue(HOST),
            "wildcard": self.issue("*.test.example"),
            "expired": self.issue(HOST, begin=AT - 107 * DAY, end=AT - 17.75 * DAY),
            "not-yet": self.issue(HOST, begin=AT + DAY, end=AT + 90 * DAY),
            "ending": self.issue(HOST, begin=AT - 80 * DAY, end=AT + 10 * DAY),
            "wrong-host": self.issue("other.example"),
            "self-signed": self.issue(HOST, self_signed=True),
            "incomplete": self.issue(HOST, bare=True),
            "nameless": self.issue(),
            "swapped": self.issue(HOST, swapped=True),
            "short-key": self.issue(HOST, key=rsa.generate_private_key(65537, 1024)),
        }
