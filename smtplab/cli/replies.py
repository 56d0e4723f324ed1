"""Command replies: what each line of a file means, and why we think so."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from smtplab.cli.app import app
from smtplab.cli.output import Json, Output, Provider, apart, one_line, show, table
from smtplab.errors import SmtplabError

SHOWN = ["reason", "permanent", "confidence", "rule", "advice", "reply"]
MOST_RULES = 10
"""Rules that are proposed on a terminal; --json has one for each wording."""
MOST = 1_000_000
"""Characters of a line that are read."""


@app.command(epilog='Example: echo "550 5.1.1 <x@example.org>: User unknown" | smtplab replies --json')
def replies(
    file: Annotated[Path | None, typer.Argument(help="A reply a line; - or nothing: standard input")] = None,
    provider: Provider = "",
    unknown: Annotated[
        bool, typer.Option("--unknown", help="Only those that no rule knows, by wording, and a rule to fill in")
    ] = False,
    json: Json = False,
    output: Output = None,
) -> None:
    """What SMTP replies mean, and what to do.

    The reason, whether it lasts, which rule says so and how sure that is.
    """
    apart(output, file)
    if file and str(file) != "-" and not file.is_file():
        raise SmtplabError("there is no such file", where=file, do='One reply: smtplab explain "TEXT"')
    if file and str(file) != "-":
        with file.open("rb") as source:
            if b"\0" in source.read(4_096):
                raise SmtplabError("binary data, not replies", where=file, do="A text file with a reply a line")
    if unknown:
        return _unknown(file, json, output)
    rows = (explained(line, provider) for line in lines(file))
    if json and not output:
        for row in rows:
            print(jsonlib.dumps(row))
        return None
    import pandas as pd

    found = pd.DataFrame(list(rows))
    if found.empty:
        print(f"smtplab: {one_line(str(file or 'standard input'))}: no reply is there", file=sys.stderr)
    elif output:
        other = found["runner_up"].map(lambda r: r["rule"] if r else None)
        found = found.drop(columns="span").assign(runner_up=other)
        show(found.astype({"smtp_code": "Int64", "permanent": "boolean"}), False, output)
    else:
        table(found.assign(reply=found["reply"].map(_cut))[SHOWN])
    return None


def _cut(text: str) -> str:
    return text if len(text) <= 160 else f"{text[:159]}…"


def _unknown(file: Path | None, json: bool, output: Path | None) -> None:
    """The wordings that no rule knows, and for each the rule that would, to be filled in."""
    from smtplab.replies import shapes

    found = shapes.unknown(lines(file))
    if output:
        return show(found, False, output)
    rows = [{**row, "rule": shapes.skeleton(row, date.today())} for row in found.to_dict("records")]
    if json:
        for row in rows:
            print(jsonlib.dumps({k: row[k] for k in ("shape", "count", "example", "rule")}))
        return None
    if rows:
        table(found[["count", "shape"]])
    for row in rows[:MOST_RULES]:
        print(f"\n{row['rule']}", end="")
    return None


def lines(file: Path | None) -> Iterator[str]:
    """The lines that are not empty, whatever their bytes."""
    source = file.open("rb") if file and str(file) != "-" else sys.stdin.buffer
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
        "reason": found.reason or None,
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
