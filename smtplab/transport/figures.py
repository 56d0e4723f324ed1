"""Figure of transport: how much life each certificate has left."""

from __future__ import annotations

import plotly.graph_objects as go

from smtplab import theme
from smtplab.transport.collect import TransportEvidence


def lifetimes(evidence: TransportEvidence) -> go.Figure:
    """A bar a service from its certificate's begin to its end, against the day of the judgement."""
    hosts = [h for h in evidence.hosts if h.certificate]
    if not hosts:
        return theme.missing("No certificate was seen", "The recording holds no TLS session.")
    figure = go.Figure()
    for name, role, ended in (("valid", "accepted", False), ("expired", "lost", True)):
        part = [h for h in hosts if h.certificate and (h.days_left(evidence.as_of) < 0) is ended]
        figure.add_bar(
            name=name,
            orientation="h",
            y=[f"{h.host}:{h.port}" for h in part],
            base=[h.certificate.not_before.isoformat() for h in part if h.certificate],
            x=[
                (h.certificate.not_after - h.certificate.not_before).total_seconds() * 1000
                for h in part
                if h.certificate
            ],
            marker_color=theme.colour(role),
            marker_pattern_shape="/" if ended else "",
        )
    figure.add_vline(x=evidence.as_of.timestamp() * 1000, line_color=theme.colour("critical"), line_dash="dash")
    figure.update_xaxes(type="date")
    ended_ = [h for h in hosts if h.days_left(evidence.as_of) < 0]
    first = min(hosts, key=lambda h: h.days_left(evidence.as_of))
    days = first.days_left(evidence.as_of)
    title = (
        f"The certificate of {first.host} ended {-days} days ago"
        if ended_
        else f"The certificate of {first.host} ends first, in {days} days"
    )
    alt = "; ".join(f"{h.host}:{h.port}: {h.days_left(evidence.as_of)} days left" for h in hosts)
    return theme.finish(
        figure,
        title=title,
        alt=alt,
        x="validity; the dashed line is the day of this judgement",
        height=150 + 34 * len(hosts),
    )
