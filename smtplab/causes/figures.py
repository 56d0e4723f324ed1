"""Figures of the verdict: what each finding costs, and what is gained in which order."""

from __future__ import annotations

from textwrap import shorten

import pandas as pd
import plotly.graph_objects as go

from smtplab import providers, theme
from smtplab.causes.rank import Ledger
from smtplab.findings import Finding

_SHOWN = 14
_LONGEST = 46


def cost_by_finding(ledger: Ledger) -> go.Figure:
    """Bars of what each finding explains alone and jointly, the unexplained rest last."""
    if not ledger.total:
        return theme.missing("No failure is known", f"The evidence holds no {ledger.unit}.")
    causes = sorted(ledger.causes, key=lambda c: c.alone + c.joint, reverse=True)[:_SHOWN]
    order = {c.finding: number for number, c in enumerate(ledger.causes, 1)}
    labels = [*(_label(order[c.finding], c.finding) for c in causes), "unexplained"]
    figure = go.Figure()
    figure.add_bar(
        name="explains alone",
        y=labels,
        x=[*(c.alone for c in causes), 0],
        orientation="h",
        marker_color=theme.colour("lost"),
    )
    figure.add_bar(
        name="explains jointly with another",
        y=labels,
        x=[*(c.joint for c in causes), 0],
        orientation="h",
        marker_color=theme.colour("late"),
        marker_pattern_shape="/",
    )
    figure.add_bar(
        name="unexplained",
        y=labels,
        x=[*(0 for _ in causes), ledger.unexplained],
        orientation="h",
        marker_color=theme.colour("unknown"),
    )
    figure.update_layout(barmode="stack", yaxis={"autorange": "reversed"})
    top = causes[0] if causes else None
    title = (
        f"{top.alone + top.joint:,} of {ledger.total:,} {ledger.unit}: {top.finding.title}"
        if top
        else f"Nothing explains the {ledger.total:,} {ledger.unit}"
    )
    alt = "; ".join(f"{c.finding.title}: {c.alone:,} alone, {c.joint:,} jointly" for c in causes)
    return theme.finish(
        figure,
        title=title,
        alt=f"Bar chart of {ledger.unit}. {alt}. Unexplained: {ledger.unexplained:,}.",
        x=ledger.unit,
        height=140 + 30 * len(labels),
    )


def gain_in_order(ledger: Ledger) -> go.Figure:
    """Steps: what is still failing after each fix, in the order that brings most first; a band where unsure."""
    if not ledger.causes:
        return theme.missing("No order of mending", f"Nothing explains the {ledger.unit}.")
    labels = ["today", *(_label(number, c.finding) for number, c in enumerate(ledger.causes, 1))]
    high = [ledger.total, *(c.left for c in ledger.causes)]
    low = [ledger.total, *(c.left_at_best for c in ledger.causes)]
    figure = go.Figure()
    figure.add_scatter(
        name="for sure", x=high, y=labels, mode="lines+markers", line_color=theme.colour("lost"), line_shape="vh"
    )
    figure.add_scatter(
        name="at best, if one of two fixes is enough",
        x=low,
        y=labels,
        mode="markers",
        marker={"color": theme.colour("accepted"), "symbol": "diamond", "size": 9},
    )
    figure.update_layout(yaxis={"autorange": "reversed"}, xaxis={"rangemode": "tozero"})
    steps = min(3, len(ledger.causes))
    left = high[steps] / ledger.total if ledger.total else 0
    return theme.finish(
        figure,
        title=f"The first {steps} fixes leave {left:.0%} of today's {ledger.total:,} {ledger.unit}",
        alt="; ".join(f"after {n}: {h:,} still failing" for n, h in zip(labels[1:], high[1:], strict=True)),
        x="left after this fix",
        height=160 + 28 * len(labels),
    )


def lost_by_stream_and_provider(outcomes: pd.DataFrame) -> go.Figure:
    """Matrix of the share lost or late, a row a stream and a column a provider, with the counts in words."""
    if outcomes.empty:
        return theme.missing("No matrix", "The case holds no logs, events or bounces.")
    rows = outcomes.assign(
        stream=outcomes["stream"].fillna("other"),
        provider=outcomes["provider"].fillna("other").map(providers.name),
        bad=outcomes["outcome"].isin(["lost", "late"]),
    )
    large = rows["provider"].value_counts().head(6).index
    rows["provider"] = rows["provider"].where(rows["provider"].isin(large), "other")
    table = rows.groupby(["stream", "provider"])["bad"].agg(["sum", "size"]).reset_index()
    bad = table.pivot(index="stream", columns="provider", values="sum").fillna(0)
    size = table.pivot(index="stream", columns="provider", values="size").fillna(0)
    order = [c for c in size.sum().sort_values(ascending=False).index if c != "other"] + ["other"] * ("other" in size)
    bad, size = bad[order], size[order]
    share = (bad / size.where(size > 0)).astype("float64")
    worst = table.assign(rate=table["sum"] / table["size"])[table["size"] >= 50].sort_values("sum").tail(1)
    text = [
        [f"{b:,.0f}<br>{b / n:.0%}" if b else "0" if n else "" for b, n in zip(bs, ns, strict=True)]
        for bs, ns in zip(bad.to_numpy(), size.to_numpy(), strict=True)
    ]
    figure = go.Figure(
        go.Heatmap(
            z=share.round(4).to_numpy().tolist(),
            x=list(bad.columns),
            y=list(bad.index),
            text=text,
            texttemplate="%{text}",
            textfont={"size": 12},
            zmin=0,
            zmax=1,
            colorscale=theme.scale("lost"),
            xgap=2,
            ygap=2,
            colorbar={"title": "share", "tickformat": ".0%"},
            customdata=size.astype("int64").to_numpy().tolist(),
            hovertemplate="%{y} to %{x}: %{text} of %{customdata:,}<extra></extra>",
        )
    )
    figure.update_layout(yaxis={"autorange": "reversed"})
    title = "No stream loses mail"
    if len(worst) and worst["sum"].iloc[0]:
        w = worst.iloc[0]
        title = f"{w['stream'].capitalize()} loses most at {w['provider']}: {w['sum']:,} of {w['size']:,} recipients"
    alt = "; ".join(f"{r.stream} to {r.provider}: {r.sum} of {r.size} lost or late" for r in table.itertuples() if r[3])
    return theme.finish(figure, title=title, alt=alt or title, height=130 + 60 * len(bad))


def _label(number: int, finding: Finding) -> str:
    """Short enough for an axis; the number is that of the order of mending."""
    return f"{number}  {shorten(finding.title, _LONGEST, placeholder=' …')}"
