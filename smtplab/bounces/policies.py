"""When to stop writing to whom: the rules of suppression.toml, with what a case sets otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import pandas as pd

from smtplab import datafiles, replies
from smtplab.case import Case

COMPLAINT = "complaint"


def correction(domain: str) -> str | None:
    """The domain that was meant by a misspelt one; the slip in its name counts under any top level domain."""
    label, _, top = domain.partition(".")
    return replies.correction(domain) or (replies.correction(f"{label}.com") if top and "." not in top else None)


@dataclass(frozen=True)
class Rule:
    """So many failures for one of `reasons` within a time stop the mail for a time; no time means without end.

    The first and the last of them are at least `over` apart: what is gone may come back.
    """

    name: str
    meaning: str
    reasons: tuple[str, ...]
    permanent: bool
    times: int
    within: timedelta | None
    expires: timedelta | None
    over: timedelta = timedelta()

    def met(self, times: Sequence[datetime]) -> bool:
        """Whether failures at these times, in their order, are enough."""
        last = [t for t in times if self.within is None or times[-1] - t <= self.within]
        return len(last) >= self.times and times[-1] - last[0] >= self.over

    def __repr__(self) -> str:
        count = "once" if self.times == 1 else f"{self.times} times"
        within = f" within {self.within.days} days" if self.within else ""
        over = f" over {self.over.days} or more" if self.over else ""
        return f"{self.name}: {count}{within}{over}, then {f'{self.expires.days} days' if self.expires else 'for good'}"


@dataclass(frozen=True)
class Policy:
    """Rules in the order in which they take a reason; `keep` names what speaks of us and not of the recipient.

    `ours` are the reply rules that tell of our own fault, whatever the reason is called.
    `guessed` are meanings of words that stand together: nobody is removed for one, nor for many.
    `unsure` are those that name a hard reason without proof. `complaints` are the feedback types that count,
    `limits` are shares of recipients above which a sender is spoken to.
    """

    rules: tuple[Rule, ...]
    keep: Mapping[str, str]
    ours: frozenset[str]
    guessed: frozenset[str]
    unsure: frozenset[str]
    complaints: frozenset[str]
    limits: Mapping[str, float]
    as_of: datetime | None = None
    """The moment that stands for a date that is missing; without it what has no date does not count."""

    def counting(self, reason: object, code: object, reply_rule: object = None) -> Rule | None:
        """The rule that counts a failure: by its reason, its enhanced or else its reply code, and its reply rule."""
        if reply_rule in self.ours or reply_rule in self.guessed:
            return None
        sure = not str(code).startswith("4") and reply_rule not in self.unsure
        return next((r for r in self.rules if reason in r.reasons and (sure or not r.permanent)), None)

    def kept(self, reason: object, reply_rule: object = None) -> str | None:
        """What of ours a failure speaks of, setup or message; None where it speaks of the recipient."""
        return self.keep.get(str(reason)) or ("setup" if reply_rule in self.ours else None)

    def frame(self) -> pd.DataFrame:
        """The rules for people: rule, meaning, times, within, stops_for, reasons."""
        rows = [
            (
                r.name,
                r.meaning,
                r.times,
                " ".join((f"{r.within.days} days" if r.within else "any time", *_over(r))),
                f"{r.expires.days} days" if r.expires else "ever",
                ", ".join(map(replies.words, r.reasons)),
            )
            for r in self.rules
        ]
        return pd.DataFrame(rows, columns=["rule", "meaning", "times", "within", "stops_for", "reasons"])

    @property
    def complaint(self) -> Rule:
        """The rule of complaints."""
        return next(r for r in self.rules if r.name == COMPLAINT)


def _over(rule: Rule) -> list[str]:
    return [f"({rule.over.days} or more apart)"] if rule.over else []


@cache
def _data() -> Mapping[str, Any]:
    return datafiles.load("suppression")


def policy(case: Case | None = None) -> Policy:
    """The policy of suppression.toml with the numbers that case.toml sets under `suppression`."""
    raw = _data()
    own = case.file.suppression if case else {}
    return Policy(
        rules=tuple(_rule(name, row, own.get(name, {})) for name, row in raw["rule"].items()),
        keep={reason: group for group, row in raw["keep"].items() for reason in row["reasons"]},
        ours=frozenset(r.id for r in replies.every() if r.ours),
        guessed=frozenset(r.id for r in replies.meanings()),
        unsure=frozenset(r.id for r in replies.rules() if _unsure(r)),
        complaints=frozenset(raw["complaint"]["types"]),
        limits={name: row["share"] for name, row in raw["limit"].items()},
        as_of=case.as_of if case else None,
    )


def _unsure(rule: replies.Rule) -> bool:
    """Whether a reply rule names a hard reason without proof."""
    reason = replies.reasons()[rule.reason]
    return not rule.suppress if reason.suppress else reason.permanent and (rule.generic or not rule.permanent)


def _rule(name: str, row: Mapping[str, Any], own: Mapping[str, int]) -> Rule:
    made = {**row, **own}
    return Rule(
        name,
        made["meaning"],
        tuple(made["reasons"]),
        made["permanent"],
        made["times"],
        _days(made["within_days"]),
        _days(made["expires_days"]),
        timedelta(days=made.get("over_days", 0)),
    )


def _days(count: int) -> timedelta | None:
    return timedelta(days=count) if count else None
