"""What came back, in counts: by kind, reason, provider and what is to do, from when to when; one message at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from smtplab import mail, providers
from smtplab.bounces.policies import Policy, correction
from smtplab.bounces.suppression import Action

FAILED = ("bounce", "delay")
_STAMP = "%Y-%m-%dT%H:%M:%SZ"


def advised(row: Mapping[str, Any], policy: Policy) -> Action | None:
    """What to do about the recipient for this report alone; None for what tells of no failure.

    `row` is of the table bounces. A count of several failures is not played here (`suppress`).
    """
    if row["kind"] == "complaint":
        return Action.SUPPRESS if row.get("feedback_type") in policy.complaints else None
    if row["kind"] not in FAILED:
        return None
    code = row.get("enhanced_code") or row.get("smtp_code")
    counting = policy.counting(row.get("reason"), code, row.get("rule"))
    if counting and counting.permanent and correction(mail.domain_of(row.get("recipient")) or ""):
        return Action.CORRECT
    if row["kind"] == "bounce" and counting and counting.times == 1:
        return Action.SUPPRESS
    return Action.KEEP if policy.kept(row.get("reason"), row.get("rule")) else Action.WAIT


@dataclass
class Summary:
    """Counts of messages (by kind) and of recipients (the rest); `add` takes one message after the other."""

    policy: Policy
    kinds: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    providers: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    recipients: int = 0
    first: datetime | None = None
    last: datetime | None = None
    stopped: set[int] = field(default_factory=set, repr=False)
    """Hashes of the addresses to suppress, each counted once."""

    def add(self, kind: str, time: datetime | None, rows: tuple[dict[str, Any], ...]) -> None:
        """Count a message with its rows of the table bounces."""
        self.kinds[kind] += 1
        if time:
            self.first, self.last = min(self.first or time, time), max(self.last or time, time)
        for row in rows if kind != "none" else ():
            self.recipients += 1
            domain = mail.domain_of(row.get("recipient")) or ""
            self.providers[providers.provider(domain, row.get("remote_mta") or "") or "not known"] += 1
            self.reasons[row.get("reason") or "none"] += 1
            if action := advised(row, self.policy):
                self.actions[str(action)] += 1
                if action is Action.SUPPRESS and (address := row.get("recipient")):
                    self.stopped.add(hash(address.lower()))

    def told(self, problems: int) -> dict[str, Any]:
        """For JSON: messages, recipients, kinds, reasons, providers, actions, suppressed, first, last, problems.

        `suppressed` are addresses, the rest reports.
        """
        return {
            "messages": self.kinds.total(),
            "recipients": self.recipients,
            **{name: _ranked(getattr(self, name)) for name in ("kinds", "reasons", "providers", "actions")},
            "suppressed": len(self.stopped),
            "first": f"{self.first:{_STAMP}}" if self.first else None,
            "last": f"{self.last:{_STAMP}}" if self.last else None,
            "problems": problems,
        }


def _ranked(counted: Counter[str]) -> dict[str, int]:
    """The most frequent first, equals by name."""
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))
