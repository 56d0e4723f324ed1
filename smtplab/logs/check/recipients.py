"""To whom did we send? Unknown users, full mailboxes, domains that take no mail, and complaints."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from smtplab.findings import Finding
from smtplab.logs.evidence import LogEvidence
from smtplab.rates import wilson

BURST = 50
"""Unknown users of one campaign below which nothing is said."""
BURST_SHARE = 0.05
COMPLAINT_LIMIT = 0.003
"""Gmail and Yahoo: a complaint rate of 0.3% is never accepted."""


def check(evidence: LogEvidence) -> Iterator[Finding]:
    """Findings on recipients and campaigns."""
    outcomes = evidence.outcomes
    lost = outcomes[outcomes["outcome"].isin(["lost", "late"])]
    yield from _hygiene(outcomes, lost)
    yield from _full(outcomes)
    yield from _null_mx(lost)
    yield from _complaints(evidence)
    yield from _overview(outcomes, lost)


def _hygiene(outcomes: pd.DataFrame, lost: pd.DataFrame) -> Iterator[Finding]:
    unknown = lost[lost["reason"] == "userunknown"]
    for campaign, rows in unknown.groupby("campaign"):
        sent = int((outcomes["campaign"] == campaign).sum())
        if len(rows) >= BURST and len(rows) / sent >= BURST_SHARE:
            yield Finding(
                "logs.campaign.unknown_users",
                str(campaign),
                (f"{len(rows):,} replies 5.1.1 to campaign {campaign}",),
                campaign=str(campaign),
                recipients=len(rows),
                sent=sent,
                share=f"{len(rows) / sent:.0%}",
                since=f"{rows['time'].min():%Y-%m-%d}",
            )


def _full(outcomes: pd.DataFrame) -> Iterator[Finding]:
    full = outcomes[
        (outcomes["outcome"] == "lost") & (outcomes["reason"] == "mailboxfull") & (outcomes["attempts"] >= 5)
    ]
    if len(full) >= 20:
        yield Finding(
            "logs.mailbox_full.retried",
            "full mailboxes",
            (f"{len(full):,} recipients, {int(full['attempts'].sum()):,} attempts",),
            recipients=len(full),
            attempts=int(full["attempts"].sum()),
            rule_reason="mailboxfull",
        )


def _null_mx(lost: pd.DataFrame) -> Iterator[Finding]:
    # A server may also say for an hour that it takes no mail (x.3.2), or that our own domain has a null MX (5.7.27).
    said = lost["response"].str.contains(r"null ?mx", case=False).fillna(False) | (lost["enhanced_code"] == "5.1.10")
    null = lost[
        (lost["outcome"] == "lost")
        & (lost["reason"] == "notaccept")
        & (lost["enhanced_code"] != "5.7.27")
        & said.fillna(False).astype(bool)
    ]
    for domain, rows in null.groupby("recipient_domain"):
        yield Finding(
            "logs.recipient_domain.null_mx",
            str(domain),
            (f"{len(rows):,} bounces",),
            recipient_domain=str(domain),
            recipients=len(rows),
        )


def _complaints(evidence: LogEvidence) -> Iterator[Finding]:
    for stream, rows in evidence.complaints.groupby("stream"):
        outcomes = evidence.outcomes
        took = outcomes[(outcomes["stream"] == stream) & outcomes["outcome"].isin(["accepted", "late"])]
        low, high = wilson(len(rows), len(took))
        facts = {
            "stream": str(stream),
            "rate": f"{len(rows) / max(len(took), 1):.2%}",
            "low": f"{low:.2%}",
            "high": f"{high:.2%}",
        }
        seen = (f"{len(rows)} complaints of {len(took):,} accepted",)
        if len(took) and len(rows) / len(took) >= COMPLAINT_LIMIT:
            yield Finding("logs.complaints.above_limit", str(stream), seen, **facts)
        else:
            yield Finding("logs.complaints.below_limit", str(stream), seen, **facts)


def _overview(outcomes: pd.DataFrame, lost: pd.DataFrame) -> Iterator[Finding]:
    grey = outcomes[(outcomes["outcome"] == "accepted") & (outcomes["attempts"] > 1)]
    if len(grey):
        yield Finding("logs.deferrals.resolved", "deferred, then accepted", recipients=len(grey))
    if len(outcomes) and lost.empty:
        yield Finding("logs.ok", "all recipients", recipients=len(outcomes))
