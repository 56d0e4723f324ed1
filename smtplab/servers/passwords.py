"""How are passwords stored? Schemes in a Dovecot passwd-file or a dump of an SQL table: counted, never shown.

A file of a case named *.passwd holds USER:PASSWORD:... a line; *.passwords holds one stored password a line, as
`SELECT password FROM users` prints it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import re2

from smtplab import datafiles

MAX_BYTES = 50_000_000
_PREFIX = re2.compile(r"^\{([A-Za-z0-9-]{1,30})(?:\.[A-Za-z0-9]+)?\}")
_LOCKED = frozenset({"", "!", "*", "!!", "x", "NULL", "password"})
"""No password at all, or the head of an SQL dump."""


@dataclass(frozen=True)
class Scheme:
    """A way to store passwords: `strength` plain, weak or strong."""

    name: str
    strength: str
    mark: Any = None


@dataclass(frozen=True)
class Stored:
    """How many passwords of a file are stored by each scheme; the passwords themselves are nowhere."""

    file: str
    schemes: Mapping[str, int]

    def names(self, strength: str) -> list[str]:
        """The schemes of a strength that occur."""
        return sorted(n for n in self.schemes if n in _known() and _known()[n].strength == strength)

    def count(self, strength: str) -> int:
        """How many passwords are stored so."""
        return sum(self.schemes[n] for n in self.names(strength))


@cache
def _known() -> Mapping[str, Scheme]:
    raw = datafiles.load("password_schemes")
    made: dict[str, Scheme] = {}
    for name, row in raw.items():
        mark = re2.compile(row["mark"]) if "mark" in row else None
        made[name] = Scheme(name, row["strength"], mark)
        made |= {alias: Scheme(name, row["strength"]) for alias in row.get("aliases", ())}
    return made


def read(path: Path, file: str) -> Stored:
    """Count the schemes of a file; what cannot be told apart from a password in clear counts as one."""
    return Stored(file, dict(sorted(Counter(_scheme(p) for p in _stored(path)).items())))


def _stored(path: Path) -> Iterator[str]:
    with path.open("rb") as source:
        text = source.read(MAX_BYTES).decode("utf-8", "replace")
    for line in text.splitlines():
        bare = line.strip().strip("|\"'").strip()
        if not bare or bare.startswith(("#", "+--", "--")):
            continue
        password = bare.split(":")[1] if path.suffix == ".passwd" and ":" in bare else bare
        if path.suffix == ".passwd" and ":" not in bare:
            continue
        if password.strip() not in _LOCKED:
            yield password.strip()


def _scheme(password: str) -> str:
    if found := _PREFIX.match(password):
        name = str(found[1]).upper()
        known = _known().get(name)
        rest = password[found.end() :]
        # {CRYPT} leaves it to crypt(3), whose own mark tells more.
        if name == "CRYPT" and (marked := _marked(rest)):
            return marked
        return known.name if known else f"unknown scheme {name}"
    return _marked(password) or "PLAIN"


def _marked(password: str) -> str:
    return next((s.name for s in _known().values() if s.mark and s.mark.search(password)), "")
