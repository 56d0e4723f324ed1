"""Figures of transport: how much life each certificate has left, and what protects mail to each MX."""

from __future__ import annotations

import textwrap

import pandas as pd
import plotly.graph_objects as go

from smtplab import theme
from smtplab.transport.dane import DaneState
from smtplab.transport.evidence import TransportEvidence
from smtplab.transport.protection import LOST, MAILLESS, NO, NONE, OPEN, PLAIN, PROTECTED, UNKNOWN, YES, protection


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
            y=[f"{h.label}:{h.port}" for h in part],
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
    alt = "; ".join(f"{h.label}:{h.port}: {h.days_left(evidence.as_of)} days left" for h in hosts)
    return theme.finish(
        figure,
        title=title,
        alt=alt,
        x="validity; the dashed line is the day of this judgement",
        height=150 + 34 * len(hosts),
    )


_GOOD = (YES, "valid", "enforce", DaneState.WORKS, PROTECTED)
_HALF = ("testing", DaneState.UNUSABLE, OPEN)
_NEUTRAL = (UNKNOWN, NONE, DaneState.ABSENT, "none", MAILLESS)
_OPTIONAL = ("MTA-STS", "TLS-RPT")
_COLOURS = ((0, "lost"), (1 / 3, "late"), (2 / 3, "muted"), (1, "accepted"))


def protections(evidence: TransportEvidence) -> go.Figure:
    """A row a domain and MX, a column a means of protection, in words; colour says whether it holds."""
    table = protection(evidence)
    if table.empty:
        return theme.missing("No MX is known", "The recording names no mail exchanger of our domains.")
    shown = list(table.columns[2:])
    rows = [f"{mx}<br>for {domain}" for domain, mx in zip(table["domain"], table["mx"], strict=True)]
    words = table[shown].to_numpy().tolist()
    figure = theme.matrix(
        [_levels(dict(zip(shown, line, strict=True))) for line in words],
        [["<br>".join(textwrap.wrap(word, 10)) for word in line] for line in words],
        x=shown,
        y=rows,
        textfont={"size": 12},
        hoverinfo="skip",
        colorscale=[[at, theme.colour(role)] for at, role in _COLOURS],
    )
    figure.update_xaxes(side="top")
    alt = "; ".join(
        f"{row.replace('<br>', ' ')}: " + ", ".join(f"{c} {w}" for c, w in zip(shown, line, strict=True))
        for row, line in zip(rows, words, strict=True)
    )
    return theme.finish(figure, title=_title(table), alt=alt, height=150 + 64 * len(rows))


def _levels(row: dict[str, str]) -> list[float]:
    """1 it holds, 2/3 it does not apply or is not known, 1/3 half or nobody asks for it, 0 it is missing or broken."""
    enforced = row["MTA-STS"].startswith("enforce")

    def level(column: str, word: str) -> float:
        if word in _GOOD:
            return 1.0
        if word in _NEUTRAL or (word == NO and column == "REQUIRETLS"):
            return 2 / 3
        unasked = (word == NO and column in _OPTIONAL) or (column == "certificate" and not enforced)
        return 1 / 3 if word in _HALF or unasked else 0.0

    return [level(*cell) for cell in row.items()]


def _title(table: pd.DataFrame) -> str:
    """The worst that can be said, and of which MX."""
    for state in (LOST, PLAIN, OPEN, UNKNOWN):
        hosts = list(dict.fromkeys(table.loc[table["mail is"] == state, "mx"]))
        if hosts:
            more = f" and {len(hosts) - 3} more" if len(hosts) > 3 else ""
            said = "may be protected: not all is known" if state == UNKNOWN else f"is {state}"
            return f"Mail to {', '.join(hosts[:3])}{more} {said}"
    return "Mail to every MX is protected on its way"
