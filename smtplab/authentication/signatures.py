"""DKIM signatures of a message, RFC 6376, 8301 and 8463: does each verify, and if not, what exactly broke it?

dkimpy does the cryptography; what it answers with yes or no is taken apart here: body or header, key or time.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import pandas as pd

from smtplab import mail
from smtplab.authentication import changes, dkim
from smtplab.authentication.alignment import MAX_SIGNATURES, align
from smtplab.authentication.canonical import FORMS, Signed, take_apart
from smtplab.authentication.changes import Check
from smtplab.authentication.dkim import DkimKey
from smtplab.authentication.dmarc import Standard
from smtplab.authentication.dmarc_record import ascii_name
from smtplab.net import Network
from smtplab.net.dns import State

MAX_VALUE = 16_384
"""Bytes of a signature field that is looked at."""
MAX_NAMES = 500
CLOCKS = timedelta(hours=1)
"""How far clocks may differ before a signature counts as made in the future or expired."""
ALGORITHMS = {"rsa-sha256": ("rsa", "sha256"), "rsa-sha1": ("rsa", "sha1"), "ed25519-sha256": ("ed25519", "sha256")}
_LONG_BLANK = re.compile(rb"\s{200}")


class Result(StrEnum):
    """RFC 8601 section 2.7.1."""

    PASS = "pass"
    FAIL = "fail"
    POLICY = "policy"
    """It verifies or might, but must not be accepted: SHA-1."""
    PERMERROR = "permerror"
    TEMPERROR = "temperror"


class Cause(StrEnum):
    """What decides the result."""

    VERIFIES = "verifies"
    BODY = "body changed"
    HEADER = "header changed"
    OTHER_KEY = "signed with another key"
    KEY_MISSING = "key missing"
    KEY_UNKNOWN = "key unknown"
    KEY_UNUSABLE = "key unusable"
    EXPIRED = "expired"
    FUTURE = "signed in the future"
    SHA1 = "SHA-1"
    FROM_UNSIGNED = "From not signed"
    FROM_TWICE = "From stands twice"
    MALFORMED = "malformed"


RESULTS = {
    Cause.VERIFIES: Result.PASS,
    Cause.BODY: Result.FAIL,
    Cause.HEADER: Result.FAIL,
    Cause.OTHER_KEY: Result.FAIL,
    Cause.FROM_TWICE: Result.FAIL,
    Cause.KEY_UNKNOWN: Result.TEMPERROR,
    Cause.SHA1: Result.POLICY,
}
"""All others are permanent errors: From not signed, for one (RFC 6376 section 6.1.1)."""


@dataclass(frozen=True)
class Signature:
    """One DKIM-Signature, `number` 1 the topmost.

    `body` and `header` tell whether each is as it was signed (None: cannot be told); `aligned` whether the domain
    belongs to the author's (None: not known); `unsigned` bytes of the body that l= leaves open (None without l=);
    `hints` what was probably changed, each with its evidence; `detail` says more of the cause.
    """

    number: int
    domain: str = ""
    selector: str = ""
    identity: str = ""
    algorithm: str = ""
    cause: Cause = Cause.MALFORMED
    detail: str = ""
    aligned: bool | None = None
    body: bool | None = None
    header: bool | None = None
    bits: int = 0
    unsigned: int | None = None
    testing: bool = False
    signs: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()

    @property
    def result(self) -> Result:
        """What a receiver writes into Authentication-Results."""
        return RESULTS.get(self.cause, Result.PERMERROR)

    def __str__(self) -> str:
        return f"dkim={self.result} ({self.cause}) header.d={self.domain} header.s={self.selector}"


@dataclass(frozen=True)
class Verification:
    """The signatures of a message, topmost first.

    `author` is the domain of the From address ("" without one), `authors` how many From fields there are, `left_out`
    signatures beyond the tenth; `why` says why nothing was verified.
    """

    author: str
    signatures: tuple[Signature, ...]
    authors: int = 1
    left_out: int = 0
    why: str = ""

    def table(self) -> pd.DataFrame:
        """A row a signature: domain, selector, result, cause, aligned, body, header, bits, detail, hints."""
        columns = ["domain", "selector", "result", "cause", "aligned", "body", "header", "bits", "detail", "hints"]
        rows = [[*(getattr(s, c) for c in columns[:-1]), "; ".join(s.hints)] for s in self.signatures]
        frame = pd.DataFrame(rows, columns=columns)
        types = dict.fromkeys(("aligned", "body", "header"), "boolean") | {"bits": "Int64"}
        return frame.astype(types | dict.fromkeys(("result", "cause"), "str"))


def verify_message(network: Network, raw: bytes, *, at: datetime) -> Verification:
    """Verify the signatures of a message as of a time, with keys from DNS; see `verify`."""
    return network.run(verify(network, raw, at=at))


async def verify(network: Network, raw: bytes, *, at: datetime) -> Verification:
    """One result a DKIM-Signature; never raises for what a stranger wrote.

    `raw` is the message as received, `at` when that was (for t= and x=). Alignment follows the author's DMARC record.
    """
    message = take_apart(raw)
    found = message.values(b"dkim-signature")
    author, authors = _author(message)
    if message.why:
        return Verification(author, (), authors, why=message.why)
    read = [_read(number, value) for number, value in enumerate(found[:MAX_SIGNATURES], 1)]
    names = {(s.domain, s.selector) for s, tags in read if tags}
    keys = dict(zip(names, await asyncio.gather(*(dkim.collect(network, d, s) for d, s in names)), strict=True))
    judged = await asyncio.to_thread(lambda: [_judge(message, s, t, keys, at, authors) for s, t in read])
    return Verification(
        author, tuple(await _aligned(network, author, judged)), authors, max(0, len(found) - MAX_SIGNATURES)
    )


def _author(message: Signed) -> tuple[str, int]:
    fields = message.values(b"from")
    parsed = mail.parse(message.head)
    domains = [d for a in mail.addresses(parsed, "From") if (d := mail.domain_of(a))]
    return next(iter(domains), ""), len(fields)


async def _aligned(network: Network, author: str, judged: list[Signature]) -> list[Signature]:
    """Each with its alignment, strict where the author's record says adkim=s."""
    if not (author and judged):
        return judged
    found = await align(network, author, None, [(s.domain, str(s.result)) for s in judged])
    record = found.author.record
    told = [i.aligned(record, Standard.WALK) if record else i.relaxed for i in found.identities]
    return [replace(s, aligned=aligned if s.domain else None) for s, aligned in zip(judged, told, strict=True)]


def _read(number: int, value: bytes) -> tuple[Signature, dict[str, str]]:
    """The signature as written, and its tags where they can be used (RFC 6376 sections 3.5 and 6.1.1)."""
    text = value[:MAX_VALUE].decode("utf-8", "replace")
    pairs = [(name, "".join(v.split())) for name, v in dkim.pairs(text)]
    tags = dict(reversed(pairs))
    domain, selector = tags.get("d", "").lower().rstrip("."), tags.get("s", "").lower().rstrip(".")
    signature = Signature(
        number,
        domain[:255],
        selector[:255],
        tags.get("i", f"@{domain}")[:320],
        tags.get("a", "")[:40],
        signs=tuple(n.lower() for n in tags.get("h", "").split(":") if n),
    )
    if len(value) > MAX_VALUE or _LONG_BLANK.search(value):
        return replace(signature, detail="the field is longer than any signature"), {}
    if wrong := _malformed(tags, [name for name, _ in pairs], signature):
        return replace(signature, detail=wrong), {}
    return signature, tags


def _malformed(tags: dict[str, str], names: list[str], signature: Signature) -> str:
    if lacks := next((t for t in ("v", "a", "b", "bh", "d", "h", "s") if not tags.get(t)), ""):
        return f"it has no {lacks}="
    if twice := next((n for n in names if names.count(n) > 1), ""):
        return f"the tag {twice[:20]!r} stands twice"
    if not ascii_name(f"{signature.selector}.{signature.domain}"):
        return "d= or s= is no domain name"
    if tags["v"] != "1":
        return f"version {tags['v'][:20]!r} is not 1"
    if tags["a"] not in ALGORITHMS:
        return f"the algorithm {tags['a'][:20]!r} is not known"
    header, _, body = tags.get("c", "simple").partition("/")
    if header not in FORMS or (body or "simple") not in FORMS:
        return f"the canonicalization {tags['c'][:20]!r} is not known"
    if "dns/txt" not in tags.get("q", "dns/txt").split(":"):
        return "its key is not to be had from DNS"
    host = signature.identity.rpartition("@")[2].lower()
    if host != signature.domain and not host.endswith(f".{signature.domain}"):
        return f"i= ({host[:80]}) does not lie within d="
    for name in ("l", "t", "x"):
        if name in tags and not re.fullmatch(r"[0-9]{1,12}", tags[name]):
            return f"{name}= is not a number"
    if "x" in tags and "t" in tags and int(tags["x"]) <= int(tags["t"]):
        return "it expires before it was made"
    if len(signature.signs) > MAX_NAMES:
        return "h= names too many fields"
    return "" if changes.binary(tags["b"]) and changes.binary(tags["bh"]) else "b= or bh= is not base64"


def _judge(
    message: Signed,
    signature: Signature,
    tags: dict[str, str],
    keys: dict[tuple[str, str], DkimKey],
    at: datetime,
    authors: int,
) -> Signature:
    if not tags:
        return signature
    key = keys[signature.domain, signature.selector]
    form, length = changes.body_form(tags), int(tags["l"]) if "l" in tags else None
    _, algorithm = ALGORITHMS[signature.algorithm]
    body = message.digest(form, algorithm, length) == changes.binary(tags["bh"])
    if length is not None:
        signature = replace(signature, unsigned=max(0, len(message.canonical(form)) - length))
    signature = replace(signature, body=body, bits=key.bits, testing=key.testing)
    cause, detail = _before(signature, tags, key, at)
    if cause:
        return replace(signature, cause=cause, detail=detail)
    own = message.values(b"dkim-signature")[signature.number - 1]
    return _compared(message, signature, Check(tags, signature.signs, key, own), authors)


def _compared(message: Signed, signature: Signature, check: Check, authors: int) -> Signature:
    """The verdict that header and body make, and what was probably changed."""
    fits = check.fits(message.fields)
    if fits and signature.body:
        return replace(signature, header=True, cause=Cause.VERIFIES)
    hints = [] if signature.body else [*changes.of_body(message, check)]
    if not fits and check.other_key():
        detail = "or b= was damaged on its way"
        return replace(signature, cause=Cause.OTHER_KEY, detail=detail, hints=tuple(hints))
    hints += [] if fits else [*changes.of_header(message, check)]
    hints += changes.by_list(message, check)
    cause = Cause.BODY if not signature.body else Cause.FROM_TWICE if authors > 1 else Cause.HEADER
    blind = check.key.kind == "ed25519" and not fits
    detail = "or made with another key: with Ed25519 the two cannot be told apart" if blind else ""
    return replace(signature, header=fits, cause=cause, detail=detail, hints=tuple(hints))


def _before(signature: Signature, tags: dict[str, str], key: DkimKey, at: datetime) -> tuple[Cause | None, str]:
    """What decides before the header is hashed: the algorithm, what is signed, the key, the time."""
    kind, algorithm = ALGORITHMS[signature.algorithm]
    if algorithm == "sha1":
        return Cause.SHA1, "receivers must not accept it since RFC 8301"
    if "from" not in signature.signs:
        return Cause.FROM_UNSIGNED, "anyone may change the author"
    if key.state is State.UNKNOWN:
        return Cause.KEY_UNKNOWN, key.why
    if key.state is State.ABSENT:
        return Cause.KEY_MISSING, f"{key.name}: {key.why}"
    if unusable := key.unusable or _unfit(signature, key, kind):
        return Cause.KEY_UNUSABLE, unusable
    for name, cause, sign in (("x", Cause.EXPIRED, -1), ("t", Cause.FUTURE, 1)):
        when = _moment(tags.get(name, ""))
        if when and (when - at) * sign > CLOCKS:
            return cause, f"{name}= is {when:%Y-%m-%d %H:%M} UTC, the message's time {at:%Y-%m-%d %H:%M} UTC"
    return None, ""


def _unfit(signature: Signature, key: DkimKey, kind: str) -> str:
    """Why a sound key does not serve this signature."""
    if key.kind != kind:
        return f"the signature is {kind}, the key {key.kind}"
    if key.strict and signature.identity.rpartition("@")[2].lower() != signature.domain:
        return "i= names a subdomain, which the key forbids (t=s)"
    return ""


def _moment(seconds: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(seconds), UTC) if seconds else None
    except (ValueError, OverflowError, OSError):
        return datetime.max.replace(tzinfo=UTC)
