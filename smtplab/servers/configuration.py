"""Configuration as the programs themselves print it: `postconf -n` (Postfix) and `doveconf -n` (Dovecot)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from smtplab.case import Case
from smtplab.tables import conform

MAX_BYTES = 1_000_000


@dataclass(frozen=True)
class Configuration:
    """The settings of one host; values are as printed, `program` is postfix or dovecot."""

    host: str
    program: str
    file: str
    settings: Mapping[str, str]


def read(case: Case) -> tuple[tuple[Configuration, ...], pd.DataFrame]:
    """The configuration files of a case, and what could not be read (table problems)."""
    made, problems = [], []
    for path in case.sources("configuration"):
        program = {".postconf": "postfix", ".doveconf": "dovecot"}.get(path.suffix)
        if program is None:
            what = "not named NAME.postconf or NAME.doveconf, so not read"
            problems.append({"file": case.rel(path), "what": what, "records": 1})
            continue
        settings = _settings(path)
        if not settings:
            what = f"holds no setting: expected the output of {'postconf' if program == 'postfix' else 'doveconf'} -n"
            problems.append({"file": case.rel(path), "what": what, "records": 1})
            continue
        made.append(Configuration(path.stem, program, case.rel(path), settings))
    return tuple(made), conform("problems", problems)


def _settings(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        text = file.read(MAX_BYTES).decode("utf-8", "replace")
    made: dict[str, str] = {}
    depth, last = 0, ""
    for line in text.splitlines():
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        # Dovecot nests sections in braces: only the outermost settings are the server's own.
        if bare.endswith("{"):
            depth += 1
        elif bare == "}":
            depth = max(0, depth - 1)
        elif depth == 0 and line[:1].isspace() and last:
            made[last] += f" {bare}"
        elif depth == 0:
            name, sign, value = bare.partition("=")
            if sign and name.strip().replace("_", "").isalnum():
                last = name.strip()
                made[last] = value.strip()
    return made
