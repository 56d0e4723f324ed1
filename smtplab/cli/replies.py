"""Command replies: what each line of a file means, and why we think so."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from smtplab.cli.app import app
from smtplab.cli.output import Json, table

SHOWN = ["reason", "confidence", "rule", "advice", "reply"]
MOST = 1_000_000
"""Characters of a line that are read."""


@app.command(epilog='Example: echo "550 5.1.1 <x@example.org>: User unknown" | smtplab replies --json')
def replies(
    file: Annotated[Path | None, typer.Argument(help="A reply a line; standard input without it", exists=True)] = None,
    provider: Annotated[str, typer.Option(help="Who said it, such as gmail, microsoft, yahoo")] = "",
    json: Json = False,
) -> None:
    """What SMTP replies mean: reason, whether it lasts, which rule says so, how sure that is, and what to do."""
    rows = (explained(line, provider) for line in lines(file))
    if json:
        for row in rows:
            print(jsonlib.dumps({k: v for k, v in row.items() if k != "reply"}))
        return
    import pandas as pd

    found = pd.DataFrame(list(rows))
    if not found.empty:
        table(found.assign(reply=found["reply"].str[:80])[SHOWN])


def lines(file: Path | None) -> Iterator[str]:
    """The lines that are not empty, whatever their bytes."""
    source = file.open("rb") if file else sys.stdin.buffer
    with source:
        while line := source.readline(MOST):
            if text := line.decode("utf-8", "replace").strip():
                yield text


def explained(text: str, provider: str) -> dict[str, Any]:
    """One reply as plain values."""
    from smtplab.replies import classify

    found = classify(text, provider=provider or None)
    other = found.runner_up
    return {
        "reason": found.reason,
        "permanent": found.permanent,
        "suppress": found.suppress,
        "smtp_code": found.smtp_code,
        "enhanced_code": found.enhanced_code,
        "provider": found.provider or None,
        "rule": found.rule or None,
        "matched": found.matched or None,
        "span": found.span,
        "field": found.field or None,
        "runner_up": {"rule": other.rule, "reason": other.reason} if other else None,
        "conflict": found.conflict,
        "confidence": found.confidence,
        "advice": found.advice or None,
        "reply": text,
    }
