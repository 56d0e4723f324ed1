"""Figures of SPF: what it costs, who is authorised and who sends."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from smtplab import theme
from smtplab.authentication.collect import AuthEvidence
from smtplab.authentication.ranges import Ranges
from smtplab.authentication.spf_record import MAX_LOOKUPS, SpfRecord, SpfTerm
from smtplab.net.dns import State

MAX_BARS = 15
MAX_STEPS = 40


def spf_tree(evidence: AuthEvidence, domain: str) -> go.Figure:
    """What each term costs, in order, as steps towards the limit of ten; terms inside an include below it."""
    record = evidence.spf_record(domain)
    costly = [t for t in record.terms if t.lookup] if record else []
    if record is not None and record.state is State.UNKNOWN:
        return theme.missing(f"SPF of {domain} could not be determined", record.why)
    if record is None or not costly:
        return theme.missing(f"SPF of {domain} costs no look-ups", "No term of the record asks the DNS.")
    shown = _readable(costly)
    figure = go.Figure()
    for name, role, pieces in (
        ("terms of the record, with all below them", "accent", [_within(t) for t in shown if t.own]),
        ("↳ terms inside an include", "pending", [_within(t) for t in shown if not t.own]),
        ("beyond the limit: never reached", "lost", [_beyond(t) for t in shown]),
    ):
        steps = [(t, start, length) for t, start, length in pieces if length]
        figure.add_bar(
            name=name,
            base=[start for _, start, _ in steps],
            x=[length for _, _, length in steps],
            y=[_label(t) for t, _, _ in steps],
            orientation="h",
            marker_color=theme.colour(role),
            marker_pattern_shape="/" if role == "lost" else "",
            customdata=[_numbers(t) for t, _, _ in steps],
            hovertemplate="%{y}: %{customdata}<extra></extra>",
            showlegend=bool(steps),
        )
    for term in shown:
        figure.add_annotation(
            x=term.lookup - 1 + _cost(term),
            y=_label(term),
            text=_numbers(term),
            showarrow=False,
            xanchor="left",
            xshift=4,
            font={"size": 11, "color": theme.colour("faint")},
            bgcolor=theme.colour("paper"),
        )
    last = max(record.lookups, MAX_LOOKUPS)
    figure.add_vline(x=MAX_LOOKUPS, line_color=theme.colour("critical"), line_dash="dash")
    figure.update_layout(
        barmode="overlay",
        bargap=0.35,
        yaxis={"categoryorder": "array", "categoryarray": [_label(t) for t in shown][::-1]},
        xaxis={"range": [0, last * 1.18], "dtick": max(1, round(last / 12)), "zeroline": False},
    )
    alt = f"Look-ups of the SPF record of {domain} in order: " + "; ".join(f"{t.lookup} {t.text}" for t in costly)
    height = 150 + 24 * len(shown)
    return theme.finish(figure, title=_title(record, costly), alt=alt, x="DNS look-ups spent", height=height)


def _title(record: SpfRecord, costly: list[SpfTerm]) -> str:
    # The term of the domain's own record comes first: that is the line its owner can move or remove.
    beyond = sorted((t for t in costly if t.lookup > MAX_LOOKUPS), key=lambda t: (not t.own, t.lookup))
    if beyond:
        return f"{beyond[0].text} is look-up {beyond[0].lookup}: receivers stop after {MAX_LOOKUPS}"
    return f"SPF of {record.domain} needs {record.lookups} of {MAX_LOOKUPS} look-ups"


def _readable(costly: list[SpfTerm]) -> list[SpfTerm]:
    """The terms that fit into a picture: the deepest go first, then the last."""
    for depth in range(max(t.depth for t in costly), -1, -1):
        shown = [t for t in costly if t.depth <= depth or t.own]
        if len(shown) <= MAX_STEPS:
            return shown
    return [t for t in costly if t.own][:MAX_STEPS]


def _cost(term: SpfTerm) -> int:
    # What a redirect leads to stands in bars of its own.
    return 1 if term.name == "redirect" else term.cost()


def _within(term: SpfTerm) -> tuple[SpfTerm, int, int]:
    start = term.lookup - 1
    return term, start, max(0, min(_cost(term), MAX_LOOKUPS - start))


def _beyond(term: SpfTerm) -> tuple[SpfTerm, int, int]:
    start = max(term.lookup - 1, MAX_LOOKUPS)
    return term, start, max(0, term.lookup - 1 + _cost(term) - start)


def _numbers(term: SpfTerm) -> str:
    cost = _cost(term)
    return f"look-up {term.lookup}" if cost == 1 else f"{cost} look-ups, {term.lookup} to {term.lookup + cost - 1}"


def _label(term: SpfTerm) -> str:
    # Each label is one category: equal terms of two includes must stay two bars.
    shown = term.text if len(term.text) <= 42 else f"{term.text[:41]}…"
    return ("" if term.own else "↳ ") + shown + "\u200b" * term.lookup


def networks_seen(evidence: AuthEvidence, outcomes: pd.DataFrame, domain: str) -> go.Figure:
    """Each address that really sends, by recipients, coloured by what SPF of the domain says to it."""
    record = evidence.spf_record(domain)
    seen = outcomes["source_ip"].dropna().value_counts().head(MAX_BARS)
    if record is None or seen.empty:
        return theme.missing("No sending address is known", "Logs, events or case.toml would name them.")
    said = {ip: _said(ip, record) for ip in seen.index}
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


def _said(address: str, record: SpfRecord) -> str:
    if Ranges.of(record.reachable()).holds(address):
        return "authorised"
    return "authorised, but never reached" if Ranges.of(record.unreachable()).holds(address) else "not authorised"
