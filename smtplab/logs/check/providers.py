"""How does each provider treat us? Rates that jumped, rate limits and the cap behind them, greylisting, and one of
our addresses treated worse than another.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from smtplab import providers
from smtplab.findings import Finding
from smtplab.logs.evidence import LogEvidence
from smtplab.logs.rates import Jump, compare_within, holm, jumps

LEAST = 200
"""Recipients of a provider below which its rates are not searched for changes."""
LARGEST = 50
"""Most providers that are looked at one by one."""
PAIRS = 10
"""Most pairs of provider and own address whose limits are told, those with most replies."""
RECIPIENTS = frozenset({"userunknown", "mailboxfull", "hostunknown", "notaccept", "suspend"})
"""Reasons that lie with the recipient: they say nothing about how we are treated."""
_LIMITED = ("speeding", "toomanyconn")
_HOUR = pd.Timedelta(hours=1)


def check(evidence: LogEvidence) -> Iterator[Finding]:
    """Findings on providers."""
    yield from _reputation(evidence)
    yield from _changes(evidence)
    yield from _caps(evidence.deliveries[["time", "provider", "source_ip", "status", "reason", "enhanced_code"]])
    yield from _disparity(evidence.outcomes[["provider", "source_ip", "stream", "reason", "outcome"]])
    yield from _greylisting(evidence)


def _reputation(evidence: LogEvidence) -> Iterator[Finding]:
    limited = evidence.deliveries[["time", "provider", "source_ip", "enhanced_code"]]
    limited = limited[limited["enhanced_code"].isin(["4.7.28", "5.7.28"])]
    outcomes = evidence.outcomes[["time", "provider", "source_ip", "stream", "outcome", "reason"]]
    lost = outcomes[outcomes["outcome"].isin(["lost", "late"]) & (outcomes["reason"] == "badreputation")]
    for (provider, source), rows in limited.groupby(["provider", "source_ip"]):
        since = rows["time"].min()
        after = outcomes[(outcomes["source_ip"] == source) & (outcomes["time"] >= since)]
        streams = after["stream"].dropna().value_counts()
        hit = lost[(lost["source_ip"] == source) & (lost["provider"] == provider)]
        yield Finding(
            "logs.provider.rate_limited",
            f"{source} to {provider}",
            (f"{len(rows):,} replies 4.7.28",),
            provider=str(provider),
            name=providers.name(str(provider)),
            source_ip=str(source),
            streams=[f"{s} ({n:,})" for s, n in streams.items()] or ["no stream known"],
            recipients=len(hit),
            since=f"{since:%Y-%m-%d}",
        )


def _changes(evidence: LogEvidence) -> Iterator[Finding]:
    outcomes = evidence.outcomes[["time", "provider", "attempts", "outcome"]]
    sizes = outcomes["provider"].value_counts().head(LARGEST)
    large = outcomes[outcomes["provider"].isin(sizes.index[sizes >= LEAST])]
    for provider, rows in large.groupby("provider"):
        deferred = ((rows["attempts"] > 1) | (rows["outcome"] == "pending")).fillna(False)
        for up, facts, seen in _first_rise(jumps(rows["time"], deferred), str(provider), evidence.marks):
            yield Finding("logs.provider.deferrals", str(provider), seen, deferred=up.after.hits, **facts)
        lost = rows["outcome"] == "lost"
        for up, facts, seen in _first_rise(jumps(rows["time"], lost), str(provider), evidence.marks):
            yield Finding("logs.provider.losses", str(provider), seen, lost=up.after.hits, **facts)


def _first_rise(
    found: list[Jump], provider: str, marks: tuple[tuple[pd.Timestamp, str], ...]
) -> Iterator[tuple[Jump, dict[str, str], list[str]]]:
    rises = [j for j in found if j.after.share > j.before.share]
    if not rises:
        return
    up = rises[0]
    low, high = up.after.interval
    near = [text for time, text in marks if abs(time - up.time) <= pd.Timedelta(days=1)]
    seen = [f"{up.after.hits:,} of {up.after.total:,} recipients from then on, until the next jump"]
    if near:
        seen.append(f"within a day of: {', '.join(near)} (a lead, no proof)")
    if len(found) > 1:
        seen.append(f"{len(found)} jumps in all, the last on {_moment(found[-1].time)}")
    facts = {"name": providers.name(provider), "since": _moment(up.time), "share": f"{up.after.share:.0%}"}
    facts |= {"before": f"{up.before.share:.1%}", "low": f"{low:.0%}", "high": f"{high:.0%}"}
    yield up, facts, seen


def _moment(time: pd.Timestamp) -> str:
    return f"{time:%Y-%m-%d}" if time == time.floor("D") else f"{time:%Y-%m-%d %H:%M} UTC"


def _caps(deliveries: pd.DataFrame) -> Iterator[Finding]:
    """Accepted messages in the hour before rate-limit replies begin; an hour without one ends a spell of them."""
    slow = deliveries["reason"].isin(_LIMITED) | deliveries["enhanced_code"].isin(["4.7.28", "4.7.650"])
    limited = deliveries[slow]
    pairs = limited[["provider", "source_ip"]].value_counts().head(PAIRS)
    for provider, source in pairs.index:
        rows = limited[(limited["provider"] == provider) & (limited["source_ip"] == source)]
        mine = deliveries[(deliveries["provider"] == provider) & (deliveries["source_ip"] == source)]
        taken = np.sort(_naive(mine.loc[mine["status"] == "sent", "time"]).to_numpy())
        times = _naive(rows["time"]).sort_values()
        starts = times[times.diff().isna() | (times.diff() > _HOUR)].to_numpy()
        if len(starts) < 3:
            continue
        before = np.searchsorted(taken, starts) - np.searchsorted(taken, starts - np.timedelta64(1, "h"))
        first, cap, third = (float(v) for v in np.percentile(before, [25, 50, 75]))
        hours = pd.Series(taken).dt.floor("h").value_counts()
        quiet = hours[~hours.index.isin(times.dt.floor("h"))]
        most = int(quiet.max()) if len(quiet) else 0
        subject = f"{source} to {provider}"
        seen = (f"{len(starts):,} spells of such replies, {len(rows):,} replies",)
        facts = {"name": providers.name(str(provider)), "source_ip": str(source), "most": most}
        facts |= {"cap": round(cap), "low": round(first), "high": round(third)}
        if cap >= 1 and most <= 1.5 * third:
            lane, pause = f"slow-{providers.provider(str(provider)).partition('.')[0]}", max(1, round(4500 / cap))
            yield Finding("logs.provider.sending_cap", subject, seen, lane=lane, pause=pause, **facts)
        else:
            yield Finding("logs.provider.limit_not_volume", subject, seen, **facts)


def _naive(times: pd.Series[pd.Timestamp]) -> pd.Series[pd.Timestamp]:
    """UTC without saying so: what numpy calculates with."""
    return times.dt.tz_convert(None)


def _disparity(outcomes: pd.DataFrame) -> Iterator[Finding]:
    """Each of our addresses against the others at one provider, within the same kind of mail."""
    largest = outcomes["provider"].value_counts().head(LARGEST).index
    known = outcomes[outcomes["provider"].isin(largest) & outcomes["source_ip"].notna()]
    known = known[~(known["reason"].isin(RECIPIENTS) & (known["outcome"] == "lost"))]
    rows = known.assign(stream=known["stream"].fillna(""), bad=known["outcome"].isin(["lost", "late"]))
    counts = rows.groupby(["provider", "source_ip", "stream"])["bad"].agg(["sum", "size"]).reset_index()
    sizes = counts.groupby(["provider", "source_ip"])["size"].sum()
    compared = []
    for provider, source in sizes[sizes >= 50].index:
        mine = counts[counts["provider"] == provider].assign(group=lambda c, s=source: c["source_ip"] == s)
        table = mine.rename(columns={"stream": "stratum", "sum": "hits", "size": "total"})
        difference, chance = compare_within(table)
        compared.append((str(provider), str(source), difference, chance, mine))
    corrected = holm([c[3] for c in compared])
    for (provider, source, difference, _, mine), chance in zip(compared, corrected, strict=True):
        if chance < 0.01 and difference >= 0.05:
            own = mine[mine["group"]]
            yield Finding(
                "logs.address.disparity",
                f"{source} at {provider}",
                (
                    f"{int(own['sum'].sum()):,} of {int(own['size'].sum()):,} recipients lost or late",
                    f"by chance less often than once in {min(1 / max(chance, 1e-6), 1e6):,.0f} times",
                ),
                source_ip=source,
                name=providers.name(provider),
                better=_best(mine),
                difference=f"{100 * difference:.0f}",
                comparisons=len(compared),
            )


def _best(counts: pd.DataFrame) -> str:
    others = counts[~counts["group"]].groupby("source_ip")[["sum", "size"]].sum()
    return str((others["sum"] / others["size"]).idxmin())


def _greylisting(evidence: LogEvidence) -> Iterator[Finding]:
    keys = ["host", "queue_id", "recipient"]
    grey = evidence.deliveries.loc[evidence.deliveries["reason"] == "greylisted", keys].drop_duplicates()
    outcomes = evidence.outcomes[[*keys, "attempts", "outcome", "delay", "recipient_domain"]]
    passed = outcomes[(outcomes["attempts"] > 1) & outcomes["outcome"].isin(["accepted", "late"])].merge(grey, on=keys)
    if len(passed):
        minutes = passed["delay"].astype("float64") / 60
        domains = passed["recipient_domain"].value_counts()
        yield Finding(
            "logs.greylisting.cost",
            "greylisting",
            tuple(f"{d}: {n:,}" for d, n in domains.head(5).items()),
            recipients=len(passed),
            where=str(domains.index[0]) if len(domains) == 1 else f"{len(domains):,} domains",
            median=f"{minutes.median():.0f}",
            longest=f"{minutes.max():.0f}",
        )
