"""Run as a script: execute notebooks with papermill, one after the other, as standard input names them.

Papermill changes the working directory of its process, so chapters that run side by side must not share one; and it
is slow to load, so a process serves many. Each line of input is a JSON list [notebook, target, case, seconds that a
cell may take]; the target is the executed notebook as JSON with its texts in one piece each. Each line of output is
"" when it was written, else what failed: cell and error.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path


def main() -> None:
    """Serve until the input ends."""
    # Whatever a library prints must not pass for an answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        print(json.dumps(_execute(*json.loads(line))), file=answers, flush=True)


def _execute(notebook: str, target: str, case: str, seconds: int) -> str:
    # jsonschema would build a grammar of IRIs, a second's work, for a check that no notebook asks for.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    import papermill
    from papermill.exceptions import PapermillException, PapermillExecutionError

    logging.getLogger("papermill").setLevel(logging.ERROR)
    try:
        executed = papermill.execute_notebook(
            notebook,
            None,
            parameters={"CASE": case},
            kernel_name="python3",
            progress_bar=False,
            log_output=False,
            execution_timeout=seconds,
            # Pandas cuts a cell at 50 characters; a report shows what was said.
            extra_arguments=[
                "--log-level=ERROR",
                "--IPKernelApp.exec_lines=import pandas; pandas.options.display.max_colwidth = 300",
            ],
            cwd=str(Path(target).parent),
        )
    except PapermillExecutionError as e:
        # Papermill adds a cell with the parameters; JupyterLab counts without it.
        cell = f"cell [{e.exec_count - 1}]" if e.exec_count else f"cell {e.cell_index}"
        return f"{cell} `{_line(str(e.source), 80)}` failed with {e.ename}: {_line(str(e.evalue))}"
    except (PapermillException, OSError, RuntimeError, ValueError) as e:
        return f"could not be executed: {_line(str(e))}"
    Path(target).write_text(json.dumps(executed), "utf-8")
    return ""


def _line(text: str, longest: int = 400) -> str:
    """The first line that says something."""
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return first if len(first) <= longest else f"{first[: longest - 1]}…"


if __name__ == "__main__":
    main()
