"""Figures of the logs; each aggregates first, so that ten million deliveries draw as fast as ten."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from smtplab import providers, replies, theme
from smtplab.logs.read import LogEvidence

_NONE = "The case holds no mail log and no provider events."


def _top(values: pd.Series, count: int) -> list[str]:
    return [str(v) for v in values.value_counts().head(count).index]


def outcomes_by_provider(evidence: LogEvidence) -> go.Figure:
    """Recipients by provider: accepted, late, lost."""
    rows = evidence.outcomes
    if rows.empty:
        return theme.missing("No delivery is known", _NONE)
    names = _top(rows["provider"], 8)
    counts = rows[rows["provider"].isin(names)].groupby(["provider", "outcome"]).size().unstack(fill_value=0)
    counts = counts.reindex(names)
    figure = go.Figure()
    for outcome in ("accepted", "late", "lost", "pending"):
        if outcome in counts:
            figure.add_bar(
                name=outcome,
                y=[providers.name(n) for n in names],
                x=[int(v) for v in counts[outcome]],
                orientation="h",
                marker_color=theme.colour(outcome),
                marker_pattern_shape={"lost": "/", "late": "."}.get(outcome, ""),
            )
    figure.update_layout(barmode="stack", yaxis={"autorange": "reversed"})
    bad = counts[[c for c in ("late", "lost") if c in counts]].sum(axis=1)
    rate = (bad / counts.sum(axis=1))[counts.sum(axis=1) >= 50]
    worst = str(rate.idxmax()) if len(rate) else names[0]
    among = f"{int(bad[worst]):,} of {int(counts.loc[worst].sum()):,} recipients"
    title = f"{providers.name(worst)} refuses or delays most: {among}"
    alt = "; ".join(
        f"{providers.name(n)}: " + ", ".join(f"{int(v):,} {k}" for k, v in counts.loc[n].items()) for n in names
    )
    return theme.finish(figure, title=title, alt=alt, x="recipients", height=150 + 34 * len(names))


def acceptance_over_time(evidence: LogEvidence) -> go.Figure:
    """Share accepted in time, a line a provider and a point a day, with the case's changes marked."""
    rows = evidence.outcomes
    if rows.empty:
        return theme.missing("No delivery is known", _NONE)
    names = _top(rows["provider"], 5)
    part = rows[rows["provider"].isin(names)].assign(
        day=rows["time"].dt.floor("D"), good=rows["outcome"].eq("accepted")
    )
    days = part.groupby(["provider", "day"])["good"].agg(["mean", "size"]).reset_index()
    days = days[days["size"] >= 5]
    figure = go.Figure()
    for number, name in enumerate(names):
        one = days[days["provider"] == name]
        figure.add_scatter(
            name=providers.name(name),
            x=[f"{d:%Y-%m-%d}" for d in one["day"]],
            y=[round(float(v), 4) for v in one["mean"]],
            mode="lines+markers",
            marker={"size": 5, "symbol": number},
            line={"color": theme.series(number), "width": 2},
        )
    for time, text in evidence.marks:
        figure.add_vline(x=f"{time:%Y-%m-%d}", line_color=theme.colour("faint"), line_dash="dot", line_width=1)
        figure.add_annotation(
            x=f"{time:%Y-%m-%d}", y=0.02, yref="paper", text=text, textangle=-90, showarrow=False, xanchor="right",
            yanchor="bottom", font={"size": 11, "color": theme.colour("faint")},
        )  # fmt: skip
    figure.update_yaxes(tickformat=".0%", range=[0, 1.03])
    first = days.sort_values("mean").iloc[0] if len(days) else None
    title = (
        f"{providers.name(first['provider'])} accepted only {first['mean']:.0%} on {theme.day(first['day'])}"
        if first is not None and first["mean"] < 0.9
        else "Every large provider accepted nearly everything"
    )
    alt = "; ".join(f"{providers.name(n)}: lowest {days[days['provider'] == n]['mean'].min():.0%}" for n in names)
    return theme.finish(figure, title=title, alt=f"Share accepted a day. {alt}", y="accepted in time", height=480)


def reasons_by_address(evidence: LogEvidence) -> go.Figure:
    """Lost and late recipients by our address and the reason of the last reply: one bad address shows as one bar."""
    rows = evidence.outcomes[evidence.outcomes["outcome"].isin(["lost", "late"])]
    if evidence.outcomes.empty:
        return theme.missing("No delivery is known", _NONE)
    if rows.empty:
        return theme.missing("Nothing was lost", "No outcome of the logs and events is lost or late.")
    why = rows["reason"].map(replies.words, na_action="ignore").fillna("late, then accepted")
    rows = rows.assign(address=rows["source_ip"].fillna("unknown"), why=why)
    reasons = _top(rows["why"], 7)
    rows["why"] = rows["why"].where(rows["why"].isin(reasons), "other")
    counts = rows.groupby(["address", "why"]).size().unstack(fill_value=0)
    figure = go.Figure()
    for number, why in enumerate([*reasons, *(["other"] if "other" in counts else [])]):
        figure.add_bar(
            name=why,
            y=[str(a) for a in counts.index],
            x=[int(v) for v in counts[why]],
            orientation="h",
            marker_color=theme.series(number) if why != "other" else theme.colour("unknown"),
        )
    figure.update_layout(barmode="stack")
    total = counts.sum(axis=1)
    worst = str(total.idxmax())
    title = f"Mail from {worst} is lost most, chiefly: {counts.loc[worst].idxmax()}"
    alt = "; ".join(
        f"{a}: " + ", ".join(f"{int(v):,} {k}" for k, v in counts.loc[a].items() if v) for a in counts.index
    )
    return theme.finish(figure, title=title, alt=alt, x="recipients lost or late", height=190 + 42 * len(counts))
