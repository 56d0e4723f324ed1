"""Which delivery does a report tell of? Bounces and complaints joined to the outcomes of logs and provider events.

RFC 3464 lets a report name the message in several ways, and none must be there: so Message-ID, queue id, the recipient
within the envelope sender (VERP), and last the recipient alone are tried, and each match says how it was made.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pandas as pd

from smtplab import mail, providers
from smtplab.bounces import verp
from smtplab.bounces.read import BounceEvidence

KINDS = ("bounce", "complaint")
LIFETIME = timedelta(days=5)
"""How long a message may wait in a queue before it comes back: the default of Postfix and most others."""
ACCEPTED = ("accepted", "late")
ELSEWHERE, SEVERAL, NONE = (
    "no log or event holds this message",
    "names no message, and several fit",
    "names no message, and none fits",
)
COLUMNS = {
    "file": "str", "time": "datetime64[us, UTC]", "kind": "str", "recipient": "str", "addressed": "str", "how": "str",
    "why": "str", "row": "Int64", "sent": "datetime64[us, UTC]", "outcome": "str", "asynchronous": "boolean",
    "after": "Float64", "provider": "str", "stream": "str", "campaign": "str", "reason": "str", "enhanced_code": "str",
    "diagnostic": "str", "smtp_code": "Int64", "rule": "str", "feedback_type": "str",
    "report": "Int64",
}  # fmt: skip


def matched(evidence: BounceEvidence, outcomes: pd.DataFrame) -> pd.DataFrame:
    """A row a recipient of a bounce or complaint, with the outcome that it tells of.

    `outcomes` is the table outcomes as logs and events tell it. Columns: file, time (of the report), kind, recipient
    (as reported), addressed (whom we wrote to), how (Message-ID; Message-ID alone; queue id; VERP; envelope
    sender; recipient; NA: not matched), why (not), row (label in `outcomes`), sent (when it was queued), outcome (as
    logs have it), asynchronous (accepted by the next server, and returned later), after (seconds from acceptance to
    the report), provider, stream, campaign, reason, enhanced_code, diagnostic, smtp_code, rule,
    feedback_type, report (label in the table bounces).
    """
    reports = evidence.bounces[evidence.bounces["kind"].isin(KINDS)]
    records = reports.astype(object).where(reports.notna(), None).assign(report=reports.index).to_dict("records")
    asked = [_Asked.of(r) for r in records]
    known = _Known.of(outcomes, asked)
    made = pd.DataFrame([_row(one, *known.find(one)) for one in asked], columns=list(COLUMNS))
    return made.astype(COLUMNS).sort_values(["time", "file", "recipient"], kind="stable", ignore_index=True)


def corrected(outcomes: pd.DataFrame, matches: pd.DataFrame) -> pd.DataFrame:
    """The outcomes with what was accepted and came back later told as lost: the log saw only the first half."""
    late = matches[matches["asynchronous"].fillna(False)].drop_duplicates("row").set_index("row")
    if late.empty:
        return outcomes
    made = outcomes.copy()
    where = late.index.astype("int64")
    made.loc[where, "outcome"] = "lost"
    made.loc[where, "origin"] = "bounce"
    for column, told in {"last_time": "time", "response": "diagnostic"}.items():
        made.loc[where, column] = late[told].to_numpy()
    for column in ("reason", "enhanced_code", "smtp_code", "rule"):
        made.loc[where, column] = pd.Series(late[column].array, index=where).astype(made[column].dtype)
    return made


@dataclass(frozen=True)
class _Asked:
    """What a report tells that may lead to the delivery."""

    report: dict[str, Any]
    recipients: tuple[str, ...]
    verp: tuple[str, ...]

    @classmethod
    def of(cls, report: dict[str, Any]) -> _Asked:
        named = (report["original_recipient"], report["recipient"])
        return cls(report, tuple(dict.fromkeys(r.lower() for r in named if r)), verp.candidates(report["sender"]))

    @property
    def everyone(self) -> tuple[str, ...]:
        """The recipients, with those that the envelope sender may name."""
        return (*self.recipients, *self.verp)


@dataclass(frozen=True)
class _Known:
    """The few outcomes that may be meant, by what reports name."""

    rows: dict[int, dict[str, Any]]
    by: dict[tuple[str, str], list[int]]

    @classmethod
    def of(cls, outcomes: pd.DataFrame, asked: list[_Asked]) -> _Known:
        names: dict[str, set[str]] = {
            "message_id": {a.report["message_id"] for a in asked if a.report["message_id"]},
            "queue_id": {a.report["queue_id"] for a in asked if a.report["queue_id"]},
            "sender": {a.report["sender"] for a in asked if a.report["sender"]},
        }
        recipient = outcomes["recipient"].str.lower()
        wanted = recipient.isin({r for a in asked for r in a.everyone})
        for column in ("message_id", "queue_id"):
            wanted |= outcomes[column].isin(names[column])
        # A sender of many messages tells nothing of any one of them.
        once = outcomes["sender"][outcomes["sender"].isin(names["sender"])].drop_duplicates(keep=False)
        wanted |= outcomes.index.isin(once.index)
        part = outcomes[wanted]
        part = part.assign(recipient=recipient[part.index], once=part.index.isin(once.index))
        by: dict[tuple[str, str], list[int]] = defaultdict(list)
        records = part.astype(object).where(part.notna(), None).to_dict("records")
        rows = dict(zip(part.index, records, strict=True))
        for label, row in rows.items():
            for column in ("message_id", "queue_id", "recipient"):
                by[column, row[column]].append(label)
            if row["once"]:
                by["sender", row["sender"]].append(label)
        return cls(rows, by)

    def find(self, asked: _Asked) -> tuple[dict[str, Any] | None, int | None, str | None, str | None]:
        """The outcome that is meant, its label, how it was found, and why none was."""
        for how, labels in self._steps(asked):
            if len(labels) == 1:
                return self.rows[labels[0]], labels[0], how, None
        if asked.report["message_id"] or asked.report["queue_id"]:
            return None, None, None, ELSEWHERE
        if len(self._recent(asked)) > 1:
            return None, None, None, SEVERAL
        return None, None, None, NONE

    def _steps(self, asked: _Asked) -> Iterator[tuple[str, list[int]]]:
        report = asked.report
        message = self.by.get(("message_id", report["message_id"]), [])
        queue = self.by.get(("queue_id", report["queue_id"]), [])
        yield "Message-ID", self._to(message, asked.recipients)
        yield "queue id", self._to(queue, asked.recipients)
        yield "VERP", self._to(message or queue or self._recent(asked, asked.verp), asked.verp)
        yield "Message-ID alone", message
        yield "envelope sender", self.by.get(("sender", report["sender"]), [])
        if not (report["message_id"] or report["queue_id"]):
            yield "recipient", self._recent(asked)

    def _to(self, labels: Iterable[int], recipients: Iterable[str]) -> list[int]:
        """Those to one of the recipients; of one message that several hosts handled, the last."""
        wanted = set(recipients)
        found = [n for n in labels if self.rows[n]["recipient"] in wanted]
        last = sorted(found, key=lambda n: self.rows[n]["last_time"])[-1:]
        return last if len({self.rows[n]["message_id"] for n in found}) == 1 else found

    def _recent(self, asked: _Asked, recipients: Iterable[str] = ()) -> list[int]:
        """Outcomes for these recipients that were queued within a lifetime before the report."""
        came = asked.report["time"]
        if came is None:
            return []
        labels = [n for r in recipients or asked.recipients for n in self.by.get(("recipient", r), [])]
        return [n for n in labels if timedelta(0) <= came - self.rows[n]["time"] <= LIFETIME]


def _row(
    asked: _Asked, outcome: dict[str, Any] | None, label: int | None, how: str | None, why: str | None
) -> dict[str, Any]:
    report = asked.report
    told = {k: report[k] for k in COLUMNS if k in report} | {"how": how, "why": why, "row": label}
    domain = mail.domain_of(next(iter(asked.recipients), None)) or ""
    if outcome is None:
        provider = providers.provider(domain, report["remote_mta"] or "") or None
        return {**told, "provider": provider, "campaign": report["campaign"], "addressed": _alone(asked)}
    later = report["kind"] == "bounce" and outcome["outcome"] in ACCEPTED
    after = report["time"] - outcome["last_time"] if report["time"] is not None else None
    return {
        **told,
        "addressed": outcome["recipient"],
        "sent": outcome["time"],
        "outcome": outcome["outcome"],
        "asynchronous": later,
        "after": after.total_seconds() if after is not None else None,
        "provider": outcome["provider"],
        "stream": outcome["stream"],
        "campaign": outcome["campaign"] or report["campaign"],
    }


def _alone(asked: _Asked) -> str | None:
    """Whom we wrote to, as far as the report alone can tell: the recipient that VERP confirms, else the one named."""
    both = [r for r in asked.recipients if r in asked.verp]
    shortest = asked.verp[-1:] if not asked.recipients else ()
    return next(iter((*both, *asked.recipients, *shortest)), None)
