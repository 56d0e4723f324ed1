"""A report made of small hostile chapters, and a Chromium that may not go out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from playwright.sync_api import Browser, Page, sync_playwright

from smtplab.findings import Finding, Findings
from smtplab.publish.bind import Heading, bind, figures_of
from smtplab.publish.chapters import execute

HOSTILE = "<script>window.pwned=1</script><img src=x onerror='window.pwned=1'>"
CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CHAPTERS = {
    "00_start_here": [
        "# Start here\n\nSee [the verdict](12_verdict.ipynb).",
        "## A table\n\n### Of strangers",
        "import pandas as pd\nfrom IPython.display import HTML, display\nfrom smtplab import theme\n"
        "import plotly.graph_objects as go\n"
        f"hostile = {HOSTILE!r}\nprint('stdout', hostile)",
        "display(HTML(f'<p>raw html {hostile}</p>'))",
        "pd.DataFrame({'cell': [hostile, 'b'], 'count': [1, 20]})",
        "theme.finish(go.Figure(go.Bar(x=[hostile, 'b'], y=[1, 2], name=hostile, marker_color=theme.colour('lost'))),"
        " title=hostile, alt='bars ' + hostile)",
    ],
    "12_verdict": [
        "# The verdict",
        "## What to do",
        "import plotly.graph_objects as go\nfrom smtplab import theme\n"
        "theme.finish(go.Figure(go.Heatmap(x=list(range(99)), y=['c'], z=[list(range(99))], colorscale=theme.scale('lost'))),"
        " title='A heat map', alt='the right is dark')",
        "theme.missing('No logs', 'The case holds no mail log.')",
    ],
}


@dataclass
class Report:
    """The file, how many figures its notebooks hold, and its findings."""

    path: Path
    figures: int
    findings: Findings


@dataclass
class Watched:
    """A page and all that it complained of or asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def _notebook(sources: list[str]) -> nbformat.NotebookNode:
    cells = [new_markdown_cell(s) if s.startswith("#") else new_code_cell(s) for s in sources]
    return new_notebook(
        cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    )


@pytest.fixture(scope="session")
def findings() -> Findings:
    return Findings(
        [
            Finding("logs.recipient_domain.null_mx", HOSTILE, (HOSTILE,), recipient_domain=HOSTILE, recipients=3),
            Finding("logs.recipient_domain.null_mx", "b.example", recipient_domain="b.example", recipients=3),
            Finding(
                "dkim.key.missing",
                "pr1._domainkey.b.example",
                domain="b.example",
                selector="pr1",
                where="events",
                pointer="",
            ),
        ]
    )


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory, findings: Findings) -> Report:
    folder = tmp_path_factory.mktemp("report")
    notebooks = []
    for name, sources in CHAPTERS.items():
        notebooks.append(folder / f"{name}.ipynb")
        nbformat.write(_notebook(sources), notebooks[-1])
    with tempfile.TemporaryDirectory() as scratch:
        done = execute(notebooks, folder, Path(scratch), lambda *_: None)
    heading = Heading(HOSTILE, ("b.example",), datetime(2026, 11, 16, 6, tzinfo=UTC), "before", HOSTILE)
    path = folder / "report.html"
    path.write_text(bind(heading, done, [n.stem for n in notebooks], findings), "utf-8")
    return Report(path, len(list(figures_of(done))), findings)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        yield browser
        browser.close()


def visit(chromium: Browser, path: Path, scheme: str = "light", width: int = 1280) -> Watched:
    """Open a file without a network, wait until all figures are drawn, and note what the page says and asks."""
    context = chromium.new_context(
        offline=True,
        color_scheme=scheme,  # type: ignore[arg-type]
        viewport={"width": width, "height": 900},
    )
    watched = Watched(context.new_page())
    page = watched.page
    page.on("console", lambda m: watched.complaints.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: watched.complaints.append(str(e)))
    page.on("request", lambda r: watched.requests.append(r.url))
    page.on("requestfailed", lambda r: watched.refused.append(r.failure or ""))
    page.goto(path.as_uri())
    page.wait_for_function(
        "() => +document.documentElement.dataset.drawn === document.querySelectorAll('.plot').length", timeout=60_000
    )
    return watched


@pytest.fixture
def opened(chromium: Browser, report: Report) -> Iterator[Watched]:
    watched = visit(chromium, report.path)
    yield watched
    watched.page.context.close()
