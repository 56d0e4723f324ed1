"""Which mailbox provider is behind a recipient domain or an MX host."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

from smtplab import datafiles


@cache
def _providers() -> dict[str, Any]:
    return datafiles.load("providers")


@cache
def _table() -> tuple[dict[str, str], tuple[tuple[str, str], ...]]:
    rows = _providers().items()
    return {d: name for name, row in rows for d in row["domains"]}, tuple(
        (mx, n) for n, row in rows for mx in row["mx"]
    )


def name(key: str) -> str:
    """A provider as people write it; a domain comes back as it is."""
    return str(_providers().get(key, {"name": key})["name"])


def names() -> dict[str, str]:
    """The providers by what people call them, in lower case: by their key and by their name."""
    return {called.lower(): key for key, row in _providers().items() for called in (key, row["name"])}


@lru_cache(maxsize=10_000)
def provider(domain: str, relay_host: str = "") -> str:
    """The provider of a recipient domain (by name, else by the MX host that took the mail), else the domain itself."""
    domains, suffixes = _table()
    if found := domains.get(domain.lower()):
        return found
    host = relay_host.lower().rstrip(".")
    for suffix, name in suffixes:
        if host == suffix or host.endswith(f".{suffix}"):
            return name
    return domain.lower()
