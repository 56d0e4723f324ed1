"""Whom do our servers turn away? Relay attempts, what postscreen keeps out, and content filters (milters)."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from smtplab import replies
from smtplab.findings import Finding
from smtplab.logs.check.signins import networks
from smtplab.logs.evidence import LogEvidence
from smtplab.logs.story import counted

RELAY = 10
"""Refused relay attempts below which nothing is said."""
DEEP = 20


def check(evidence: LogEvidence) -> Iterator[Finding]:
    """Findings on refused inbound commands."""
    refused = evidence.rejections
    yield from _relay(refused[refused["reason"] == "norelaying"])
    yield from _postscreen(refused[refused["service"] == "postscreen"])
    yield from _filters(refused)


def _relay(tried: pd.DataFrame) -> Iterator[Finding]:
    if len(tried) >= RELAY:
        where = networks(tried["client_ip"]).value_counts()
        yield Finding(
            "logs.relay.attempts",
            "relaying",
            tuple(f"{n}: {c:,}" for n, c in where.head(5).items()),
            attempts=len(tried),
            networks=counted(len(where), "network"),
            hosts=sorted(tried["host"].dropna().unique()),
        )


def _postscreen(refused: pd.DataFrame) -> Iterator[Finding]:
    if refused.empty:
        return
    why = refused["reason"].fillna("undefined").value_counts()
    yield Finding(
        "logs.postscreen.effect",
        "postscreen",
        tuple(f"{replies.words(str(r))}: {n:,}" for r, n in why.head(5).items()),
        refused=len(refused),
        clients=counted(int(refused["client_ip"].nunique()), "client"),
    )
    # After its deep tests postscreen cannot hand over the session: 450 4.3.2, come again.
    again = refused[refused["enhanced_code"] == "4.3.2"]
    if len(again) >= DEEP:
        yield Finding(
            "logs.postscreen.deep_tests",
            "postscreen",
            tuple(f"{c}: {n:,}" for c, n in again["client_ip"].value_counts().head(5).items()),
            refused=len(again),
            clients=counted(int(again["client_ip"].nunique()), "client"),
        )


def _filters(refused: pd.DataFrame) -> Iterator[Finding]:
    # Postfix's own words for a filter that does not answer; one that judges finds its own.
    silent = refused["response"].str.contains("Service unavailable - try again later", regex=False).fillna(False)
    away = refused[silent.astype(bool)]
    if len(away) >= DEEP:
        yield Finding(
            "logs.milter.unavailable",
            "content filter",
            tuple(f"{h}: {n:,}" for h, n in away["host"].value_counts().head(5).items()),
            refused=len(away),
            since=f"{away['time'].min():%Y-%m-%d %H:%M}",
            until=f"{away['time'].max():%Y-%m-%d %H:%M}",
        )
    # Once the message is there, what refuses it is a filter: a milter, or Postfix's own header and body checks.
    judged = refused.drop(away.index)
    judged = judged[judged["service"] == "cleanup"]
    if len(judged):
        why = judged["reason"].fillna("undefined").value_counts()
        yield Finding(
            "logs.milter.refusals",
            "content filter",
            tuple(f"{replies.words(str(r))}: {n:,}" for r, n in why.head(5).items()),
            refused=len(judged),
            clients=counted(int(judged["client_ip"].nunique()), "client"),
        )
