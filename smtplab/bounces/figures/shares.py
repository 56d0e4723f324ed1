"""Figures of shares: rates with their intervals, and how far a stated confidence held."""

from __future__ import annotations

from typing import Literal

import pandas as pd
import plotly.graph_objects as go

from smtplab import providers, theme
from smtplab.rates import bands

What = Literal["lost", "gone", "complaints"]
_WORDS = {
    "lost": "lost recipients",
    "gone": "recipients that do not exist",
    "complaints": "complaints per accepted message",
}
_NONE = {"lost": "Nothing is lost", "gone": "Every recipient exists", "complaints": "Nobody complains"}
_MOST = 12
LEAST = 50
"""Recipients below which a share says too little to be drawn."""


def rate(rates: pd.DataFrame, what: What, limit: float | None = None) -> go.Figure:
    """Shares by group with 95% intervals, the worst first; `rates` as from `Joined.rates`, `limit` as a line."""
    by, total = str(rates.columns[0]), "accepted" if what == "complaints" else "recipients"
    known = rates[rates[f"{what}_rate"].notna() & (rates[total] >= LEAST)]
    if known.empty:
        return theme.missing(
            f"No rate by {by}", f"No group with {LEAST} recipients or more is known from logs or events."
        )
    hit = known[known[what] > 0]
    top = (known if hit.empty else hit).sort_values([f"{what}_rate", by], ascending=[False, True]).head(_MOST)
    names = [providers.name(n) if by == "provider" else n for n in top[by]]
    share, low, high = ([round(float(v), 5) for v in top[f"{what}_{p}"]] for p in ("rate", "low", "high"))
    over = [limit is not None and bottom >= limit for bottom in low]
    figure = go.Figure()
    for state, role, symbol in ((True, "lost", "diamond"), (False, "accent", "circle")):
        chosen = [n for n, o in enumerate(over) if o == state]
        if not chosen:
            continue
        figure.add_scatter(
            name="surely above the limit" if state else "not surely above" if limit else "share",
            x=[share[n] for n in chosen],
            y=[names[n] for n in chosen],
            mode="markers",
            marker={"color": theme.colour(role), "size": 10, "symbol": symbol},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [round(high[n] - share[n], 5) for n in chosen],
                "arrayminus": [round(share[n] - low[n], 5) for n in chosen],
                "color": theme.colour("faint"),
                "thickness": 1.5,
            },
            customdata=[[int(top[what].iloc[n]), int(top[total].iloc[n])] for n in chosen],
            hovertemplate="%{y}: %{x:.2%} (%{customdata[0]:,} of %{customdata[1]:,})<extra></extra>",
        )
    if limit is not None:
        figure.add_vline(x=limit, line_color=theme.colour("critical"), line_dash="dash", line_width=1.5)
        figure.add_annotation(
            x=limit, y=1, yref="paper", yanchor="bottom", text=f"limit {limit:.1%}", showarrow=False,
            font={"size": 12, "color": theme.colour("critical")},
        )  # fmt: skip
    right = max(*high, (limit or 0) * 1.2) * 1.04
    figure.update_yaxes(categoryorder="array", categoryarray=names[::-1], type="category")
    figure.update_xaxes(tickformat=".1%", range=[-right / 100, min(1.01, right)])
    told = zip(names, share, low, high, top[what], top[total], strict=True)
    none = f"; {len(known) - len(hit)} others have none" if 0 < len(hit) < len(known) else ""
    alt = "; ".join(f"{n}: {s:.2%} ({lo:.2%} to {hi:.2%}; {int(k):,} of {int(t):,})" for n, s, lo, hi, k, t in told)
    first = top.iloc[0]
    words = _WORDS[what]
    title = f"{words[0].upper()}{words[1:]}: most for {names[0]}, {share[0]:.2%} "
    title += f"({int(first[what]):,} of {int(first[total]):,}){_beside(low[0], high[0], limit)}"
    finished = theme.finish(
        figure, title=title if first[what] else _NONE[what], alt=alt + none, x="share, 95% interval",
        source="logs, events, bounces", height=180 + 30 * len(top),
    )  # fmt: skip
    # The word at the line stands above the drawing, where the legend has its place.
    return finished.update_layout(margin_t=finished.layout.margin.t + 24 * (limit is not None), legend_y=1.08)


def _beside(low: float, high: float, limit: float | None) -> str:
    """Where a share stands, as far as its interval can tell."""
    if limit is None:
        return ""
    state = "surely above" if low >= limit else "below" if high < limit else "perhaps above"
    return f"; {state} the limit of {limit:.1%}"


def reliability(rows: pd.DataFrame) -> go.Figure:
    """Whether a stated confidence holds: `rows` has stated and observed (shares of right answers) and n (answers)."""
    if rows.empty:
        return theme.missing("Confidence was not measured", "No table of stated and observed shares is known.")
    shown = rows.sort_values("stated", kind="stable")
    stated, observed = ([round(float(v), 4) for v in shown[c]] for c in ("stated", "observed"))
    counts = [int(n) for n in shown["n"]]
    low, high = (list(b) for b in bands((shown["observed"] * shown["n"]).round(), shown["n"]))
    figure = go.Figure()
    figure.add_scatter(
        name="as stated", x=[0, 1], y=[0, 1], mode="lines", hoverinfo="skip",
        line={"color": theme.colour("muted"), "dash": "dash", "width": 2},
    )  # fmt: skip
    figure.add_scatter(
        name="measured",
        x=stated,
        y=observed,
        mode="markers",
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [round(h - o, 4) for h, o in zip(high, observed, strict=True)],
            "arrayminus": [round(o - lo, 4) for lo, o in zip(low, observed, strict=True)],
            "color": theme.colour("faint"),
            "thickness": 1.5,
        },
        marker={"color": theme.colour("accent"), "size": [round(7 + 17 * (n / max(counts)) ** 0.5, 1) for n in counts]},
        customdata=counts,
        hovertemplate="stated %{x:.0%}, right %{y:.0%} of %{customdata:,}<extra></extra>",
    )
    figure.update_xaxes(range=[0, 1.04], tickformat=".0%")
    figure.update_yaxes(range=[0, 1.04], tickformat=".0%")
    total = sum(counts)
    gap = sum(abs(s - o) * n for s, o, n in zip(stated, observed, counts, strict=True)) / total
    title = f"Stated confidence and the share of right answers differ by {gap * 100:.1f} points on average"
    title += f", over {total:,} replies"
    alt = "; ".join(f"stated {s:.0%}: {o:.0%} of {n:,} right" for s, o, n in zip(stated, observed, counts, strict=True))
    return theme.finish(
        figure, title=title, alt=alt, x="confidence stated", y="share of right answers, 95% interval",
        source="measured over public bounces", height=440,
    )  # fmt: skip
