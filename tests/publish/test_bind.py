"""Binding: evidence stays text, figures and tables arrive, nothing needs the network."""

from __future__ import annotations

import re
from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256
from itertools import pairwise
from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from smtplab.findings import Finding, Findings
from smtplab.publish.bind import Heading, bind

HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)>"
HEAD = Heading(HOSTILE, ("meridian.example",), datetime(2026, 11, 16, tzinfo=UTC), "20261116T060000Z-before", HOSTILE)


def figure(title: str = "A figure") -> dict[str, object]:
    return {
        "data": [{"type": "bar", "x": [1, 2], "y": [3, 4]}],
        "layout": {"title": {"text": title}, "meta": {"alt": title}},
    }


def chapter(*outputs: object, title: str = "A chapter") -> object:
    cell = new_code_cell("1 + 1", outputs=list(outputs), execution_count=1)
    return new_notebook(cells=[new_markdown_cell(f"# {title}\n\nText.\n\n## A section"), cell])


def outputs(text: str) -> list[object]:
    return [
        new_output("stream", text=text),
        new_output("execute_result", {"text/plain": text}),
        new_output("execute_result", {"text/html": f"<table><tr><td>{text}</td></tr></table>", "text/plain": ""}),
        new_output("display_data", {"application/vnd.plotly.v1+json": figure(text)}),
    ]


def page(*chapters: object, names: list[str] | None = None, findings: Findings | None = None) -> str:
    return bind(HEAD, list(chapters), names or [f"{i:02d}_x" for i in range(len(chapters))], findings or Findings())


def without_own_scripts(html: str) -> str:
    return html[: html.index('<script type="application/json"')]


@pytest.mark.parametrize("output", outputs(HOSTILE))
def test_hostile_evidence_is_text_in_every_kind_of_output(output: object) -> None:
    html = without_own_scripts(page(chapter(output)))
    assert not re.search(r"<script|<img|onerror=(?!alert\(1\)&gt;)", html)


def test_a_hostile_finding_is_text() -> None:
    finding = Finding("logs.recipient_domain.null_mx", HOSTILE, recipient_domain=HOSTILE, recipients=1)
    html = page(chapter(), findings=Findings([finding]))
    table = html[html.index("findings-table") :]
    assert "<script>alert" not in table
    assert "<img src=x" not in table


def test_figure_json_cannot_close_its_script_element() -> None:
    html = page(chapter(*outputs("</script><script>alert(1)</script>")))
    data = html[html.index('id="figures">') :]
    assert "<" not in data[len('id="figures">') : data.index("</script>")]


def test_the_verdict_stands_first_and_links_between_chapters_stay_in_the_page() -> None:
    start = new_notebook(cells=[new_markdown_cell("# Start\n\n[verdict](12_verdict.ipynb)")])
    html = page(start, chapter(title="The verdict"), names=["00_start_here", "12_verdict"])
    assert html.index('id="12_verdict"') < html.index('id="00_start_here"')
    assert 'href="#12_verdict"' in html
    assert "12_verdict.ipynb" not in html


def test_one_h1_and_headings_in_order() -> None:
    levels = [int(m) for m in re.findall(r"<h([1-6])[ >]", without_own_scripts(page(chapter(), chapter())))]
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_nothing_in_the_page_names_another_server_to_load_from() -> None:
    html = page(chapter(*outputs("x")))
    head = without_own_scripts(html)
    assert not re.findall(r"""(?:src|href)=["']?(?:https?:)?//""", head)
    assert "default-src 'none'" in head


def test_evidence_that_looks_like_a_placeholder_is_not_filled_in() -> None:
    assert html_count(page(chapter(*outputs("@@plotly@@")))) == 1


def html_count(html: str) -> int:
    return html.count("plotly.js v")


def test_a_figure_has_a_text_alternative_and_header_cells_a_scope() -> None:
    table = "<table><thead><tr><th>a</th></tr></thead><tbody><tr><th>b</th></tr></tbody></table>"
    html = page(chapter(*outputs("words for it"), new_output("execute_result", {"text/html": table})))
    assert 'aria-label="words for it"' in html
    assert '<th scope="col">a' in html
    assert '<th scope="row">b' in html


def test_links_to_chapters_that_are_not_bound_are_no_links() -> None:
    start = new_notebook(cells=[new_markdown_cell("# Start\n\n[later](09_later.ipynb) [here](00_start.ipynb#part)")])
    html = page(start, names=["00_start"])
    assert "09_later" not in html
    assert '<a href="#00_start">here</a>' in html


def test_titles_in_the_contents_are_plain_text() -> None:
    html = page(chapter(title="R&D *now*"))
    assert "R&amp;D now</a>" in html


def test_parameter_cells_and_terminal_colours_are_left_out() -> None:
    cell = new_code_cell("CASE = '/home/me/case'", metadata={"tags": ["injected-parameters"]})
    done = new_code_cell("1", outputs=[new_output("stream", text="\x1b[31mred\x1b[0m")])
    html = page(new_notebook(cells=[cell, done]))
    assert "/home/me" not in html
    assert '<pre class="text">red</pre>' in html


def test_the_policy_names_each_script_by_its_digest() -> None:
    html = page(chapter())
    policy = re.search(r"script-src ([^;]*);", html)
    assert policy
    assert "unsafe" not in policy[1]
    scripts = re.findall(r"<script(?: type=\"module\")?>(.*?)</script>", html, re.DOTALL)
    assert len(scripts) == 3
    for script in scripts:
        assert b64encode(sha256(script.encode()).digest()).decode() in policy[1]


def test_a_figure_keeps_its_title_as_text_of_the_page_and_gives_its_room_back() -> None:
    layout = {"title": {"text": "One &lt;b&gt;<br>two"}, "height": 380, "margin": {"t": 96}, "meta": {"alt": "words"}}
    stored = {"application/vnd.plotly.v1+json": {"data": [], "layout": layout}}
    html = page(chapter(new_output("display_data", stored)))
    assert '<p class="figure-title">One &lt;b&gt; two</p>' in html
    assert "height:328px" in html
    assert '"margin":{"t":44}' in html


@pytest.mark.parametrize(
    ("trace", "layout", "least"),
    [
        ({"type": "bar", "x": [1], "y": ["a"]}, {}, 0),
        # 40 for the edges, 4 characters of a name, 3 columns without words.
        ({"type": "heatmap", "x": [1, 2, 3], "y": ["four", "a"], "z": [[0, 0, 0], [1, 1, 1]]}, {}, 40 + 26 + 18),
        # The longest line decides how wide a column must be; of a name 24 characters are shown.
        ({"type": "heatmap", "x": ["a"], "y": ["n" * 99], "z": [[1]], "text": [["a<br>seven.."]]}, {}, 40 + 156 + 50),
        # Heads that stand level, names that the axis was given, and notes beside it.
        (
            {"type": "heatmap", "x": ["a head"], "z": [[1]], "text": [["a"]]},
            {"xaxis": {"tickangle": 0}, "yaxis": {"ticktext": ["four<br>a"]}, "margin": {"r": 220}},
            16 + 220 + 26 + 44,
        ),
        # Of the middle name 16 characters are shown, which share their room with the 4 of the last one.
        (
            {
                "type": "sankey",
                "node": {"label": ["first", "m" * 99, "last"]},
                "link": {"source": [0, 1], "target": [1, 2], "value": [1, 1]},
            },
            {},
            44 + 2 * (106 + 6),
        ),
    ],
)
def test_a_heat_map_and_a_flow_have_the_room_that_their_words_need(
    trace: dict[str, Any], layout: dict[str, Any], least: int
) -> None:
    stored = {"application/vnd.plotly.v1+json": {"data": [trace], "layout": layout}}
    assert f"--least:{least}px" in page(chapter(new_output("display_data", stored)))
