"""Who signs in, and who tries to? Failed sign-ins over time by network, and the successes that followed them."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from smtplab import theme
from smtplab.logs.check.signins import GUESSES, attempts
from smtplab.logs.evidence import LogEvidence
from smtplab.logs.figures.panels import finish, labels, mark, name_panel, panels, step, top


def signins_over_time(evidence: LogEvidence) -> go.Figure:
    """Failed sign-ins above, by network; successes below, those from networks that had guessed apart."""
    tried = attempts(evidence.connections)
    if tried.empty:
        return theme.missing("No sign-in is known", "No log of the case tells of sign-ins (SASL, IMAP, POP3).")
    rule, words = step(tried["time"], 150)
    tried["at"] = tried["time"].dt.floor(rule)
    failed, fine = tried[~tried["ok"]], tried[tried["ok"]]
    figure = panels([110, 110])
    shown = top(failed["network"], 4)
    groups = failed["network"].where(failed["network"].isin(shown), "other networks")
    for number, name in enumerate(shown):
        _bars(figure, 1, failed[groups == name], name, theme.series(number))
    _bars(figure, 1, failed[groups == "other networks"], "other networks", theme.colour("unknown"))
    began = failed.groupby("network")["time"].agg(["min", "size"])
    guessed = began[began["size"] >= GUESSES]["min"]
    fine = fine.merge(guessed.rename("began"), left_on="network", right_index=True, how="left")
    after = (fine["time"] > fine["began"]).fillna(False)
    _bars(figure, 2, fine[~after], "success", theme.colour("accepted"))
    _bars(figure, 2, fine[after], "success after guessing", theme.colour("critical"), "/")
    figure.update_layout(barmode="stack")
    name_panel(figure, 1, f"failed sign-ins a {words}, {len(failed):,} in all")
    name_panel(figure, 2, f"successful sign-ins a {words}, {len(fine):,} in all")
    mark(figure, evidence.marks, tried["at"].min(), tried["at"].max())
    title = f"{len(failed):,} of {len(tried):,} sign-ins failed"
    if after.any():
        taken = fine[after].sort_values("time")
        who = ", ".join(str(u) for u in taken["auth_user"].dropna().unique()[:3]) or "somebody"
        title = (
            f"Guessing succeeded: {who} signed in on {theme.day(taken['time'].iloc[0])} from a network that had guessed"
        )
    said = ", ".join(f"{n} {int((failed['network'] == n).sum()):,}" for n in shown) or "none"
    alt = f"{title}. Failed: {said}. {len(fine):,} succeeded, {int(after.sum()):,} after guessing."
    return finish(figure, title=title, alt=alt)


def _bars(figure: go.Figure, row: int, rows: pd.DataFrame, name: str, colour: str, pattern: str = "") -> None:
    counts = rows.groupby("at").size()
    if len(counts):
        figure.add_bar(
            name=name, x=labels(counts.index), y=[int(n) for n in counts], marker_color=colour, row=row, col=1,
            marker_pattern_shape=pattern, hovertemplate="%{x}: %{y:,}",
        )  # fmt: skip
