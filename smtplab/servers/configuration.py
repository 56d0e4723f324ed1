"""Configuration as the programs themselves print it: `postconf -n` (and -P), `doveconf -n` and `exim -bP config`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from smtplab.case import Case
from smtplab.servers import clients, passwords
from smtplab.servers.passwords import Stored
from smtplab.tables import conform

MAX_BYTES = 1_000_000
MAX_DEPTH = 8
_PROGRAMS = {".postconf": "postfix", ".doveconf": "dovecot", ".eximconf": "exim"}
_TOOLS = {"postfix": "postconf -n", "dovecot": "doveconf -n", "exim": "exim -bP config"}
_NO_SETTING = "holds no setting: expected the output of {}"
_STORED = (".passwd", ".passwords")
_FOR_CLIENTS = ".xml"
_LISTS = ("hostlist ", "domainlist ", "addresslist ", "localpartlist ", "hide ")


@dataclass(frozen=True)
class Configuration:
    """The settings of one host: name -> (line number, value as printed); `program` is postfix, dovecot or exim.

    A setting within sections of Dovecot is named with them: "passdb/args", "protocol pop3/disable_plaintext_auth".
    """

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


def read(case: Case) -> tuple[tuple[Configuration, ...], tuple[Stored, ...], pd.DataFrame]:
    """The configuration and password files of a case, and what could not be read (table problems)."""
    made, stored, problems = [], [], []
    for path in case.sources("configuration"):
        if path.suffix in _STORED and path.is_file():
            stored.append(passwords.read(path, case.rel(path)))
            continue
        if path.suffix == _FOR_CLIENTS and not refusal(path):
            continue
        program = _PROGRAMS.get(path.suffix)
        settings = _settings(path) if program and path.is_file() else {}
        if program and settings:
            made.append(Configuration(path.stem.lower(), program, case.rel(path), settings))
            continue
        what = refusal(path) or _NO_SETTING.format(_TOOLS[_PROGRAMS[path.suffix]])
        problems.append({"file": case.rel(path), "what": what, "records": 1})
    return tuple(made), tuple(stored), conform("problems", problems)


def refusal(path: Path) -> str:
    """Why a file can be no configuration; "" for one that may, or is empty."""
    if path.suffix in _STORED:
        return ""
    if path.suffix == _FOR_CLIENTS:
        return "" if clients.read_file(path, "", "") else "names no mail server: expected autoconfig or autodiscover"
    if path.suffix not in _PROGRAMS:
        return "not named HOST.postconf, HOST.doveconf, HOST.eximconf or NAME.passwd, so not read"
    if path.stat().st_size and not _settings(path):
        return _NO_SETTING.format(_TOOLS[_PROGRAMS[path.suffix]])
    return ""


def _settings(path: Path) -> dict[str, tuple[int, str]]:
    with path.open("rb") as file:
        text = file.read(MAX_BYTES).decode("utf-8", "replace")
    made: dict[str, tuple[int, str]] = {}
    lines = _exim(text) if path.suffix == ".eximconf" else _lines(text)
    for number, name, value in lines:
        made[name] = (made[name][0], f"{made[name][1]} {value}") if number == 0 and name in made else (number, value)
    return made


def _lines(text: str) -> Iterator[tuple[int, str, str]]:
    """Line number, name and value of each setting; number 0 for a line that goes on with the one before."""
    sections, last = list[str](), ""
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        if bare.endswith("{"):
            sections.append(bare[:-1].strip())
        elif bare == "}":
            sections = sections[:-1]
        elif not sections and line[:1].isspace() and last:
            yield 0, last, bare
        else:
            name, sign, value = (part.strip() for part in bare.partition("="))
            # SERVICE/TYPE/NAME is how `postconf -P` prints what master.cf overrides.
            if sign and " " not in name and _is_name(name.rpartition("/")[2]):
                last = "/".join([*sections, name][-MAX_DEPTH:])
                yield number, last, value


def _exim(text: str) -> Iterator[tuple[int, str, str]]:
    """The main settings of Exim, up to its first section; `name` and `no_name` are on and off."""
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if bare.startswith("begin "):
            return
        if bare.startswith("#"):
            continue
        while bare.startswith(_LISTS):
            bare = bare.partition(" ")[2].lstrip()
        name, sign, value = (part.strip() for part in bare.partition("="))
        if _is_name(name):
            off = not sign and name.startswith("no_")
            yield number, name.removeprefix("no_") if off else name, value if sign else "false" if off else "true"


def _is_name(name: str) -> bool:
    return name.isascii() and name.replace("_", "").isalnum()
