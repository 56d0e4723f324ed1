"""ARC, RFC 8617: the chain of seals with which forwarders vouch for what they saw; does it hold, and who broke it?

dkimpy validates; its answer is taken apart into hops, each with its sealer and what it says of the message.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import dkim as dkimpy
import pandas as pd

from smtplab import mail
from smtplab.authentication import dkim
from smtplab.authentication.canonical import FORMS, Signed, take_apart
from smtplab.authentication.changes import binary, body_form
from smtplab.authentication.dkim import DkimKey
from smtplab.authentication.dmarc_record import ascii_name
from smtplab.net import Network
from smtplab.net.dns import State

MAX_HOPS = 50
"""RFC 8617 section 4.2.1."""
MAX_VALUE = 16_384
NAMES = (b"arc-seal", b"arc-message-signature", b"arc-authentication-results")
_LONG_BLANK = re.compile(rb"\s{200}")


class Chain(StrEnum):
    """The chain's validation status, RFC 8617 section 4.4."""

    NONE = "none"
    """The message carries no ARC sets."""
    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"
    """A key could not be asked for."""


@dataclass(frozen=True)
class Hop:
    """One ARC set: who sealed, what the seal says of the chain before it (cv), and what the hop saw (its results).

    `seal` tells whether the ARC-Seal verifies, `message` whether the message is as this hop passed it on; None where
    it was not tried.
    """

    instance: int
    sealer: str = ""
    selector: str = ""
    cv: str = ""
    seal: bool | None = None
    message: bool | None = None
    results: str = ""


@dataclass(frozen=True)
class Arc:
    """The chain of a message, its hops in the order they were made.

    `broken` is the instance at which the chain fails (0: none, or not one hop's doing), `why` what is wrong there.
    """

    chain: Chain
    hops: tuple[Hop, ...] = ()
    broken: int = 0
    why: str = ""

    @property
    def first(self) -> str:
        """What the first hop saw, before any forwarding: its ARC-Authentication-Results."""
        return self.hops[0].results if self.hops and self.hops[0].instance == 1 else ""

    def table(self) -> pd.DataFrame:
        """A row a hop: instance, sealer, selector, cv, seal, message, results."""
        columns = ["instance", "sealer", "selector", "cv", "seal", "message", "results"]
        frame = pd.DataFrame([[getattr(h, c) for c in columns] for h in self.hops], columns=columns)
        return frame.astype({"instance": "Int64", "seal": "boolean", "message": "boolean"})


def validate_chain(network: Network, raw: bytes) -> Arc:
    """Validate the ARC chain of a message with keys from DNS; see `validate`."""
    return network.run(validate(network, raw))


async def validate(network: Network, raw: bytes) -> Arc:
    """The chain of a message as received; never raises for what a stranger wrote.

    A set dated more than ten hours after this machine's clock counts as malformed: dkimpy looks at no other clock.
    """
    message = take_apart(raw)
    sets = [(name, value) for name, value in message.fields if name.lower() in NAMES]
    if message.why:
        return Arc(Chain.UNKNOWN, why=message.why)
    if not sets:
        return Arc(Chain.NONE)
    if len(sets) > 3 * MAX_HOPS:
        return Arc(Chain.FAIL, why=f"more than {MAX_HOPS} sets")
    if any(len(value) > MAX_VALUE or _LONG_BLANK.search(value) for _, value in sets):
        return Arc(Chain.FAIL, why="a field is longer than any set")
    names = sorted({n for name, value in sets if name.lower() != NAMES[2] and (n := _place(value))})
    keys = dict(zip(names, await asyncio.gather(*(dkim.collect(network, d, s) for s, d in names)), strict=True))
    return await asyncio.to_thread(_validated, message, {f"{s}._domainkey.{d}.": key for (s, d), key in keys.items()})


def _place(value: bytes) -> tuple[str, str] | None:
    """Selector and domain as dkimpy will ask for them."""
    found = dkim.tags(value.decode("utf-8", "replace"))
    selector, domain = found.get("s", ""), found.get("d", "")
    return (selector, domain) if selector and ascii_name(f"{selector}.{domain}") else None


class _Validator(dkimpy.ARC):  # type: ignore[misc]
    """dkimpy's validation, with the body hashed once for all hops."""

    def __init__(self, message: Signed) -> None:
        super().__init__()
        self.message, self.headers = message, list(message.fields)

    def verify_sig(self, sig: dict[bytes, bytes], *rest: Any) -> bool:
        given = {k.decode("latin-1"): v.decode("latin-1") for k, v in sig.items()}
        if "bh" in given:
            form = body_form(given)
            length = int(given["l"]) if given.get("l", "").isdigit() else None
            if form not in FORMS or self.message.digest(form, "sha256", length) != binary("".join(given["bh"].split())):
                return False
        return bool(super().verify_sig({k: v for k, v in sig.items() if k not in (b"bh", b"l")}, *rest))


def _validated(message: Signed, keys: dict[str, DkimKey]) -> Arc:
    def record(name: bytes, timeout: int = 5) -> bytes:
        key = keys.get(name.decode("utf-8", "replace"))
        return dkim.plain(key) if key else b""

    try:
        cv, made, why = _Validator(message).verify(record)
    except (dkimpy.DKIMException, ValueError, TypeError, AssertionError, LookupError) as e:
        cv, made, why = dkimpy.CV_Fail, [], type(e).__name__
    hops = tuple(_hop(m) for m in reversed(made))
    if cv == dkimpy.CV_Pass:
        return Arc(Chain.PASS, hops)
    if cv == dkimpy.CV_None:
        return Arc(Chain.NONE, why="its ARC fields carry no instance")
    if silent := next((k for k in keys.values() if k.state is State.UNKNOWN), None):
        return Arc(Chain.UNKNOWN, hops, why=f"{silent.name}: {silent.why}")
    return Arc(Chain.FAIL, hops, *_broken(hops, keys, str(why)))


def _hop(made: dict[str, Any]) -> Hop:
    def text(name: str) -> str:
        return mail.decoded(bytes(made.get(name, b"")).decode("utf-8", "replace"))

    results = re.sub(r"^i\s*=\s*\d+\s*;\s*", "", text("aar-value"))
    domain, selector = text("as-domain").lower(), text("as-selector").lower()
    return Hop(made["instance"], domain, selector, text("cv"), made.get("as-valid"), made.get("ams-valid"), results)


def _broken(hops: tuple[Hop, ...], keys: dict[str, DkimKey], why: str) -> tuple[int, str]:
    """The hop at which the chain fails, and what is wrong there."""
    if not hops or hops[0].instance > 1:
        # dkimpy goes from the newest set to the oldest, and stops at one that it cannot read.
        told = mail.decoded(re.sub(r"b'([^']*)'", lambda m: m[1][:40], why))[:120]
        return (hops[0].instance - 1 if hops else 0), f"a set is incomplete or malformed ({told})"
    if hops[-1].message is False:
        return hops[-1].instance, f"the message was changed after this hop{_key(hops[-1], keys)}"
    for hop in hops:
        if hop.cv == "fail":
            return hop.instance, "this hop says that the chain was broken when the message came"
        if hop.seal is False:
            return hop.instance, f"its seal does not verify{_key(hop, keys)}"
    wrong = next((h for h in hops if (h.cv == "none") != (h.instance == 1)), hops[-1])
    return wrong.instance, f"it says cv={wrong.cv}, which cannot be at this place"


def _key(hop: Hop, keys: dict[str, DkimKey]) -> str:
    key = keys.get(f"{hop.selector}._domainkey.{hop.sealer}.")
    return f", or its key does not serve: {key.unusable}" if key and key.unusable else ""
