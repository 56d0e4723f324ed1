"""The true report: every chapter on the bundled case, into whose evidence strangers have written scripts."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser

from smtplab import publish
from smtplab.publish.bind import figures_of
from smtplab.publish.chapters import chapters
from tests.browser.conftest import Watched, visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SCRIPT = "<script>window.pwned=1</script>"


def plant(files: list[Path], old: bytes, new: bytes) -> None:
    planted = 0
    for file in files:
        opener: Callable[[bytes], bytes] = gzip.decompress if file.suffix == ".gz" else bytes
        content = opener(file.read_bytes())
        planted += content.count(old)
        changed = content.replace(old, new)
        file.write_bytes(gzip.compress(changed) if file.suffix == ".gz" else changed)
    assert planted, f"{old!r} is nowhere in {files[0].parent}"


@pytest.fixture(scope="module")
def hostile_case(meridian: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    case = tmp_path_factory.mktemp("hostile") / "case"
    shutil.copytree(meridian, case, ignore=shutil.ignore_patterns("cache"))
    script = SCRIPT.encode()
    plant(list((case / "tape").glob("*.jsonl")), b"mx1.meridian.example ESMTP Postfix", b"mx1 ESMTP " + script)
    plant(list((case / "sources/logs").glob("*.gz")), b"sasl_username=jonas.keller", b"sasl_username=" + script)
    mailboxes = list((case / "sources/bounces").iterdir())
    plant(mailboxes, b"Subject: Undelivered Mail Returned to Sender", b"Subject: " + script)
    plant(mailboxes, b"smtp; 550-5.1.1 The email account", b"smtp; 550-5.1.1 " + script)
    return case


@pytest.fixture(scope="module")
def page(chromium: Browser, hostile_case: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    path = tmp_path_factory.mktemp("true") / "meridian.html"
    publish.run(hostile_case, path)
    watched = visit(chromium, path)
    yield watched
    watched.page.context.close()


def test_it_asks_for_nothing_complains_of_nothing_and_is_small(page: Watched) -> None:
    assert page.complaints == []
    assert len(page.requests) == 1
    assert Path(page.requests[0].removeprefix("file://")).stat().st_size < 8_000_000


def test_every_figure_of_the_notebooks_is_drawn(page: Watched) -> None:
    stored = list(figures_of([nbformat.read(path, as_version=4) for path in chapters()]))
    drawn = page.page.evaluate(
        "[...document.querySelectorAll('.plot')].filter(p => p.querySelector('.main-svg')).length"
    )
    assert drawn == len(stored) > 0


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(f"220 mx1 ESMTP {SCRIPT}", id="banner"),
        pytest.param(f"The account {SCRIPT} was taken over", id="log line"),
        pytest.param(f"550-5.1.1 {SCRIPT}", id="bounce"),
    ],
)
def test_what_strangers_wrote_is_shown_as_text(page: Watched, seen: str) -> None:
    assert page.page.evaluate("window.pwned") is None
    assert page.page.evaluate("document.querySelectorAll('main script, header script').length") == 0
    assert seen in page.page.inner_text("main")


def test_the_page_names_no_path_of_this_machine(page: Watched, hostile_case: Path) -> None:
    assert str(hostile_case.parent) not in page.page.content()
    assert str(Path(__file__).parents[2]) not in page.page.content()


def test_all_findings_can_be_searched(page: Watched) -> None:
    page.page.fill(".dt-search input", "postrider")
    shown = page.page.locator("#findings-table tbody tr[data-severity]").count()
    page.page.fill(".dt-search input", "")
    assert 0 < shown < page.page.locator("#findings-table tbody tr[data-severity]").count()
