"""One look: roles, a dark twin for each colour, text for each figure, labels that stay text."""

from __future__ import annotations

import re
from pathlib import Path

import plotly.graph_objects as go
import pytest

from smtplab import theme

HOSTILE = "<a href='//evil.example'>x</a> & y"
ESCAPED = "&lt;a href='//evil.example'&gt;x&lt;/a&gt; &amp; y"


def luminance(colour: str) -> float:
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_every_light_colour_has_one_dark_twin() -> None:
    lights = [light.lower() for light, _ in (*theme.ROLES.values(), *theme.SERIES)]
    assert len(lights) == len(set(lights))
    assert set(theme.swaps()) == set(lights)


@pytest.mark.parametrize("side", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("role", ["text", "faint"])
def test_text_is_readable_on_its_paper(role: str, side: int) -> None:
    assert contrast(theme.ROLES[role][side], theme.ROLES["paper"][side]) >= 4.5


def test_an_unknown_role_is_an_error_and_categories_repeat() -> None:
    with pytest.raises(KeyError):
        theme.colour("red")
    assert theme.series(0) == theme.series(len(theme.SERIES))


@pytest.mark.parametrize(("title", "alt"), [("", "words"), ("title", " ")])
def test_a_figure_needs_title_and_text(title: str, alt: str) -> None:
    with pytest.raises(ValueError, match="title"):
        theme.finish(go.Figure(), title=title, alt=alt)


@pytest.mark.parametrize(
    "figure",
    [
        go.Figure(go.Scatter(x=list(range(2_001)), y=list(range(2_001)))),
        go.Figure(go.Heatmap(z=[[0] * 50] * 50)),
        go.Figure([go.Bar(x=list(range(1_001)), y=list(range(1_001)))] * 2),
    ],
)
def test_more_than_two_thousand_points_are_refused(figure: go.Figure) -> None:
    with pytest.raises(ValueError, match="aggregate first"):
        theme.finish(figure, title="t", alt="a")


def test_the_text_alternative_and_source_travel_with_the_figure() -> None:
    figure = theme.finish(go.Figure(), title="t", alt="in words", source="logs")
    assert figure.layout.meta == {"alt": "in words", "source": "logs"}


def test_labels_from_evidence_stay_text_wherever_they_stand() -> None:
    figure = go.Figure(go.Bar(x=[HOSTILE], y=[1], name=HOSTILE, text=[HOSTILE], customdata=[[HOSTILE, 1]]))
    figure.add_vline(x=HOSTILE)
    figure.add_annotation(x=HOSTILE, y=1, text=HOSTILE)
    figure.update_xaxes(categoryorder="array", categoryarray=[HOSTILE])
    stored = theme.finish(figure, title=HOSTILE, alt=HOSTILE).to_plotly_json()
    assert list(stored["data"][0]["x"]) == [ESCAPED]
    del stored["layout"]["meta"]  # told as text by the page, which escapes it
    assert "<a" not in str(stored)


def test_a_line_break_and_numbers_are_left_alone() -> None:
    figure = theme.finish(go.Figure(go.Bar(x=[1, 2], y=["one<br>two", "b"])), title="t", alt="a")
    assert list(figure.data[0].y) == ["one<br>two", "b"]
    assert list(figure.data[0].x) == [1, 2]


def test_a_missing_figure_says_what_is_missing() -> None:
    figure = theme.missing("No logs", "The case holds no mail log.")
    assert "The case holds no mail log." in figure.layout.meta["alt"]
    assert figure.layout.annotations[0].text == "The case holds no mail log."


def test_figures_name_roles_never_colours() -> None:
    package = Path(theme.__file__).parent
    colours = re.compile(r"#[0-9a-fA-F]{6}\b|rgba?\(")
    assert not [f"{path}: {m[0]}" for path in package.rglob("figures.py") for m in colours.finditer(path.read_text())]
