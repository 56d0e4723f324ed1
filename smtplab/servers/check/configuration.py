"""What lines of configuration mean, by configuration_rules.toml, and how passwords are stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import re2

from smtplab import datafiles
from smtplab.findings import Finding
from smtplab.servers.collect import ServerEvidence
from smtplab.servers.configuration import Configuration
from smtplab.servers.passwords import Stored


@dataclass(frozen=True)
class Rule:
    """One row of configuration_rules.toml; a `default` of None judges nothing where the program prints nothing."""

    code: str
    program: str
    setting: str
    when: Any
    never: Any = None
    default: str | None = None
    also: Mapping[str, tuple[Any, str]] | None = None

    def fits(self, config: Configuration) -> bool:
        """Whether the rule speaks of this configuration."""
        value = config.settings.get(self.setting, (0, self.default))[1]
        if config.program != self.program or value is None or not self.when.search(value):
            return False
        if self.never and self.never.search(value):
            return False
        return all(pattern.search(config.value(n, default)) for n, (pattern, default) in (self.also or {}).items())


@cache
def rules() -> tuple[Rule, ...]:
    """Every rule."""
    made = []
    for row in datafiles.load("configuration_rules")["rule"]:
        patterns = {k: re2.compile(f"(?i){row[k]}") for k in ("when", "never") if k in row}
        also = {n: (re2.compile(f"(?i){pattern}"), default) for n, (pattern, default) in row.get("also", {}).items()}
        made.append(Rule(**row | patterns | {"also": also}))
    return tuple(made)


def check(evidence: ServerEvidence) -> Iterator[Finding]:
    """Findings on every configuration and every file of passwords."""
    for config in evidence.configuration:
        for rule in rules():
            if rule.fits(config):
                names = (rule.setting, *(rule.also or {}))
                value = config.value(rule.setting, rule.default or "")
                seen = config.seen(*names) or (f"{config.file}: {rule.setting} is not set",)
                yield Finding(rule.code, config.host, seen, host=config.host, value=value)
    for stored in evidence.passwords:
        yield from _passwords(stored)


def _passwords(stored: Stored) -> Iterator[Finding]:
    where, seen = stored.file, (stored.file,)
    if plain := stored.count("plain"):
        yield Finding("servers.passwords.plain", where, seen, file=stored.file, count=plain)
    if weak := stored.count("weak"):
        names = stored.names("weak")
        yield Finding("servers.passwords.weak", where, seen, file=stored.file, count=weak, schemes=names)
    if not plain and not weak and (strong := stored.count("strong")):
        names = stored.names("strong")
        yield Finding("servers.passwords.ok", where, seen, file=stored.file, count=strong, schemes=names)
