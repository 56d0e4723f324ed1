"""Comparing two cases, or two recordings of one: what is gone, what is new, what changed, and why.

The why are the answers on the two tapes that differ: a finding goes because a record changed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from smtplab import markup, transport
from smtplab.case import Case
from smtplab.examination import examine
from smtplab.findings import Finding, Findings
from smtplab.tape import Entry, Question, Tape

_VOLATILE = frozenset({"ms", "ttl", "at", "time", "elapsed", "server_time"})


@dataclass(frozen=True)
class Comparison:
    """Findings gone, new and changed from `before` to `after`, and the recorded answers that differ.

    `changed` pairs findings of one code and subject whose facts differ. `records` has kind, target, params,
    before, after: a row a question whose answer differs; NA where one tape does not hold it. `noticed` are findings
    that neither shows alone, such as STARTTLS that is gone as seen from one of them.
    """

    before: str
    after: str
    gone: Findings
    new: Findings
    changed: tuple[tuple[Finding, Finding], ...]
    records: pd.DataFrame
    noticed: Findings = field(default_factory=Findings)

    def frame(self) -> pd.DataFrame:
        """A row a difference: change, severity, code, subject, title, what (the facts that changed)."""
        rows = [("gone", f, "") for f in self.gone] + [("new", f, "") for f in self.new]
        rows += [("changed", new, _facts_changed(old, new)) for old, new in self.changed]
        rows += [("seen by comparing", f, "") for f in self.noticed]
        made = [(c, str(f.severity), f.code, f.subject, f.title, what) for c, f, what in rows]
        return pd.DataFrame(made, columns=["change", "severity", "code", "subject", "title", "what"])

    def __repr__(self) -> str:
        counts = f"{len(self.gone)} gone, {len(self.new)} new, {len(self.changed)} changed"
        return f"{self.before} → {self.after}: {counts}; {len(self.records)} recorded answers differ"

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
        changed=tuple((old[k], new[k]) for k in sorted(both) if old[k].as_dict()["facts"] != new[k].as_dict()["facts"]),
        records=_records(before.tape, after.tape),
        noticed=transport.changes(
            first.transport,
            second.transport,
            (_label(before), _label(after)),
            (first.servers.offers, second.servers.offers),
        ),
    )


def _label(case: Case) -> str:
    return f"{case.name} ({case.tape.name})" if case.tape else case.name


def _facts_changed(old: Finding, new: Finding) -> str:
    was, now = old.as_dict()["facts"], new.as_dict()["facts"]
    names = [n for n in sorted(was.keys() | now.keys()) if was.get(n) != now.get(n)]
    return "; ".join(f"{n}: {was.get(n, '-')} → {now.get(n, '-')}" for n in names)


def _records(before: Tape | None, after: Tape | None) -> pd.DataFrame:
    old: dict[Question, Entry] = dict(before.entries) if before else {}
    new: dict[Question, Entry] = dict(after.entries) if after else {}
    rows = []
    for question in sorted(old.keys() | new.keys()):
        was, now = _say(old.get(question)), _say(new.get(question))
        if was != now:
            params = " ".join(f"{k}={v}" for k, v in question.params)
            rows.append((question.kind, question.target, params, was, now))
    return pd.DataFrame(rows, columns=["kind", "target", "params", "before", "after"], dtype="str")


def _say(entry: Entry | None) -> str | None:
    if entry is None:
        return None
    if entry.value is None:
        return f"unknown ({entry.unknown})"
    return _text(_lasting(entry.value))


def _lasting(value: Any) -> Any:
    """Without what differs at every recording and means nothing: times and counters."""
    if isinstance(value, dict):
        return {k: _lasting(v) for k, v in value.items() if k not in _VOLATILE}
    if isinstance(value, list):
        return [_lasting(v) for v in value]
    return value


def _text(value: Any) -> str:
    if isinstance(value, dict) and isinstance(value.get("records"), list):
        # A DNS answer is read as its records, or as the state that stands in their place.
        return " | ".join(sorted(map(str, value["records"]))) or str(value.get("rcode", "no records"))
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
