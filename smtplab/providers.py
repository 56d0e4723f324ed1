"""Which mailbox provider is behind a recipient domain or an MX host."""

from __future__ import annotations

import tomllib
from functools import cache, lru_cache
from importlib import resources


@cache
def _table() -> tuple[dict[str, str], tuple[tuple[str, str], ...]]:
    raw = tomllib.loads((resources.files("smtplab") / "data" / "providers.toml").read_text("utf-8"))
    domains = {d: name for name, row in raw.items() for d in row["domains"]}
    return domains, tuple((mx, name) for name, row in raw.items() for mx in row["mx"])


@cache
def _names() -> dict[str, str]:
    raw = tomllib.loads((resources.files("smtplab") / "data" / "providers.toml").read_text("utf-8"))
    return {key: row["name"] for key, row in raw.items()}


def name(key: str) -> str:
    """A provider as people write it; a domain comes back as it is."""
    return _names().get(key, key)


def names() -> dict[str, str]:
    """The providers by what people call them, in lower case: by their key and by their name."""
    return {called.lower(): key for key, name in _names().items() for called in (key, name)}


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
