"""From the provider over the reason to what should be done: one flow of recipients."""

from __future__ import annotations

from html import escape

import pandas as pd
import plotly.graph_objects as go

from smtplab import providers, replies, theme
from smtplab.bounces.suppression import Action

_MOST = {"provider": 6, "reason": 9}
OTHERS = {"provider": "other providers", "reason": "other reasons"}
_ACTIONS = {
    Action.SUPPRESS: ("stop", "lost"),
    Action.CORRECT: ("correct", "pending"),
    Action.KEEP: ("mend ours", "accent"),
    Action.WAIT: ("wait", "late"),
}
_VEIL = "66"
"""Opacity of a link in hexadecimal: names stand upon the links and must stay readable, light and dark."""


def flow(verdicts: pd.DataFrame) -> go.Figure:
    """Recipients from provider over reason to action; `verdicts` is what `suppress` gives."""
    if verdicts.empty:
        return theme.missing("No flow to show", "No recipient is known that failed or complained.")
    rows = verdicts.assign(
        provider=_few(verdicts["provider"].map(providers.name, na_action="ignore").fillna("unknown"), "provider"),
        reason=_few(verdicts["reason"].fillna("undefined").map(replies.words), "reason"),
    )
    sides = {column: _order(rows[column]) for column in ("provider", "reason")}
    sides["action"] = [str(a) for a in _ACTIONS if a in set(rows["action"])]
    at = {(c, n): i for i, (c, n) in enumerate((c, n) for c, names in sides.items() for n in names)}
    links = []
    for left, right in (("provider", "reason"), ("reason", "action")):
        keys = list(dict.fromkeys((left, right, "action")))
        for key, count in rows.groupby(keys).size().items():
            colour = theme.colour(_ACTIONS[Action(key[-1])][1]) + _VEIL
            links.append((at[left, key[0]], at[right, key[1]], int(count), colour))
    begin, end, width, colours = zip(*links, strict=True)
    labels = [*sides["provider"], *sides["reason"], *(_ACTIONS[Action(a)][0] for a in sides["action"])]
    ends = [theme.colour(_ACTIONS[Action(a)][1]) for a in sides["action"]]
    figure = go.Figure(
        go.Sankey(
            arrangement="snap",
            node={
                "label": [escape(t, quote=False) for t in labels],
                "color": [theme.colour("faint")] * (len(labels) - len(ends)) + ends,
                "line": {"width": 0},
                "pad": 16,
                "thickness": 12,
                "hovertemplate": "%{label}: %{value:,} recipients<extra></extra>",
            },
            link={
                "source": begin,
                "target": end,
                "value": width,
                "color": colours,
                "hovertemplate": "%{source.label} → %{target.label}: %{value:,}<extra></extra>",
            },
            textfont={"color": theme.colour("text"), "size": 12},
        )
    )
    for x, anchor, text in ((0, "left", "provider"), (0.5, "center", "reason"), (1, "right", "what to do")):
        figure.add_annotation(
            x=x, y=1.02, xref="paper", yref="paper", xanchor=anchor, yanchor="bottom", text=text, showarrow=False,
            font={"size": 12, "color": theme.colour("faint")},
        )  # fmt: skip
    told = rows.groupby(["provider", "reason", "action"]).size().sort_values(ascending=False, kind="stable")
    alt = "; ".join(f"{p}, {r}: {n:,}, {_ACTIONS[Action(a)][0]}" for (p, r, a), n in told.items())
    height = 140 + 40 * max(len(sides["provider"]), len(sides["reason"]))
    finished = theme.finish(figure, title=_title(rows), alt=alt, source="bounces and logs", height=height)
    # The headings of the columns stand above the drawing.
    return finished.update_layout(margin_t=finished.layout.margin.t + 28)


def _title(rows: pd.DataFrame) -> str:
    counts = rows["action"].value_counts()
    keep, stop = int(counts.get(Action.KEEP, 0)), int(counts.get(Action.SUPPRESS, 0))
    said = f"Of {len(rows):,} recipients that failed or complained, {stop:,} should get no more mail"
    return f"{said}; {keep:,} failed through our own fault" if keep else said


def _few(names: pd.Series[str], column: str) -> pd.Series[str]:
    kept = _order(names)[: _MOST[column]]
    return names.where(names.isin(kept), OTHERS[column])


def _order(names: pd.Series[str]) -> list[str]:
    """Most recipients first; what was put together comes last."""
    counts = names.value_counts()
    return sorted(counts.index, key=lambda n: (n in OTHERS.values(), -int(counts[n]), str(n)))
