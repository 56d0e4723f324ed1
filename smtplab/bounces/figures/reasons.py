"""Figures of bounces: why mail came back, from whom, and when."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from smtplab import mail, providers, replies, theme
from smtplab.bounces.read import KINDS, BounceEvidence

_MOST_PROVIDERS = 6
_MOST_REASONS = 12
_MOST_SERIES = 5
_LONG, _MOST_BARS = 28, 120
"""Days from which weeks are drawn, and the most bars of a series."""
_ROLES = {
    "bounce": "lost", "delay": "late", "complaint": "critical", "auto-reply": "pending", "success": "accepted",
    "disposition": "info", "none": "unknown",
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
    title = f"Mail to {total:,} recipients came back; most, {int(worst.max()):,}, from {provider}: {reason}"
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
    return theme.dates(theme.finish(figure, title=title, alt=alt, y="messages a day", source="bounces"))


def reasons_over_time(outcomes: pd.DataFrame) -> go.Figure:
    """Lost recipients a week, by reason; the table outcomes of logs, events and bounces."""
    lost = outcomes[outcomes["outcome"].eq("lost")].dropna(subset=["last_time"])
    if lost.empty:
        return theme.missing("No loss is known", "The case holds no lost recipient, or no log, event or bounce.")
    reasons = _top(lost["reason"].fillna("undefined").astype(object), _MOST_SERIES)
    days = lost["last_time"].dt.floor("D")
    weekly = (days.max() - days.min()).days > _LONG
    # Weeks begin on Monday.
    begin = days - pd.to_timedelta(days.dt.day_of_week, unit="D") if weekly else days
    every = pd.date_range(begin.min(), begin.max(), freq="7D" if weekly else "D")
    counts = pd.crosstab(begin, reasons).reindex(every, fill_value=0)
    if len(every) > _MOST_BARS:
        counts = counts.resample(f"{7 * -(-len(every) // _MOST_BARS)}D").sum()
    order = sorted(counts, key=lambda r: (r == "others", -int(counts[r].sum()), str(r)))
    figure = go.Figure()
    for number, reason in enumerate(order):
        figure.add_bar(
            name=replies.words(reason),
            x=[f"{d:%Y-%m-%d}" for d in counts.index],
            y=[int(n) for n in counts[reason]],
            marker_color=theme.series(number) if reason != "others" else theme.colour("unknown"),
            hovertemplate="%{x}: %{y:,}",
        )
    figure.update_layout(barmode="stack", bargap=0.12)
    total = counts.sum(axis=1)
    worst = total.idxmax()
    most = counts.loc[worst].idxmax()
    when = f"the week from {theme.day(worst)}" if weekly else theme.day(worst)
    title = f"Most was lost in {when}" if weekly else f"Most was lost on {when}"
    title += f": {int(total.max()):,} recipients, {int(counts.loc[worst, most]):,} of them with “{replies.words(most)}”"
    alt = "; ".join(f"{replies.words(r)}: {int(counts[r].sum()):,}" for r in order)
    unit = "recipients a week" if weekly else "recipients a day"
    source = "logs, events, bounces"
    return theme.dates(theme.finish(figure, title=title, alt=f"{title}. {alt}", y=unit, source=source, height=430))
