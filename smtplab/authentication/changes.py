"""What was changed after signing: proven, where undoing one change makes a DKIM signature fit again.

Mailing lists tag the subject, add a footer and fields of their own; each is tried in turn (RFC 6376 section 5.4 says
what a signature covers).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import dkim as dkimpy
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from smtplab import mail
from smtplab.authentication import dkim
from smtplab.authentication.canonical import Field, Signed
from smtplab.authentication.dkim import DkimKey

MAX_TRIED = 40
_TAGGED = re.compile(rb"^(\s*(?:(?:re|fwd?|aw|wg)\s*:\s*)*)\[[^\]\r\n]{1,80}\]\s*", re.I)


def binary(text: str) -> bytes:
    """The bytes of a base64 tag, b"" for none."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def body_form(tags: Mapping[str, str]) -> str:
    """How the body is canonicalized: the second half of c=."""
    return tags.get("c", "").partition("/")[2] or "simple"


@dataclass(frozen=True)
class Check:
    """One signature, its key and the names it signs, held against header fields as received or with a change undone."""

    tags: Mapping[str, str]
    signs: tuple[str, ...]
    key: DkimKey
    value: bytes

    def fits(self, fields: tuple[Field, ...]) -> bool:
        """Whether the signature is that of these fields under this key."""
        verifier = dkimpy.DKIM()
        verifier.headers = list(fields)
        # Only what the header needs: the body hash is compared elsewhere, and time is the caller's.

        def record(name: bytes, timeout: int = 5) -> bytes:
            return dkim.plain(self.key)

        given = {k.encode(): self.tags[k].encode() for k in ("a", "b", "c", "d", "s") if k in self.tags}
        names = [n.encode() for n in self.signs]
        try:
            return bool(verifier.verify_sig(given, names, (b"DKIM-Signature", self.value), record))
        except (dkimpy.DKIMException, ValueError, TypeError, AssertionError, IndexError):
            return False

    def other_key(self) -> bool:
        """Whether the signature cannot be of this key, whatever was signed: it holds no PKCS #1 padding under it."""
        public = dkim.public_key(self.key)
        if not isinstance(public, rsa.RSAPublicKey):
            return False
        try:
            public.recover_data_from_signature(binary(self.tags["b"]), padding.PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, ValueError):
            return True
        return False


def of_body(message: Signed, check: Check) -> Iterator[str]:
    """A footer, proven: the body is as signed up to some line. A conversion, where a server tells of it."""
    form = body_form(check.tags)
    number = message.signed_lines(form, check.tags["a"].rpartition("-")[2], binary(check.tags["bh"]))
    if number is not None:
        lines = message.canonical(form).split(b"\r\n")[number:-1]
        first = next((line for line in lines if line.strip(b" _-")), b"")[:60].decode("utf-8", "replace")
        yield f"the body is as signed up to line {number}; {len(lines)} lines were added after it: {first!r}"
    for value in message.values(b"x-mime-autoconverted")[:1]:
        yield f"a server converted the body (X-MIME-Autoconverted: {_shown(value)})"


def of_header(message: Signed, check: Check) -> Iterator[str]:
    """A change of the header, proven: with it undone the signature fits."""
    for what, fields in _undoings(message.fields, set(check.signs)):
        if check.fits(fields):
            yield f"{what} the header is as signed"
            return


def _undoings(fields: tuple[Field, ...], signed: set[str]) -> Iterator[tuple[str, tuple[Field, ...]]]:
    names = [name.decode("ascii") for name, _ in fields]
    for at, name in enumerate(names):
        value = fields[at][1]
        if name.lower() == "subject" and (tag := _TAGGED.match(value)):
            plain = (fields[at][0], tag[1] + value[tag.end() :])
            shown = _shown(value[: tag.end()])
            yield f"the subject was tagged: without {shown!r}", (*fields[:at], plain, *fields[at + 1 :])
    for at in [i for i, name in enumerate(names) if name.lower() in signed][:MAX_TRIED]:
        what = f"{names[at]} was added: without {_shown(fields[at][1])!r}"
        yield what, (*fields[:at], *fields[at + 1 :])


def by_list(message: Signed, check: Check) -> Iterator[str]:
    """A mailing list leaves its name; its own signature, made later, covers it."""
    for name in (b"List-Post", b"List-Id"):
        found = message.values(name.lower())
        if found and name.decode().lower() not in check.signs:
            yield f"it went through a mailing list ({name.decode()}: {_shown(found[0])})"
            return


def _shown(value: bytes) -> str:
    return mail.decoded(value[:400].decode("utf-8", "replace"))[:80]
