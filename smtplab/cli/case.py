"""Commands on a case: report, new, collect, findings, causes, compare, lab."""

from __future__ import annotations

import sys
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from smtplab.cli.app import app
from smtplab.cli.network import Resolver
from smtplab.cli.output import FailOn, Json, Output, bar, leave, one_line, show, show_findings

CasePath = Annotated[Path, typer.Argument(help="Folder of the case", metavar="CASE")]


@app.command(epilog="Example: smtplab report data/cases/meridian -o reports/meridian.html")
def report(
    case: CasePath,
    output: Annotated[Path | None, typer.Option("-o", help="The HTML file; default reports/NAME.html")] = None,
) -> None:
    """Execute every chapter on a case and bind one HTML file."""
    from smtplab.case import Case

    opened = Case.open(case)
    from smtplab.examination import examine

    examine(opened)
    # What cannot be used was refused by now, before the slow imports.
    from smtplab.publish.run import run

    output = output or Path("reports") / f"{case.resolve().name}.html"
    with bar("examine") as tell:
        result = run(case, output, progress=tell)
    print(f"\n{result.path}")
    for finding in result.findings[:5]:
        print(f"  {finding.severity:9} {one_line(finding.title)}")
    print("Seconds: " + ", ".join(f"{step} {took:.1f}" for step, took in result.seconds.items()))


@app.command(epilog="Example: smtplab new mycase --domain example.org")
def new(folder: Path, domain: Annotated[str, typer.Option(help="The domain of the From address")]) -> None:
    """Make the folder of a new case."""
    from smtplab.case import Case

    Case.create(folder, domain)
    print(f"{folder}/case.toml: put files into {folder}/sources, then run `smtplab collect {quote(str(folder))}`")


@app.command(epilog="Example: smtplab collect mycase")
def collect(
    case: CasePath,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted recording")] = False,
    resolver: Resolver = "",
) -> None:
    """Ask DNS and servers, and record the answers. case.toml says what is allowed."""
    from smtplab.case import Case

    with bar("asking") as tell:
        progress = (lambda done, total: tell("asking", done, total)) if tell else None
        opened = Case.open(case, live=True, resume=resume, resolver=resolver, progress=progress)
        try:
            with opened:
                from smtplab.examination import examine

                count = len(examine(opened).findings)
        except KeyboardInterrupt:
            print(f"Interrupted. To go on: smtplab collect {quote(str(case))} --resume", file=sys.stderr)
            raise
    recorder, used = opened.network.recorder, sum(opened.network.connections_used().values())
    print(f"{recorder.target if recorder else case}: {count} findings, {used} connections")


@app.command(epilog="Example: smtplab findings data/cases/meridian --json")
def findings(
    case: CasePath,
    json: Json = False,
    output: Output = None,
    fail_on: FailOn = "",
    recording: Annotated[str, typer.Option(help="Name of the recording to replay")] = "",
) -> None:
    """What is wrong, worst first, with the exact change."""
    from smtplab.case import Case

    opened = Case.open(case, recording=recording or None)
    from smtplab.examination import examine

    found = examine(opened).findings
    show_findings(found, json, output)
    leave(found, fail_on)


@app.command(epilog="Example: smtplab causes data/cases/meridian")
def causes(case: CasePath, json: Json = False, output: Output = None) -> None:
    """What each finding costs, in the order in which to mend."""
    from smtplab.case import Case

    opened = Case.open(case)
    from smtplab.examination import examine

    exam = examine(opened)
    if not json and not output:
        print(exam.headline())
    shown = ["direction", "order", "severity", "cause", "alone", "joint", "gain", "gain_at_most"]
    show(exam.causes.frame(), json, output, shown)


@app.command(epilog="Example: smtplab compare mycase mycase:20261120T060000Z-after")
def compare(
    before: Annotated[str, typer.Argument(metavar="A", help="CASE or CASE:RECORDING")],
    after: Annotated[str, typer.Argument(metavar="B", help="CASE or CASE:RECORDING")],
    json: Json = False,
    output: Output = None,
) -> None:
    """What differs between two cases or recordings.

    Findings gone, new and changed, and the answers behind them.
    """
    from smtplab.case import Case

    opened = []
    for text in (before, after):
        path, _, recording = (text, "", "") if Path(text).exists() else text.partition(":")
        opened.append(Case.open(path, recording=recording or None))
    from smtplab.comparison import compare as compared

    result = compared(*opened)
    if not json and not output:
        print(result)
    show(result.frame(), json, output, ["change", "severity", "title", "what", "answers"])
    others = result.others()
    if not json and not output and len(others):
        print(f"\nOther answers that differ{f' (40 of {len(others)})' if len(others) > 40 else ''}:")
        show(others.head(40), False, None)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    epilog="Example: smtplab lab up",
)
def lab(context: typer.Context) -> None:
    """Real mail and name servers in a network of their own (root)."""
    from smtplab.lab import main as lab_main

    raise typer.Exit(lab_main(context.args))
