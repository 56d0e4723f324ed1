"""What does an error text mean, who must act, and what next? From mail programs, scripts, bounces and logs.

error_texts.toml comes first, then the likely causes of diagnoses.toml, then the reply rules: all are data.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pandas as pd
import re2

from smtplab import datafiles, replies
from smtplab.findings import Finding, Findings
from smtplab.replies import Reply
from smtplab.servers.likely import LONGEST, rules

_STEPS = frozenset({"auth", "mail", "rcpt", "certificate"})
"""Steps whose causes the text alone tells."""

_SIGN_IN = frozenset({432, 454, 500, 530, 534, 535, 538})
"""Replies to AUTH (RFC 4954 section 6). Any other with an enhanced code speaks of mail, as 550 5.7.26 does."""


@dataclass(frozen=True)
class ErrorText:
    """One row of error_texts.toml; `findings` are codes, or beginnings of codes, that would explain the text."""

    id: str
    program: str
    meaning: str
    who: str
    next: str
    findings: tuple[str, ...]
    source: str
    pattern: Any


@dataclass(frozen=True)
class Explanation:
    """What a text means. `program` it comes from, `who` must act, `next` what to check, `rule` and `source` why we
    think so; `reply` the meaning of an SMTP code in it.

    With a case: `related` findings, and `seen` the recipients that met the same reason.
    """

    text: str
    meaning: str
    who: str
    next: str
    rule: str
    source: str
    program: str
    reply: Reply
    related: Findings = field(default_factory=Findings)
    seen: int = 0

    @property
    def known(self) -> bool:
        """Some rule knew the text."""
        return bool(self.rule)

    def frame(self) -> pd.DataFrame:
        """A row a question: program, means, who must act, check next, the case's evidence."""
        rows = [
            ("from", self.program or "any program"),
            ("means", self.meaning),
            ("who must act", self.who),
            ("check next", self.next),
        ]
        if self.reply.rule:
            rows.append(("SMTP reply", f"{self.reply.reason} ({self.reply.rule})"))
        rows += [("in this case", f"{f.severity}: {f.title}") for f in self.related[:5]]
        if self.seen:
            rows.append(("in this case", f"{self.seen:,} recipients met the same reason"))
        return pd.DataFrame(rows, columns=["question", "answer"])

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "text": self.text, "program": self.program, "meaning": self.meaning, "who": self.who, "next": self.next,
            "rule": self.rule, "source": self.source, "reason": self.reply.reason, "reply_rule": self.reply.rule,
            "findings": [f.code for f in self.related], "recipients": self.seen,
        }  # fmt: skip


@cache
def error_texts() -> tuple[ErrorText, ...]:
    """Every row, in the order in which they are tried."""
    made = []
    for row in datafiles.load("error_texts")["text"]:
        row = {k: v for k, v in row.items() if k not in ("date", "examples", "misses")}
        pattern = re2.compile(f"(?i){row['pattern']}")
        made.append(ErrorText(**row | {"pattern": pattern, "findings": tuple(row["findings"])}))
    return tuple(made)


def explain(
    text: str, *, provider: str = "", findings: Iterable[Finding] = (), outcomes: pd.DataFrame | None = None
) -> Explanation:
    """Explain a text of any kind; never raises.

    `findings` and `outcomes` (a table with the column reason) of a case add its evidence.
    """
    # A command line that is no UTF-8 arrives as surrogates.
    text = " ".join(text[:LONGEST].encode("utf-8", "replace").decode().split())
    reply = replies.classify(text, provider=provider or None)
    seen = 0
    if outcomes is not None and reply.rule and "reason" in outcomes:
        seen = int((outcomes["reason"] == reply.reason).sum())
    for row in error_texts():
        if row.pattern.search(text):
            related = Findings(f for f in findings if f.severity.rank < 4 and f.code.startswith(row.findings))
            told = (row.meaning, row.who, row.next, row.id, row.source, row.program)
            return Explanation(text, *told, reply, related, seen)
    related = _explained_by(reply.reason, findings)
    steps = _STEPS - {"auth"} if reply.enhanced_code and reply.smtp_code not in _SIGN_IN else _STEPS
    if any(r.id == reply.rule and r.provider for r in replies.rules()):
        # A provider's own rule knows more than a guess by the words.
        steps = frozenset()
    for rule in rules():
        if steps & {*rule.step} and not rule.needs and rule.text is not None and rule.text.search(text):
            check = f"{rule.tell} {rule.fix}"
            return Explanation(text, rule.title, rule.who, check, rule.id, rule.source, "", reply, related, seen)
    if reply.rule:
        meaning = f"The receiver's reply means: {replies.words(reply.reason)}."
        who = "you" if reply.ours or reply.permanent else "the receiver, or you"
        return Explanation(text, meaning, who, reply.advice, reply.rule, "reply rules", "", reply, related, seen)
    if not reply.reason:
        taken = "The server took it: a reply that begins with 2 is an acceptance."
        return Explanation(text, taken, "nobody", "Nothing.", "", "RFC 5321 section 4.2.1", "", reply, related, seen)
    nothing = "No rule knows this text."
    advice = "Paste the line with the server's own reply (a code such as 550 5.7.1), or run smtplab server HOST:PORT."
    return Explanation(text, nothing, "unknown", advice, "", "", "", reply, related, seen)


def _explained_by(reason: str, findings: Iterable[Finding]) -> Findings:
    """The findings whose catalogue entry names the reason."""
    return Findings(f for f in findings if any(reason in e.reasons for e in f.entry.explains))
