"""Binding: executed notebooks and findings into one HTML file that needs nothing else.

Everything a stranger wrote passes here on its way into the page, so nothing is trusted: text is escaped, HTML
of outputs is cleaned, figures travel as JSON that cannot close its script element. What slipped through would
still not run: the page's content security policy (CSP level 3) lists its own scripts by digest and allows no
request at all.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from html import escape, unescape
from importlib import resources
from typing import Any

import mistune
from plotly.offline import get_plotlyjs

from smtplab import theme
from smtplab.findings import Findings
from smtplab.publish import clean
from smtplab.publish.search import datatables, searchable

FIRST = "12_verdict"
"""The manager's page stands first."""
_TITLE_ROOM = 52
"""Pixels that `theme.finish` keeps free above a figure for its title."""
_NAME = 24
_MIDDLE = 16
"""Characters that report.js leaves on a narrow page of a row's name, and of one in the middle of a flow."""
Notebook = Mapping[str, Any]
"""An executed notebook of format 4, its texts in one piece each."""
PLOTLY = "application/vnd.plotly.v1+json"
_HEADING = re.compile(r"<h([1-6])(?: [^>]*)?>(.*?)</h\1>", re.DOTALL)
_MARKDOWN = mistune.create_markdown(escape=False, plugins=["table", "strikethrough", "url"])
_CHAPTER = re.compile(r'<a href="(\d\d_\w+)\.ipynb(?:#[^"]*)?"[^>]*>(.*?)</a>', re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_SCRIPT = re.compile(r"<(!--|/?script)", re.IGNORECASE)


@dataclass(frozen=True)
class Heading:
    """What stands above the chapters."""

    case: str
    domains: tuple[str, ...]
    as_of: datetime
    recording: str
    headline: str


@dataclass(frozen=True)
class _Chapter:
    name: str
    title: str
    sections: tuple[tuple[str, str], ...]
    body: str

    @property
    def number(self) -> str:
        return self.name[:2] if self.name[:2].isdigit() else ""

    def listed(self) -> str:
        sections = "".join(f'<li><a href="#{a}">{escape(t)}</a></li>' for a, t in self.sections)
        number = f'<span class="chapter-number">{self.number}</span>'
        title = f'<a href="#{escape(self.name)}">{number}{escape(self.title)}</a>'
        return f"<li>{title}{f'<ol>{sections}</ol>' if sections else ''}</li>"


def bind(heading: Heading, notebooks: Sequence[Notebook], names: Sequence[str], findings: Findings) -> str:
    """One HTML page of executed notebooks; `names` are their file stems, which give the order."""
    numbered = sorted(zip(names, notebooks, strict=True), key=lambda pair: (pair[0] != FIRST, pair[0]))
    figures: list[dict[str, Any]] = []
    chapters = [_chapter(name, notebook, frozenset(names), figures) for name, notebook in numbered]
    scripts = {name: _inline(code) for name, code in _scripts().items()}
    page = {
        "policy": " ".join(f"'sha256-{_digest(code)}'" for code in scripts.values()),
        "title": escape(f"{heading.case}: deliverability report"),
        "case": escape(heading.case),
        "facts": _facts(heading),
        "headline": escape(heading.headline),
        "counts": _counts(findings),
        "contents": "".join(chapter.listed() for chapter in chapters),
        "chapters": "".join(chapter.body for chapter in chapters),
        "findings": searchable(findings),
        "figures": _json(figures),
        "swaps": _json(theme.swaps()),
        "style": _part("report.css"),
        **scripts,
    }
    # One pass over the template: evidence that looks like a placeholder is not filled in again.
    return re.sub(r"@@([a-z]+)@@", lambda m: page[m[1]], _part("report.html"))


def _scripts() -> dict[str, str]:
    return {"plotly": get_plotlyjs(), "datatables": datatables(), "script": _part("report.js")}


def _inline(code: str) -> str:
    """Code that cannot end its script element; the escapes mean the same in its strings and patterns."""
    return _SCRIPT.sub(r"\\x3c\1", code.replace("\r\n", "\n"))


def _digest(code: str) -> str:
    return b64encode(sha256(code.encode()).digest()).decode("ascii")


def _part(name: str) -> str:
    return (resources.files("smtplab.publish") / "page" / name).read_text("utf-8")


def _json(value: Any) -> str:
    """JSON that is safe inside a script element."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _facts(heading: Heading) -> str:
    facts = {
        "Domains": ", ".join(heading.domains),
        "As of": f"{heading.as_of:%d %B %Y, %H:%M} UTC".lstrip("0"),
        "Recording": heading.recording,
    }
    return "".join(f"<div><dt>{k}</dt><dd>{escape(v)}</dd></div>" for k, v in facts.items())


def _counts(findings: Findings) -> str:
    return "".join(
        f'<li class="count {severity}{"" if count else " none"}"><strong>{count}</strong> {severity}</li>'
        for severity, count in findings.counts().items()
    )


def _chapter(name: str, notebook: Notebook, bound: frozenset[str], figures: list[dict[str, Any]]) -> _Chapter:
    parts, heads = [], []
    for number, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "markdown":
            html, found = _markdown(cell["source"], f"{name}-{number}", bound)
            heads += found
            parts.append(html)
        elif cell["cell_type"] == "code":
            parts.append(_code(cell, figures))
    title = next((text for level, _, text in heads if level == 2), name)
    body = f'<section class="chapter" id="{escape(name)}" aria-label="{escape(title)}">{"".join(parts)}</section>'
    return _Chapter(name, title, tuple((a, t) for level, a, t in heads if level == 3), body)


def _markdown(source: str, stem: str, bound: frozenset[str]) -> tuple[str, list[tuple[int, str, str]]]:
    """HTML of a text cell, and its headings: level, anchor, plain text."""
    html = clean.output(str(_MARKDOWN(source)))
    # Links between chapters stay in the page; what is not bound here is no link.
    html = _CHAPTER.sub(lambda m: f'<a href="#{m[1]}">{m[2]}</a>' if m[1] in bound else m[2], html)
    heads: list[tuple[int, str, str]] = []

    def lower(match: re.Match[str]) -> str:
        # The page has one h1, the case: a chapter's title is an h2, its sections h3.
        level = min(int(match[1]) + 1, 6)
        anchor = f"{stem}-{len(heads)}"
        heads.append((level, anchor, unescape(_TAG.sub("", match[2])).strip()))
        return f'<h{level} id="{anchor}">{match[2]}</h{level}>'

    return f'<div class="prose">{_HEADING.sub(lower, html)}</div>', heads


def _code(cell: Mapping[str, Any], figures: list[dict[str, Any]]) -> str:
    tags = cell["metadata"].get("tags", [])
    if "parameters" in tags or "injected-parameters" in tags:
        return ""
    source = f'<details class="code"><summary>code</summary><pre><code>{escape(cell["source"])}</code></pre></details>'
    return source + "".join(_output(o, figures) for o in cell["outputs"])


def _output(output: Mapping[str, Any], figures: list[dict[str, Any]]) -> str:
    if output["output_type"] == "stream":
        return _pre(output["text"])
    if output["output_type"] == "error":
        return _pre(f"{output['ename']}: {output['evalue']}", "text error")
    data = output.get("data", {})
    if (figure := data.get(PLOTLY)) is not None:
        return _figure(figure, figures)
    if (html := data.get("text/html")) is not None:
        return f'<div class="output" tabindex="0">{clean.output(html)}</div>'
    return _pre(str(data.get("text/plain", "")))


def _pre(text: str, kind: str = "text") -> str:
    text = _COLOUR.sub("", text).strip("\n")
    return f'<pre class="{kind}">{escape(text)}</pre>' if text else ""


def _figure(figure: dict[str, Any], figures: list[dict[str, Any]]) -> str:
    """A figure's place, words and title; its data join `figures`.

    The title stands in the page, where it wraps at any width and on paper; plotly would cut it off.
    """
    number, layout = len(figures), dict(figure.get("layout", {}))
    meta = layout.get("meta") or {}
    title = layout.pop("title", None) or {}
    named = str(title.get("text", "") if isinstance(title, dict) else title)
    words = unescape(_TAG.sub("", named.replace("<br>", " "))).strip()
    height = int(layout.get("height") or 380)
    if words:
        margin = dict(layout.get("margin") or {})
        room = max(int(margin.get("t", 64)) - _TITLE_ROOM, 12)
        height -= int(margin.get("t", 64)) - room
        layout |= {"height": height, "margin": {**margin, "t": room}}
    figures.append({"data": figure.get("data", []), "layout": layout})
    least = max((_least(trace, layout) for trace in figure.get("data", [])), default=0)
    alt = escape(str(meta.get("alt") or words or f"Figure {number + 1}"))
    head = f'<p class="figure-title">{escape(words)}</p>' if words else ""
    source = f'<p class="source">Source: {escape(str(meta["source"]))}</p>' if meta.get("source") else ""
    return (
        f'<figure>{head}<div class="room"><div class="plot" id="figure-{number}" role="img" aria-label="{alt}"'
        f' style="height:{height}px;--least:{least}px"></div></div>'
        f"<figcaption>{source}<details><summary>In words</summary><p>{alt}</p></details></figcaption></figure>"
    )


def _least(trace: Mapping[str, Any], layout: Mapping[str, Any]) -> int:
    """Pixels below which a trace is moved sideways rather than squeezed: fields need room for their words."""
    if trace.get("type") == "sankey":
        return _flow(trace["node"]["label"], set(trace["link"]["source"]), set(trace["link"]["target"]))
    if trace.get("type") != "heatmap":
        return 0
    margin, across, along = (layout.get(part) or {} for part in ("margin", "xaxis", "yaxis"))
    columns, rows = trace.get("x") or (), trace.get("y") or ()
    words = _longest(text for row in trace.get("text") or () for text in row)
    if words and across.get("tickangle") == 0:
        words = max(words, _longest(across.get("ticktext") or columns))
    names = min(_longest(rows), _NAME) if rows else _longest(along.get("ticktext") or ())
    edges = int(margin.get("l", 16)) + int(margin.get("r", 24))
    return edges + round(6.5 * names) + len(columns) * (6 * words + 8 if words else 6)


def _flow(names: Sequence[Any], sources: set[int], targets: set[int]) -> int:
    """Names of the middle and of the last column of a flow share the room between these."""
    first, middle, last = (
        _longest(name for n, name in enumerate(names) if (n in targets, n in sources) == place)
        for place in ((False, True), (True, True), (True, False))
    )
    return 44 + 2 * round(5.3 * max(first, min(middle, _MIDDLE) + last) + 6)


def _longest(texts: Iterable[Any]) -> int:
    """Characters of the longest line."""
    return max((len(line) for text in texts for line in str(text).split("<br>")), default=0)


def figures_of(notebooks: Sequence[Notebook]) -> Iterator[dict[str, Any]]:
    """Every plotly figure of executed notebooks, in page order of each."""
    for notebook in notebooks:
        for cell in notebook["cells"]:
            for output in cell.get("outputs", []):
                if (figure := output.get("data", {}).get(PLOTLY)) is not None:
                    yield figure
