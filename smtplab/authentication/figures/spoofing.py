"""The spoofing table as a picture: what becomes of mail forged in each name."""

from __future__ import annotations

import plotly.graph_objects as go

from smtplab import theme
from smtplab.authentication.collect import AuthEvidence
from smtplab.authentication.spoofing import Fate, Forgery, Kind, forgeries

MAX_NAMES = 20
RECEIVERS = ("by RFC 9989<br>of 2026", "by RFC 7489<br>of 2015")
_ROLES = {
    Fate.DELIVERED: "lost",
    Fate.SPAM: "late",
    Fate.REFUSED: "accepted",
    Fate.UNKNOWN: "unknown",
    Fate.OUTSIDE: "muted",
}


def spoofing_table(evidence: AuthEvidence) -> go.Figure:
    """What a receiver would do with a forged message: a row a name, a column a standard, and what decides."""
    known = forgeries(evidence.forgeable)
    rows = known[:MAX_NAMES]
    if not rows:
        return theme.missing("Nothing is known of forged mail", "The names that forgers use are asked for in a case.")
    fates = list(_ROLES)
    figure = theme.matrix(
        [[fates.index(f) for f in (r.walked, r.listed)] for r in rows],
        [[str(f).replace("does not", "does<br>not") for f in (r.walked, r.listed)] for r in rows],
        x=list(RECEIVERS),
        textfont={"size": 12},
        customdata=[[f"{r.name}<br>{r.change or r.why}"] * 2 for r in rows],
        hovertemplate="%{customdata}<extra></extra>",
        zmin=-0.5,
        zmax=len(fates) - 0.5,
        colorscale=theme.steps(list(_ROLES.values())),
    )
    for index, row in enumerate(rows):
        figure.add_annotation(
            x=1.01, xref="paper", xanchor="left", y=index, yref="y", text=_short(row.why), showarrow=False,
            align="left", font={"size": 12, "color": theme.colour("faint")},
        )  # fmt: skip
    left_out = f"{len(known) - len(rows)} more names are in the table" if len(known) > len(rows) else ""
    figure.update_xaxes(side="top", tickangle=0, title_text=left_out)
    names = [f"{_short(r.name)}<br>{r.kind}" for r in rows]
    figure.update_yaxes(tickvals=list(range(len(rows))), ticktext=names)
    alt = "; ".join(f"{r.name} ({r.kind}): {r.walked} by RFC 9989, {r.listed} by RFC 7489" for r in rows)
    made = theme.finish(figure, title=_title(known), alt=alt, height=150 + 56 * len(rows))
    return made.update_layout(margin={"r": 220, "t": 104})


def _title(rows: tuple[Forgery, ...]) -> str:
    own = [r for r in rows if r.kind is not Kind.LOOKALIKE]
    open_ = [r for r in own if Fate.DELIVERED in (r.walked, r.listed)]
    unknown = [r for r in own if Fate.UNKNOWN in (r.walked, r.listed)]
    if len(unknown) == len(own):
        return "What becomes of forged mail could not be determined"
    rest = f"; {len(unknown)} could not be determined" if unknown else ""
    if open_:
        return f"Forged mail is delivered under {len(open_)} of {len(own)} names of ours{rest}"
    return f"Forged mail is refused or goes to spam under every name of ours{' that is known' if unknown else ''}"


def _short(text: str, width: int = 32) -> str:
    """At most three lines beside a row, and no word that would push the table out of sight."""
    lines = theme.wrapped(" ".join(w if len(w) <= 50 else f"{w[:24]}…{w[-24:]}" for w in text.split()), width)
    return "<br>".join(lines[:3]) + ("…" if len(lines) > 3 else "")
