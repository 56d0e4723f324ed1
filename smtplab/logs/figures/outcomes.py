"""What became of it? Outcomes by provider, over time and by hour, and how long mail stays undelivered."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from smtplab import providers, theme
from smtplab.logs.evidence import LogEvidence
from smtplab.logs.figures.panels import NONE, finish, labels, mark, name_panel, panels, step, top
from smtplab.logs.story import duration
from smtplab.rates import bands

_OUTCOMES = ("accepted", "late", "lost", "pending")
_PATTERNS = {"lost": "/", "late": "."}
_STREAMS = 7
_SCALE = {
    "tickformat": ".0%", "nticks": 5, "orientation": "h", "thickness": 8, "len": 0.5, "x": 0, "xanchor": "left", "y": 1,
    "yanchor": "bottom", "xpad": 0, "ypad": 8,
}  # fmt: skip
"""Shares to colours, above the drawing: beside it the scale would take a third of a telephone's width."""
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")


def outcomes_by_provider(evidence: LogEvidence) -> go.Figure:
    """Recipients by provider: accepted, late, lost."""
    rows = evidence.outcomes
    if rows.empty:
        return theme.missing("No delivery is known", NONE)
    names = top(rows["provider"], 8)
    part = rows.loc[rows["provider"].isin(names), ["provider", "outcome"]]
    counts = part.groupby(["provider", "outcome"]).size().unstack(fill_value=0)
    counts = counts.reindex(names)
    figure = go.Figure()
    for outcome in _OUTCOMES:
        if outcome in counts:
            figure.add_bar(
                name=outcome,
                y=[providers.name(n) for n in names],
                x=[int(v) for v in counts[outcome]],
                orientation="h",
                marker_color=theme.colour(outcome),
                marker_pattern_shape=_PATTERNS.get(outcome, ""),
            )
    figure.update_layout(barmode="stack", yaxis={"autorange": "reversed"})
    bad = counts[[c for c in ("late", "lost") if c in counts]].sum(axis=1)
    rate = (bad / counts.sum(axis=1))[counts.sum(axis=1) >= 50]
    worst = str(rate.idxmax()) if len(rate) else names[0]
    title = "No large provider refused or delayed mail"
    if bad[worst]:
        among = f"{int(bad[worst]):,} of {int(counts.loc[worst].sum()):,} recipients"
        title = f"{providers.name(worst)} refuses or delays most of these providers: {among}"
    alt = "; ".join(
        f"{providers.name(n)}: " + ", ".join(f"{int(v):,} {k}" for k, v in counts.loc[n].items()) for n in names
    )
    return theme.finish(figure, title=title, alt=alt, x="recipients", height=150 + 34 * len(names))


def outcomes_over_time(evidence: LogEvidence) -> go.Figure:
    """Recipients by what became of them, a panel a provider, stacked over time."""
    rows = evidence.outcomes
    if rows.empty:
        return theme.missing("No delivery is known", NONE)
    names = top(rows["provider"], 4)
    rule, words = step(rows["time"], 90)
    part = rows.loc[rows["provider"].isin(names), ["provider", "outcome", "time"]]
    keys = [part["provider"], part["outcome"], part["time"].dt.floor(rule)]
    counts = part.groupby(keys).size()
    figure = panels([84] * len(names))
    said = []
    for row, name in enumerate(names, 1):
        mine = counts.loc[name]
        for outcome in [o for o in _OUTCOMES if o in mine.index.get_level_values(0)]:
            one = mine.loc[outcome]
            figure.add_bar(
                name=outcome, x=labels(one.index), y=[int(n) for n in one], marker_color=theme.colour(outcome),
                legendgroup=outcome, showlegend=row == 1, row=row, col=1, hovertemplate="%{x}: %{y:,}",
            )  # fmt: skip
        total = mine.groupby(level=0).sum()
        said.append(f"{providers.name(name)}: " + ", ".join(f"{int(total[o]):,} {o}" for o in _OUTCOMES if o in total))
        name_panel(figure, row, said[-1])
        figure.update_yaxes(nticks=4, row=row, col=1)
    figure.update_layout(barmode="stack")
    days = rows.groupby(rows["time"].dt.floor(rule)).size()
    mark(figure, evidence.marks, days.index.min(), days.index.max())
    title = f"Most was sent on {theme.day(days.idxmax())}: {int(days.max()):,} recipients"
    if words != "day":
        title = f"Most was sent in the {words} from {theme.day(days.idxmax())}: {int(days.max()):,} recipients"
    return finish(figure, title=title, alt=f"{title}. {'; '.join(said)}")


def undelivered(evidence: LogEvidence) -> go.Figure:
    """The share not accepted yet, against the minutes since mail was queued: a line a stream; lost mail never falls."""
    rows = evidence.outcomes[["stream", "outcome", "delay"]].dropna(subset="delay")
    if rows.empty:
        return theme.missing("No delivery is known", NONE)
    names = rows["stream"].fillna("other")
    figure = go.Figure()
    longest = max(60.0, float(rows["delay"].max()))
    grid = np.unique(np.round(np.geomspace(1, longest, 70), 1))
    said, slowest = [], ("", 0.0, 0.0)
    for number, name in enumerate(top(names, _STREAMS)):
        mine = rows[names == name]
        took = np.sort(mine.loc[mine["outcome"].isin(["accepted", "late"]), "delay"].to_numpy("float64"))
        left = 1 - np.searchsorted(took, grid, side="right") / len(mine)
        hour = 1 - float(np.searchsorted(took, 3600.0, side="right")) / len(mine)
        said.append(f"{name}: {hour:.1%} after an hour, {left[-1]:.1%} never")
        slowest = max(slowest, (name, hour, float(left[-1])), key=lambda s: s[1])
        figure.add_scatter(
            name=name, x=[round(float(g) / 60, 3) for g in grid], y=[round(float(v), 5) for v in left],
            line={"color": theme.series(number), "width": 2, "shape": "hv", "dash": _DASHES[number % len(_DASHES)]},
        )  # fmt: skip
    figure.update_xaxes(
        type="log", tickvals=[1 / 60, 1, 60, 1440, 7200], ticktext=["1 s", "1 min", "1 h", "1 d", "5 d"]
    )
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    title = f"After an hour {slowest[1]:.0%} of {slowest[0]} mail is not accepted, and {slowest[2]:.0%} never is"
    if slowest[1] < 0.005:
        title = f"After an hour nearly all mail is accepted; the longest wait was {duration(longest)}"
    alt = f"Share undelivered by time. {'; '.join(said)}"
    return theme.finish(figure, title=title, alt=alt, x="since queued", y="not accepted yet", height=430)


def hours_by_provider(evidence: LogEvidence) -> go.Figure:
    """Heat map: share of recipients not accepted at the first try, by hour of the day (UTC) and provider."""
    rows = evidence.outcomes
    if rows.empty:
        return theme.missing("No delivery is known", NONE)
    names = top(rows["provider"], 8)
    part = rows.loc[rows["provider"].isin(names), ["provider", "time", "attempts", "outcome"]]
    bad = ((part["attempts"] > 1) | (part["outcome"] != "accepted")).fillna(True).astype("int64")
    counts = bad.groupby([part["provider"], part["time"].dt.hour]).agg(["sum", "size"])
    counts = counts.reindex(pd.MultiIndex.from_product([names, range(24)]))
    share = (counts["sum"] / counts["size"]).where(counts["size"] >= 20)
    if share.isna().all():
        return theme.missing("Too little mail to compare hours", "No provider has 20 recipients in any hour.")
    cells = share.unstack().loc[names]
    size = counts["size"].fillna(0).unstack().loc[names]
    figure = go.Figure(
        go.Heatmap(
            z=[[None if pd.isna(v) else round(float(v), 4) for v in row] for row in cells.to_numpy()],
            x=[f"{h:02}" for h in range(24)],
            y=[providers.name(n) for n in names],
            zmin=0,
            zmax=max(0.1, float(share.max())),
            colorscale=theme.scale("lost"),
            xgap=1,
            ygap=1,
            colorbar=_SCALE,
            customdata=size.astype("int64").to_numpy().tolist(),
            hovertemplate="%{y} at %{x}:00 UTC: %{z:.1%} of %{customdata:,}<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", type="category")
    figure.update_xaxes(type="category", tickangle=0, tickvals=[f"{h:02}" for h in range(0, 24, 4)])
    title = "No hour of the day stands out"
    usual = counts["sum"].groupby(level=0).sum() / counts["size"].groupby(level=0).sum()
    # Many cells: one stands out only where chance alone would not make it once in hundreds.
    sure = bands(counts["sum"], counts["size"], 0.999)[0].where(share.notna())
    above = sure - share.index.get_level_values(0).map(usual)
    if above.max() > 0:
        name, hour = above.idxmax()
        rate = share[(name, hour)]
        title = f"At {hour:02}:00 UTC {providers.name(name)} puts off or refuses {rate:.0%} of recipients"
        title += f", over the whole day {usual[name]:.0%}"
    alt = "; ".join(
        f"{providers.name(n)}: at most {cells.loc[n].max():.0%}" for n in names if cells.loc[n].notna().any()
    )
    return theme.headed(
        theme.finish(
            figure, title=title, alt=f"{title}. {alt}", x="hour of the day (UTC)", source="logs and events",
            height=190 + 30 * len(names),
        )
    )  # fmt: skip
