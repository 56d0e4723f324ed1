"""Comparing two cases, or two recordings of one: what is gone, what is new, what changed, and why.

The why are the answers on the two tapes that differ: a finding goes because a record changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import pandas as pd

from smtplab import markup, transport
from smtplab.case import Case
from smtplab.differences import Difference, behind, differences, moved, short
from smtplab.examination import examine
from smtplab.findings import Finding, Findings

_CLOCK = frozenset({"days"})
"""Facts that move with the clock alone."""
_MOST = 4


@dataclass(frozen=True)
class Comparison:
    """Findings gone, new and changed from `before` to `after`, and the recorded answers that differ.

    `changed` pairs findings of one code and subject whose facts differ by more than the clock. `answers` are the
    questions whose answer differs. `noticed` are findings that neither shows alone, such as STARTTLS that is gone as
    seen from one of them.
    """

    before: str
    after: str
    gone: Findings
    new: Findings
    changed: tuple[tuple[Finding, Finding], ...]
    answers: tuple[Difference, ...]
    noticed: Findings = field(default_factory=Findings)

    @property
    def records(self) -> pd.DataFrame:
        """A row a question whose answer differs: kind, target, params, before, after (NA where it was not asked)."""
        rows = [
            (d.question.kind, d.question.target, " ".join(f"{k}={v}" for k, v in d.question.params), d.before, d.after)
            for d in self.answers
        ]
        return pd.DataFrame(rows, columns=["kind", "target", "params", "before", "after"], dtype="str")

    def others(self) -> pd.DataFrame:
        """The answers that stand behind no finding of the frame: question, before, after, as short texts."""
        told = {d for f in self._findings() for d in self._behind(f)}
        rows = [(d.asked(), short(d.before), short(d.after)) for d in self.answers if d not in told]
        return pd.DataFrame(rows, columns=["question", "before", "after"], dtype="str")

    def frame(self) -> pd.DataFrame:
        """A row a difference: change, severity, code, subject, title, what changed, and the answers behind it."""
        rows = [("gone", f, "") for f in self.gone] + [("new", f, "") for f in self.new]
        rows += [("changed", new, _facts_changed(old, new)) for old, new in self.changed]
        rows += [("seen by comparing", f, "") for f in self.noticed]
        made = [(c, str(f.severity), f.code, f.subject, f.title, what, self._told(f)) for c, f, what in rows]
        columns = ["change", "severity", "code", "subject", "title", "what", "answers"]
        return pd.DataFrame(made, columns=columns)

    def _findings(self) -> Iterable[Finding]:
        return (*self.gone, *self.new, *(new for _, new in self.changed), *self.noticed)

    def _behind(self, finding: Finding) -> list[Difference]:
        return behind(self.answers, (finding.subject, *finding.evidence))

    def _told(self, finding: Finding) -> str:
        # Several servers that say the same are one answer.
        one_each = {(d.asked().partition(" at ")[0], d.before, d.after): d for d in reversed(self._behind(finding))}
        found = list(one_each.values())[::-1]
        more = [f"and {len(found) - _MOST} more"] if len(found) > _MOST else []
        return "\n".join([*map(str, found[:_MOST]), *more])

    def __repr__(self) -> str:
        counts = f"{len(self.gone)} gone, {len(self.new)} new, {len(self.changed)} changed"
        return f"{self.before} → {self.after}: {counts}; {len(self.answers)} recorded answers differ"

    def _repr_html_(self) -> str:
        return markup.frame_table(self.frame(), caption=repr(self))


def compare(before: Case, after: Case) -> Comparison:
    """Compare what two cases, or two recordings of one case, say."""
    first, second = examine(before), examine(after)
    old, new = ({(f.code, f.subject): f for f in e.findings} for e in (first, second))
    both = old.keys() & new.keys()
    return Comparison(
        before=_label(before),
        after=_label(after),
        gone=Findings(old[k] for k in old.keys() - both),
        new=Findings(new[k] for k in new.keys() - both),
        changed=tuple((old[k], new[k]) for k in sorted(both) if _changed(old[k], new[k])),
        answers=differences(before.tape, after.tape),
        noticed=transport.changes(
            first.transport,
            second.transport,
            (_label(before), _label(after)),
            (first.servers.offers, second.servers.offers),
        ),
    )


def _label(case: Case) -> str:
    return f"{case.name} ({case.tape.name})" if case.tape else case.name


def _changed(old: Finding, new: Finding) -> list[str]:
    """Names of the facts that differ by more than the clock."""
    was, now = old.as_dict()["facts"], new.as_dict()["facts"]
    return [n for n in sorted(was.keys() | now.keys()) if was.get(n) != now.get(n) and n not in _CLOCK]


def _facts_changed(old: Finding, new: Finding) -> str:
    was, now = old.as_dict()["facts"], new.as_dict()["facts"]
    return "; ".join(f"{n}: {_moved(was.get(n), now.get(n))}" for n in _changed(old, new))


def _moved(was: Any, now: Any) -> str:
    if isinstance(was, list) and isinstance(now, list):
        gone, came = [str(x) for x in was if x not in now], [str(x) for x in now if x not in was]
        return "; ".join(moved(*pair) for pair in zip_longest(gone, came))
    return moved(str(was), str(now))
