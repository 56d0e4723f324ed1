"""Run as a script: execute one notebook with papermill, in a process of its own.

Papermill changes the working directory of its process, so chapters that run side by side must not share one.
Usage: `worker.py NOTEBOOK TARGET CASE SECONDS`; on failure it prints one line that names cell and error, and
ends with status 1.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path


def main(notebook: str, target: str, case: str, seconds: str) -> int:
    """Execute and write the target; CASE is the case's path, SECONDS what a cell may take."""
    import papermill
    from papermill.exceptions import PapermillException, PapermillExecutionError

    logging.getLogger("papermill").setLevel(logging.ERROR)
    try:
        papermill.execute_notebook(
            notebook,
            target,
            parameters={"CASE": case},
            kernel_name="python3",
            progress_bar=False,
            log_output=False,
            execution_timeout=int(seconds),
            extra_arguments=["--log-level=ERROR"],
            cwd=str(Path(target).parent),
        )
    except PapermillExecutionError as e:
        # Papermill adds a cell with the parameters; JupyterLab counts without it.
        cell = f"cell [{e.exec_count - 1}]" if e.exec_count else f"cell {e.cell_index}"
        print(f"{cell} `{_line(str(e.source), 80)}` failed with {e.ename}: {_line(str(e.evalue))}")
        return 1
    except (PapermillException, OSError, RuntimeError, ValueError) as e:
        print(f"could not be executed: {_line(str(e))}")
        return 1
    return 0


def _line(text: str, longest: int = 400) -> str:
    """The first line that says something."""
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return first if len(first) <= longest else f"{first[: longest - 1]}…"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
