"""Chapters: where the notebooks lie, and how they are executed on a case."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import nbformat
from nbformat import NotebookNode

from smtplab.errors import PublishError

if TYPE_CHECKING:
    from papermill.exceptions import PapermillExecutionError

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

    Every chapter has a kernel of its own in this environment. Raises PublishError naming chapter, cell and
    error for the first that fails.
    """
    with ThreadPoolExecutor(min(workers, os.cpu_count() or 1)) as pool:
        jobs = [pool.submit(_execute, n, case, scratch, tell) for n in notebooks]
        try:
            return [job.result() for job in jobs]
        finally:
            pool.shutdown(cancel_futures=True)


def _execute(notebook: Path, case: Path, scratch: Path, tell: Tell) -> NotebookNode:
    # Papermill is slow to import, and only the report needs it.
    import papermill
    from papermill.exceptions import PapermillException, PapermillExecutionError

    began = monotonic()
    logging.getLogger("papermill").setLevel(logging.ERROR)
    target = scratch / notebook.name
    try:
        papermill.execute_notebook(
            notebook,
            target,
            parameters={"CASE": str(case.resolve())},
            kernel_name="python3",
            progress_bar=False,
            log_output=False,
            execution_timeout=LONGEST,
            extra_arguments=["--log-level=ERROR"],
            cwd=str(scratch),
        )
    except PapermillExecutionError as e:
        raise PublishError(_failure(e), where=notebook.name, do="Open the chapter in JupyterLab to see it") from e
    except (PapermillException, OSError, RuntimeError, ValueError) as e:
        raise PublishError(f"could not be executed: {_line(str(e))}", where=notebook.name) from e
    done: NotebookNode = nbformat.reads(target.read_text("utf-8"), as_version=4)  # type: ignore[no-untyped-call]
    tell(notebook.stem, monotonic() - began)
    return done


def _failure(error: PapermillExecutionError) -> str:
    # Papermill adds a cell with the parameters; JupyterLab counts without it.
    cell = f"cell [{error.exec_count - 1}]" if error.exec_count else f"cell {error.cell_index}"
    return f"{cell} `{_line(str(error.source), 80)}` failed with {error.ename}: {_line(str(error.evalue))}"


def _line(text: str, longest: int = 400) -> str:
    """The first line that says something."""
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return first if len(first) <= longest else f"{first[: longest - 1]}…"
