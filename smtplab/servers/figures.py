"""Figures of servers: who offers what, and where a session's time goes."""

from __future__ import annotations

import plotly.graph_objects as go

from smtplab import theme
from smtplab.servers.collect import ServerEvidence

_FEATURES = ("answers", "announces TLS", "TLS works", "no password before TLS")


def offers(evidence: ServerEvidence) -> go.Figure:
    """A row a host and port, a column a property: yes, no, or does not apply."""
    shown = [o for o in evidence.offers if o.heard]
    if not shown:
        return theme.missing("No server was heard", "The recording holds no session with a mail server.")
    rows, words = [], []
    for o in shown:
        announced = o.starttls or o.implicit
        signs_in = o.protocol != "smtp" or bool(o.auth_before or o.auth_after)
        values = (
            True,
            announced,
            bool(o.tls) if announced else None,
            not o.plaintext_login if signs_in else None,
        )
        rows.append([0.5 if v is None else float(v) for v in values])
        words.append(["–" if v is None else "yes" if v else "NO" for v in values])
    figure = go.Figure(
        go.Heatmap(
            z=rows,
            x=list(_FEATURES),
            y=[o.service for o in shown],
            text=words,
            texttemplate="%{text}",
            zmin=0,
            zmax=1,
            colorscale=[[0, theme.colour("lost")], [0.5, theme.colour("muted")], [1, theme.colour("accepted")]],
            showscale=False,
            xgap=3,
            ygap=3,
        )
    )
    figure.update_layout(yaxis={"autorange": "reversed"})
    bad = [o.service for o, w in zip(shown, words, strict=True) if "NO" in w]
    title = (
        f"{len(bad)} of {len(shown)} services leave something open: {', '.join(bad)}"
        if bad
        else "No service leaves a gap"
    )
    alt = "; ".join(
        f"{o.service}: " + ", ".join(f"{f} {v}" for f, v in zip(_FEATURES, w, strict=True))
        for o, w in zip(shown, words, strict=True)
    )
    return theme.finish(figure, title=title, alt=alt, height=140 + 34 * len(shown))


def session_times(evidence: ServerEvidence) -> go.Figure:
    """Milliseconds of every phase, stacked, a bar a host and port."""
    times = evidence.times()
    if times.empty:
        return theme.missing("No session was timed", "The recording holds no session with a mail server.")
    times["service"] = times["host"] + ":" + times["port"].astype("str")
    figure = go.Figure()
    for number, phase in enumerate(dict.fromkeys(times["phase"])):
        part = times[times["phase"] == phase]
        figure.add_bar(
            name=phase,
            y=part["service"].tolist(),
            x=part["ms"].tolist(),
            orientation="h",
            marker_color=theme.series(number),
        )
    figure.update_layout(barmode="stack", yaxis={"autorange": "reversed"})
    total = times.groupby("service")["ms"].sum().sort_values()
    slowest = times.groupby(["service", "phase"])["ms"].sum()[str(total.index[-1])].idxmax()
    title = f"{total.index[-1]} is slowest with {total.iloc[-1]:,.0f} ms, most of it in {slowest}"
    alt = "; ".join(f"{service}: {ms:,.0f} ms" for service, ms in total.items())
    return theme.finish(figure, title=title, alt=alt, x="milliseconds", height=150 + 34 * len(total))
