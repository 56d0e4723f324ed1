"""How strong is each way to sign in? SASL mechanisms by what they send (RFC 4422), from mechanisms.toml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from smtplab import datafiles


@dataclass(frozen=True)
class Mechanism:
    """One row: `strength` 0 (anyone gets in) to 4, `sends` password, token, proof or nothing."""

    name: str
    strength: int
    sends: str
    note: str = ""
    historic: bool = False
    second_factor: bool = False


@cache
def mechanisms() -> Mapping[str, Mechanism]:
    """Every mechanism that is known, by name."""
    rows = datafiles.load("mechanisms").items()
    return {n: Mechanism(n, **{k: v for k, v in row.items() if k not in ("source", "date")}) for n, row in rows}


def known(names: tuple[str, ...]) -> list[Mechanism]:
    """Those of the names that are known, strongest first."""
    found = [m for n in names if (m := mechanisms().get(n))]
    return sorted(found, key=lambda m: -m.strength)
