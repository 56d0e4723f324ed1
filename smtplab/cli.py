"""The command line: `smtplab --help`. Each command prints a table on a terminal, JSON lines with --json.

Exit status: 0 done; 1 findings at or above --fail-on; 2 bad usage or input.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smtplab.errors import SmtplabError

if TYPE_CHECKING:
    import pandas as pd

    from smtplab.findings import Findings

app = typer.Typer(
    help="Why does our mail not arrive, what should we change first, and how do we know?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
FORMATS = (".parquet", ".csv", ".jsonl", ".html")


def _known(output: Path | None) -> Path | None:
    """Refuse a format before the work that it would waste."""
    if output and output.suffix not in FORMATS:
        raise SmtplabError("not a format that can be written", where=output, do=f"Use {', '.join(FORMATS)}")
    return output


CasePath = Annotated[Path, typer.Argument(help="Folder of the case", metavar="CASE")]
Json = Annotated[bool, typer.Option("--json", help="JSON lines")]
Output = Annotated[Path | None, typer.Option("-o", help="Write FILE.parquet, .csv, .jsonl or .html", callback=_known)]


@app.command(epilog="Example: smtplab report data/cases/meridian -o reports/meridian.html")
def report(
    case: CasePath,
    output: Annotated[Path | None, typer.Option("-o", help="The HTML file; default reports/NAME.html")] = None,
) -> None:
    """Execute every chapter on a case and bind one self-contained HTML file."""
    from smtplab.publish.run import run

    output = output or Path("reports") / f"{case.resolve().name}.html"
    result = run(case, output, progress=_bar() if sys.stderr.isatty() else None)
    print(f"\n{result.path}")
    for finding in result.findings[:5]:
        print(f"  {finding.severity:9} {_one_line(finding.title)}")
    print("Seconds: " + ", ".join(f"{step} {took:.1f}" for step, took in result.seconds.items()))


@app.command(epilog="Example: smtplab new mycase --domain example.org")
def new(folder: Path, domain: Annotated[str, typer.Option(help="The domain of the From address")]) -> None:
    """Make the folder of a new case."""
    from smtplab.case import Case

    Case.create(folder, domain)
    print(f"{folder}/case.toml: put files into {folder}/sources, then run `smtplab collect {folder}`")


@app.command(epilog="Example: smtplab collect mycase")
def collect(
    case: CasePath, resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted recording")] = False
) -> None:
    """Ask DNS and servers, within what case.toml allows, and record the answers."""
    from smtplab.case import Case
    from smtplab.examination import examine

    with Case.open(case, live=True, resume=resume) as opened:
        exam = examine(opened)
        count = len(exam.findings)
        used = opened.network.connections_used()
        recorder = opened.network.recorder
    print(f"{recorder.target if recorder else case}: {count} findings, {sum(used.values())} connections")


@app.command(epilog="Example: smtplab findings data/cases/meridian --json")
def findings(
    case: CasePath,
    json: Json = False,
    output: Output = None,
    fail_on: Annotated[str, typer.Option(help="Exit with 1 if a finding is at least this severe")] = "",
    recording: Annotated[str, typer.Option(help="Name of the recording to replay")] = "",
) -> None:
    """What is wrong, worst first, with the exact change."""
    from smtplab.case import Case
    from smtplab.examination import examine
    from smtplab.findings import Severity

    if fail_on and fail_on not in list(Severity):
        raise SmtplabError(f"{fail_on!r} is no severity", where="--fail-on", do=f"One of: {', '.join(Severity)}")
    found = examine(Case.open(case, recording=recording or None)).findings
    _show_findings(found, json, output)
    if fail_on and len(found.at_least(fail_on)):
        raise typer.Exit(1)


@app.command(epilog="Example: smtplab causes data/cases/meridian")
def causes(case: CasePath, json: Json = False, output: Output = None) -> None:
    """What each finding costs, in the order in which to mend."""
    from smtplab.case import Case
    from smtplab.examination import examine

    exam = examine(Case.open(case))
    if not json and not output:
        print(exam.headline())
    shown = ["direction", "order", "severity", "cause", "alone", "joint", "gain", "gain_at_most"]
    _show(exam.causes.frame(), json, output, shown)


@app.command(epilog="Example: smtplab compare mycase mycase:20261120T060000Z-after")
def compare(
    before: Annotated[str, typer.Argument(metavar="A", help="CASE or CASE:RECORDING")],
    after: Annotated[str, typer.Argument(metavar="B", help="CASE or CASE:RECORDING")],
    json: Json = False,
    output: Output = None,
) -> None:
    """Findings gone, new and changed between two cases or recordings, and the answers behind them."""
    from smtplab.case import Case
    from smtplab.comparison import compare as compared

    opened = []
    for text in (before, after):
        path, _, recording = text.partition(":")
        opened.append(Case.open(path, recording=recording or None))
    result = compared(*opened)
    if not json and not output:
        print(result)
    _show(result.frame(), json, output)
    if not json and not output and len(result.records):
        print("\nAnswers that differ:")
        _show(result.records.head(40), False, None)


@app.command(epilog='Example: smtplab explain "550-5.7.26 ..." --provider gmail')
def explain(text: str, provider: Annotated[str, typer.Option(help="Such as gmail, microsoft, yahoo")] = "") -> None:
    """What an SMTP reply means, and what to do."""
    from smtplab import replies

    reply = replies.classify(text, provider=provider or None)
    print(f"{reply.reason} ({reply.rule or 'no rule matched'})")
    if reply.advice:
        print(reply.advice)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    epilog="Example: smtplab lab up",
)
def lab(context: typer.Context) -> None:
    """Real mail and name servers in a network of their own (root): up, run, record."""
    from smtplab.lab import main as lab_main

    raise typer.Exit(lab_main(context.args))


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import Progress

    progress = Progress(console=Console(stderr=True), transient=False)
    progress.start()
    task = progress.add_task("report", total=None)

    def tell(step: str, done: int, total: int) -> None:
        progress.update(task, description=step, completed=done, total=total)
        if done == total:
            progress.stop()

    return tell


def _show_findings(found: Findings, json: bool, output: Path | None) -> None:
    if json:
        sys.stdout.write(found.to_json_lines())
    else:
        _show(found.frame(), False, output, ["severity", "title", "fix"])


def _show(frame: pd.DataFrame, json: bool, output: Path | None, columns: list[str] | None = None) -> None:
    if output:
        _write(frame, output)
    elif json:
        sys.stdout.write(frame.to_json(orient="records", lines=True, date_format="iso"))
    else:
        _table(frame[columns] if columns else frame)


def _table(frame: pd.DataFrame) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in frame:
        table.add_column(str(name), overflow="fold")
    for row in frame.itertuples(index=False, name=None):
        # Text, not markup, and no control characters: evidence must not drive the terminal.
        table.add_row(*(Text(_one_line(str(v)) if v == v else "") for v in row))
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _write(frame: pd.DataFrame, output: Path) -> None:
    from smtplab import markup
    from smtplab.tape import write_atomic

    match output.suffix:
        case ".jsonl":
            made = frame.to_json(orient="records", lines=True, date_format="iso").encode()
        case ".csv":
            # A spreadsheet runs a cell that begins like a formula.
            safe = frame.map(lambda v: f"'{v}" if isinstance(v, str) and v[:1] in ("=", "+", "-", "@", "\t") else v)
            made = safe.to_csv(index=False).encode()
        case ".html":
            made = markup.frame_table(frame, limit=len(frame)).encode()
        case _:
            made = frame.to_parquet(index=False)
    write_atomic(output, made)
    print(output)


def main() -> None:
    """Run the command line; every mistake of the user is one line and exit status 2."""
    try:
        app()
    except SmtplabError as e:
        print(f"smtplab: {_one_line(str(e))}", file=sys.stderr)
        sys.exit(2)
    except OSError as e:
        if isinstance(e, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        print(f"smtplab: {e.filename or ''}: {e.strerror}".replace(": : ", ": "), file=sys.stderr)
        sys.exit(2)
