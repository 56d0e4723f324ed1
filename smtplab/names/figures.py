"""Figure of names: who says what."""

from __future__ import annotations

import plotly.graph_objects as go

from smtplab import theme
from smtplab.names.collect import NamesEvidence


def disagreement(evidence: NamesEvidence) -> go.Figure:
    """A row an authoritative server, a column a record type: the same colour says the same answer."""
    zones = [z for z in evidence.zones if z.differing()] or list(evidence.zones[:1])
    if not zones:
        return theme.missing("No authoritative server answered", "No name server of its domains is known.")
    labels, rows, words = [], [], []
    for zone in zones:
        said: dict[str, list[tuple[str, ...]]] = {t: [] for t in ("SOA", "TXT", "MX")}
        for name, ip in zone.servers:
            labels.append(f"{zone.domain} at {name}")
            row, text = [], []
            for rtype, seen in said.items():
                answer = zone.answers[ip, rtype]
                if answer.records not in seen:
                    seen.append(answer.records)
                row.append(min(seen.index(answer.records), 2))
                serial = zone.serials().get(name)
                text.append(f"serial {serial}" if rtype == "SOA" else "as the first" if row[-1] == 0 else "differs")
            rows.append(row)
            words.append(text)
    figure = go.Figure(
        go.Heatmap(
            z=rows,
            x=["SOA", "TXT (SPF)", "MX"],
            y=labels,
            text=words,
            texttemplate="%{text}",
            zmin=0,
            zmax=2,
            colorscale=[[0, theme.colour("muted")], [0.5, theme.colour("late")], [1, theme.colour("lost")]],
            showscale=False,
            xgap=3,
            ygap=3,
        )
    )
    figure.update_yaxes(autorange="reversed")
    stale = [f"{n} of {z.domain}" for z in zones for n in z.stale() if z.differing()]
    title = f"{', '.join(stale)} answers from an old zone" if stale else "All authoritative servers say the same"
    alt = "; ".join(f"{label}: {', '.join(t)}" for label, t in zip(labels, words, strict=True))
    return theme.finish(figure, title=title, alt=alt, height=150 + 46 * len(labels))
