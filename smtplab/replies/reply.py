"""A reply of a mail server and what it means (RFC 5321, 3463): the one answer for logs, events and bounces."""

from __future__ import annotations

from typing import NamedTuple

from smtplab.replies.confidence import Evidence, Standing


class RunnerUp(NamedTuple):
    """The next rule that fits and would give another reason."""

    rule: str
    reason: str


class Reply(NamedTuple):
    """A reply and its meaning; `reason` is "" for an acceptance, which has none.

    `permanent`: trying again is useless. `suppress`: the address should be removed now. `ours`: our own fault, never a
    reason to suppress. `field`: what the rule looked at, text or code. `conflict`: text and enhanced code tell
    different stories. `confidence`: the measured share of right answers with such evidence, 0 to 1. `provider`: whose
    reply it is, as far as known. `command`: what was answered. `evidence`: what the answer rests on; `standing`: what
    else is in the reply. `matched`: what the rule found, `span` where it stands in the text (start, end; None for a
    code that the caller gave). `settled`: to know the command would change nothing (told only to who does not ask for
    the place).
    """

    reason: str
    rule: str
    smtp_code: int | None
    enhanced_code: str | None
    permanent: bool
    ours: bool
    advice: str
    field: str
    runner_up: RunnerUp | None
    conflict: bool
    confidence: float
    suppress: bool
    provider: str
    command: str
    evidence: Evidence
    standing: Standing
    matched: str = ""
    span: tuple[int, int] | None = None
    settled: bool = False
