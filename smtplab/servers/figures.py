"""Figures of servers: who offers what, where a session's time goes, and at which step a connection fails."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from smtplab import theme
from smtplab.servers.collect import ServerEvidence
from smtplab.servers.diagnose import Diagnosis

_STEPS = (
    # A column each; several exchanges of a step stand in one.
    ("name", ("name",)),
    ("route", ("route",)),
    ("port", ("port",)),
    ("greeting", ("greeting",)),
    ("EHLO", ("capabilities", "capabilities-tls")),
    ("TLS", ("starttls", "tls")),
    ("certificate", ("certificate",)),
    ("sign-in", ("auth",)),
    ("sender", ("mail",)),
    ("recipient", ("rcpt",)),
)
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
        values = (True, announced, bool(o.tls) if announced else None, not o.plaintext_login if signs_in else None)
        rows.append([0.5 if v is None else float(v) for v in values])
        words.append(["–" if v is None else "yes" if v else "NO" for v in values])
    figure = theme.matrix(rows, words, x=list(_FEATURES), y=[o.service for o in shown])
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


def failing_steps(diagnoses: Sequence[Diagnosis]) -> go.Figure:
    """A row an endpoint, a column a step: fine, failed or unknown, with its milliseconds; blank where none came."""
    if not diagnoses:
        return theme.missing("Nothing was diagnosed", "Name a host and a port.")
    columns = [(name, ps) for name, ps in _STEPS if any(s.phase in ps for d in diagnoses for s in d.steps)]
    names = [f"{d.endpoint.host}:{d.endpoint.port}" for d in diagnoses]
    colours, words = [], []
    for d in diagnoses:
        cells = [_cell(d, phases) for _, phases in columns]
        colours.append([c for c, _ in cells])
        words.append([w for _, w in cells])
    figure = theme.matrix(colours, words, x=[name for name, _ in columns], y=names, hoverongaps=False)
    figure.update_layout(xaxis={"showgrid": False}, yaxis={"showgrid": False})
    failed = [(name, d.failed) for name, d in zip(names, diagnoses, strict=True) if d.failed]
    told = "; ".join(f"{name} fails at {step.phase}" for name, step in failed[:3])
    unknown = sum(any(s.ok is None and s.phase != "certificate" for s in d.steps) for d in diagnoses)
    fine = f"What was seen is fine; {unknown} of {len(diagnoses)} not known to the end" if unknown else ""
    if unknown == len(diagnoses):
        fine = "Where it fails could not be determined"
    title = (
        f"{len(failed)} of {len(diagnoses)} fail: {told}" if failed else fine or "Every step is fine at every service"
    )
    alt = "; ".join(
        f"{name}: " + ", ".join(f"{column} {w or 'not reached'}" for (column, _), w in zip(columns, row, strict=True))
        for name, row in zip(names, words, strict=True)
    )
    return theme.finish(figure, title=title, alt=alt, height=150 + 34 * len(diagnoses))


def _cell(made: Diagnosis, phases: tuple[str, ...]) -> tuple[float | None, str]:
    """Colour and word of a step; None where the session did not come that far."""
    steps = [s for s in made.steps if s.phase in phases]
    if not steps:
        return None, ""
    if bad := [s for s in steps if s.ok is False] or [s for s in steps if s.ok is None]:
        return 0.0 if bad[0].ok is False else 0.5, bad[0].word
    ms = sum(s.ms for s in steps)
    return 1.0, f"{ms:,.0f} ms" if ms else "ok"
