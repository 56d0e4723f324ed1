"""Command explain: from an error text to its meaning, who must act, and what to check next."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from smtplab.cli.app import app
from smtplab.cli.output import Json, Provider, one_line


@app.command(epilog='Example: smtplab explain "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)"')
def explain(
    text: Annotated[str, typer.Argument(help="The error of a mail program or script, a bounce, or a line of a log")],
    provider: Provider = "",
    case: Annotated[Path | None, typer.Option(help="A case whose evidence is added", metavar="DIR")] = None,
    json: Json = False,
) -> None:
    """What an error text or SMTP reply means, and what to do."""
    from smtplab import servers

    if case:
        from smtplab.case import Case
        from smtplab.examination import examine

        exam = examine(Case.open(case))
        found = servers.explain(text, provider=provider, findings=exam.findings, outcomes=exam.outcomes)
    else:
        found = servers.explain(text, provider=provider)
    if json:
        print(jsonlib.dumps(found.as_dict()))
        return
    if found.reply.rule:
        print(f"{found.reply.reason} (reply rule {found.reply.rule})")
    for question, answer in found.frame().itertuples(index=False):
        if question != "SMTP reply":
            print(f"{question + ':':14}{one_line(answer)}")
