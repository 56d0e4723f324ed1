"""Where do failures gather? Rates by provider, campaign and source of addresses, bursts, full mailboxes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import pandas as pd

from smtplab.rates import bands

By = Literal["provider", "campaign", "stream", "source"]
GONE = ("userunknown", "hasmoved")
"""Reasons that say: there is nobody at this address. A whole domain that is gone says nothing of a list."""
BURST = 20
"""Unknown addresses of one mailing below which no burst is looked for."""
CROWDED = 0.25
"""Half of the unknown addresses within this part of the mailing's time make a burst."""
_RATES = ("lost", "gone", "complaints")


def rates(
    outcomes: pd.DataFrame, by: By, complaints: pd.DataFrame | None = None, sources: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """How much is lost, does not exist and complains, a row a group, with 95% intervals (Wilson).

    `outcomes` is the table outcomes, `complaints` as `Joined.complaints`; `sources` tells for a stream where its
    addresses come from (by="source"; else the stream's name). Columns: the group, recipients, accepted, and for each of
    lost, gone (nobody at this address) and complaints the count, and NAME_rate, NAME_low, NAME_high (shares of
    recipients; complaints: of the accepted). A group of which only bounces tell has no rates: how much was sent is
    unknown. Most recipients first.
    """
    frame = _grouped(outcomes, by, sources)
    lost = frame["outcome"].eq("lost")
    seen = frame["origin"].ne("bounce") | ~lost
    made = pd.DataFrame(
        {
            "recipients": frame.groupby("group").size(),
            "accepted": frame["outcome"].isin(["accepted", "late"]).groupby(frame["group"]).sum(),
            "lost": lost.groupby(frame["group"]).sum(),
            "gone": (lost & frame["reason"].isin(GONE)).groupby(frame["group"]).sum(),
            "seen": seen.groupby(frame["group"]).any(),
        }
    )
    told = pd.Series(dtype="int64")
    if complaints is not None and len(complaints):
        told = _grouped(complaints, by, sources).groupby("group").size()
    made = made.reindex(made.index.union(told.index)).fillna(
        dict.fromkeys(("recipients", "accepted", "lost", "gone"), 0)
    )
    made = made.assign(seen=made["seen"].eq(True), complaints=told.reindex(made.index).fillna(0))
    made = made.astype(dict.fromkeys(("recipients", "accepted", "lost", "gone", "complaints"), "int64"))
    for name in _RATES:
        total = made["accepted" if name == "complaints" else "recipients"].where(made["seen"])
        low, high = bands(made[name].clip(upper=total), total.fillna(0))
        made[f"{name}_rate"] = (made[name] / total.where(total > 0)).astype("Float64")
        made[f"{name}_low"] = low.where(total > 0).round(6).astype("Float64")
        made[f"{name}_high"] = high.where(total > 0).round(6).astype("Float64")
    columns = ["recipients", "accepted", *(f"{n}{part}" for n in _RATES for part in ("", "_rate", "_low", "_high"))]
    made = made[columns].rename_axis(by).reset_index()
    return made.sort_values(["recipients", by], ascending=[False, True], ignore_index=True)


def _grouped(rows: pd.DataFrame, by: By, sources: Mapping[str, str] | None) -> pd.DataFrame:
    """The rows with the name of their group; what has none is called by what it lacks."""
    if by == "source":
        names = rows["stream"].map(dict(sources or {})).astype("str").fillna(rows["stream"].astype("str"))
    else:
        names = rows[by].astype("str")
    return rows.assign(group=names.fillna(f"no {by} known"))


def mailing(rows: pd.DataFrame) -> pd.Series[str]:
    """The campaign of each row, else its stream, else who sent it."""
    sender = rows["sender_domain"] if "sender_domain" in rows else pd.Series(pd.NA, index=rows.index, dtype="str")
    named = rows["campaign"].astype("str").fillna(rows["stream"].astype("str")).fillna(sender.astype("str"))
    return named.fillna("no name known")


def bursts(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Unknown addresses that came in a burst, a row a mailing: an old or bought list shows so, a living one does not.

    Columns: mailing, gone, begin, end (the shortest days that hold half of them), within (count of that half), days,
    of_days (the mailing's whole time), unseen (only bounces tell of this mail).
    """
    rows = outcomes.assign(mailing=mailing(outcomes)).dropna(subset=["time"])
    found = [row for name, part in rows.groupby("mailing") if (row := _burst(str(name), part))]
    columns = ["mailing", "gone", "begin", "end", "within", "days", "of_days", "unseen"]
    made = pd.DataFrame(found, columns=columns)
    return made.sort_values(["gone", "mailing"], ascending=[False, True], ignore_index=True)


def _burst(name: str, part: pd.DataFrame) -> dict[str, Any] | None:
    gone = part.loc[part["outcome"].eq("lost") & part["reason"].isin(GONE), "time"]
    if len(gone) < BURST:
        return None
    begin, end = _shortest(gone.dt.floor("D").value_counts().sort_index(), (len(gone) + 1) // 2)
    days = (end - begin).days + 1
    whole = (part["time"].max().floor("D") - part["time"].min().floor("D")).days + 1
    if days > max(1, whole * CROWDED):
        return None
    within = int(gone.dt.floor("D").between(begin, end).sum())
    unseen = bool(part["origin"].eq("bounce").all())
    return {
        "mailing": name, "gone": len(gone), "begin": begin, "end": end, "within": within, "days": days,
        "of_days": whole, "unseen": unseen,
    }  # fmt: skip


def _shortest(counts: pd.Series[int], wanted: int) -> tuple[pd.Timestamp, pd.Timestamp]:
    """The shortest span of days that holds so many, the earliest of equals."""
    days, numbers = list(counts.index), counts.tolist()
    best, held, start = (days[0], days[-1]), 0, 0
    for end, number in enumerate(numbers):
        held += number
        while held - numbers[start] >= wanted:
            held -= numbers[start]
            start += 1
        if held >= wanted and days[end] - days[start] < best[1] - best[0]:
            best = (days[start], days[end])
    return best


def full(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Full mailboxes, a row a provider: their owners left them, or the provider changed a quota for many at once.

    Columns: provider, mailboxes, messages, repeated (mailboxes that were full for two messages or more), first, last,
    peak (the day with the most), on_peak (mailboxes on it).
    """
    rows = outcomes[outcomes["outcome"].eq("lost") & outcomes["reason"].eq("mailboxfull")]
    rows = rows.dropna(subset=["last_time", "recipient"]).assign(provider=rows["provider"].fillna("unknown"))
    made = pd.DataFrame(
        [_filled(str(name), part) for name, part in rows.groupby("provider")],
        columns=["provider", "mailboxes", "messages", "repeated", "first", "last", "peak", "on_peak"],
    )
    return made.sort_values(["mailboxes", "provider"], ascending=[False, True], ignore_index=True)


def _filled(name: str, part: pd.DataFrame) -> tuple[Any, ...]:
    each = part["recipient"].str.lower()
    days = each.groupby(part["last_time"].dt.floor("D")).nunique()
    repeated = int((each.value_counts() > 1).sum())
    span = (part["last_time"].min().floor("D"), part["last_time"].max().floor("D"))
    return name, each.nunique(), len(part), repeated, *span, days.idxmax(), int(days.max())


def asynchronous(matches: pd.DataFrame) -> pd.DataFrame:
    """What was accepted and came back later, a row a provider and reason: the log alone counts it as arrived.

    Columns: provider, reason, recipients, median_delay, longest_delay (seconds from acceptance to the
    report), campaigns.
    """
    late = matches[matches["asynchronous"].fillna(False)]
    grouped = late.groupby(["provider", "reason"], dropna=False, as_index=False)
    made = grouped.agg(
        recipients=("addressed", "nunique"),
        median_delay=("after", "median"),
        longest_delay=("after", "max"),
        campaigns=("campaign", _named),
    )
    return made.sort_values(["recipients", "provider", "reason"], ascending=[False, True, True], ignore_index=True)


def _named(values: pd.Series[Any]) -> str:
    return ", ".join(sorted(values.dropna().unique())[:5])


def matches_by_way(matches: pd.DataFrame) -> pd.DataFrame:
    """How reports were led to deliveries, a row a way or a reason why not: kind, found, recipients, asynchronous."""
    found = matches["how"].fillna("not matched: " + matches["why"].fillna(""))
    grouped = matches.assign(found=found).groupby(["kind", "found"], as_index=False)
    made = grouped.agg(recipients=("file", "size"), asynchronous=("asynchronous", lambda a: int(a.fillna(False).sum())))
    return made.sort_values(["kind", "recipients", "found"], ascending=[True, False, True], ignore_index=True)
