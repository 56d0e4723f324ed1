"""What the numbers in a TLS hello mean: cipher suites and key-exchange groups, by the IANA registries and RFC 8446."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from smtplab import datafiles

POST_QUANTUM = ("hybrid", "mlkem")
"""Kinds of groups that a quantum computer does not break."""
_SECTIONS = {"TLSv1.3": ("tls13",), "TLSv1.2": ("tls12", "any", "weak")}
_OLD = ("any", "weak")


@dataclass(frozen=True)
class Group:
    """A key-exchange group: `kind` is hybrid, mlkem, ecdhe or ffdhe; `only` the one version that has it, "" any."""

    number: int
    name: str
    kind: str
    only: str = ""


@cache
def _data() -> dict[str, Any]:
    return datafiles.load("tls")


@cache
def groups(version: str) -> Mapping[int, Group]:
    """The groups that a hello of this version may offer, in the order in which ours does."""
    known = (Group(int(n, 16), g["name"], g["kind"], g.get("only", "")) for n, g in _data()["groups"].items())
    # TLS 1.2 negotiates the groups of finite fields by other means (RFC 7919), so only curves are asked for there.
    return {
        g.number: g for g in known if g.only in ("", version) and (version == "TLSv1.3" or g.kind == "ecdhe")
    }  # fmt: skip


@cache
def ciphers(version: str) -> Mapping[int, str]:
    """The cipher suites that a hello of this version may offer, by the names of OpenSSL."""
    tables = (_data()["ciphers"][s] for s in _SECTIONS.get(version, _OLD))
    return {int(n, 16): str(name) for table in tables for n, name in table.items()}


@cache
def weak() -> Mapping[int, str]:
    """The suites that protect nothing any more."""
    return {int(n, 16): str(name) for n, name in _data()["ciphers"]["weak"].items()}


def post_quantum(name: str) -> bool:
    """Whether the group of this name withstands a quantum computer."""
    return any(g["name"].lower() == name.lower() and g["kind"] in POST_QUANTUM for g in _data()["groups"].values())
