"""Chapters: where the notebooks lie, and how they are executed on a case."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import resources
from pathlib import Path
from subprocess import PIPE
from tempfile import TemporaryFile
from time import monotonic
from typing import IO, Any

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


def execute(notebooks: list[Path], case: Path, scratch: Path, tell: Tell, workers: int = 2) -> list[dict[str, Any]]:
    """Execute the chapters on a case, several at a time, and return them in order.

    Every chapter has a kernel of its own in this environment. Raises PublishError naming chapter, cell and error
    for the first that fails; those not yet begun are then left out.
    """
    waiting = deque(notebooks)
    with ThreadPoolExecutor(max(1, min(workers, os.cpu_count() or 1))) as pool:
        jobs = [pool.submit(_serve, waiting, case, scratch, tell) for _ in range(workers)]
        try:
            done = {name: book for job in jobs for name, book in job.result().items()}
        finally:
            waiting.clear()
    return [done[notebook] for notebook in notebooks]


def _serve(waiting: deque[Path], case: Path, scratch: Path, tell: Tell) -> dict[Path, dict[str, Any]]:
    """Take chapters until none waits, with one worker."""
    done: dict[Path, dict[str, Any]] = {}
    worker = Path(str(resources.files("smtplab.publish") / "worker.py"))
    # -P: the worker's neighbours must not pass for modules of the standard library.
    command = [sys.executable, "-P", "-X", "utf8", str(worker.resolve())]
    with (
        TemporaryFile("w+", encoding="utf-8") as said,
        subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=said, text=True, encoding="utf-8") as process,
    ):
        try:
            while waiting:
                with suppress(IndexError):
                    notebook = waiting.popleft()
                    done[notebook] = _execute(process, notebook, case, scratch, tell, said)
        except BaseException:
            waiting.clear()
            raise
        finally:
            process.terminate()
    return done


def _execute(
    process: subprocess.Popen[str], notebook: Path, case: Path, scratch: Path, tell: Tell, said: IO[str]
) -> dict[str, Any]:
    began = monotonic()
    target = scratch / notebook.name
    job = [*(str(p.resolve()) for p in (notebook, target, case)), LONGEST]
    answer = ""
    with suppress(BrokenPipeError):
        print(json.dumps(job), file=process.stdin, flush=True)
        answer = process.stdout.readline() if process.stdout else ""
    if wrong := json.loads(answer) if answer else _last(said, process.wait()):
        raise PublishError(wrong, where=notebook.name, do="Open the chapter in JupyterLab to see it")
    executed: dict[str, Any] = json.loads(target.read_text("utf-8"))
    tell(notebook.stem, monotonic() - began)
    return executed


def _last(said: IO[str], status: int) -> str:
    said.seek(0)
    return (said.read().strip().splitlines() or [f"its process ended with status {status}"])[-1]
