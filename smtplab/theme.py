"""How figures look: roles instead of colours, one template, a light and a dark palette.

Figures name roles (`colour("lost")`) and are stored in light colours; the report swaps each light colour for
its dark twin (`swaps()`), so a figure is drawn once. Colours are Okabe and Ito's, which people with any kind
of colour blindness can tell apart; severity and outcome never rest on colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from html import escape
from textwrap import wrap
from types import MappingProxyType
from typing import Any

import plotly.graph_objects as go

from smtplab.visible import visible

ROLES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        # role: (light, dark)
        "accepted": ("#009E73", "#2DC79B"),
        "late": ("#E69F00", "#F2B632"),
        "lost": ("#D55E00", "#FF8A3D"),
        "pending": ("#56B4E9", "#7CC6F0"),
        "unknown": ("#8A8F98", "#9AA0AA"),
        "critical": ("#B3261E", "#FF897D"),
        "high": ("#D55E01", "#FF8A3E"),
        "medium": ("#E69F01", "#F2B633"),
        "low": ("#0072B2", "#5AB4F0"),
        "info": ("#6B7280", "#A3A9B5"),
        "ok": ("#009E74", "#2DC79C"),
        "accent": ("#0072B3", "#5AB4F1"),
        "muted": ("#C9CED6", "#4A515C"),
        "text": ("#1F2430", "#E6E8EC"),
        "faint": ("#5B6270", "#A7AEBB"),
        "grid": ("#E5E8EC", "#2E343D"),
        "paper": ("#FFFFFF", "#171A20"),
    }
)
SERIES = (
    ("#0072B4", "#5AB4F2"),
    ("#E69F02", "#F2B634"),
    ("#009E75", "#2DC79D"),
    ("#CC79A7", "#E09CC2"),
    ("#D55E02", "#FF8A3F"),
    ("#56B4EA", "#7CC6F1"),
    ("#6F5B9E", "#B3A2DD"),
    ("#8A8F99", "#9AA0AB"),
)
"""Categories without a meaning of their own; each hex is distinct, so that it can be swapped by value."""
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', 'DejaVu Sans', sans-serif"
MAX_POINTS = 2_000
_VEIL = "66"
"""Opacity of a flow's link in hexadecimal."""
_LABELS = ("name", "x", "y", "text", "labels", "parents", "ids", "hovertext", "customdata", "legendgroup")


def colour(role: str) -> str:
    """The light colour of a role; raises KeyError for an unknown one."""
    return ROLES[role][0]


def series(index: int) -> str:
    """The light colour of the n-th category, repeating after eight."""
    return SERIES[index % len(SERIES)][0]


def scale(role: str) -> list[list[float | str]]:
    """A colour scale from the paper to a role, for heat maps of shares."""
    return [[0.0, colour("paper")], [1.0, colour(role)]]


def steps(roles: Sequence[str]) -> list[list[float | str]]:
    """A colour scale of even steps, one a role."""
    return [[edge / len(roles), colour(role)] for i, role in enumerate(roles) for edge in (i, i + 1)]


def swaps() -> dict[str, str]:
    """Light to dark, by hex value in lower case."""
    return {light.lower(): dark.lower() for light, dark in (*ROLES.values(), *SERIES)}


def finish(
    figure: go.Figure,
    *,
    title: str,
    alt: str,
    x: str | None = None,
    y: str | None = None,
    source: str | None = None,
    height: int = 380,
) -> go.Figure:
    """Give a figure its title, axis titles with units, text alternative and the common look; returns it.

    `title` states the finding, `alt` is the text for those who cannot see the figure, `source` names the
    evidence. Raises ValueError without title or alt, or with more than 2,000 points.
    """
    if not title.strip() or not alt.strip():
        raise ValueError("a figure needs a title that states the finding and a text alternative")
    if (points := _points(figure)) > MAX_POINTS:
        raise ValueError(f"{points:,} points in {title!r}: aggregate first, {MAX_POINTS:,} are the most")
    axis = {
        "gridcolor": colour("grid"),
        "zerolinecolor": colour("grid"),
        "linecolor": colour("muted"),
        "tickfont": {"color": colour("faint"), "size": 12},
        "title": {"font": {"color": colour("faint"), "size": 12}, "standoff": 14},
        "separatethousands": True,
        "exponentformat": "none",
        "automargin": True,
    }
    figure.update_layout(
        template="none",
        title={
            "text": _wrap(_plain(title)),
            "font": {"size": 16, "color": colour("text"), "weight": 600},
            "x": 0,
            "xref": "container",
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"l": 2, "t": 12},
        },
        font={"family": FONT, "size": 13, "color": colour("text")},
        colorway=[light for light, _ in SERIES],
        paper_bgcolor=colour("paper"),
        plot_bgcolor=colour("paper"),
        height=height,
        margin={"l": 16, "r": 24, "t": 96 if _legend(figure) else 64, "b": 48},
        legend={
            "orientation": "h",
            "traceorder": "normal",
            "x": 0,
            "xanchor": "left",
            "y": 1.0,
            "yanchor": "bottom",
            "font": {"size": 12},
        },
        hoverlabel={"font": {"family": FONT}},
        bargap=0.28,
        meta={"alt": alt, "source": source or ""},
    )
    figure.update_xaxes(axis)
    figure.update_yaxes(axis)
    _escape(figure)
    if x:
        figure.update_xaxes(title_text=x)
    if y:
        figure.update_yaxes(title_text=y)
    return figure


def matrix(z: Sequence[Sequence[float | None]], words: Sequence[Sequence[str]], **more: Any) -> go.Figure:
    """Words on colours, to be finished, the first row on top; `more` is what else a Heatmap takes.

    `z` runs from 0 (lost) over a half (muted) to 1 (accepted), unless zmin, zmax and colorscale say otherwise.
    """
    scale = [[at, colour(role)] for at, role in ((0, "lost"), (0.5, "muted"), (1, "accepted"))]
    look = {"texttemplate": "%{text}", "zmin": 0, "zmax": 1, "colorscale": scale, "showscale": False}
    figure = go.Figure(go.Heatmap(z=z, text=words, **look | {"xgap": 3, "ygap": 3} | more))
    return figure.update_yaxes(autorange="reversed")


def wrapped(text: str, width: int) -> list[str]:
    """A text in lines shorter than `width`, where its words are; no word is broken."""
    return wrap(" ".join(text.split()), width, break_long_words=False, break_on_hyphens=False)


def sankey(
    labels: Sequence[str],
    ends: Sequence[str],
    links: Sequence[tuple[int, int, int, str]],
    heads: tuple[str, str, str],
    unit: str,
) -> go.Figure:
    """A flow over three columns, to be finished; `ends` are the colours of the last labels, those of the last column.

    A link is the numbers of its two labels, its width in `unit` and its colour; `heads` stand above the columns.
    """
    begin, end, width, colours = zip(*links, strict=True)
    figure = go.Figure(
        go.Sankey(
            arrangement="snap",
            node={
                "label": [escape(t, quote=False) for t in labels],
                "color": [colour("faint")] * (len(labels) - len(ends)) + list(ends),
                "line": {"width": 0},
                "pad": 16,
                "thickness": 12,
                "hovertemplate": f"%{{label}}: %{{value:,}} {unit}<extra></extra>",
            },
            link={
                "source": begin,
                "target": end,
                "value": width,
                # Names stand upon the links and must stay readable, light and dark.
                "color": [f"{c}{_VEIL}" for c in colours],
                "hovertemplate": "%{source.label} → %{target.label}: %{value:,}<extra></extra>",
            },
            textfont={"color": colour("text"), "size": 12},
        )
    )
    for x, anchor, text in zip((0, 0.5, 1), ("left", "center", "right"), heads, strict=True):
        figure.add_annotation(
            x=x, y=1.02, xref="paper", yref="paper", xanchor=anchor, yanchor="bottom", text=text, showarrow=False,
            font={"size": 12, "color": colour("faint")},
        )  # fmt: skip
    return figure


def headed(figure: go.Figure) -> go.Figure:
    """A finished flow with room for the headings of its columns."""
    return figure.update_layout(margin_t=figure.layout.margin.t + 28)


def day(moment: date) -> str:
    """A day in words, as titles say it: 4 October."""
    return f"{moment.day} {moment:%B}"


def dates(figure: go.Figure) -> go.Figure:
    """Write the days of a finished figure's x axis as titles do: 4 Oct; hours with a day, months with a year."""
    hours = {"dtickrange": [None, 43_200_000], "value": "%-d %b %H:%M"}
    months = {"dtickrange": ["M1", None], "value": "%b %Y"}
    return figure.update_xaxes(tickformat="%-d %b", tickformatstops=[hours, months])


def missing(title: str, what: str) -> go.Figure:
    """A figure in place of one without data: it says which evidence is missing."""
    figure = go.Figure()
    figure.add_annotation(text=_wrap(what), showarrow=False, font={"size": 14, "color": colour("faint")})
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return finish(figure, title=title, alt=f"{title}. {what}", height=160)


def _plain(text: str) -> str:
    """Evidence in a title or label is text: plotly would read tags in it. Line breaks are kept."""
    return escape(visible(text), quote=False).replace("&lt;br&gt;", "<br>")


def _escape(figure: go.Figure) -> None:
    """Escape every label of a figure, wherever an axis or a note names the same category."""
    for trace in figure.data:
        trace.update({k: _plain_all(trace[k]) for k in _LABELS if k in trace and _marked(trace[k])})
    figure.for_each_annotation(lambda a: a.update({k: _plain_all(a[k]) for k in ("text", "x", "y") if _marked(a[k])}))
    figure.for_each_shape(lambda s: s.update({k: _plain(s[k]) for k in ("x0", "x1", "y0", "y1") if _marked(s[k])}))
    for each in (figure.for_each_xaxis, figure.for_each_yaxis):
        each(lambda a: a.update({k: _plain_all(a[k]) for k in ("categoryarray", "ticktext") if _marked(a[k])}))


def _marked(value: Any) -> bool:
    if isinstance(value, str):
        return any(c in value for c in "&<>")
    return isinstance(value, Iterable) and any(map(_marked, value))


def _plain_all(value: Any) -> Any:
    if isinstance(value, str):
        return _plain(value)
    return [_plain_all(v) for v in value] if isinstance(value, Iterable) else value


def _wrap(text: str) -> str:
    return "<br>".join(wrapped(text, 88))


def _legend(figure: go.Figure) -> bool:
    return len([t for t in figure.data if t.name and t.showlegend is not False]) > 1


def _points(figure: go.Figure) -> int:
    def size(trace: go.Figure) -> int:
        z = getattr(trace, "z", None)
        if z is not None:
            return sum(len(row) for row in z)
        return max(
            (len(v) for a in ("x", "y", "labels", "ids") if (v := getattr(trace, a, None)) is not None), default=0
        )

    return sum(size(trace) for trace in figure.data)
