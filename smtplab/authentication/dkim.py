"""DKIM keys, RFC 6376, 8301 (key sizes) and 8463 (Ed25519): is the key that signatures point to there and sound?

A selector cannot be listed, only asked for by name: a key is called missing only for a selector that evidence
shows in use.
"""

from __future__ import annotations

import base64
import binascii
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from smtplab.net import Network
from smtplab.net.dns import State, query

WEAK_BITS = 1024
"""RFC 8301 section 3.2: verifiers need not accept less."""
GOOD_BITS = 2048
_BAG = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/="


@dataclass(frozen=True)
class DkimKey:
    """A key record; `bits` 0 where there is none to measure, `seen` where evidence shows the selector in use."""

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

    @property
    def name(self) -> str:
        """Where the key is looked up."""
        return f"{self.selector}._domainkey.{self.domain}"


@cache
def common_selectors() -> tuple[str, ...]:
    """Selectors in common use, from the dated list in data/dkim_selectors.toml."""
    text = (resources.files("smtplab") / "data" / "dkim_selectors.toml").read_text("utf-8")
    return tuple(s["name"] for s in tomllib.loads(text)["selectors"])


def tags(text: str) -> dict[str, str]:
    """The tag list of RFC 6376 section 3.2; the first of a repeated tag counts."""
    made: dict[str, str] = {}
    for part in text.split(";"):
        name, sign, value = part.partition("=")
        if sign:
            made.setdefault(name.strip(), value.strip())
    return made


async def collect(network: Network, domain: str, selector: str, seen: str = "") -> DkimKey:
    """The key of a selector."""
    answer = await query(network, f"{selector}._domainkey.{domain}", "TXT")
    if answer.state is not State.PRESENT:
        return DkimKey(domain, selector, answer.state, why=answer.why or answer.rcode, seen=seen)
    return parse(domain, selector, answer.records[0], seen)


def parse(domain: str, selector: str, record: str, seen: str = "") -> DkimKey:
    """Read a key record; what is wrong with it stands in `error`, nothing is raised."""
    found = tags(record)
    kind = found.get("k", "rsa")
    testing = "y" in found.get("t", "").replace(" ", "").split(":")
    bits, error = 0, ""
    text = "".join(found.get("p", "").split())
    if found.get("v", "DKIM1") != "DKIM1":
        error = f"version {found['v'][:20]!r} is not DKIM1"
    elif "p" not in found:
        error = "no p= tag"
    elif text:
        bits, error = _measure(kind, text)
    revoked = "p" in found and not text
    return DkimKey(domain, selector, State.PRESENT, record, kind, bits, testing, revoked, error, seen=seen)


def _measure(kind: str, text: str) -> tuple[int, str]:
    if bad := set(text) - set(_BAG):
        return 0, f"p= holds {min(bad)!r}, which is not base64"
    try:
        raw = base64.b64decode(text, validate=True)
        if kind == "ed25519":
            return (256, "") if len(raw) == 32 else (0, f"an Ed25519 key has 32 bytes, this one {len(raw)}")
        if kind != "rsa":
            return 0, f"key type {kind[:20]!r} is not known"
        key = load_der_public_key(raw)
    except (binascii.Error, ValueError, UnsupportedAlgorithm) as e:
        return 0, f"p= is not a public key ({type(e).__name__})"
    return (key.key_size, "") if isinstance(key, rsa.RSAPublicKey) else (0, "p= is not an RSA key")
