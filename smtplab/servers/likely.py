"""Likely causes of a step that failed, in order, each with how to tell it from its neighbours: diagnoses.toml."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache
from typing import Any

import re2

from smtplab import datafiles, replies
from smtplab.servers.hints import Hint
from smtplab.servers.steps import Step

LONGEST = 2_000


@dataclass(frozen=True)
class Cause:
    """One likely cause: `tell` how to tell it apart, `fix` what to do, `who` must act, `confirmed` by what was seen."""

    id: str
    title: str
    tell: str
    fix: str
    who: str
    source: str
    confirmed: bool = False

    def __str__(self) -> str:
        return f"{self.title}{' (confirmed)' if self.confirmed else ''} Tell apart: {self.tell} Do: {self.fix}"

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "id": self.id, "title": self.title, "confirmed": self.confirmed, "tell_apart": self.tell,
            "what_to_do": self.fix, "who": self.who, "source": self.source,
        }  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """One row of diagnoses.toml; `needs` hints without which it cannot be, `unless` hints that rule it out,
    `proves` hints that make it certain.
    """

    id: str
    step: tuple[str, ...]
    title: str
    tell: str
    fix: str
    who: str
    source: str
    text: Any = None
    ports: tuple[int, ...] = ()
    needs: frozenset[Hint] = frozenset()
    unless: frozenset[Hint] = frozenset()
    proves: frozenset[Hint] = frozenset()

    def fits(self, step: Step, port: int, hints: AbstractSet[Hint]) -> bool:
        """Whether it can be the cause of a failed step."""
        if step.phase not in self.step or (self.ports and port not in self.ports) or self.unless & hints:
            return False
        if self.proves & hints:
            return True
        return self.needs <= hints and (self.text is None or bool(self.text.search(step.reply[:LONGEST])))


@cache
def rules() -> tuple[Rule, ...]:
    """Every rule in the order of likelihood."""
    made = []
    for row in datafiles.load("diagnoses")["diagnosis"]:
        row = {k: v for k, v in row.items() if k not in ("date", "example", "miss")}
        row["step"] = tuple(row["step"])
        row["ports"] = tuple(row.get("ports", ()))
        row |= {key: frozenset(Hint[h] for h in row.get(key, ())) for key in ("needs", "unless", "proves")}
        if "text" in row:
            row["text"] = re2.compile(f"(?i){row['text']}")
        made.append(Rule(**row))
    return tuple(made)


def causes(failed: Step, port: int, hints: AbstractSet[Hint]) -> tuple[Cause, ...]:
    """The causes of a failed step, the confirmed before the likely; what no rule knows is left to the reply rules."""
    found = [_cause(r, bool(r.proves & hints)) for r in rules() if r.fits(failed, port, hints)]
    found.sort(key=lambda c: not c.confirmed)
    if not found and failed.phase in ("greeting", "capabilities", "auth", "mail", "rcpt"):
        said = replies.classify(failed.reply)
        if said.advice:
            rest = ("The server's reply says so.", said.advice, "you", f"reply rule {said.rule}")
            found = [Cause(said.reason, f"The reply means: {said.reason}.", *rest)]
    return tuple(found)


def _cause(rule: Rule, confirmed: bool) -> Cause:
    return Cause(rule.id, rule.title, rule.tell, rule.fix, rule.who, rule.source, confirmed)
