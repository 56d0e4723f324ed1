"""Configuration as the programs themselves print it: `postconf -n` (Postfix) and `doveconf -n` (Dovecot)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from smtplab.case import Case
from smtplab.tables import conform

MAX_BYTES = 1_000_000
_PROGRAMS = {".postconf": "postfix", ".doveconf": "dovecot"}
_NO_SETTING = "holds no setting: expected the output of {} -n"
_TOOLS = {".postconf": "postconf", ".doveconf": "doveconf"}


@dataclass(frozen=True)
class Configuration:
    """The settings of one host: name -> (line number, value as printed); `program` is postfix or dovecot."""

    host: str
    program: str
    file: str
    settings: Mapping[str, tuple[int, str]]

    def value(self, name: str, default: str = "") -> str:
        """A setting, or what stands for one that is not printed: the program's default."""
        return self.settings.get(name, (0, default))[1]

    def seen(self, *names: str) -> tuple[str, ...]:
        """The lines of settings, as evidence."""
        lines = [(n, *self.settings[n]) for n in names if n in self.settings]
        return tuple(f"{self.file} line {number}: {name} = {value}" for name, number, value in lines)


def read(case: Case) -> tuple[tuple[Configuration, ...], pd.DataFrame]:
    """The configuration files of a case, and what could not be read (table problems)."""
    made, problems = [], []
    for path in case.sources("configuration"):
        program = _PROGRAMS.get(path.suffix)
        settings = _settings(path) if program and path.is_file() else {}
        if program and settings:
            made.append(Configuration(path.stem.lower(), program, case.rel(path), settings))
            continue
        what = refusal(path) or _NO_SETTING.format(_TOOLS[path.suffix])
        problems.append({"file": case.rel(path), "what": what, "records": 1})
    return tuple(made), conform("problems", problems)


def refusal(path: Path) -> str:
    """Why a file can be no configuration; "" for one that may, or is empty."""
    if path.suffix not in _PROGRAMS:
        return "not named HOST.postconf or HOST.doveconf, so not read"
    if path.stat().st_size and not _settings(path):
        return _NO_SETTING.format(_TOOLS[path.suffix])
    return ""


def _settings(path: Path) -> dict[str, tuple[int, str]]:
    with path.open("rb") as file:
        text = file.read(MAX_BYTES).decode("utf-8", "replace")
    made: dict[str, tuple[int, str]] = {}
    for number, name, value in _lines(text):
        made[name] = (made[name][0], f"{made[name][1]} {value}") if number == 0 and name in made else (number, value)
    return made


def _lines(text: str) -> Iterator[tuple[int, str, str]]:
    """Line number, name and value of each setting; number 0 for a line that goes on with the one before."""
    depth, last = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        # Dovecot nests sections in braces: only the outermost settings are the server's own.
        if bare.endswith("{"):
            depth += 1
        elif bare == "}":
            depth = max(0, depth - 1)
        elif depth == 0 and line[:1].isspace() and last:
            yield 0, last, bare
        elif depth == 0:
            name, sign, value = (part.strip() for part in bare.partition("="))
            if sign and name.isascii() and name.replace("_", "").isalnum():
                last = name
                yield number, name, value
