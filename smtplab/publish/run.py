"""`smtplab report`: execute, bind, write, and say how long each step took."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from smtplab.case import Case
from smtplab.errors import PublishError
from smtplab.examination import examine
from smtplab.findings import Findings
from smtplab.publish.bind import Heading, bind
from smtplab.publish.chapters import chapters, execute
from smtplab.tape import write_atomic


@dataclass(frozen=True)
class PublishResult:
    """The report's path, its findings, and the seconds of each step in order of ending."""

    path: Path
    findings: Findings
    seconds: dict[str, float] = field(default_factory=dict)


def run(
    case_path: Path,
    output: Path,
    notebooks: list[Path] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> PublishResult:
    """Make the report of a case; writes nothing unless every chapter ran.

    `progress` is called with the step that ended, how many are done and how many there are. Raises CaseError,
    TapeError, SourceError or PublishError.
    """
    case = Case.open(case_path)
    notebooks = chapters() if notebooks is None else notebooks
    if output.is_dir():
        raise PublishError("is a folder", where=output, do="Name a file, such as reports/case.html")
    above = next(p for p in output.absolute().parents if p.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise PublishError("nothing can be written there", where=above, do="Choose another file with -o")
    seconds: dict[str, float] = {}

    def tell(step: str, took: float) -> None:
        seconds[step] = took
        if progress:
            progress(step, len(seconds), len(notebooks) + 2)

    began = monotonic()
    exam = examine(case)
    findings, headline = exam.findings, exam.headline()
    tell("examine", monotonic() - began)
    with tempfile.TemporaryDirectory(prefix="smtplab-") as scratch:
        done = execute(notebooks, case_path, Path(scratch), tell)
    began = monotonic()
    heading = Heading(
        case=case.name,
        domains=case.domains,
        as_of=case.as_of,
        recording=case.tape.name if case.tape else "none",
        headline=headline,
    )
    write_atomic(output, bind(heading, done, [n.stem for n in notebooks], findings).encode("utf-8", "replace"))
    tell("bind", monotonic() - began)
    return PublishResult(output, findings, seconds)
