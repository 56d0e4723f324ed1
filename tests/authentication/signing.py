"""Keys and signed messages for tests: dkimpy signs, with any tag set as the test wants it."""

from __future__ import annotations

import base64
from functools import cache
from typing import Any

import dkim
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from nacl.signing import SigningKey

from tests.authentication.dnsserver import Zone, txt

DOMAIN = "corp.example"
MESSAGE = (
    b"From: Ann <ann@corp.example>\r\nTo: dev@list.example\r\nSubject: Meeting at ten\r\n"
    b"Date: Mon, 02 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@corp.example>\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n\r\nDear all,\r\n\r\nsee you  at ten. \r\n\r\nAnn\r\n"
)


@cache
def key(name: str) -> tuple[bytes, str]:
    """Private key as dkimpy takes it and the record to publish; a name such as "rsa1024-other" or "ed25519"."""
    if name.startswith("ed25519"):
        made = SigningKey.generate()
        return base64.b64encode(
            bytes(made)
        ), f"v=DKIM1; k=ed25519; p={base64.b64encode(bytes(made.verify_key)).decode()}"
    private = rsa.generate_private_key(65537, int(name.removeprefix("rsa").split("-")[0]))
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return pem, f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}"


class Signer(dkim.DKIM):  # type: ignore[misc]
    """Signs with tags of one's own: `tags` replace what dkimpy would write, None leaves a tag out."""

    tags: dict[str, str | None] = {}  # noqa: RUF012

    def gen_header(self, fields: list[tuple[bytes, bytes]], *rest: Any, **more: Any) -> Any:
        own = {k.encode(): v and v.encode() for k, v in self.tags.items()}
        made = [(k, own.get(k, v)) for k, v in fields] + [(k, v) for k, v in own.items() if k not in dict(fields)]
        # b= comes last, as dkimpy folds it.
        made = sorted(((k, v) for k, v in made if v is not None), key=lambda f: f[0] == b"b")
        fields[:] = made
        return super().gen_header(fields, *rest, **more)


def sign(
    raw: bytes = MESSAGE,
    *,
    name: str = "rsa2048",
    selector: str = "s1",
    domain: str = DOMAIN,
    form: str = "relaxed/relaxed",
    headers: list[bytes] | None = None,
    length: bool = False,
    **tags: str | None,
) -> bytes:
    """The message with its DKIM-Signature on top."""
    algorithm = b"ed25519-sha256" if name.startswith("ed25519") else (tags.pop("a", None) or "rsa-sha256").encode()
    signer = Signer(raw, signature_algorithm=algorithm)
    signer.tags = {"t": "1793613600", **tags}
    fields = headers or [b"from", b"to", b"subject", b"date", b"message-id", b"content-type"]
    canon = tuple(form.encode().split(b"/"))
    return bytes(signer.sign(selector.encode(), domain.encode(), key(name)[0], None, None, canon, fields, length) + raw)


def seal(raw: bytes, instance: int, sealer: str, results: str, *, cv: str = "", selector: str = "s1") -> bytes:
    """The message with one more ARC set on top (RFC 8617 section 5.1), sealed with the 2048-bit key."""
    given = {"i": str(instance), "a": "rsa-sha256", "d": sealer, "s": selector, "t": "1793613600"}
    private = dkim.crypto.parse_pem_private_key(key("rsa2048")[0])
    policy = dkim.CanonicalizationPolicy.from_c_value(b"relaxed/relaxed")
    signer = dkim.ARC(raw)
    signer.hasher = dkim.HASH_ALGORITHMS[b"rsa-sha256"]
    made: list[bytes] = [f"ARC-Authentication-Results: i={instance}; {sealer}; {results}\r\n".encode()]

    def add(name: str, tags: dict[str, str], names: list[bytes]) -> None:
        fields = [(k.encode(), v.encode()) for k, v in (*tags.items(), ("b", "0" * 60))]
        made.insert(0, name.encode() + b": " + bytes(signer.gen_header(fields, names, policy, name.encode(), private)))

    names = [b"from", b"to", b"subject", b"date"]
    body = base64.b64encode(signer.hasher(policy.canonicalize_body(signer.body)).digest()).decode()
    add("ARC-Message-Signature", {**given, "c": "relaxed/relaxed", "h": "from:to:subject:date", "bh": body}, names)
    signer.set_message(b"".join(made) + raw)
    _, held = signer.sorted_arc_headers()
    signer.headers = [field for _, field in held]
    add("ARC-Seal", {**given, "cv": cv or ("none" if instance == 1 else "pass")}, [n for n, _ in signer.headers][::-1])
    return b"".join(made) + raw


def zone(*names: str, domain: str = DOMAIN, **records: str) -> Zone:
    """A zone with the records given by selector, "s1" being the 2048-bit key where none is given."""
    records = {"s1": key("rsa2048")[1], **records}
    return {f"{s}._domainkey.{domain}": [("TXT", txt(r.encode()))] for s, r in records.items()}
