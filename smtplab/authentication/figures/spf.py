"""Figures of SPF: what it costs, who is authorised and who sends."""

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
