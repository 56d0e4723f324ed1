"""What an answer looks like, by the kind of its question: a recording may come from a stranger.

`wrong` is asked once, when a tape is read, so that no reader of an answer has to doubt its types.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import math
from collections.abc import Callable, Mapping
from typing import Any

MAX_SECONDS = 2**32 - 1
MAX_BYTES = 2**40


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _seconds(value: object) -> bool:
    return value is None or (type(value) is int and 0 <= value <= MAX_SECONDS)


def _count(value: object) -> bool:
    return value is None or (type(value) is int and 0 <= value <= MAX_BYTES)


def _flag(value: object) -> bool:
    return value is None or isinstance(value, bool)


def _base64(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(base64.b64decode(value, validate=True))
    except (binascii.Error, ValueError):
        return False


def _handshake(value: object) -> bool:
    return value is None or not _unlike(value, _TLS, "tls")


def _status(value: object) -> bool:
    return type(value) is int and 0 <= value <= 999


Shape = type | Callable[[object], bool] | list[Any] | Mapping[str, Any]
"""A type, a test, a list of one shape, or an object: a key that ends in "?" may be missing, others are let be."""
_TLS: Shape = {"version": str, "cipher": str, "group": str, "chain": [_base64]}
_STEP: Shape = {"phase": str, "sent": str, "reply": [str], "ms": _number, "bytes_out?": _count, "bytes_in?": _count}
SHAPES: Mapping[str, Shape] = {
    "dns": {
        "rcode?": str, "records?": [str], "strings?": [[str]], "ttl?": _seconds, "negative_ttl?": _seconds,
        "ad?": _flag, "aa?": _flag, "loop?": _flag, "referral?": [str], "cname?": str, "server?": str,
    },
    "dnssec": {"message": _base64},
    "session": {"steps": [_STEP], "tls?": _handshake, "ended?": str},
    "port": {"state": str},
    "tls": {"accepted": bool, "why?": str, "cipher?": str, "group?": str},
    "https": {"status?": _status, "body?": str, "type?": str, "error?": str, "location?": str, "tls?": _handshake},
    "probe": {"rows": [{"variant": str, "verdict": str, "said?": str}]},
}  # fmt: skip


def wrong(kind: str, rtype: str, value: Mapping[str, Any]) -> str:
    """What is wrong with the answer to a question of a kind (and DNS record type), "" for a sound one."""
    if kind not in SHAPES:
        return ""
    if found := _unlike(value, SHAPES[kind], ""):
        return found
    bad = next((r for r in value.get("records", ()) if not _record(rtype, r)), None) if kind == "dns" else None
    return "" if bad is None else f"{bad[:60]!r} is no {rtype} record"


def _unlike(value: object, shape: Shape, where: str) -> str:
    """The place at which a value has not its shape."""
    if isinstance(shape, Mapping):
        if not isinstance(value, dict):
            return f"{where} is no object"
        for key, inner in shape.items():
            name = key.removesuffix("?")
            if name in value:
                if found := _unlike(value[name], inner, name):
                    return found
            elif name == key:
                return f"{name} is missing"
        return ""
    if isinstance(shape, list):
        if not isinstance(value, list):
            return f"{where} is no list"
        return next((found for v in value if (found := _unlike(v, shape[0], where))), "")
    fits = isinstance(value, shape) if isinstance(shape, type) else shape(value)
    return "" if fits else f"{where} is not what it should be"


def _record(rtype: str, text: str) -> bool:
    """Whether a record has the form that its type always has."""
    match rtype:
        case "A" | "AAAA":
            try:
                return ipaddress.ip_address(text).version == (4 if rtype == "A" else 6) and "%" not in text
            except ValueError:
                return False
        case "MX":
            number, _, host = text.partition(" ")
            return number.isascii() and number.isdigit() and len(number) <= 5 and bool(host.strip())
    return True
