"""Binding: executed notebooks and findings into one HTML file that needs nothing else.

Everything a stranger wrote passes here on its way into the page, so nothing is trusted: text is escaped, HTML
of outputs is cleaned by nh3, figures travel as JSON that cannot close its script element, and the page's own
content security policy forbids every request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from importlib import resources
from typing import Any

import nh3
from nbconvert.filters import markdown2html
from nbformat import NotebookNode
from plotly.offline import get_plotlyjs

from smtplab import markup, theme
from smtplab.findings import Findings, Severity
from smtplab.publish.search import searchable

FIRST = "12_verdict"
"""The manager's page stands first."""
_TAGS = set(nh3.ALLOWED_TAGS) - {"img", "map", "area"}
_ATTRIBUTES = {
    **{t: set(a) for t, a in nh3.ALLOWED_ATTRIBUTES.items()},
    "*": {"class", "style", "title"},
    "tr": {"data-severity"},
    "th": {"scope", "colspan", "rowspan"},
    "td": {"colspan", "rowspan"},
    "a": {"href"},
}
_STYLES = {
    "text-align", "vertical-align", "color", "background", "padding", "border-radius", "font-size", "white-space",
    "overflow-wrap", "margin", "caption-side",
}  # fmt: skip
_HEADING = re.compile(r"<h([1-6])(?: [^>]*)?>(.*?)</h\1>", re.DOTALL)
_ANCHOR = re.compile(r'<a class="anchor-link"[^>]*>.*?</a>', re.DOTALL)
_CHAPTER = re.compile(r'href="(\d\d_[a-z_]+)\.ipynb"')


@dataclass(frozen=True)
class Heading:
    """What stands above the chapters."""

    case: str
    domains: tuple[str, ...]
    as_of: datetime
    recording: str
    headline: str


def bind(heading: Heading, notebooks: Sequence[NotebookNode], names: Sequence[str], findings: Findings) -> str:
    """One HTML page of executed notebooks; `names` are their file stems, in chapter order."""
    numbered = sorted(zip(names, notebooks, strict=True), key=lambda pair: (pair[0] != FIRST, pair[0]))
    figures: list[dict[str, Any]] = []
    bodies = [_chapter(name, notebook, figures) for name, notebook in numbered]
    contents = "".join(f'<li><a href="#{n}">{escape(t)}</a><ol>{sub}</ol></li>' for n, t, sub, _ in bodies)
    page = {
        "title": escape(f"{heading.case}: deliverability report"),
        "case": escape(heading.case),
        "facts": _facts(heading),
        "headline": escape(heading.headline),
        "counts": _counts(findings),
        "contents": contents + '<li><a href="#all-findings">All findings</a></li>',
        "chapters": "".join(body for *_, body in bodies),
        "findings": searchable(findings),
        "figures": _json(figures),
        "swaps": _json(theme.swaps()),
        "plotly": get_plotlyjs(),
        "style": _part("report.css"),
        "script": _part("report.js"),
    }
    # One pass over the template: evidence that looks like a placeholder is not filled in again.
    return re.sub(r"@@([a-z]+)@@", lambda m: page[m[1]], _part("report.html"))


def _part(name: str) -> str:
    return (resources.files("smtplab.publish") / "page" / name).read_text("utf-8")


def _json(value: Any) -> str:
    """JSON that is safe inside a script element."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _facts(heading: Heading) -> str:
    facts = {
        "Domains": ", ".join(heading.domains),
        "As of": f"{heading.as_of:%d %B %Y, %H:%M} UTC",
        "Recording": heading.recording,
    }
    return "".join(f"<div><dt>{k}</dt><dd>{escape(v)}</dd></div>" for k, v in facts.items())


def _counts(findings: Findings) -> str:
    counts = findings.counts()
    return "".join(f"<li>{markup.badge(str(s))} <strong>{counts[s]}</strong></li>" for s in Severity)


def _chapter(name: str, notebook: NotebookNode, figures: list[dict[str, Any]]) -> tuple[str, str, str, str]:
    """Anchor, title, table of contents and body of a chapter."""
    parts, title, sections = [], name, []
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            html, heads = _markdown(cell.source, f"{name}-{number}")
            title = next((t for level, _, t in heads if level == 2), title) if title == name else title
            sections += [(anchor, text) for level, anchor, text in heads if level == 3]
            parts.append(html)
        elif cell.cell_type == "code":
            parts.append(_code(cell, figures))
    listed = "".join(f'<li><a href="#{a}">{t}</a></li>' for a, t in sections)
    body = f'<section class="chapter" id="{name}" aria-label="{escape(title, quote=True)}">{"".join(parts)}</section>'
    return name, title, listed, body


def _markdown(source: str, stem: str) -> tuple[str, list[tuple[int, str, str]]]:
    html = nh3.clean(
        _ANCHOR.sub("", markdown2html(source)), tags=_TAGS, attributes=_ATTRIBUTES, filter_style_properties=_STYLES
    )
    html = _CHAPTER.sub(r'href="#\1"', html)
    heads: list[tuple[int, str, str]] = []

    def lower(match: re.Match[str]) -> str:
        # The page has one h1, the case: a chapter's title is an h2, its sections h3.
        level = min(int(match[1]) + 1, 6)
        anchor = f"{stem}-{len(heads)}"
        heads.append((level, anchor, match[2]))
        return f'<h{level} id="{anchor}">{match[2]}</h{level}>'

    return f'<div class="prose">{_HEADING.sub(lower, html)}</div>', heads


def _code(cell: NotebookNode, figures: list[dict[str, Any]]) -> str:
    tags = cell.metadata.get("tags", [])
    if "parameters" in tags or "injected-parameters" in tags:
        return ""
    source = f'<details class="code"><summary>code</summary><pre><code>{escape(cell.source)}</code></pre></details>'
    return source + "".join(_output(o, figures) for o in cell.outputs)


def _output(output: NotebookNode, figures: list[dict[str, Any]]) -> str:
    if output.output_type == "stream":
        return f'<pre class="text">{escape(output.text)}</pre>'
    if output.output_type == "error":
        return f'<pre class="text error">{escape(output.ename)}: {escape(output.evalue)}</pre>'
    data = output.get("data", {})
    if (figure := data.get("application/vnd.plotly.v1+json")) is not None:
        return _figure(figure, figures)
    if (html := data.get("text/html")) is not None:
        clean = nh3.clean(html, tags=_TAGS, attributes=_ATTRIBUTES, filter_style_properties=_STYLES)
        return f'<div class="output" tabindex="0">{_scoped(clean)}</div>'
    return f'<pre class="text">{escape(str(data.get("text/plain", "")))}</pre>'


def _scoped(html: str) -> str:
    """Header cells say what they head; pandas writes its own without."""
    head, sep, body = html.partition("<tbody>")
    plain = re.compile(r"<th(?![^>]*\bscope=)(?=[ >])")
    return plain.sub('<th scope="col"', head) + sep + plain.sub('<th scope="row"', body)


def _figure(figure: dict[str, Any], figures: list[dict[str, Any]]) -> str:
    number = len(figures)
    figures.append({"data": figure.get("data", []), "layout": figure.get("layout", {})})
    meta = figure.get("layout", {}).get("meta") or {}
    alt = escape(str(meta.get("alt", "")), quote=True)
    source = f" Source: {escape(str(meta['source']))}." if meta.get("source") else ""
    height = int(figure.get("layout", {}).get("height") or 380)
    return (
        f'<figure><div class="plot" id="figure-{number}" role="img" aria-label="{alt}" style="height:{height}px"></div>'
        f"<figcaption><details><summary>in words</summary>{alt}{source}</details></figcaption></figure>"
    )


def figures_of(notebooks: Sequence[NotebookNode]) -> Iterator[dict[str, Any]]:
    """Every plotly figure of executed notebooks, in page order of each."""
    for notebook in notebooks:
        for cell in notebook.cells:
            for output in cell.get("outputs", []):
                if (figure := output.get("data", {}).get("application/vnd.plotly.v1+json")) is not None:
                    yield figure
