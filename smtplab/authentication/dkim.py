"""DKIM keys, RFC 6376, 8301 (sizes, hashes) and 8463 (Ed25519): is the key that signatures point to there and sound?

A selector cannot be listed, only asked for by name: a key is called missing only for a selector that evidence
shows in use. One case is certain: where `_domainkey` itself does not exist, no selector can (RFC 8020).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import itertools
import re
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from smtplab import datafiles
from smtplab.net import Network
from smtplab.net.dns import DnsAnswer, State, query

WEAK_BITS = 1024
"""RFC 8301 section 3.2: verifiers must not accept less."""
GOOD_BITS = 2048
LONG_BITS = 4096
"""RFC 8301 section 3.2: verifiers need not handle more."""
MAX_BITS = 8_192
"""Larger keys are not tried: a stranger chooses how long that takes."""
USUAL_EXPONENT = 65_537
_BAG = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/=")
_PASTED = re.compile(r"-----(BEGIN|END) (RSA )?PUBLIC KEY-----|[\"\\]")
_MOST_PIECES = 4
_PROBES = 5
"""Names asked for although `_domainkey` is said not to exist: some servers say so wrongly."""

PublicKey = rsa.RSAPublicKey | ed25519.Ed25519PublicKey


@dataclass(frozen=True)
class DkimKey:
    """A key record.

    `bits` and `exponent` are 0 where there is none to measure; `hashes` and `services` the lists of h= and s=
    (empty: no limit); `strict` is t=s; `records` how many TXT records stand at the name; `alias` where a CNAME
    leads; `mended` the record as it was meant, where only pasting spoiled it; `seen` where evidence shows the
    selector in use, `last` when it did so last (None: not known).
    """

    domain: str
    selector: str
    state: State
    record: str = ""
    kind: str = ""
    bits: int = 0
    testing: bool = False
    revoked: bool = False
    error: str = ""
    why: str = ""
    seen: str = ""
    strict: bool = False
    hashes: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    exponent: int = 0
    records: int = 1
    alias: str = ""
    mended: str = ""
    last: datetime | None = None

    @property
    def name(self) -> str:
        """Where the key is looked up."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def disordered(self) -> bool:
        """v= is there and does not stand first: RFC 6376 section 3.6.1 forbids it, most verifiers do not mind."""
        names = [name for name, _ in pairs(self.record)]
        return "v" in names[1:]

    @property
    def unusable(self) -> str:
        """Why verifiers cannot or must not use the key for mail; "" for a key that they can."""
        if self.state is not State.PRESENT:
            return "there is no key"
        if self.revoked:
            return "the key is revoked"
        if self.error:
            return self.error
        if self.hashes and "sha256" not in self.hashes:
            return f"the key allows only {', '.join(self.hashes)}"
        if self.services and not {"*", "email"} & set(self.services):
            return f"the key is for {', '.join(self.services)}, not for mail"
        if self.kind == "rsa" and self.bits < WEAK_BITS:
            return f"the key has only {self.bits} bits"
        return ""


@dataclass(frozen=True)
class Discovery:
    """What asking for common selectors found.

    `keys` that exist, or that a CNAME points to; `tried` names that hold no key for certain; `denied` that the name
    `_domainkey` does not exist, so that no selector can; `wildcard` that any selector answers alike.
    """

    domain: str
    keys: tuple[DkimKey, ...]
    tried: int
    denied: bool = False
    wildcard: bool = False


@cache
def common_selectors() -> tuple[str, ...]:
    """Selectors in common use, from the dated list in data/dkim_selectors.toml."""
    return tuple(s["name"] for s in datafiles.load("dkim_selectors")["selectors"])


def pairs(text: str) -> list[tuple[str, str]]:
    """Name and value of each tag in order, repeated ones too (RFC 6376 section 3.2)."""
    parts = (part.partition("=") for part in text.split(";"))
    return [(name.strip(), value.strip()) for name, sign, value in parts if sign]


def tags(text: str) -> dict[str, str]:
    """The tag list of RFC 6376 section 3.2; the first of a repeated tag counts."""
    made: dict[str, str] = {}
    for name, value in pairs(text):
        made.setdefault(name, value)
    return made


async def collect(network: Network, domain: str, selector: str, seen: str = "") -> DkimKey:
    """The key of a selector."""
    answer = await query(network, f"{selector}._domainkey.{domain}", "TXT")
    if answer.state is not State.PRESENT:
        return DkimKey(domain, selector, answer.state, why=answer.why or answer.rcode, seen=seen, alias=answer.cname)
    return _read(domain, selector, answer, seen)


async def discover(network: Network, domain: str) -> Discovery:
    """Look for keys at selectors in common use, for a domain of which none is known."""
    tree = await query(network, f"_domainkey.{domain}", "TXT")
    known = common_selectors()
    names = known[:_PROBES] if tree.exists is False else known
    keys = await asyncio.gather(*(collect(network, domain, s) for s in names))
    tried = sum(k.state is State.ABSENT for k in keys)
    found = tuple(k for k in keys if k.state is State.PRESENT or (k.state is State.ABSENT and k.alias))
    # One record, or one CNAME, under most names is no service's but a wildcard's: often the revoked key of a domain
    # without mail, or a web server's name.
    most = max(3, len(names) // 2)
    records, aliases = Counter(k.record for k in found if k.record), Counter(k.alias for k in found if not k.record)
    if key := next((k for k in found if records[k.record] > most), None):
        return Discovery(domain, (replace(key, selector="*"),), tried, wildcard=True)
    found = tuple(k for k in found if k.record or aliases[k.alias] <= most)
    return Discovery(domain, found, tried, denied=tree.exists is False and not found)


def _read(domain: str, selector: str, answer: DnsAnswer, seen: str) -> DkimKey:
    """The key of an answer that may hold several records (RFC 6376 section 3.6.2.2: then the result is undefined)."""
    made = [parse(domain, selector, r, seen) for r in answer.records]
    best = next((k for k in made if not k.error), next((k for k in made if "p" in tags(k.record)), made[0]))
    if best.error and len(made) > 1 and (joined := _joined(answer.records)):
        error = f"the key is spread over {len(made)} TXT records, which arrive in any order"
        best = replace(best, error=error, mended=joined)
    return replace(best, records=len(made), alias=answer.cname)


def _joined(records: tuple[str, ...]) -> str:
    """The one order in which pieces of a key, published as records of their own, make a sound one; "" if none."""
    for order in itertools.permutations(records[:_MOST_PIECES]) if len(records) <= _MOST_PIECES else ():
        text = _cleaned("".join(order))
        if "p" in tags(text) and not parse("", "", text).error:
            return text
    return ""


def _cleaned(record: str) -> str:
    """A record without what pasting leaves in it: quotes, backslashes, PEM lines, blanks within p=."""
    found = pairs(_PASTED.sub("", record))
    return "; ".join(f"{n}={''.join(v.split()) if n == 'p' else v}" for n, v in found)


def parse(domain: str, selector: str, record: str, seen: str = "") -> DkimKey:
    """Read a key record; what is wrong with it stands in `error`, nothing is raised."""
    found = tags(record)
    kind = found.get("k", "rsa")
    text = "".join(found.get("p", "").split())
    key, error = _measure(kind, text) if text else (None, "")
    error = _malformed(record, found) or error
    mended = ""
    if error and _PASTED.search(record) and not parse("", "", _cleaned(record)).error:
        mended = _cleaned(record)
    flags = _list(found.get("t", ""))
    return DkimKey(
        domain,
        selector,
        State.PRESENT,
        record,
        kind,
        key.key_size if isinstance(key, rsa.RSAPublicKey) else 256 if key else 0,
        "y" in flags,
        "p" in found and not text,
        error,
        seen=seen,
        strict="s" in flags,
        hashes=_list(found.get("h", "")),
        services=_list(found.get("s", "")),
        exponent=key.public_numbers().e if isinstance(key, rsa.RSAPublicKey) else 0,
        mended=mended,
    )


def unlimited(key: DkimKey) -> str:
    """The record without those of its limits (h=, s=) that keep mail from being verified with it."""
    barred = {"h"} if "sha256" not in key.hashes else set()
    barred |= {"s"} if not {"*", "email"} & set(key.services) else set()
    return "; ".join(f"{n}={v}" for n, v in pairs(_cleaned(key.record)) if n not in barred)


def public_key(key: DkimKey) -> PublicKey | None:
    """The key itself, None where the record holds none that can be used."""
    return _measure(key.kind, "".join(tags(key.record).get("p", "").split()))[0]


def plain(key: DkimKey) -> bytes:
    """The record reduced to what a verifier needs, for dkimpy; b"" where the key does not serve."""
    text = "".join(tags(key.record).get("p", "").split())
    return b"" if key.unusable else f"v=DKIM1; k={key.kind}; p={text}".encode("ascii")


def _list(value: str) -> tuple[str, ...]:
    return tuple(v for v in "".join(value.split()).split(":") if v)[:20]


def _malformed(record: str, found: dict[str, str]) -> str:
    """What makes the record invalid before its key is looked at (RFC 6376 sections 3.2 and 3.6.1)."""
    names = [name for name, _ in pairs(record)]
    twice = next((n for n, count in Counter(names).items() if count > 1), "")
    if found.get("v", "DKIM1") != "DKIM1":
        return f"version {found['v'][:20]!r} is not DKIM1"
    if twice:
        return f"the tag {twice[:20]!r} stands twice"
    return "" if "p" in found else "no p= tag"


def _measure(kind: str, text: str) -> tuple[PublicKey | None, str]:
    if kind not in ("rsa", "ed25519"):
        return None, f"key type {kind[:20]!r} is not known"
    if bad := set(text) - _BAG:
        return None, f"p= holds {min(bad)!r}, which is not base64"
    if cut := _cut_short(text):
        return None, cut
    try:
        raw = base64.b64decode(text, validate=True)
        if kind == "ed25519":
            return _edwards(raw)
        key = load_der_public_key(raw)
    except (binascii.Error, ValueError, UnsupportedAlgorithm) as e:
        return None, f"p= is not a public key ({type(e).__name__})"
    if not isinstance(key, rsa.RSAPublicKey):
        return None, "p= is not an RSA key"
    if key.key_size > MAX_BITS or key.public_numbers().e.bit_length() > 64:
        return None, f"a key of {key.key_size:,} bits is larger than verifiers handle"
    return key, ""


def _edwards(raw: bytes) -> tuple[PublicKey | None, str]:
    if len(raw) == 44:
        return None, "an Ed25519 key is published as its 32 bytes alone, without the ASN.1 head (RFC 8463)"
    if len(raw) != 32:
        return None, f"an Ed25519 key has 32 bytes, this one {len(raw)}"
    return ed25519.Ed25519PublicKey.from_public_bytes(raw), ""


def _cut_short(text: str) -> str:
    """Whether an ASN.1 head promises more bytes than follow: the mark of a value cut at 255 characters."""
    whole = len(text) - len(text) % 4
    try:
        head = base64.b64decode(text[: min(whole, 8)], validate=True)
    except binascii.Error:
        return ""
    if head[:2] == b"\x30\x82" and len(head) >= 4:
        promised = 4 + int.from_bytes(head[2:4])
    elif head[:2] == b"\x30\x81" and len(head) >= 3:
        promised = 3 + head[2]
    else:
        return ""
    there = len(text.rstrip("=")) * 3 // 4
    return f"p= ends too early: {there} of {promised} bytes are there" if there < promised else ""
