"""Figures of bounces: why mail came back, from whom, and when."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from smtplab import mail, providers, replies, theme
from smtplab.bounces.read import KINDS, BounceEvidence

_MOST_PROVIDERS = 6
_MOST_REASONS = 12
_ROLES = {
    "bounce": "lost", "delay": "late", "complaint": "critical", "auto-reply": "pending", "success": "accepted",
    "none": "unknown",
}  # fmt: skip


def by_reason_and_provider(evidence: BounceEvidence) -> go.Figure:
    """Recipients returned, a row a reason, a column a mailbox provider."""
    failed = evidence.bounces[evidence.bounces["kind"] == "bounce"]
    if failed.empty:
        return theme.missing("No bounce is known", "The case holds no bounce.")
    cells = matrix(evidence).rename(index=replies.words, columns=providers.name)
    total = int(cells.to_numpy().sum())
    worst = cells.stack()
    reason, provider = worst.idxmax()
    figure = go.Figure(
        go.Heatmap(
            # The root keeps small counts visible beside a large one; the numbers stand in the fields.
            z=[[round(n**0.5, 3) for n in row] for row in cells.to_numpy().tolist()],
            x=list(cells.columns),
            y=list(cells.index),
            text=[[f"{n:,}" if n else "" for n in row] for row in cells.to_numpy().tolist()],
            texttemplate="%{text}",
            colorscale=theme.scale("lost"),
            showscale=False,
            xgap=2,
            ygap=2,
            hovertemplate="%{y} at %{x}: %{text} recipients<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", type="category")
    figure.update_xaxes(type="category")
    title = f"{total:,} recipients came back; most, {int(worst.max()):,}, at {provider}: {reason}"
    rows = "; ".join(f"{r}: " + ", ".join(f"{p} {n:,}" for p, n in row.items() if n) for r, row in cells.iterrows())
    return theme.finish(figure, title=title, alt=f"{title}. {rows}", source="bounces", height=200 + 28 * len(cells))


def matrix(evidence: BounceEvidence) -> pd.DataFrame:
    """Returned recipients by reason (rows) and provider (columns), most first; the rest as "others"."""
    failed = evidence.bounces[evidence.bounces["kind"] == "bounce"]
    names = failed["recipient"].map(
        lambda a: providers.provider(mail.domain_of(a) or "unknown") if isinstance(a, str) else "unknown"
    )
    reasons = failed["reason"].fillna("undefined").astype(object)
    names, reasons = _top(names, _MOST_PROVIDERS), _top(reasons, _MOST_REASONS)
    cells = pd.crosstab(reasons, names)
    rows = sorted(cells.index, key=lambda r: (r == "others", -int(cells.loc[r].sum()), str(r)))
    columns = sorted(cells.columns, key=lambda c: (c == "others", -int(cells[c].sum()), str(c)))
    return cells.loc[rows, columns]


def _top(values: pd.Series, most: int) -> pd.Series:
    counted = values.value_counts()
    keep = sorted(counted.index, key=lambda v: (-int(counted[v]), str(v)))[:most]
    return values.where(values.isin(keep), "others")


def over_time(evidence: BounceEvidence) -> go.Figure:
    """Reports a day, by what they are."""
    dated = evidence.messages.dropna(subset=["time"])
    if dated.empty:
        return theme.missing(
            "No bounce mailbox to read", "The case holds no bounce mailbox; whether mail came back is unknown."
        )
    days = dated["time"].dt.floor("D")
    every = pd.date_range(days.min(), days.max(), freq="D")
    rule = f"{max(1, -(-len(every) // 300))}D"
    figure = go.Figure()
    said = []
    for kind in KINDS:
        part = days[dated["kind"] == kind]
        if part.empty:
            continue
        counts = part.value_counts().reindex(every, fill_value=0).resample(rule).sum()
        said.append(f"{kind} {len(part):,}")
        figure.add_bar(
            x=[f"{d:%Y-%m-%d}" for d in counts.index],
            y=[int(n) for n in counts],
            name=kind,
            marker_color=theme.colour(_ROLES[kind]),
            hovertemplate="%{x}: %{y:,}",
        )
    figure.update_layout(barmode="stack", bargap=0.08)
    peak = days.value_counts().sort_index()
    title = f"Most came back on {theme.day(peak.idxmax())}: {int(peak.max()):,} messages"
    alt = f"{title}. From {every[0]:%Y-%m-%d} to {every[-1]:%Y-%m-%d}: " + ", ".join(said)
    return theme.finish(figure, title=title, alt=alt, y="messages a day", source="bounces")
