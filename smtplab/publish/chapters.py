"""Chapters: where the notebooks lie, and how they are executed on a case."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from time import monotonic

import nbformat
from nbformat import NotebookNode

from smtplab.errors import PublishError

LONGEST = 600
"""Seconds a cell may take: one that hangs must not hang the report."""
Tell = Callable[[str, float], None]
"""Called with a step's name and its seconds when it is done."""


def chapters() -> list[Path]:
    """The notebooks in order: of this checkout, else those that the installed package carries."""
    package = Path(str(resources.files("smtplab")))
    for folder in (package.parent / "notebooks", package / "notebooks"):
        if found := sorted(folder.glob("[0-9][0-9]_*.ipynb")):
            return found
    raise PublishError("no chapters are installed", where=package / "notebooks", do="Reinstall smtplab")


def execute(notebooks: list[Path], case: Path, scratch: Path, tell: Tell, workers: int = 2) -> list[NotebookNode]:
    """Execute the chapters on a case, several at a time, and return them in order.

    Every chapter has a process and a kernel of its own in this environment. Raises PublishError naming chapter,
    cell and error for the first that fails; those not yet begun are then left out.
    """
    with ThreadPoolExecutor(max(1, min(workers, os.cpu_count() or 1))) as pool:
        jobs = [pool.submit(_execute, n, case, scratch, tell) for n in notebooks]
        try:
            return [job.result() for job in jobs]
        finally:
            pool.shutdown(cancel_futures=True)


def _execute(notebook: Path, case: Path, scratch: Path, tell: Tell) -> NotebookNode:
    began = monotonic()
    target = scratch / notebook.name
    worker = Path(str(resources.files("smtplab.publish") / "worker.py"))
    arguments = [str(p.resolve()) for p in (worker, notebook, target, case)]
    # -P: the worker's neighbours must not pass for modules of the standard library.
    done = subprocess.run(
        [sys.executable, "-P", "-X", "utf8", *arguments, str(LONGEST)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        said = (done.stdout or done.stderr).strip().splitlines() or [f"ended with status {done.returncode}"]
        raise PublishError(said[-1], where=notebook.name, do="Open the chapter in JupyterLab to see it")
    executed: NotebookNode = nbformat.reads(target.read_text("utf-8"), as_version=4)  # type: ignore[no-untyped-call]
    tell(notebook.stem, monotonic() - began)
    return executed
