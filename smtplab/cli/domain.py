"""The command on domains without a case: domain."""

from __future__ import annotations

import json as js
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smtplab.cli.app import app
from smtplab.cli.network import Resolver, alive, outside
from smtplab.cli.output import Json, Output, apart, one_line, table, tell_findings, write
from smtplab.errors import SmtplabError

if TYPE_CHECKING:
    from smtplab.domains import DomainReport
    from smtplab.portfolio import Names

    Examine = Callable[[Sequence[str]], Iterator[DomainReport]]

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


@app.command(epilog="Example: smtplab domain example.org --selector s1")
def domain(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="Domains")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="A list: a domain a line, # begins a comment")] = None,
    selector: Annotated[list[str] | None, typer.Option("--selector", help="DKIM selector to look for")] = None,
    resolver: Resolver = "",
    guess: Annotated[bool, typer.Option("--guess/--no-guess", help="Try DKIM selectors in common use")] = True,
    propagation: Annotated[
        bool, typer.Option("--propagation/--no-propagation", help="Ask every authoritative server by itself")
    ] = True,
    deadline: Annotated[float, typer.Option(min=0.1, help="Seconds a domain may take")] = 20.0,
    concurrency: Annotated[int, typer.Option(min=1, max=500, help="Domains asked for at once")] = 50,
    json: Json = False,
    output: Output = None,
) -> None:
    """What DNS says of the mail of a domain, or of thousands. With -o an interrupted run is taken up again."""
    from smtplab import portfolio

    if not names and not file:
        raise SmtplabError("no domain", where="smtplab domain", do="Name one, or a list with --file")
    apart(output, file)
    wanted = portfolio.Names.read(names or (), file)
    _tell_refused(wanted)

    network = outside(resolver)

    def reports(some: Sequence[str]) -> Iterator[DomainReport]:
        for report in portfolio.examine(
            network,
            some,
            selector or (),
            guess=guess,
            propagation=propagation,
            concurrency=concurrency,
            deadline=deadline,
        ):
            alive(network)
            yield report

    try:
        if output:
            _write(wanted.domains, output, reports)
        elif json:
            _print(wanted.domains, reports)
        else:
            _show(wanted.domains, reports)
    except KeyboardInterrupt:
        go_on = f"{output}.part holds what is finished; the same command goes on from there" if output else ""
        print(f"smtplab: interrupted. {go_on or 'With -o FILE.jsonl a run can be taken up again'}.", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None


def _tell_refused(names: Names) -> None:
    """A line each on standard error; raises SmtplabError when none is left."""
    for line in names.bad:
        print(f"smtplab: {one_line(line)}", file=sys.stderr)
    if names.refused + names.repeated > 1:
        counts = f"{len(names.domains):,} domains, {names.refused:,} refused, {names.repeated:,} named before"
        print(f"smtplab: {counts}", file=sys.stderr)
    if not names.domains:
        raise SmtplabError("no domain to ask for", do="Write one as example.org")


@contextmanager
def _counted(total: int, done: int = 0, shown: bool = True) -> Iterator[Callable[[], None]]:
    """A progress bar on standard error, when that is a terminal; gives what to call after each domain."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("domains"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hidden = not shown or total == 1 or not sys.stderr.isatty()
    # Standard output is left alone: it may be a pipe that wants every line.
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=False, disable=hidden) as progress:
        task = progress.add_task("", total=total, completed=done)
        yield lambda: progress.advance(task)


def _write(names: Sequence[str], output: Path, reports: Examine) -> None:
    from smtplab.portfolio import Rows

    output.parent.mkdir(parents=True, exist_ok=True)
    with Rows(output) as rows:
        left = [n for n in names if n not in rows.at]
        if done := len(names) - len(left):
            print(f"smtplab: {done:,} of {len(names):,} domains are there already", file=sys.stderr)
        with _counted(len(names), done) as advance:
            for report in reports(left):
                rows.put(report.as_dict())
                advance()
        if output.suffix == ".jsonl":
            rows.finish(names)
            print(output)
        else:
            write(rows.frame(names), output)
            rows.part.unlink()


def _print(names: Sequence[str], reports: Examine) -> None:
    with _counted(len(names), shown=not sys.stdout.isatty()) as advance:
        for report in reports(names):
            sys.stdout.write(js.dumps(report.as_dict()) + "\n")
            sys.stdout.flush()
            advance()


def _show(names: Sequence[str], reports: Examine) -> None:
    import pandas as pd

    from smtplab.domains import verdict

    told: dict[str, dict[str, str]] = {}
    with _counted(len(names)) as advance:
        for report in reports(names):
            told[report.domain] = verdict(report.as_dict())
            advance()
    table(pd.DataFrame([told[n] for n in names]))
    if len(names) == 1:
        tell_findings(report.findings)
