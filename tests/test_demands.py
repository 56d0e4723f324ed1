"""The demands of the whole run bite: nothing may skip in CI, and every finding code must be raised by some test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = {
    "test_marks.py": "import pytest\n@pytest.mark.skipif(True, reason='mark')\ndef test_a(): ...\n"
    "@pytest.mark.xfail(reason='expected')\ndef test_b(): assert False\n"
    "@pytest.mark.xfail(reason='passes')\ndef test_c(): ...\n"
    "def test_d(): pytest.skip('inside')\n",
    "test_import.py": "import pytest\npytest.importorskip('no_such_module')\ndef test_a(): ...\n",
}


def run(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text("from tests.conftest import *\nfrom tests.conftest import _strict, _watch\n")
    for name, text in TESTS.items():
        (folder / name).write_text(text)
    free = {k: v for k, v in os.environ.items() if not k.startswith("SMTPLAB_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", ".",
         "--continue-on-collection-errors", "."],
        cwd=folder, env={**free, "PYTHONPATH": str(ROOT), **environment}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip


def test_where_skipping_is_allowed_all_is_well(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert (done.returncode, "3 skipped, 1 xfailed, 1 xpassed" in done.stdout) == (0, True), done.stdout


def test_where_nothing_may_skip_every_kind_of_skip_fails(tmp_path: Path) -> None:
    done = run(tmp_path, SMTPLAB_NO_SKIP="1")
    assert (done.returncode, "3 failed, 2 errors" in done.stdout) == (1, True), done.stdout
    said = done.stdout.replace("Skipped: ", "")
    for reason in ("mark", "expected", "passes", "inside", "could not import 'no_such_module'"):
        assert f"nothing may skip here: {reason}" in said


def test_a_code_that_no_test_raises_fails_the_whole_run(tmp_path: Path) -> None:
    done = run(tmp_path, SMTPLAB_FULL="1")
    assert done.returncode == 1
    assert "no test raised" in done.stdout
    assert "logs.complaints.below_limit" in done.stdout
