"""Executing chapters and writing the report: all of it, or nothing with one clear line."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from smtplab import publish
from smtplab.case import Case
from smtplab.errors import CaseError, PublishError
from smtplab.publish.chapters import chapters


def write(folder: Path, name: str, *sources: str) -> Path:
    cells = [new_markdown_cell(f"# {name}"), new_code_cell('CASE = "unset"', metadata={"tags": ["parameters"]})]
    notebook = new_notebook(cells=cells + [new_code_cell(source) for source in sources])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = folder / f"{name}.ipynb"
    nbformat.write(notebook, path)
    return path


@pytest.fixture
def case(tmp_path: Path) -> Path:
    folder = tmp_path / "case"
    Case.create(folder, "example.org")
    return folder


def test_chapters_run_on_the_case_in_this_environment_and_are_bound_in_order(case: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    notebooks = [
        write(tmp_path, "00_start", "from pathlib import Path\n(Path(CASE) / 'case.toml').is_file() and 'found it'"),
        write(tmp_path, "12_verdict", f"import sys\nsys.prefix == {__import__('sys').prefix!r} and 'same kernel'"),
    ]
    output = tmp_path / "out" / "report.html"
    result = publish.run(case, output, notebooks, lambda *step: told.append(step))
    html = output.read_text("utf-8")
    assert result.path == output
    assert "found it" in html
    assert "same kernel" in html
    assert html.index('id="12_verdict"') < html.index('id="00_start"')
    assert str(case) not in html
    assert [done for _, done, _ in told] == [1, 2, 3, 4]
    assert told[-1][0] == "bind"
    assert told[-1][2] == 4
    assert set(result.seconds) == {"examine", "00_start", "12_verdict", "bind"}


def test_a_failing_chapter_is_named_with_cell_and_error_and_leaves_the_old_report(case: Path, tmp_path: Path) -> None:
    output = tmp_path / "report.html"
    output.write_text("old")
    bad = write(tmp_path, "04_bad", "good = 1", "good + missing_name")
    with pytest.raises(PublishError) as raised:
        publish.run(case, output, [bad])
    line = str(raised.value)
    assert "\n" not in line
    assert "04_bad.ipynb" in line
    assert "cell [3] `good + missing_name`" in line
    assert "NameError" in line
    assert output.read_text() == "old"
    assert {p.name for p in tmp_path.iterdir()} == {"case", "report.html", "04_bad.ipynb"}


def test_a_file_that_is_no_notebook_is_named(case: Path, tmp_path: Path) -> None:
    bad = tmp_path / "01_bad.ipynb"
    bad.write_text("not JSON")
    with pytest.raises(PublishError, match=r"01_bad\.ipynb"):
        publish.run(case, tmp_path / "report.html", [bad])


def test_a_folder_is_no_output_and_an_empty_folder_no_case(case: Path, tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="is a folder"):
        publish.run(case, tmp_path, [])
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(CaseError):
        publish.run(empty, tmp_path / "report.html", [])
    assert not (tmp_path / "report.html").exists()


def test_the_chapters_are_found_in_order() -> None:
    names = [path.stem for path in chapters()]
    assert names == sorted(names)
    assert names[0] == "00_start_here"
    assert "12_verdict" in names
