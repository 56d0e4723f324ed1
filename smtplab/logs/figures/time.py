"""Since when? Acceptance and deferrals by provider over time, with their intervals and the moment of change."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from smtplab import providers, theme
from smtplab.logs.evidence import LogEvidence
from smtplab.logs.figures.panels import NONE, finish, labels, mark, name_panel, panels, step, top
from smtplab.logs.rates import jumps
from smtplab.rates import bands

_PROVIDERS = 4
_MOST = 90
"""Points of one line: four providers with their bands, and the volume, stay within 2,000."""
_FEWEST = 5


def acceptance_over_time(evidence: LogEvidence) -> go.Figure:
    """Share accepted in time, a panel a provider with its 95% band, the volume below, the case's changes marked."""
    rows = evidence.outcomes
    if rows.empty:
        return theme.missing("No delivery is known", NONE)
    names = top(rows["provider"], _PROVIDERS)
    counts, rule = _counts(rows, names, rows["outcome"].eq("accepted"))
    figure = panels([90] * len(names) + [60])
    said: list[str] = []
    worst, floor = ("", 1.0, 1.0, ""), 1.0
    for row, name in enumerate(names, 1):
        one = counts.loc[name]
        one = one[one["size"] >= _FEWEST]
        share = one["sum"] / one["size"]
        _band(figure, row, one, share, "accepted")
        if len(share):
            low = share.idxmin()
            said.append(f"{providers.name(name)}: lowest {share.min():.0%} on {theme.day(low)}")
            # Few recipients make low shares by chance: the day whose whole interval lies lowest is the worst.
            high = bands(one["sum"], one["size"], 0.999)[1]
            bad = high.idxmin()
            worst = min(worst, (name, float(high.min()), float(share[bad]), theme.day(bad)), key=lambda w: w[1])
            floor = min(floor, float(share.min()))
        name_panel(figure, row, said[-1] if len(share) else providers.name(name))
    volume = rows.groupby(rows["time"].dt.floor(rule)).size()
    figure.add_bar(
        x=labels(volume.index), y=[int(n) for n in volume], marker_color=theme.colour("unknown"), showlegend=False,
        row=len(names) + 1, col=1, hovertemplate="%{x}: %{y:,} recipients<extra></extra>",
    )  # fmt: skip
    name_panel(figure, len(names) + 1, f"recipients a {step(rows['time'], _MOST)[1]}")
    for row in range(1, len(names) + 1):
        figure.update_yaxes(tickformat=".0%", range=[max(0.0, floor - 0.1), 1.03], nticks=4, row=row, col=1)
    mark(figure, evidence.marks, volume.index.min(), volume.index.max())
    title = (
        f"{providers.name(worst[0])} accepted only {worst[2]:.0%} on {worst[3]}"
        if worst[1] < 0.95
        else "Every large provider accepted nearly everything"
    )
    return finish(figure, title=title, alt=f"Share accepted in time. {'; '.join(said)}")


def deferrals_over_time(evidence: LogEvidence) -> go.Figure:
    """Share held back for a later try, by provider; a step line shows the levels between which it jumped."""
    rows = evidence.outcomes
    if rows.empty:
        return theme.missing("No delivery is known", NONE)
    held = ((rows["attempts"] > 1) | (rows["outcome"] == "pending")).fillna(False)
    names = top(rows.loc[held, "provider"], 2 * _PROVIDERS)
    if not names:
        return theme.missing("No recipient was held back for a later try", "Every first try was final.")
    part = rows["provider"].isin(names)
    groups = rows.loc[part, ["provider", "time"]].assign(held=held[part]).groupby("provider")
    risen = {n: [j for j in jumps(g["time"], g["held"]) if j.after.share > j.before.share] for n, g in groups}
    # Who jumped comes first: greylisting that was always there is no change.
    names = sorted(names, key=lambda n: not risen[n])[:_PROVIDERS]
    counts, _ = _counts(rows, names, held)
    figure = panels([90] * len(names))
    said, first = [], ""
    for row, name in enumerate(names, 1):
        one = counts.loc[name]
        one = one[one["size"] >= _FEWEST]
        _band(figure, row, one, one["sum"] / one["size"], "late")
        words = f"{providers.name(name)}: {one['sum'].sum() / max(one['size'].sum(), 1):.0%} held back"
        if risen[name]:
            up = risen[name][0]
            change = f"from {up.before.share:.0%} to {up.after.share:.0%} held back on {theme.day(up.time)}"
            figure.add_vline(x=labels([up.time])[0], line_color=theme.colour("critical"), line_width=2, row=row, col=1)
            words = f"{providers.name(name)}: {change}"
            first = first or f"{providers.name(name)} began to hold mail back on {theme.day(up.time)}"
        said.append(words)
        name_panel(figure, row, words)
        figure.update_yaxes(tickformat=".0%", rangemode="tozero", nticks=4, row=row, col=1)
    mark(figure, evidence.marks, counts.index.get_level_values(1).min(), counts.index.get_level_values(1).max())
    title = first or f"No provider changed how often it holds mail back. {said[0]}"
    return finish(figure, title=title, alt=f"Recipients held back. {'; '.join(said)}")


def _counts(rows: pd.DataFrame, names: list[str], hit: pd.Series) -> tuple[pd.DataFrame, str]:
    rule, _ = step(rows["time"], _MOST)
    part = rows["provider"].isin(names)
    keys = [rows.loc[part, "provider"], rows.loc[part, "time"].dt.floor(rule)]
    return hit[part].astype("int64").groupby(keys).agg(["sum", "size"]), rule


def _band(figure: go.Figure, row: int, counts: pd.DataFrame, share: pd.Series, role: str) -> None:
    low, high = bands(counts["sum"], counts["size"])
    x = labels(counts.index)
    figure.add_scatter(
        x=x, y=[round(float(v), 4) for v in high], mode="lines", line_width=0, showlegend=False, hoverinfo="skip",
        line_color=theme.colour(role), row=row, col=1,
    )  # fmt: skip
    figure.add_scatter(
        x=x, y=[round(float(v), 4) for v in low], mode="lines", line_width=0, fill="tonexty", showlegend=False,
        fillcolor=theme.colour("muted"), line_color=theme.colour(role), hoverinfo="skip", row=row, col=1,
    )  # fmt: skip
    figure.add_scatter(
        x=x, y=[round(float(v), 4) for v in share], mode="lines+markers", marker_size=4, showlegend=False,
        line={"color": theme.colour(role), "width": 2}, row=row, col=1,
        customdata=[int(n) for n in counts["size"]], hovertemplate="%{x}: %{y:.1%} of %{customdata:,}<extra></extra>",
    )  # fmt: skip
