"""What the figures of the logs share: panels below each other on one axis of time, its steps, and the case's marks."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import shorten, wrap

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from smtplab import theme

NONE = "The case holds no mail log and no provider events."
_GAP = 30
"""Pixels between panels: room for a name."""
_NEAR = 0.05
"""Part of the axis within which marks share a box: on a telephone two boxes would cover each other."""
_STEPS = {
    rule: (pd.Timedelta(hours=hours), words)
    for rule, hours, words in (
        ("h", 1, "hour"), ("3h", 3, "3 hours"), ("6h", 6, "6 hours"), ("D", 24, "day"), ("7D", 168, "week"),
        ("28D", 672, "4 weeks"),
    )
}  # fmt: skip


def top(values: pd.Series, count: int) -> list[str]:
    """The most frequent values, most first and by name where equal."""
    counted = values.value_counts()
    return [str(v) for v in sorted(counted.index, key=lambda v: (-int(counted[v]), str(v)))[:count]]


def step(times: pd.Series, most: int) -> tuple[str, str]:
    """The shortest step of time that makes at most so many points, and its name."""
    span = times.max() - times.min()
    chosen = next((s for s in _STEPS if span / _STEPS[s][0] + 1 <= most), "28D")
    return chosen, _STEPS[chosen][1]


def labels(times: Sequence[pd.Timestamp] | pd.Index) -> list[str]:
    """Moments as an axis of time takes them."""
    return [f"{t:%Y-%m-%d %H:%M}" for t in times]


def panels(heights: Sequence[int]) -> go.Figure:
    """An empty figure with panels of so many pixels below each other, that share their axis of time."""
    total = sum(heights) + _GAP * (len(heights) - 1)
    figure = make_subplots(
        rows=len(heights), cols=1, shared_xaxes=True, row_heights=list(heights),
        vertical_spacing=_GAP / total if len(heights) > 1 else 0,
    )  # fmt: skip
    return figure.update_layout(height=total)


def name_panel(figure: go.Figure, row: int, text: str) -> None:
    """A panel's name, above its top left corner: it stays readable where a legend has no room."""
    figure.add_annotation(
        text=shorten(text, 60, placeholder=" …"), x=0, xref="paper", xanchor="left", xshift=-36, y=1, yanchor="bottom",
        yref=f"y{row if row > 1 else ''} domain", showarrow=False, font={"size": 12, "color": theme.colour("text")},
    )  # fmt: skip


def mark(figure: go.Figure, marks: Sequence[tuple[pd.Timestamp, str]], first: pd.Timestamp, last: pd.Timestamp) -> None:
    """The case's changes as dotted lines through every panel, numbered; the names stand below."""
    shown = sorted((t, text) for t, text in marks if first <= t <= last + pd.Timedelta(days=1))
    boxes: list[list[int]] = []
    for number, (time, _) in enumerate(shown):
        figure.add_vline(x=labels([time])[0], line_color=theme.colour("faint"), line_dash="dot", line_width=1)
        if boxes and time - shown[boxes[-1][-1]][0] < _NEAR * (last - first):
            boxes[-1].append(number)
        else:
            boxes.append([number])
    for box in boxes:
        begin, end = shown[box[0]][0], shown[box[-1]][0]
        figure.add_annotation(
            x=labels([begin + (end - begin) / 2])[0], xref="x", y=0, yref="paper", yshift=-36, showarrow=False,
            text=", ".join(str(number + 1) for number in box),
            font={"size": 11, "color": theme.colour("paper")}, bgcolor=theme.colour("faint"), borderpad=2,
        )  # fmt: skip
    lines = [line for number, (time, text) in enumerate(shown, 1) for line in _named(number, time, text)]
    for number, line in enumerate(lines, 1):
        figure.add_annotation(
            x=0, xref="paper", xanchor="left", xshift=-40, y=0, yref="paper", yanchor="top", yshift=-40 - 16 * number,
            text=line, showarrow=False, font={"size": 11, "color": theme.colour("faint")},
        )  # fmt: skip
    figure.update_layout(margin_b=48 + (16 + 16 * len(lines) if lines else 0))


def _named(number: int, time: pd.Timestamp, text: str) -> list[str]:
    """The name of a mark in lines that a telephone shows."""
    said = shorten(f"{theme.day(time)}: {text}", 150, placeholder=" …")
    first, *more = wrap(said, 50) or [""]
    return [f"{number}  {first}", *(f"\u00a0\u00a0\u00a0{line}" for line in more)]


def finish(figure: go.Figure, *, title: str, alt: str, y: str | None = None) -> go.Figure:
    """The common look, with room above for the panel's name and below for the marks' names."""
    plot, below = figure.layout.height, figure.layout.margin.b or 48
    done = theme.finish(figure, title=title, alt=alt, source="logs and events")
    above = 112 if done.layout.margin.t > 64 else 84
    done.update_layout(margin={"t": above, "b": below}, height=plot + above + below, legend_y=1 + 22 / plot)
    theme.dates(done)
    if y:
        done.update_layout(yaxis_title_text=y)
    return done
