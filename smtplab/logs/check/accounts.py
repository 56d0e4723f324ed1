"""Does an account, or a whole server, send more than ever, or at hours it never did? Its own history judges."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from smtplab.findings import Finding
from smtplab.logs.evidence import LogEvidence
from smtplab.logs.story import counted

HISTORY = 7
"""Days with mail before one that can be judged."""
MANY = 50
"""Messages of a day below which no account stands out."""
TIMES = 5
"""So many times the usual day is sudden."""
ODD = 20
"""Messages of a day at hours never seen before."""


def check(evidence: LogEvidence) -> Iterator[Finding]:
    """Findings on the volume and the hours of accounts and servers."""
    messages = evidence.messages[["time", "host", "sasl_user"]]
    mine = messages.dropna(subset=["sasl_user"])
    yield from _sudden(mine)
    yield from _odd_hours(mine)
    yield from _server_days(messages)


def _days(rows: pd.DataFrame, by: str) -> pd.DataFrame:
    """Messages a day, and the median and most of the days before; only days with a history."""
    days = rows.groupby([by, rows["time"].dt.floor("D")]).size().rename("count").reset_index()
    past = days.groupby(by)["count"]
    days["usual"] = past.transform(lambda c: c.shift().expanding().median())
    days["most"] = past.transform(lambda c: c.shift().cummax())
    return days[past.cumcount() >= HISTORY]


def _sudden(mine: pd.DataFrame) -> Iterator[Finding]:
    days = _days(mine, "sasl_user")
    hit = days[(days["count"] >= MANY) & (days["count"] >= TIMES * days["usual"]) & (days["count"] > 2 * days["most"])]
    for account, rows in hit.groupby("sasl_user"):
        worst = rows.loc[rows["count"].idxmax()]
        yield Finding(
            "logs.account.volume",
            str(account),
            (f"{counted(len(rows), 'such day')}, the first {rows['time'].min():%Y-%m-%d}",),
            account=str(account),
            count=int(worst["count"]),
            day=f"{worst['time']:%Y-%m-%d}",
            usual=round(float(worst["usual"])),
        )


def _odd_hours(mine: pd.DataFrame) -> Iterator[Finding]:
    """An hour is odd for an account if neither it nor its neighbours were used on a day before."""
    rows = mine.assign(day=mine["time"].dt.floor("D"), hour=mine["time"].dt.hour)[["sasl_user", "day", "hour"]]
    used = rows.drop_duplicates()
    near = pd.concat([used.assign(hour=(used["hour"] + shift) % 24) for shift in (-1, 0, 1)])
    first = near.groupby(["sasl_user", "hour"])["day"].min().rename("first").reset_index()
    days = used.drop_duplicates(["sasl_user", "day"]).sort_values("day")
    known = days[days.groupby("sasl_user").cumcount() >= HISTORY][["sasl_user", "day"]]
    odd = rows.merge(known, on=["sasl_user", "day"]).merge(first, on=["sasl_user", "hour"])
    odd = odd[odd["first"] == odd["day"]]
    counts = odd.groupby(["sasl_user", "day"]).size()
    for account, each in counts[counts >= ODD].groupby("sasl_user"):
        day = each.idxmax()[1]
        hours = odd[(odd["sasl_user"] == account) & (odd["day"] == day)]["hour"]
        yield Finding(
            "logs.account.odd_hours",
            str(account),
            (f"hours (UTC): {', '.join(f'{h:02}' for h in sorted(hours.unique()))}",),
            account=str(account),
            count=int(each.max()),
            day=f"{day:%Y-%m-%d}",
        )


def _server_days(messages: pd.DataFrame) -> Iterator[Finding]:
    days = _days(messages, "host")
    hit = days[(days["count"] >= 10 * MANY) & (days["count"] >= TIMES * days["usual"])]
    for host, rows in hit.groupby("host"):
        worst = rows.loc[rows["count"].idxmax()]
        yield Finding(
            "logs.volume.sudden",
            str(host),
            (f"{counted(len(rows), 'such day')}, the first {rows['time'].min():%Y-%m-%d}",),
            host=str(host),
            count=int(worst["count"]),
            day=f"{worst['time']:%Y-%m-%d}",
            usual=round(float(worst["usual"])),
        )
