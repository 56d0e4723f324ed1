"""The report as a reader meets it: in Chromium, from disk, without a network."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from smtplab import theme
from tests.browser.conftest import HOSTILE, Report, Watched, visit

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_figure_is_drawn_without_a_complaint_or_a_request(chromium: Browser, report: Report, scheme: str) -> None:
    seen = visit(chromium, report.path, scheme)
    drawn = seen.page.evaluate(
        "[...document.querySelectorAll('.plot')].filter(p => p.querySelector('.main-svg')).length"
    )
    seen.page.context.close()
    assert drawn == report.figures == 3
    assert seen.complaints == []
    assert seen.requests == [report.path.as_uri()]


def test_the_file_is_small_enough_to_mail(report: Report) -> None:
    assert report.path.stat().st_size < 8_000_000


PAPER = "getComputedStyle(document.querySelector('.plot .main-svg')).backgroundColor"
BODY = "getComputedStyle(document.body).backgroundColor"


def rgb(colour: str) -> str:
    return f"rgb({', '.join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))})"


@pytest.mark.parametrize(("scheme", "side"), [("light", 0), ("dark", 1)])
def test_page_and_figures_follow_light_and_dark_and_the_button_changes_both(
    chromium: Browser, report: Report, scheme: str, side: int
) -> None:
    page = visit(chromium, report.path, scheme).page
    paper, body = theme.ROLES["paper"], page.evaluate(BODY)
    assert page.evaluate(PAPER) == rgb(paper[side])
    page.click("#toggle-theme")
    page.wait_for_function(f"() => {PAPER} === '{rgb(paper[1 - side])}'")
    assert page.evaluate(BODY) != body
    page.context.close()


def test_what_a_stranger_wrote_is_shown_as_text(opened: Watched) -> None:
    page = opened.page
    assert page.evaluate("window.pwned") is None
    assert page.inner_text("h1") == HOSTILE
    assert page.inner_text(".headline") == HOSTILE
    assert f"stdout {HOSTILE}" in page.inner_text("#\\30 0_start_here pre.text")
    assert "raw html <script>window.pwned=1</script>" in page.inner_text("#\\30 0_start_here .output >> nth=0")
    assert "<script>window.pwned=1</script>" in page.inner_text("#\\30 0_start_here td >> nth=0")
    assert HOSTILE in page.inner_text("#findings-table")
    assert HOSTILE in page.locator(".figure-title").all_inner_texts()
    labels = page.evaluate("[...document.querySelectorAll('.plot .xtick')].map(t => t.textContent)")
    assert [t for t in labels if t.startswith("<script>window.pwned=1</script>")]
    assert page.evaluate("[...document.querySelectorAll('.plot')].map(p => p.ariaLabel)").count(f"bars {HOSTILE}") == 1
    assert page.evaluate("document.querySelectorAll('main script, header script, main img').length") == 0


def test_a_script_smuggled_into_the_file_is_refused(chromium: Browser, report: Report, tmp_path: Path) -> None:
    html = report.path.read_text("utf-8")
    planted = "<script>window.pwned=1</script><img src='https://evil.example/x.png' onerror='window.pwned=1'>"
    path = tmp_path / "planted.html"
    path.write_text(html.replace('<main id="main">', f'<main id="main">{planted}', 1), "utf-8")
    seen = visit(chromium, path)
    assert seen.page.evaluate("window.pwned") is None
    assert any("Content Security Policy" in line for line in seen.complaints)
    assert seen.refused == ["csp"]
    seen.page.context.close()


ROWS = "#findings-table tbody tr[data-severity]"


def test_findings_are_found_by_word_and_by_severity(opened: Watched, report: Report) -> None:
    page = opened.page
    assert page.locator(ROWS).count() == len(report.findings) == 3
    page.fill(".dt-search input", "_domainkey")
    assert page.locator(ROWS).count() == 1
    assert "pr1" in page.inner_text(ROWS)
    page.fill(".dt-search input", "")
    severity = str(report.findings.of("dkim")[0].severity)
    page.click(f".filters button:text-is('{severity}')")
    shown = page.locator(ROWS)
    expected = [f for f in report.findings if f.severity == severity]
    assert shown.count() == len(expected)
    assert {shown.nth(i).get_attribute("data-severity") for i in range(shown.count())} == {severity}
    page.click(".filters button:text-is('all')")
    assert page.locator(ROWS).count() == 3
    page.fill(".dt-search input", "no such word")
    assert "No finding matches" in page.inner_text("#findings-table")


def test_findings_sort_by_severity_both_ways(opened: Watched) -> None:
    page = opened.page
    order = "[...document.querySelectorAll('#findings-table tbody td:first-child')].map(c => +c.dataset.order)"
    ranks = page.evaluate(order)
    assert ranks == sorted(ranks)
    page.click("#findings-table thead th >> nth=0")
    page.wait_for_function(
        f"() => {order}.join() === '{','.join(map(str, sorted(ranks, reverse=True)))}'", timeout=5_000
    )


def test_a_record_is_copied_as_it_stands(opened: Watched, report: Report) -> None:
    page, record = opened.page, report.findings.of("dkim")[0].record
    assert record
    page.locator(f"{ROWS}:has-text('pr1') .copy").click()
    assert page.evaluate("getSelection().toString()") == record


def test_figures_offer_no_upload(opened: Watched) -> None:
    titles = opened.page.evaluate("[...document.querySelectorAll('.modebar-btn')].map(b => b.dataset.title)")
    assert set(titles) == {"Download plot as a PNG", "Zoom", "Pan", "Reset axes"}


def test_code_is_hidden_until_asked_for(opened: Watched) -> None:
    page = opened.page
    code = page.locator("details.code pre").first
    assert not code.is_visible()
    page.click("#toggle-code")
    assert code.is_visible()
    assert page.get_attribute("#toggle-code", "aria-pressed") == "true"


def test_the_structure_is_accessible(opened: Watched) -> None:
    page = opened.page
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(h => +h.tagName[1])")
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
    anchors = page.evaluate("[...document.querySelectorAll('a[href^=\"#\"]')].map(a => a.hash.slice(1))")
    assert "12_verdict" in anchors
    assert set(anchors) <= set(ids)
    assert page.evaluate("[...document.querySelectorAll('main th')].every(h => h.scope)")
    assert page.evaluate("[...document.querySelectorAll('figure')].every(f => f.querySelector('[role=img]').ariaLabel)")
    assert page.evaluate("[...document.querySelectorAll('button')].every(b => b.textContent.trim() || b.ariaLabel)")
    assert page.evaluate("document.documentElement.lang") == "en"


@pytest.mark.parametrize("width", [360, 800, 1600])
def test_the_page_never_scrolls_sideways(chromium: Browser, report: Report, width: int) -> None:
    page = visit(chromium, report.path, width=width).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.context.close()


def test_on_paper_figures_are_light_and_fit_and_all_chapters_are_there(chromium: Browser, report: Report) -> None:
    page = visit(chromium, report.path, "dark").page
    pdf = page.pdf(format="A4")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) >= 3
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.wait_for_function(f"() => {PAPER} === '{rgb(theme.ROLES['paper'][0])}'")
    widths = page.evaluate(
        "[...document.querySelectorAll('.plot .main-svg')].map(s => s.getBoundingClientRect().width)"
    )
    assert max(widths) <= 680
    assert not page.is_visible(".contents")
    page.context.close()


def test_on_a_phone_the_parts_of_a_finding_stand_below_each_other(chromium: Browser, report: Report) -> None:
    page = visit(chromium, report.path, width=400).page
    cells = page.locator(f"{ROWS} >> nth=0").locator("td")
    boxes = [box for n in range(3) if (box := cells.nth(n).bounding_box())]
    assert [b["x"] for b in boxes] == [boxes[0]["x"]] * 3
    assert all(b["x"] + b["width"] <= 400 for b in boxes)
    page.context.close()


def test_on_a_phone_a_wide_figure_fades_out_until_its_end_is_seen(chromium: Browser, report: Report) -> None:
    page = visit(chromium, report.path, width=400).page
    page.wait_for_selector(".room.more")
    assert page.locator(".room.more").count() == 1
    assert page.locator(".room.more").evaluate("room => getComputedStyle(room).maskImage") != "none"
    page.locator(".room.more").evaluate("room => { room.scrollLeft = room.scrollWidth; }")
    page.wait_for_selector(".room.more", state="detached")
    page.context.close()
