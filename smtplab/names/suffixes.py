"""Which part of a name did somebody register? By the Public Suffix List; RFC 7489 section 3.2."""

from __future__ import annotations

from functools import cache

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
