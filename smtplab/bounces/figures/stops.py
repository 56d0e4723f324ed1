"""Figures of stopping: when unknown recipients came, and what a stop would have spared and cost."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from smtplab import theme
from smtplab.bounces.groups import GONE, bursts, mailing

_MOST = 6


def price_of_stopping(avoided: pd.DataFrame) -> go.Figure:
    """Messages that a stop would have spared, a mailing: lost again, unwanted, accepted; as from `avoided`."""
    if avoided.empty:
        return theme.missing(
            "No stop would have changed anything",
            "No message is known that went to a recipient already known to be gone.",
        )
    rows = avoided.head(10)
    names = list(rows["mailing"])
    figure = go.Figure()
    for column, name, role, shape in (
        ("lost", "lost again", "lost", ""), ("unwanted", "unwanted (had complained)", "critical", "x"),
        ("accepted", "accepted", "accepted", "/"),
    ):  # fmt: skip
        figure.add_bar(
            name=name,
            y=names,
            x=[int(n) for n in rows[column]],
            orientation="h",
            marker_color=theme.colour(role),
            marker_pattern_shape=shape,
            hovertemplate="%{y}: %{x:,} " + name + "<extra></extra>",
        )
    figure.update_layout(barmode="stack", yaxis={"autorange": "reversed", "type": "category"})
    harm, fine = int((avoided["lost"] + avoided["unwanted"]).sum()), int(avoided["accepted"].sum())
    was = "was" if fine == 1 else "were"
    title = f"A stop would have spared {harm:,} messages that did harm, and held back {fine:,} that {was} accepted"
    alt = "; ".join(
        f"{r.mailing}: {r.lost:,} lost again, {r.unwanted:,} unwanted, {r.accepted:,} accepted"
        for r in rows.itertuples()
    )
    height = 170 + 34 * len(rows)
    return theme.finish(figure, title=title, alt=alt, x="messages after the stop", source="logs, events", height=height)


def unknown_users_over_time(outcomes: pd.DataFrame) -> go.Figure:
    """Recipients that do not exist, a day and mailing; a burst, where there is one, is shaded and dated."""
    rows = outcomes[outcomes["outcome"].eq("lost") & outcomes["reason"].isin(GONE)].dropna(subset=["time"])
    if rows.empty:
        return theme.missing("No unknown recipient is known", "No loss of this kind stands in logs, events or bounces.")
    rows = rows.assign(mailing=mailing(rows), day=rows["time"].dt.floor("D"))
    every = pd.date_range(rows["day"].min(), rows["day"].max(), freq="D")
    rule = f"{max(1, -(-len(every) // 250))}D"
    names = rows["mailing"].value_counts()
    kept = sorted(names.index, key=lambda n: (-int(names[n]), str(n)))[:_MOST]
    rows["mailing"] = rows["mailing"].where(rows["mailing"].isin(kept), "others")
    figure = go.Figure()
    for number, name in enumerate([*kept, *(["others"] if len(names) > _MOST else [])]):
        counts = rows.loc[rows["mailing"].eq(name), "day"].value_counts().reindex(every, fill_value=0)
        counts = counts.resample(rule).sum()
        figure.add_bar(
            name=str(name),
            x=[f"{d:%Y-%m-%d}" for d in counts.index],
            y=[int(n) for n in counts],
            marker_color=theme.series(number) if name != "others" else theme.colour("unknown"),
            hovertemplate="%{x}: %{y:,}",
        )
    found = bursts(outcomes)
    for burst in found.head(3).itertuples():
        figure.add_vrect(
            x0=f"{burst.begin - pd.Timedelta(hours=12):%Y-%m-%d %H:%M}",
            x1=f"{burst.end + pd.Timedelta(hours=12):%Y-%m-%d %H:%M}",
            fillcolor=theme.colour("late"), opacity=0.22, line_width=0, layer="below",
        )  # fmt: skip
    figure.update_layout(barmode="stack", bargap=0.08)
    title = _title(found, rows)
    alt = "; ".join(f"{name}: {int(n):,}" for name, n in names.head(_MOST).items())
    source = "logs, events, bounces"
    done = theme.finish(figure, title=title, alt=f"{title}. Of {alt}", y="recipients a day", source=source, height=400)
    return theme.dates(done)


def _title(found: pd.DataFrame, rows: pd.DataFrame) -> str:
    if found.empty:
        return f"{len(rows):,} recipients do not exist; they came in no burst"
    first = found.iloc[0]
    day, whole = theme.day(first["begin"]), f"{int(first['gone']):,} unknown recipients of {first['mailing']}"
    when = f"in {first['days']} days from {day}" if first["days"] > 1 else f"on {day}"
    return f"{int(first['within']):,} of the {whole} came {when}"
