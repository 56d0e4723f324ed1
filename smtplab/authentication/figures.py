"""Figures of authentication: what SPF costs, who is authorised and who sends, what each policy does."""

from __future__ import annotations

import ipaddress

import pandas as pd
import plotly.graph_objects as go

from smtplab import theme
from smtplab.authentication.collect import AuthEvidence
from smtplab.authentication.spf import MAX_LOOKUPS
from smtplab.net.dns import State

MAX_BARS = 15


def spf_tree(evidence: AuthEvidence, domain: str) -> go.Figure:
    """The terms that cost look-ups, in order, as a staircase against the limit of ten."""
    record = next((r for r in evidence.spf if r.domain == domain), None)
    costly = [t for t in record.terms if t.lookup] if record else []
    if record is not None and record.state is State.UNKNOWN:
        return theme.missing(f"SPF of {domain} could not be determined", record.why)
    if record is None or not costly:
        return theme.missing(f"SPF of {domain} costs no look-ups", "No term of the record asks the DNS.")
    figure = go.Figure()
    for name, role, terms in (
        ("within the limit", "accepted", [t for t in costly if t.lookup <= MAX_LOOKUPS]),
        ("never reached: permerror", "lost", [t for t in costly if t.lookup > MAX_LOOKUPS]),
    ):
        figure.add_bar(
            name=name,
            x=[t.lookup for t in terms],
            y=[_label(t.text, t.depth, t.lookup) for t in terms],
            orientation="h",
            marker_color=theme.colour(role),
            marker_pattern_shape="/" if role == "lost" else "",
            text=[str(t.lookup) for t in terms],
            textposition="outside",
            hovertemplate="%{y}: look-up %{x}<extra></extra>",
        )
    figure.add_vline(x=MAX_LOOKUPS + 0.5, line_color=theme.colour("critical"), line_dash="dash")
    order = [_label(t.text, t.depth, t.lookup) for t in costly]
    figure.update_layout(yaxis={"categoryorder": "array", "categoryarray": order[::-1], "side": "left"})
    # The term of the domain's own record comes first: that is the line its owner can move or remove.
    beyond = sorted((t for t in costly if t.lookup > MAX_LOOKUPS), key=lambda t: (t.depth, t.lookup))
    title = (
        f"{beyond[0].text} is look-up {beyond[0].lookup}: receivers stop after {MAX_LOOKUPS}"
        if beyond
        else f"SPF of {domain} needs {record.lookups} of {MAX_LOOKUPS} look-ups"
    )
    alt = f"Look-ups of the SPF record of {domain} in order: " + "; ".join(f"{t.lookup} {t.text}" for t in costly)
    return theme.finish(figure, title=title, alt=alt, x="number of the DNS look-up", height=150 + 26 * len(costly))


def _label(text: str, depth: int, lookup: int) -> str:
    # Each label is one category: equal terms of two includes must stay two bars.
    shown = text if len(text) <= 42 else f"{text[:41]}…"
    return "\u2003" * depth + shown + "\u200b" * lookup


def networks_seen(evidence: AuthEvidence, outcomes: pd.DataFrame, domain: str) -> go.Figure:
    """Each address that really sends, by recipients, coloured by what SPF of the domain says to it."""
    record = next((r for r in evidence.spf if r.domain == domain), None)
    seen = outcomes["source_ip"].dropna().value_counts().head(MAX_BARS)
    if record is None or seen.empty:
        return theme.missing("No sending address is known", "Logs, events or case.toml would name them.")
    said = {ip: _said(ip, record.reachable(), record.unreachable()) for ip in seen.index}
    roles = {"authorised": "accepted", "authorised, but never reached": "late", "not authorised": "lost"}
    figure = go.Figure()
    for words, role in roles.items():
        ips = [ip for ip in seen.index if said[ip] == words]
        figure.add_bar(
            name=words, y=ips, x=[int(seen[ip]) for ip in ips], orientation="h", marker_color=theme.colour(role)
        )
    figure.update_layout(barmode="stack", yaxis={"categoryorder": "total ascending"})
    bad = sum(int(seen[ip]) for ip in seen.index if said[ip] != "authorised")
    share = bad / int(seen.sum())
    title = (
        f"{share:.0%} of recipients are served from addresses that SPF of {domain} does not reach"
        if bad
        else f"Every address that sends is authorised by SPF of {domain}"
    )
    alt = "; ".join(f"{ip}: {int(n):,} recipients, {said[ip]}" for ip, n in seen.items())
    return theme.finish(figure, title=title, alt=alt, x="recipients", height=150 + 32 * len(seen))


def _said(address: str, reachable: list[str], unreachable: list[str]) -> str:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return "not authorised"

    def holds(networks: list[str]) -> bool:
        return any(ip in n for n in map(ipaddress.ip_network, networks) if n.version == ip.version)

    if holds(reachable):
        return "authorised"
    return "authorised, but never reached" if holds(unreachable) else "not authorised"


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
