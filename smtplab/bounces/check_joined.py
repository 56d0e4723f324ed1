"""What bounces and logs together say that someone should act on."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from smtplab import mail, providers
from smtplab.bounces import groups
from smtplab.bounces.groups import By
from smtplab.bounces.joined import Joined
from smtplab.bounces.suppression import Action
from smtplab.findings import Finding
from smtplab.replies import shapes

FEW = 100
"""Recipients of a group below which its share is no rate."""
FEW_HITS = 20
CLUSTER = 10
"""Full mailboxes of one provider on one day that are its doing and not their owners'."""
_WORDS = {"provider": "at", "source": "from"}


def check(joined: Joined, where: str) -> Iterator[Finding]:
    """Findings on the join; `where` names what they are about as a whole."""
    yield from _matches(joined.matches, where)
    yield from _rates(joined)
    yield from _bursts(joined.outcomes)
    yield from _full(joined.outcomes)
    yield from _stops(joined, where)
    yield from _unknown(joined.outcomes, where)


def _matches(matches: pd.DataFrame, where: str) -> Iterator[Finding]:
    late = groups.asynchronous(matches)
    if len(late):
        first = late.iloc[0]
        yield Finding(
            "bounces.asynchronous",
            where,
            (f"{int(first['recipients']):,} at {providers.name(str(first['provider']))}: {first['reason']}",),
            count=int(late["recipients"].sum()),
            providers=[providers.name(str(p)) for p in late["provider"].dropna().unique()[:5]],
            longest=_span(float(late["longest_delay"].max())),
        )
    lost = matches[matches["how"].isna()]
    if len(lost):
        yield Finding(
            "bounces.unmatched",
            where,
            tuple(f"{n:,}: {why}" for why, n in lost["why"].value_counts().items()),
            count=len(lost),
            total=len(matches),
        )


def _span(seconds: float) -> str:
    if seconds < 7_200:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3_600:.0f} hours" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"


def _rates(joined: Joined) -> Iterator[Finding]:
    """By provider and source of addresses; campaigns and streams are judged by the logs."""
    sides: list[By] = ["provider"]
    if joined.sources:
        sides.append("source")
    for by in sides:
        for row in joined.rates(by).to_dict("records"):
            group = providers.name(row[by]) if by == "provider" else row[by]
            facts = {"side": _WORDS[by], "group": group}
            limit = joined.policy.limits["unknown"]
            if row["recipients"] >= FEW and row["gone"] >= FEW_HITS and row["gone_low"] >= limit:
                seen = (f"{row['gone']:,} of {row['recipients']:,} recipients",)
                yield Finding("bounces.rate.unknown_users", row[by], seen, **facts, **_interval(row, "gone"))
            # Complaints of provider events are judged by stream, where the logs are read.
            limit = joined.policy.limits["complaint"]
            if by == "provider" and row["accepted"] >= FEW and row["complaints"] > 1 and row["complaints_low"] >= limit:
                seen = (f"{row['complaints']:,} complaints of {row['accepted']:,} accepted",)
                yield Finding("bounces.rate.complaints", row[by], seen, **facts, **_interval(row, "complaints"))


def _interval(row: dict[str, object], name: str) -> dict[str, str]:
    return {k: f"{row[f'{name}_{k}']:.2%}" for k in ("rate", "low", "high")}


def _bursts(outcomes: pd.DataFrame) -> Iterator[Finding]:
    """Of mail that no log of ours holds; of ours the logs tell, with what it cost."""
    found = groups.bursts(outcomes)
    for row in found[found["unseen"].astype(bool)].to_dict("records"):
        yield Finding(
            "bounces.burst",
            row["mailing"],
            (f"{row['within']:,} of {row['gone']:,} within {row['days']} of {row['of_days']} days",),
            mailing=row["mailing"],
            count=row["gone"],
            within=row["within"],
            begin=f"{row['begin']:%Y-%m-%d}",
            end=f"{row['end']:%Y-%m-%d}",
        )


def _full(outcomes: pd.DataFrame) -> Iterator[Finding]:
    for row in groups.full(outcomes).to_dict("records"):
        if row["on_peak"] >= CLUSTER and row["on_peak"] * 2 >= row["mailboxes"]:
            name = providers.name(row["provider"])
            yield Finding(
                "bounces.mailbox_full.cluster",
                row["provider"],
                (f"{row['mailboxes']:,} mailboxes in {row['messages']:,} messages",),
                provider=name,
                count=row["on_peak"],
                total=row["mailboxes"],
                day=f"{row['peak']:%Y-%m-%d}",
            )


def _stops(joined: Joined, where: str) -> Iterator[Finding]:
    spared = joined.avoided
    if len(spared):
        yield Finding(
            "bounces.suppression.late",
            where,
            tuple(f"{row.messages:,} messages of {row.mailing}" for row in spared.head(10).itertuples()),
            messages=int(spared["messages"].sum()),
            lost=int(spared["lost"].sum()),
            unwanted=int(spared["unwanted"].sum()),
            accepted=int(spared["accepted"].sum()),
        )
    wrong = joined.verdicts[joined.verdicts["action"].eq(Action.CORRECT)]
    if len(wrong):
        pairs = wrong["recipient"].map(mail.domain_of) + " for " + wrong["correction"].map(mail.domain_of)
        counted = pairs.value_counts()
        most = sorted(counted.items(), key=lambda p: (-p[1], str(p[0])))[:5]
        yield Finding("bounces.typo", where, (), count=len(wrong), domains=[f"{k} ({n:,})" for k, n in most])


def _unknown(outcomes: pd.DataFrame, where: str) -> Iterator[Finding]:
    found = shapes.unknown(outcomes[outcomes["outcome"].ne("accepted")])
    if len(found):
        seen = tuple(f"{n:,}: {s[:100]}" for s, n in found[["shape", "count"]].head(5).to_numpy())
        yield Finding("bounces.replies.unknown", where, seen, count=int(found["count"].sum()), wordings=len(found))
