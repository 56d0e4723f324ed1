"""Where does the time go? Delays by stage, long stays in the queue, and retries against a wall."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from smtplab import replies
from smtplab.findings import Finding
from smtplab.logs.check.connections import destinations
from smtplab.logs.evidence import LogEvidence
from smtplab.logs.story import duration

LONG = 4 * 3600
"""Seconds in the queue after which a sender should be told (RFC 5321 section 4.5.4.1 speaks of hours)."""
STUCK = 24 * 3600
WALL = 10
"""Attempts with one reply that make a wall."""
WALLS = frozenset(
    {"userunknown", "blocked", "notaccept", "hostunknown", "norelaying", "policyviolation", "suspend", "networkerror"}
)
"""Replies that another try seldom changes; full mailboxes have a finding of their own."""
_STAGES = ("delay_before_queue", "delay_in_queue", "delay_connection", "delay_transmission")
_FEW = 50


def check(evidence: LogEvidence) -> Iterator[Finding]:
    """Findings on the queues."""
    yield from _stages(evidence.deliveries[["host", "attempt", "recipient_domain", *_STAGES]])
    yield from _stays(evidence.messages[["time", "host", "queue_id", "outcome", "lifetime"]])
    columns = ["recipient_domain", "attempts", "outcome", "reason"]
    yield from _walls(evidence.outcomes[columns])


def _stages(deliveries: pd.DataFrame) -> Iterator[Finding]:
    """Of first attempts only: later ones carry the wait for the retry in their first stage."""
    first = deliveries[deliveries["attempt"] == 1].astype(dict.fromkeys(_STAGES, "float64"))
    first = first.dropna(subset=list(_STAGES), how="all")
    for host, rows in first.groupby("host"):
        if len(rows) < _FEW:
            continue
        before, queued, connecting, sending = (rows[stage].quantile(0.95) for stage in _STAGES)
        facts, seen = {"host": str(host), "deliveries": len(rows)}, (f"{len(rows):,} first attempts",)
        if before >= 30:
            yield Finding("logs.delay.before_queue", str(host), seen, seconds=f"{before:.0f}", **facts)
        if queued >= 60:
            yield Finding("logs.delay.in_queue", str(host), seen, seconds=f"{queued:.0f}", **facts)
        if connecting >= 10:
            slow = destinations(rows.loc[rows["delay_connection"] >= connecting, "recipient_domain"])
            more = {"seconds": f"{connecting:.0f}", "destinations": slow}
            yield Finding("logs.delay.connection", str(host), seen, **facts, **more)
        if sending >= 30:
            yield Finding("logs.delay.transmission", str(host), seen, seconds=f"{sending:.0f}", **facts)


def _stays(messages: pd.DataFrame) -> Iterator[Finding]:
    long = messages[messages["lifetime"] >= LONG]
    if len(long) >= 20:
        stays = long["lifetime"].astype("float64")
        yield Finding(
            "logs.queue.long_stays",
            "the queues",
            (f"{len(long):,} stays: median {duration(stays.median())}, longest {duration(stays.max())}",),
            messages=len(long),
            share=f"{len(long) / len(messages):.1%}",
            longest=duration(stays.max()),
        )
    if messages.empty:
        return
    left = messages[
        (messages["outcome"] == "pending") & (messages["time"].max() - messages["time"] >= pd.Timedelta(seconds=STUCK))
    ]
    if len(left):
        age = (messages["time"].max() - left["time"].min()).total_seconds()
        yield Finding(
            "logs.queue.stuck",
            "the queues",
            tuple(f"{h}: {n:,}" for h, n in left["host"].value_counts().head(5).items()),
            messages=len(left),
            oldest=duration(age),
            queue_id=str(left["queue_id"].iloc[0]),
        )


def _walls(outcomes: pd.DataFrame) -> Iterator[Finding]:
    tried = outcomes[
        (outcomes["attempts"] >= WALL) & outcomes["outcome"].isin(["lost", "pending"]) & outcomes["reason"].isin(WALLS)
    ]
    for reason, rows in tried.groupby("reason"):
        domains = rows["recipient_domain"].value_counts()
        yield Finding(
            "logs.retries.wall",
            str(reason),
            tuple(f"{d}: {n:,}" for d, n in domains.head(5).items()),
            words=replies.words(str(reason)),
            recipients=len(rows),
            attempts=int(rows["attempts"].sum()),
            domain=str(domains.index[0]),
        )
