"""One's own data: the whole report of a case that holds nothing but a domain, wherever it lies."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from smtplab import publish
from smtplab.case import Case
from smtplab.publish.chapters import chapters

MISSING = re.compile(r"holds no |no recording|not recorded|No (?:log|delivery|bounce|message|report|session)")


@pytest.mark.slow
def test_every_chapter_runs_on_a_case_that_holds_only_a_domain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    case = Path("my own") / "case"
    Case.create(case, "example.org")
    result = publish.run(case, Path("my reports") / "own.html")
    assert {p.stem for p in chapters()} <= result.seconds.keys()
    page = result.path.read_text("utf-8").partition('<main id="main">')[2].partition("</main>")[0]
    said = {part.partition('"')[0]: part for part in page.split('<section class="chapter" id="')[1:]}
    del said["all-findings"]
    assert {p.stem for p in chapters()} == said.keys()
    assert [name for name, text in said.items() if not MISSING.search(text)] == []
    assert "Traceback" not in page
    assert str(tmp_path) not in page
