"""Figures of reports: who sends in our name, and how TLS to our servers fails."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from smtplab import theme
from smtplab.reports.read import ReportEvidence
from smtplab.reports.sources import KINDS, classified

_ROLE = {
    "ours": "accepted", "ours, failing": "lost", "vendor": "late", "forwarded": "pending", "mailing list": "unknown",
    "forged or unknown": "critical",
}  # fmt: skip
_MOST = 12


def volume_by_source(evidence: ReportEvidence) -> go.Figure:
    """A bar a source address, most messages first, coloured by what kind of sender it is."""
    table = classified(evidence)
    if table.empty:
        return theme.missing("No DMARC report", "The case holds no DMARC aggregate report on its domains.")
    sums = table.groupby("source_ip")["count"].sum().sort_values(ascending=False, kind="stable")
    order = list(sums.index[:_MOST])
    names = table["source_ip"].where(table["source_ip"].isin(order), f"{len(sums) - len(order)} other addresses")
    cells = table.assign(name=names).groupby(["name", "kind"])["count"].sum()
    labels = [*order, *(n for n in names.unique() if n not in order)]
    figure = go.Figure()
    for kind in KINDS:
        if kind in cells.index.get_level_values("kind"):
            values = [int(cells.get((label, kind), 0)) for label in labels]
            figure.add_bar(
                y=labels,
                x=values,
                orientation="h",
                name=kind,
                marker_color=theme.colour(_ROLE[kind]),
                hovertemplate="%{y}: %{x:,} messages",
            )
    figure.update_layout(barmode="stack")
    figure.update_yaxes(autorange="reversed", type="category")
    total = int(table["count"].sum())
    weak = int(table.loc[table["alignment"] == "none", "count"].sum())
    title = f"{weak / total:.0%} of {total:,} messages in our name fail DMARC" if total else "No mail was reported"
    said = table.groupby("kind")["count"].sum()
    alt = f"{title}. " + "; ".join(f"{k} {int(said[k]):,}" for k in KINDS if k in said)
    return theme.finish(
        figure, title=title, alt=alt, x="messages", source="DMARC aggregate reports", height=150 + 26 * len(labels)
    )


def alignment_over_time(evidence: ReportEvidence) -> go.Figure:
    """Messages a day in our name, by kind of sender; a report counts on the day it begins."""
    table = classified(evidence)
    if table.empty or table["begin"].isna().all():
        return theme.missing("No DMARC report", "The case holds no DMARC aggregate report on its domains.")
    dated = table.assign(day=table["begin"].dt.floor("D"))
    weak = dated[dated["alignment"] == "none"].groupby("day")["count"].sum()
    title = "All mail that receivers saw in our name passed DMARC"
    if len(weak):
        day, count = weak.idxmax(), int(weak.max())
        title = f"{count:,} messages in our name failed DMARC on {theme.day(day)}, more than on any other day"
    return _daily(
        dated,
        "kind",
        "count",
        {k: (k, theme.colour(_ROLE[k])) for k in KINDS},
        "messages a day",
        "DMARC aggregate reports",
        title,
    )


def tls_failures(evidence: ReportEvidence) -> go.Figure:
    """Failed TLS sessions a day, by result type (RFC 8460 section 4.3)."""
    failed = evidence.tls[evidence.tls["failures"].fillna(0) > 0]
    if evidence.tls.empty:
        return theme.missing("No TLS report", "The case holds no TLS report (RFC 8460).")
    if failed.empty:
        return theme.missing("No TLS failure reported", f"All {len(evidence.tls):,} rows report success.")
    types = failed.groupby("result_type")["failures"].sum().sort_values(ascending=False, kind="stable")
    named = {str(t): (str(t), theme.series(i)) for i, t in enumerate(types.index)}
    total = int(types.sum())
    return _daily(
        failed.assign(day=failed["begin"].dt.floor("D")),
        "result_type",
        "failures",
        named,
        "failed sessions a day",
        "TLS reports",
        f"{total:,} sessions to our servers failed, most by {types.index[0]}",
    )


def _daily(
    table: pd.DataFrame,
    by: str,
    weight: str,
    named: dict[str, tuple[str, str]],
    unit: str,
    source: str,
    title: str,
) -> go.Figure:
    cells = table.groupby(["day", by])[weight].sum()
    days = pd.date_range(table["day"].min(), table["day"].max(), freq="D")
    step = max(1, -(-len(days) * len(named) // theme.MAX_POINTS))
    figure = go.Figure()
    words = []
    for key, (label, colour) in named.items():
        if key not in cells.index.get_level_values(by):
            continue
        values = cells.xs(key, level=by).reindex(days, fill_value=0)
        if step > 1:
            values = values.resample(f"{step}D").sum()
        words.append(f"{label} {int(values.sum()):,}")
        figure.add_bar(
            x=[f"{d:%Y-%m-%d}" for d in values.index],
            y=[int(v) for v in values],
            name=label,
            marker_color=colour,
            hovertemplate="%{x}: %{y:,}",
        )
    figure.update_layout(barmode="stack", bargap=0.08)
    span = f"{days[0]:%Y-%m-%d} to {days[-1]:%Y-%m-%d}"
    alt = f"{title}, {span}: " + "; ".join(words)
    return theme.dates(theme.finish(figure, title=title, alt=alt, y=unit, source=source))
