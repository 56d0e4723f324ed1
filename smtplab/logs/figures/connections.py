"""How do we connect, and where does the time go? Stages of delay, TLS versions, and connections used again."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from smtplab import providers, theme
from smtplab.logs.evidence import LogEvidence
from smtplab.logs.figures.panels import NONE, top

_STAGES = {
    "delay_before_queue": "before the queue",
    "delay_in_queue": "in the queue manager",
    "delay_connection": "connecting",
    "delay_transmission": "handing over",
}
_CLEAR = "clear text, or not logged"


def delay_stages(evidence: LogEvidence) -> go.Figure:
    """Mean seconds of a first attempt by stage, a bar a provider: a retry's wait is left out."""
    deliveries = evidence.deliveries
    if deliveries.empty:
        return theme.missing("No delivery is known", NONE)
    first = deliveries[["provider", "attempt", *_STAGES]]
    first = first[first["attempt"] == 1].dropna(subset=list(_STAGES), how="all")
    if first.empty:
        return theme.missing(
            "The stages of delay are unknown", "No line of the logs tells them (Postfix: delays=a/b/c/d)."
        )
    names = top(first["provider"], 8)
    part = first[first["provider"].isin(names)]
    means = part.groupby("provider")[list(_STAGES)].mean().loc[names].astype("float64").fillna(0.0)
    figure = go.Figure()
    for number, (column, words) in enumerate(_STAGES.items()):
        figure.add_bar(
            name=words,
            y=[providers.name(n) for n in names],
            x=[round(float(v), 3) for v in means[column]],
            orientation="h",
            marker_color=theme.series(number),
            marker_pattern_shape=("", "/", "", ".")[number],
        )
    figure.update_layout(barmode="stack", yaxis={"autorange": "reversed"})
    total = means.sum(axis=1)
    worst = str(total.idxmax())
    stage = _STAGES[str(means.loc[worst].idxmax())]
    title = f"{providers.name(worst)} takes longest: {total[worst]:.1f} s a first attempt, most of it {stage}"
    alt = "; ".join(f"{providers.name(n)}: {total[n]:.2f} s" for n in names)
    return theme.finish(figure, title=title, alt=f"{title}. {alt}", x="seconds (mean)", height=150 + 34 * len(names))


def tls_share(evidence: LogEvidence) -> go.Figure:
    """Share of accepted deliveries by TLS version, a bar a provider; clear text stands out."""
    deliveries = evidence.deliveries
    if deliveries.empty:
        return theme.missing("No delivery is known", NONE)
    accepted = (deliveries["status"] == "sent") & deliveries["relay_ip"].notna()
    sent = deliveries.loc[accepted, ["provider", "host", "relay_host", "tls_version"]]
    if not sent["tls_version"].notna().any():
        return theme.missing(
            "The TLS of our connections is unknown", "No line tells it (Postfix: smtp_tls_loglevel = 1)."
        )
    names = top(sent["provider"], 8)
    part = sent[sent["provider"].isin(names)]
    counts = part.groupby(["provider", part["tls_version"].fillna(_CLEAR)]).size().unstack(fill_value=0).loc[names]
    share = counts.div(counts.sum(axis=1), axis=0)
    figure = go.Figure()
    versions = sorted((c for c in counts if c != _CLEAR), reverse=True)
    roles = ["accepted", "pending", "late", "critical"]
    for number, version in enumerate([*versions, *([_CLEAR] if _CLEAR in counts else [])]):
        clear = version == _CLEAR
        figure.add_bar(
            name=version,
            y=[providers.name(n) for n in names],
            x=[round(float(v), 4) for v in share[version]],
            orientation="h",
            marker_color=theme.colour("lost" if clear else roles[min(number, 3)]),
            marker_pattern_shape="/" if clear else "",
            customdata=[int(n) for n in counts[version]],
            hovertemplate="%{y}: %{x:.1%} (%{customdata:,})",
        )
    figure.update_layout(barmode="stack", yaxis={"autorange": "reversed"}, xaxis={"tickformat": ".0%", "range": [0, 1]})
    clear = counts[_CLEAR] if _CLEAR in counts else pd.Series(0, index=counts.index)
    total = int(clear.sum())
    title = f"All {len(sent):,} deliveries were encrypted, most with {sent['tls_version'].value_counts().index[0]}"
    if total:
        where = f"; most often those to {providers.name(str((clear / counts.sum(axis=1)).idxmax()))}"
        hops = part.loc[part["tls_version"].isna(), ["host", "relay_host"]].drop_duplicates()
        if len(hops) == 1 and hops.notna().all(axis=None):
            where = f", all from {hops['host'].iloc[0]} to {hops['relay_host'].iloc[0]}"
        title = f"{total:,} {'delivery shows' if total == 1 else 'deliveries show'} no TLS{where}"
    elif silent := int(sent["tls_version"].isna().sum()):
        title = f"All deliveries to large providers were encrypted; {silent:,} others show no TLS"
    alt = "; ".join(f"{providers.name(n)}: {1 - clear[n] / counts.loc[n].sum():.1%} encrypted" for n in names)
    return theme.finish(
        figure, title=title, alt=f"{title}. {alt}", x="share of accepted deliveries", height=150 + 34 * len(names)
    )


def connection_reuse(evidence: LogEvidence) -> go.Figure:
    """Deliveries over a new connection and over one used before, a bar one of our hosts."""
    known = evidence.deliveries[["host", "connection_uses"]].dropna(subset="connection_uses")
    if known.empty:
        return theme.missing(
            "The reuse of connections is unknown", NONE if evidence.deliveries.empty else "No line tells it."
        )
    counts = (known["connection_uses"] > 1).groupby(known["host"]).agg(["sum", "size"]).sort_values("size").tail(10)
    hosts = [str(h) for h in counts.index]
    again = counts["sum"].astype("int64")
    figure = go.Figure()
    for name, values, role in (
        ("over a new connection", counts["size"] - again, "late"),
        ("over a connection used before", again, "accepted"),
    ):
        figure.add_bar(
            name=name, y=hosts, x=[int(v) for v in values], orientation="h", marker_color=theme.colour(role),
            marker_pattern_shape="." if role == "late" else "",
        )  # fmt: skip
    figure.update_layout(barmode="stack")
    figure.update_yaxes(type="category")
    share = again.sum() / counts["size"].sum()
    title = f"{share:.0%} of deliveries went over a connection used before"
    if not again.sum():
        title = f"Each of {int(counts['size'].sum()):,} deliveries opened a connection of its own"
    alt = "; ".join(f"{h}: {int(again[h]):,} of {int(counts.loc[h, 'size']):,} reused" for h in hosts)
    return theme.finish(figure, title=title, alt=f"{title}. {alt}", x="deliveries", height=150 + 34 * len(hosts))
