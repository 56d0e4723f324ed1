"""Values that log lines and events hold, read with bounds: reply codes, addresses, numbers, times, shapes.

Reply codes: RFC 5321 section 4.2, RFC 3463.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

_CODE = re.compile(r"([245]\d\d)(?:[ -](?:([245]\.\d{1,3}\.\d{1,3})(?![\d.]))?|$)")
_DIGITS = re.compile(r"[0-9A-Fa-f]{6,40}|\d{1,40}")
_ADDRESS = re.compile(r"(?:IPv6:)?(?:::ffff:)?([0-9A-Fa-f.:]{2,45})", re.ASCII | re.IGNORECASE)


def codes(reply: str) -> tuple[int | None, str | None]:
    """SMTP and enhanced status code that a server's reply starts with."""
    found = _CODE.match(reply)
    return (int(found[1]), found[2]) if found else (None, None)


def shape(text: str) -> str:
    """A line without what varies from one to the next, so that its like can be counted."""
    return _DIGITS.sub("#", text[:200])[:80]


@lru_cache(4096)
def ip(text: str | None) -> str | None:
    """An IP address without its "IPv6:" tag or IPv4-mapped prefix; None for anything else."""
    found = _ADDRESS.fullmatch(text or "")
    return found[1] if found and ("." in found[1] or ":" in found[1]) else None


@lru_cache(256)
def tls(version: str) -> str:
    """A TLS version in OpenSSL's spelling: "TLSv1.2" for "TLS1.2", "TLS1_2" or "TLSv1.2"."""
    bare = version.replace("_", ".").upper().removeprefix("TLS").lstrip("V ")
    return f"TLSv{bare}" if bare[:1].isdigit() else version


def quoted(value: object) -> str:
    """A path as a string of SQL, for statements that take no parameters: folders may be called O'Neill."""
    return "'" + str(value).replace("'", "''") + "'"


def told(**columns: Any) -> dict[str, Any]:
    """The columns of an event that are known."""
    return {k: v for k, v in columns.items() if v is not None}
