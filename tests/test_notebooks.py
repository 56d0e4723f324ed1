"""The chapters as stored: run in order, short cells, no logic, no trace of a machine; and nbval bites."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tests.tidy_notebooks import tidy

ROOT = Path(__file__).parents[1]
BOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
chapters = pytest.mark.parametrize("path", BOOKS, ids=lambda p: p.stem)


def code(path: Path) -> list[Any]:
    return [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]


def test_there_are_chapters() -> None:
    assert BOOKS
    assert BOOKS[0].name == "00_start_here.ipynb"


@chapters
def test_the_case_is_the_first_code_cell(path: Path) -> None:
    first = code(path)[0]
    assert first.metadata.get("tags") == ["parameters"]
    assert first.source == 'CASE = "../data/cases/meridian"'


@chapters
def test_every_code_cell_was_run_in_order_and_none_failed(path: Path) -> None:
    cells = code(path)
    assert [c.execution_count for c in cells] == list(range(1, len(cells) + 1))
    assert not [o for c in cells for o in c.outputs if o.output_type == "error"]


@chapters
def test_a_cell_is_short_and_calls_the_package(path: Path) -> None:
    for cell in code(path):
        assert len(cell.source.splitlines()) <= 8, cell.source
        tree = ast.parse(cell.source)
        names = [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
        names += [a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names]
        assert {n.partition(".")[0] for n in names} <= {"smtplab"}, cell.source
        logic = (ast.Try, ast.For, ast.While, ast.FunctionDef, ast.ClassDef)
        assert not [n for n in ast.walk(tree) if isinstance(n, logic)], cell.source


@chapters
def test_no_output_is_left_out_of_the_comparison(path: Path) -> None:
    for cell in code(path):
        tags = " ".join(cell.metadata.get("tags", []))
        assert not re.search(r"nbval|skip|raises", f"{tags} {cell.source}", re.IGNORECASE), cell.source


@chapters
def test_it_is_small_and_names_no_machine(path: Path) -> None:
    text = path.read_text()
    assert len(text) < 500_000
    assert not re.search(r"/(home|root|Users|tmp|work)/", text)
    assert not re.search(r"<[\w.]+ object at 0x[0-9a-f]+>", text)


def _nbval(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval", "--nbval-current-env"]
    env_free = ["--rootdir", str(folder), "-c", "/dev/null", "book.ipynb"]
    return subprocess.run([*command, *env_free], cwd=folder, capture_output=True, text=True, timeout=240, check=False)


@pytest.mark.slow
def test_one_changed_number_in_the_evidence_fails_nbval(tmp_path: Path) -> None:
    log = tmp_path / "case" / "sources" / "logs" / "mail.log"
    log.parent.mkdir(parents=True)
    (tmp_path / "case" / "case.toml").write_text(
        'version = 1\ndomains = ["example.org"]\nas_of = 2026-11-16T06:00:00Z\n[sources]\nlogs = ["sources/logs/*"]\n'
    )
    start = "2026-11-02T08:00:0{}.000000+00:00 out1 postfix/{}: 4ABCDE123: {}\n"
    log.write_text(
        start.format(1, "qmgr[9]", "from=<a@example.org>, size=900, nrcpt=1 (queue active)")
        + start.format(
            2,
            "smtp[8]",
            "to=<b@example.net>, relay=mx.example.net[203.0.113.9]:25, delay=1.5, delays=0.1/0/0.4/1,"
            " dsn=2.0.0, status=sent (250 2.0.0 ok)",
        )
        + start.format(3, "qmgr[9]", "removed")
    )
    cells = [
        'CASE = "case"',
        "import smtplab\nlogs = smtplab.examine(smtplab.open(CASE)).logs",
        'logs.deliveries[["recipient", "status", "delay"]]',
    ]
    book = tmp_path / "book.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell(c) for c in cells]), book)
    run = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--inplace", str(book)]
    subprocess.run(run, cwd=tmp_path, check=True, capture_output=True, timeout=240)
    tidy(book)
    assert "1.5" in book.read_text()
    same = _nbval(tmp_path)
    assert same.returncode == 0, same.stdout
    log.write_text(log.read_text().replace("delay=1.5", "delay=2.5"))
    shutil.rmtree(tmp_path / "case" / "cache", ignore_errors=True)
    changed = _nbval(tmp_path)
    assert changed.returncode == 1, changed.stdout
    assert "2.5" in changed.stdout
