"""The lab's certification authority and its certificates: fixed names, fixed dates, fixed keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from smtplab.lab.keys import ec_key, private_pem

ROOT = "Lab Trust Root"
ISSUER = "Lab Trust Issuer 1"


@dataclass(frozen=True)
class Wanted:
    """A server certificate of world.toml: its file name, its names, its days."""

    name: str
    hosts: tuple[str, ...]
    not_before: datetime
    not_after: datetime


def issue(directory: Path, wanted: list[Wanted], clock: datetime) -> Path:
    """Write NAME.pem (leaf, issuer) and NAME.key for each, and return the path of the root's certificate."""
    directory.mkdir(parents=True, exist_ok=True)
    years = timedelta(days=3650)
    first = datetime(clock.year - 2, 1, 1, tzinfo=clock.tzinfo)
    root = _authority(ROOT, ROOT, first, first + years)
    issuer = _authority(ISSUER, ROOT, first, first + years)
    chain = issuer.public_bytes(serialization.Encoding.PEM)
    for one in wanted:
        leaf = _leaf(one).public_bytes(serialization.Encoding.PEM)
        (directory / f"{one.name}.pem").write_bytes(leaf + chain)
        key = directory / f"{one.name}.key"
        key.write_bytes(private_pem(ec_key(one.name)))
        key.chmod(0o600)
    path = directory / "ca.pem"
    path.write_bytes(root.public_bytes(serialization.Encoding.PEM))
    return path


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(key: str, subject: str, issuer: str, begin: datetime, end: datetime) -> x509.CertificateBuilder:
    public = ec_key(key).public_key()
    number = int.from_bytes(sha256(f"{subject} {begin} {end}".encode()).digest()[:15], "big") | 1
    builder = x509.CertificateBuilder().subject_name(_name(subject)).issuer_name(_name(issuer))
    builder = builder.public_key(public).serial_number(number).not_valid_before(begin).not_valid_after(end)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ec_key(issuer).public_key())
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False).add_extension(
        authority, False
    )


def _usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _authority(subject: str, issuer: str, begin: datetime, end: datetime) -> x509.Certificate:
    builder = _builder(subject, subject, issuer, begin, end)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
    builder = builder.add_extension(_usage(authority=True), True)
    return builder.sign(ec_key(issuer), hashes.SHA256(), ecdsa_deterministic=True)


def _leaf(wanted: Wanted) -> x509.Certificate:
    subject = wanted.hosts[0]
    builder = _builder(wanted.name, subject, ISSUER, wanted.not_before, wanted.not_after)
    names = x509.SubjectAlternativeName([x509.DNSName(host) for host in wanted.hosts])
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
    builder = builder.add_extension(names, False).add_extension(_usage(authority=False), True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
    return builder.sign(ec_key(ISSUER), hashes.SHA256(), ecdsa_deterministic=True)
