"""What every command shares: its options, tables for a terminal, JSON lines, files."""

from __future__ import annotations

import difflib
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smtplab.errors import SmtplabError
from smtplab.visible import one_line as one_line

if TYPE_CHECKING:
    import pandas as pd

    from smtplab.findings import Findings

_ADDRESS = re.compile(r"[A-Za-z0-9._+=-]{1,64}@[A-Za-z0-9.-]{1,255}")
FORMATS = (".parquet", ".csv", ".jsonl", ".html")

WIDE = 200
"""Columns of a table that goes to no terminal."""
SHORT = 19
"""Characters of a time: a column of no more than these is never cut."""
MARGIN = 10
"""Columns before the text of a finding: the longest severity and two spaces."""


def known(output: Path | None) -> Path | None:
    """Refuse a format before the work that it would waste."""
    if output and output.suffix not in FORMATS:
        raise SmtplabError("not a format that can be written", where=output, do=f"Use {', '.join(FORMATS)}")
    if output and output.is_dir():
        raise SmtplabError("this is a folder", where=output, do="Name a file")
    return output


def apart(output: Path | None, *sources: str | Path | None) -> None:
    """Refuse to write over what is to be read."""
    if output and output.exists() and any(s and Path(s).exists() and output.samefile(s) for s in sources):
        raise SmtplabError("this is what is to be read", where=output, do="Write to another file")


Json = Annotated[bool, typer.Option("--json", help="JSON lines")]


def examples(*commands: str) -> str:
    """The end of a command's help: one command a line, never wrapped, so that it can be copied."""
    return "\b\nExamples:\n" + "\n".join(f"  {command}" for command in commands)


def _severity(text: str) -> str:
    """Refuse a word that no finding can have, before the work."""
    from smtplab.findings import Severity

    if text and text not in list(Severity):
        raise SmtplabError(f"{text!r} is no severity", where="--fail-on", do=f"One of: {', '.join(Severity)}")
    return text


FailOn = Annotated[
    str,
    typer.Option(
        "--fail-on", metavar="SEVERITY", help="Exit with 1 if a finding is at least this severe", callback=_severity
    ),
]


def _provider(text: str) -> str:
    """A provider by its name in the rules, its name for people or a domain; refuse a word that is none of them."""
    if not text:
        return ""
    from smtplab import providers
    from smtplab.replies.ranking import known as judged

    if "." in text.strip("."):
        return providers.provider(text)
    named = {name: name for name in judged()} | providers.names()
    if text.lower() in named:
        return named[text.lower()]
    near = dict.fromkeys(named[n] for n in difflib.get_close_matches(text.lower(), named, 3))
    do = f"Nearest: {', '.join(near)}" if near else f"One of: {', '.join(sorted(set(named.values())))}"
    raise SmtplabError(f"{text!r} is no provider that is known", where="--provider", do=f"{do}; or a domain")


Provider = Annotated[
    str, typer.Option("--provider", help="Who said it, such as gmail, microsoft, yahoo", callback=_provider)
]
Output = Annotated[Path | None, typer.Option("-o", help="Write FILE.parquet, .csv, .jsonl or .html", callback=known)]


@contextmanager
def bar(what: str) -> Iterator[Callable[[str, int, int], None] | None]:
    """A progress bar on standard error, where that is a terminal: gives what takes step, done and total."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<20}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as progress:
        task = progress.add_task(what, total=None)

        def tell(step: str, done: int, total: int) -> None:
            progress.update(task, description=step, completed=done, total=total)

        yield tell


def leave(found: Findings, fail_on: str) -> None:
    """End with exit status 1 where a finding is at least that severe; "" asks for none."""
    if fail_on and len(found.at_least(fail_on)):
        raise typer.Exit(1)


def show_findings(found: Findings, json: bool, output: Path | None) -> None:
    """Findings as a table, JSON lines or a file."""
    if json:
        sys.stdout.write(found.to_json_lines())
    else:
        show(found.frame(), False, output, ["severity", "title", "fix"])


def tell_findings(found: Findings) -> None:
    """Every finding with why, what to do and the record to publish; one that is fine in a line."""
    width = max(40, shutil.get_terminal_size((120, 24)).columns)
    for finding in found:
        print()
        texts = [finding.title] if finding.severity == "ok" else [finding.title, finding.why, finding.fix]
        for number, text in enumerate(filter(None, texts)):
            first = finding.severity.ljust(MARGIN) if number == 0 else " " * MARGIN
            print(textwrap.fill(one_line(text), width, initial_indent=first, subsequent_indent=" " * MARGIN))
        if finding.record:
            # Never wrapped: it is there to be copied.
            print(*(f"{' ' * MARGIN}{one_line(line)}" for line in finding.record.splitlines()), sep="\n")


def show(frame: pd.DataFrame, json: bool, output: Path | None, columns: list[str] | None = None) -> None:
    """A frame as a table of `columns`, JSON lines or a file."""
    if output:
        write(frame, output)
    elif json:
        sys.stdout.write(frame.to_json(orient="records", lines=True, date_format="iso"))
    else:
        table(frame[columns] if columns else frame)


def table(frame: pd.DataFrame, cut: bool = False) -> None:
    """Print a frame for people; `cut` keeps a row on one line and cuts what is too long for the terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in frame:
        short = cut and frame[name].astype(str).str.len().max() <= SHORT
        table.add_column(str(name), overflow="ellipsis" if cut else "fold", no_wrap=short)
    for row in frame.astype("object").where(frame.notna(), "").itertuples(index=False, name=None):
        # Text, not markup, and no control characters: evidence must not drive the terminal.
        texts = (one_line(str(v)) if cut else "\n".join(map(one_line, str(v).split("\n"))) for v in row)
        table.add_row(*(Text(text, no_wrap=cut) for text in texts))
    Console(width=None if sys.stdout.isatty() else WIDE).print(table)


def _guarded(value: object) -> object:
    """A spreadsheet runs a cell that begins like a formula; a plain address can be none, and must stay as it is for
    the system that compares it.
    """
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") and not _ADDRESS.fullmatch(value):
        return f"'{value}"
    return value


def write(frame: pd.DataFrame, output: Path) -> None:
    """Write a frame in the format that the name ends in."""
    from smtplab import markup
    from smtplab.tape import write_atomic

    match output.suffix:
        case ".jsonl":
            made = frame.to_json(orient="records", lines=True, date_format="iso").encode()
        case ".csv":
            made = frame.map(_guarded).to_csv(index=False).encode()
        case ".html":
            made = markup.frame_table(frame, limit=len(frame)).encode()
        case _:
            made = frame.to_parquet(index=False)
    write_atomic(output, made)
    print(output)
