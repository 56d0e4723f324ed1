"""Whose a name is: its organizational domain by the Public Suffix List, and the service behind an SPF include.

RFC 7489 section 3.2 (organizational domain). Services stand in `data/spf_owners.toml`, each with source and date.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources

from publicsuffixlist import PublicSuffixList


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


@cache
def _registries() -> PublicSuffixList:
    return PublicSuffixList(only_icann=True)


def organization(name: str) -> str:
    """The organizational domain of RFC 7489 section 3.2: one label below the public suffix, or the name itself.

    By the whole list, its private part too, as the tools of that standard use it.
    """
    bare = name.lower().rstrip(".")
    return _suffixes().privatesuffix(bare) or bare


def sold_as(name: str) -> str:
    """The domain that somebody must register for a name to exist; "" below a suffix that no registry sells."""
    return _registries().privatesuffix(name.lower().rstrip("."), accept_unknown=False) or ""


@cache
def _services() -> dict[str, str]:
    raw = tomllib.loads((resources.files("smtplab") / "data" / "spf_owners.toml").read_text("utf-8"))
    return {row["suffix"]: row["service"] for row in raw["owners"]}


def service(name: str) -> str:
    """The service behind an include, by the longest suffix of its name that is known; "" for an unknown one."""
    labels = name.lower().rstrip(".").split(".")
    known = _services()
    return next((known[s] for i in range(len(labels)) if (s := ".".join(labels[i:])) in known), "")
