"""Figures of DMARC: what each policy does to forged mail."""

from __future__ import annotations

import plotly.graph_objects as go

from smtplab import theme
from smtplab.authentication.collect import AuthEvidence
from smtplab.net.dns import State


def policy_table(evidence: AuthEvidence) -> go.Figure:
    """What a receiver would do with a forged message: a row a domain, a column a kind of name."""
    rows = [d for d in evidence.dmarc if d.record]
    if unknown := [d.domain for d in evidence.dmarc if d.state is State.UNKNOWN]:
        rows = [d for d in rows if d.domain not in unknown]
        if not rows:
            return theme.missing("The DMARC policy could not be determined", f"No answer for {', '.join(unknown)}.")
    if not rows:
        return theme.missing(
            "No DMARC policy", "None of the domains publishes a DMARC record, so forgeries are delivered."
        )
    weight = {"none": 0, "quarantine": 1, "reject": 2}
    names = ["the domain itself", "a subdomain that exists", "a subdomain that does not exist"]
    values = [list(d.policy) for d in rows if d.policy]
    figure = go.Figure(
        go.Heatmap(
            z=[[weight[v] for v in row] for row in values],
            x=names,
            y=[d.domain for d in rows],
            text=[
                [{"none": "delivered", "quarantine": "to spam", "reject": "refused"}[v] for v in row] for row in values
            ],
            texttemplate="%{text}",
            zmin=0,
            zmax=2,
            colorscale=[[0, theme.colour("lost")], [0.5, theme.colour("late")], [1, theme.colour("accepted")]],
            showscale=False,
            xgap=3,
            ygap=3,
        )
    )
    figure.update_yaxes(autorange="reversed")
    open_ = sum(v == "none" for row in values for v in row)
    title = "Forged mail in our name is delivered" if open_ else "Forged mail in our name is refused or goes to spam"
    alt = "; ".join(f"{d.domain}: {', '.join(v)}" for d, v in zip(rows, values, strict=True))
    return theme.finish(figure, title=title, alt=alt, height=130 + 60 * len(rows))
