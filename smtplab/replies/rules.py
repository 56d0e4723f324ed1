"""The rules by which replies are judged: what stands in data/replies/*.toml, in the order in which it is tried.

A rule looks for a text, for enhanced status codes (RFC 3463), or both; `provider` limits it to one provider's replies.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Any

_REPEAT = re.compile(r"(?:(?<!\\)[.)\]]|\\S)(?:[*+]|\{(\d*),?(\d*)\})")
_SHORT = 3
ANY = "any command"
"""Stands for a command that is yet to be told."""
_BESIDE = ("reasons.toml", "replies_gist.toml", "replies_confidence.toml")


def gappy(pattern: str) -> bool:
    """Whether a pattern holds a stretch of anything: what costs a set of patterns its speed."""
    found = list(_REPEAT.finditer(pattern))
    return any(r[0].startswith(")") or int(r[2] or r[1] or _SHORT + 1) > _SHORT for r in found)


@dataclass(frozen=True)
class Reason:
    """Why mail was refused: one name of the vocabulary (reasons.toml) with what follows from it."""

    name: str
    words: str
    meaning: str
    permanent: bool
    suppress: bool
    ours: bool
    who: str
    advice: str
    kumomta: str
    sparkpost: int


@dataclass(frozen=True)
class Rule:
    """One row of data/replies; its conditions hold together, an empty one fits all.

    `provider`: whose reply. `text`: an RE2 pattern over the reply in lower case. `codes`: enhanced codes ("" is none),
    x for 4 or 5. `smtp`: reply codes. `command`: what was answered. `unique`: nobody else says so, whoever the
    provider is. `early`: a code so plain that it is believed before any text. `generic`: it says little.
    """

    id: str
    reason: str
    advice: str
    who: str
    where: str
    permanent: bool
    suppress: bool
    ours: bool
    provider: tuple[str, ...] = ()
    text: str = ""
    codes: tuple[str, ...] = ()
    smtp: tuple[int, ...] = ()
    command: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    rescued_by: str = ""
    unique: bool = False
    early: bool = False
    generic: bool = False

    @cached_property
    def plain(self) -> bool:
        """Its text is all that it asks for."""
        return not (self.provider or self.codes or self.smtp or self.command)

    @cached_property
    def whose(self) -> frozenset[str]:
        """The providers whose reply it is about."""
        return frozenset(self.provider)

    def fits(self, smtp_code: int | None, enhanced: str, command: str) -> bool:
        """Whether the conditions beside the text hold."""
        return (
            (not self.codes or enhanced in self.codes)
            and (not self.smtp or smtp_code in self.smtp)
            and (not self.command or command in self.command or command == ANY)
        )


@dataclass(frozen=True)
class Mark:
    """A text that tells whose reply it is (provider), which command it answers, or that the reply follows (prefix).

    `says`: the provider, the command, or how many characters at the end of the prefix are the reply's.
    """

    kind: str
    says: str
    text: str


@cache
def files() -> Sequence[tuple[str, Mapping[str, Any]]]:
    """Every file of rules with its name: a provider's before everybody's, those by their rank."""
    folder = resources.files("smtplab") / "data" / "replies"
    read = [(f.name, tomllib.loads(f.read_text("utf-8"))) for f in folder.iterdir() if f.name.endswith(".toml")]
    return sorted(read, key=lambda f: (not f[1].get("provider"), f[1].get("rank", 0), f[0]))


def fingerprint() -> bytes:
    """A digest of all that decides an answer, for caches of answers."""
    data = resources.files("smtplab") / "data"
    texts = [repr([head for _, head in files()]), *((data / f).read_text("utf-8") for f in _BESIDE)]
    return hashlib.sha256("".join(texts).encode()).digest()


@cache
def reasons() -> Mapping[str, Reason]:
    """The vocabulary, by name."""
    raw = tomllib.loads((resources.files("smtplab") / "data" / "reasons.toml").read_text("utf-8"))
    return {name: Reason(name, **row) for name, row in raw.items()}


@cache
def rules() -> tuple[Rule, ...]:
    """All rules in the order in which they are tried."""
    return tuple(rule(row, head) for _, head in files() for row in head.get("rule", ()))


@cache
def marks() -> tuple[Mark, ...]:
    """What tells the provider or the command of a reply."""
    made = []
    for _, head in files():
        for kind, table in (("provider", "marks"), ("command", "commands"), ("prefix", "prefixes")):
            made += [Mark(kind, says, text) for says, texts in head.get(table, {}).items() for text in texts]
    return tuple(made)


def rule(row: Mapping[str, Any], head: Mapping[str, Any]) -> Rule:
    """A rule from its row and the head of its file; what it does not say follows from its reason."""
    reason = reasons()[row["reason"]]
    ours = row.get("ours", reason.ours)
    permanent = row.get("permanent", reason.permanent and not ours)
    return Rule(
        id=row["id"],
        reason=reason.name,
        advice=row.get("advice", reason.advice),
        who=row.get("who", reason.who),
        where=row.get("where", head.get("where", "")),
        permanent=permanent,
        suppress=row.get("suppress", reason.suppress and not ours),
        ours=ours,
        provider=tuple(row.get("provider", head.get("provider", ()))),
        text=row.get("text", ""),
        codes=tuple(expanded(row.get("codes", ()))),
        smtp=tuple(row.get("smtp", ())),
        command=tuple(row.get("command", ())),
        labels=tuple(row.get("labels", ())),
        rescued_by=row.get("rescued_by", ""),
        unique=row.get("unique", False),
        early=row.get("early", False),
        generic=row.get("generic", False),
    )


def expanded(codes: Any) -> Iterator[str]:
    """Codes with x written out: x.7.1 is 4.7.1 and 5.7.1."""
    for code in codes:
        yield from ((f"4{code[1:]}", f"5{code[1:]}") if code.startswith("x") else (code,))


def literals(pattern: str) -> tuple[str, ...]:
    """Plain texts of which one is in whatever a pattern matches; none, if that cannot be told.

    For each alternative its longest plain stretch outside of groups, sets and what may be missing.
    """
    found = []
    for branch in _branches(pattern):
        plain = _plain(branch)
        if len(plain) < 3:
            return ()
        found.append(plain)
    return tuple(found)


def _branches(pattern: str) -> Iterator[str]:
    depth = start = at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            at += 1
        elif char == "[":
            at = pattern.index("]", at + 2)
        elif char in "()":
            depth += 1 if char == "(" else -1
        elif char == "|" and depth == 0:
            yield pattern[start:at]
            start = at + 1
        at += 1
    yield pattern[start:]


_TOKEN = re.compile(r"\\(.)|(\[\^?.[^]]*\])|([().^$|])|([?*+]|\{\d*,?\d*\})|(.)", re.S)


def _plain(branch: str) -> str:
    runs, depth = [""], 0
    for token in _TOKEN.finditer(branch):
        escaped, group, special, repeat, plain = token.groups()
        if special in ("(", ")"):
            depth += 1 if special == "(" else -1
        if (char := escaped or plain) and depth == 0:
            runs[-1] += char
            continue
        if repeat and depth == 0:
            # What is repeated may be missing: the stretch ends before it.
            runs[-1] = runs[-1][:-1]
        if group or special or repeat:
            runs.append("")
    return max(runs, key=len)
