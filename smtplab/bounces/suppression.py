"""Whom should we stop writing to, since when and why, and whom must we keep? The policy played over what happened.

RFC 5321 section 4.2.1 forbids to try the same message again after a 5yz reply; what to do about the next one is the
sender's policy, here suppression.toml.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from operator import itemgetter
from typing import Any

import pandas as pd

from smtplab import mail, providers
from smtplab.bounces.policies import COMPLAINT, Policy, Rule, correction
from smtplab.bounces.read import BounceEvidence


class Action(StrEnum):
    """What to do about a recipient that did not get its mail."""

    SUPPRESS = "suppress"
    """Stop writing: the address is gone, shut, or its owner complained."""
    CORRECT = "correct"
    """The domain is misspelt: ask its owner for the right address."""
    KEEP = "keep"
    """Our own fault: mend it, and keep writing."""
    WAIT = "wait"
    """Too few failures to say, or of no known meaning: keep writing, and watch."""


COLUMNS = {
    "recipient": "str", "action": "str", "rule": "str", "since": "datetime64[us, UTC]", "until": "datetime64[us, UTC]",
    "reason": "str", "enhanced_code": "str", "failures": "Int64", "provider": "str", "stream": "str",
    "campaign": "str", "correction": "str", "derived": "str", "example": "str",
}  # fmt: skip
_EVENT = [
    "time", "recipient", "reason", "code", "enhanced_code", "rule", "provider", "stream", "campaign", "example",
    "derived", "ok",
]  # fmt: skip
HANDED_OVER = ["recipient", "since", "until", "rule", "reason", "enhanced_code", "derived"]


@dataclass
class _State:
    """One recipient while its history is played."""

    rule: Rule | None = None
    since: pd.Timestamp | None = None
    until: pd.Timestamp | None = None
    event: dict[str, Any] = field(default_factory=dict)
    failures: int = 0
    counted: dict[str, list[pd.Timestamp]] = field(default_factory=dict)

    def holds(self, time: pd.Timestamp) -> bool:
        """Whether mail is stopped at a time."""
        return self.since is not None and time > self.since and (self.until is None or time < self.until)

    def fail(self, event: dict[str, Any], rule: Rule | None) -> None:
        """Count a failure; enough of them stop the mail."""
        self.failures += 1
        self.event = event
        if rule is None:
            return
        times = self.counted.setdefault(rule.name, [])
        times.append(event["time"])
        if rule.met(times):
            self.rule, self.since = rule, event["time"]
            self.until = event["time"] + rule.expires if rule.expires else None
            times.clear()


def suppress(
    evidence: BounceEvidence, outcomes: pd.DataFrame, policy: Policy, complaints: pd.DataFrame | None = None
) -> pd.DataFrame:
    """A row a recipient that failed or complained, with what to do about it; those to suppress first.

    `outcomes` is the table outcomes, with the losses that only bounces tell of; what it lacks is taken from the
    bounces. `complaints` (time, recipient, stream, campaign) are all there are; without them those of the feedback
    reports count. Columns:
    recipient, action (Action), rule (of the policy; for keep: setup or message), since, until (UTC; NA: for good),
    reason, enhanced_code, failures (messages), provider, stream, campaign, correction (the address that was meant),
    derived ("since" where the moment of the case stands for a date that is missing), example (the
    reply). The counts are played in the order of time: a message accepted in between starts a count
    anew, and what would not have been sent any more counts no further. Addresses count as the same whatever the case
    of their letters.
    """
    rows = []
    for recipient, history in _histories(evidence, outcomes, policy, complaints):
        state = _play(history, policy)[0]
        if state.failures:
            rows.append(_verdict(recipient, state, policy))
    made = pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)
    order = made["action"].map({str(a): n for n, a in enumerate(Action)})
    return (
        made.assign(order=order)
        .sort_values(["order", "since", "recipient"], ignore_index=True, na_position="last")
        .drop(columns="order")
    )


def avoided(
    evidence: BounceEvidence, outcomes: pd.DataFrame, policy: Policy, complaints: pd.DataFrame | None = None
) -> pd.DataFrame:
    """What the policy would have spared, a row a campaign or stream: the mail sent to recipients already stopped.

    Columns: mailing, recipients, messages, attempts, and of the messages: lost (again), unwanted (accepted, for one
    who had complained) and accepted, the price of stopping: mail that arrived and would not have been sent.
    """
    spared = []
    for recipient, history in _histories(evidence, outcomes, policy, complaints):
        for event, rule in _play(history, policy)[1]:
            mailing = event["campaign"] or event["stream"] or "no name known"
            unwanted = event["ok"] and rule == COMPLAINT
            fine = event["ok"] and rule != COMPLAINT
            spared.append((mailing, recipient, event["attempts"], not event["ok"], unwanted, fine))
    frame = pd.DataFrame(spared, columns=["mailing", "recipient", "attempts", "lost", "unwanted", "accepted"])
    numbers = ["attempts", "lost", "unwanted", "accepted"]
    grouped = frame.groupby("mailing", as_index=False)
    made = grouped.agg(
        recipients=("recipient", "nunique"), messages=("recipient", "size"), **{n: (n, "sum") for n in numbers}
    )
    made = made.astype(dict.fromkeys(("recipients", "messages", *numbers), "int64"))
    return made.sort_values(["messages", "mailing"], ascending=[False, True], ignore_index=True)


def hand_over(verdicts: pd.DataFrame) -> pd.DataFrame:
    """The list for the sending system out of `suppress`: recipient, since, until, rule, reason, enhanced_code."""
    return verdicts.loc[verdicts["action"] == Action.SUPPRESS, HANDED_OVER].reset_index(drop=True)


def _play(history: list[dict[str, Any]], policy: Policy) -> tuple[_State, list[tuple[dict[str, Any], str]]]:
    """The state of a recipient in the end, and the messages that would not have been sent, each with the rule."""
    state, spared = _State(), []
    for event in history:
        if state.until is not None and event["time"] >= state.until:
            state = _State(event=state.event, failures=state.failures)
        if state.holds(event["time"]) and event["reason"] != "feedback":
            spared.append((event, state.rule.name if state.rule else ""))
        elif event["ok"]:
            state.counted.clear()
        elif event["reason"] == "feedback":
            if state.rule is None or state.until is not None:
                state.fail(event, policy.complaint)
        else:
            state.fail(event, policy.counting(event["reason"], event["code"], event["rule"]))
    return state, spared


def _verdict(recipient: str, state: _State, policy: Policy) -> dict[str, Any]:
    event = state.event
    domain = mail.domain_of(recipient) or ""
    meant = correction(domain)
    action, rule = Action.WAIT, ""
    counting = policy.counting(event["reason"], event["code"], event["rule"])
    if counting:
        rule = counting.name
    # A slip in the name needs no second failure, and a complaint tells that there is a reader.
    wrong = state.rule or (counting if counting and counting.permanent else None)
    if meant and wrong and wrong.name != COMPLAINT:
        action, rule = Action.CORRECT, wrong.name
    elif state.rule:
        action, rule = Action.SUPPRESS, state.rule.name
    elif group := policy.kept(event["reason"], event["rule"]):
        action, rule = Action.KEEP, group
    return {
        **{c: event[c] for c in ("reason", "enhanced_code", "provider", "stream", "campaign", "example")},
        "recipient": recipient,
        "action": str(action),
        "rule": rule or None,
        "since": state.since or event["time"] if action in (Action.SUPPRESS, Action.CORRECT) else None,
        "until": state.until if action is Action.SUPPRESS else None,
        "failures": state.failures,
        "derived": "since" if action is Action.SUPPRESS and event["derived"] else None,
        "correction": f"{recipient.rpartition('@')[0]}@{meant}" if action is Action.CORRECT else None,
    }


def _histories(
    evidence: BounceEvidence, outcomes: pd.DataFrame, policy: Policy, complaints: pd.DataFrame | None
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """What happened to each recipient of whom something went wrong, in the order of time."""
    failed = outcomes[outcomes["outcome"].eq("lost") & outcomes["recipient"].notna()]
    wrong = pd.concat(
        [
            _events(failed, "last_time", "response"),
            _events(_only_returned(evidence.bounces, failed), "time", "diagnostic"),
            _complained(evidence, policy, complaints),
        ]
    )
    # Who counts anew after an accepted message, and what a stop would have spared, is asked of these recipients alone.
    known = outcomes["recipient"].str.lower().isin(wrong["recipient"].unique())
    fine = outcomes[known & outcomes["outcome"].isin(["accepted", "late"])]
    played = pd.concat([wrong, _events(fine, "last_time", "response").assign(ok=True)])
    played = _dated(played, policy).sort_values(["recipient", "time", "ok"], kind="stable")
    records = played.astype(object).where(played.notna(), None).to_dict("records")
    for recipient, rows in groupby(records, key=itemgetter("recipient")):
        yield str(recipient), list(rows)


def _dated(events: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """Each event with a time: the moment of the case, marked as derived, stands for one that is missing."""
    if policy.as_of is not None:
        events = events.assign(derived=events["time"].isna(), time=events["time"].fillna(policy.as_of))
    return events.dropna(subset=["time"])


def _events(rows: pd.DataFrame, time: str, text: str) -> pd.DataFrame:
    attempts = rows["attempts"].fillna(1) if "attempts" in rows else 1
    made = rows.assign(
        time=rows[time],
        recipient=rows["recipient"].str.lower(),
        code=rows["enhanced_code"].astype("str").fillna(rows["smtp_code"].astype("str")),
        example=rows[text],
        ok=False,
    )
    made["provider"] = rows["provider"] if "provider" in rows else rows["recipient"].map(provider_of)
    return made.reindex(columns=_EVENT).assign(attempts=attempts)


def provider_of(recipient: object) -> str | None:
    """The provider of an address, by its domain alone."""
    return providers.provider(mail.domain_of(str(recipient)) or "") or None


def _only_returned(bounces: pd.DataFrame, failed: pd.DataFrame) -> pd.DataFrame:
    """Bounces of messages that `failed` does not hold; one report a message and recipient."""
    rows = bounces[bounces["kind"].eq("bounce") & bounces["recipient"].notna()]
    known = {
        (str(name), r)
        for column in ("message_id", "queue_id")
        for name, r in zip(failed[column], failed["recipient"].str.lower(), strict=True)
    }
    known |= set(zip(failed["last_time"].astype("str"), failed["recipient"].str.lower(), strict=True))
    keys = zip(
        rows["message_id"].astype("str"),
        rows["queue_id"].astype("str"),
        rows["time"].astype("str"),
        rows["recipient"].str.lower(),
        strict=True,
    )
    new: list[bool] = []
    fresh: set[tuple[str, str]] = set()
    for message, queue, time, recipient in keys:
        names = {(n, recipient) for n in (message, queue) if n != "nan"} or {(time, recipient)}
        new.append(not (names & known or names & fresh))
        fresh |= names
    return rows[pd.Series(new, index=rows.index, dtype=bool)]


def _complained(evidence: BounceEvidence, policy: Policy, complaints: pd.DataFrame | None) -> pd.DataFrame:
    table = evidence.bounces
    told = table[table["kind"].eq("complaint") & table["feedback_type"].isin(policy.complaints)]
    if complaints is not None:
        told = complaints.reindex(columns=["enhanced_code", "smtp_code", "diagnostic", *complaints.columns])
    return _events(told[told["recipient"].notna()], "time", "diagnostic").assign(reason="feedback")
