"""Commands on mail logs without a case: logs, trace."""

from __future__ import annotations

import json as js
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smtplab.cli.app import app
from smtplab.cli.output import WIDE, Json, Output, apart, bar, examples, one_line, show
from smtplab.cli.output import table as table_for_people
from smtplab.errors import SmtplabError

if TYPE_CHECKING:
    import pandas as pd

    from smtplab.logs.parts import Parts

NAMED = (
    "syslog, exim, dovecot, rspamd, haraka, exchange, powermta, kumomta, ses, sparkpost, postmark, mailgun, sendgrid"
)
Paths = Annotated[
    list[str], typer.Argument(metavar="PATH", help="Files, folders, globs or a case; - is standard input")
]
Format = Annotated[str, typer.Option("--format", help="auto decides by content; else one of " + NAMED)]
Zone = Annotated[
    str, typer.Option("--timezone", help="Zone of stamps that carry none, as Europe/Berlin; a case names its own")
]
Year = Annotated[int | None, typer.Option("--year", min=1970, max=9000, help="Year in which files without one begin")]
TABLES = ("deliveries", "messages", "connections", "rejections", "problems")


@app.command(
    epilog=examples(
        "smtplab logs /var/log/mail.log* --summary",
        "smtplab logs mail.log.gz -o deliveries.parquet",
        "journalctl -u 'postfix*' -o json | smtplab logs - --table messages",
        'smtplab logs mail.log --sql "select provider, count(*) from deliveries group by all"',
    )
)
def logs(
    paths: Paths,
    format: Format = "auto",
    timezone: Zone = "UTC",
    year: Year = None,
    table: Annotated[str, typer.Option("--table", help=", ".join(TABLES))] = "deliveries",
    summary: Annotated[
        bool, typer.Option("--summary", help="Counts only: by status, provider, reason and day")
    ] = False,
    sql: Annotated[str, typer.Option("--sql", metavar="QUERY", help="Ask the tables in DuckDB's SQL; one select")] = "",
    json: Json = False,
    output: Output = None,
) -> None:
    """What mail logs tell, in rows or counts.

    A row a delivery (an attempt), message, connection or refusal, in the order of time.
    """
    if sql:
        from smtplab.logs.evidence import only_select

        if summary or table != TABLES[0]:
            raise SmtplabError("one answer at a time", where="--sql", do="Leave out --summary and --table")
        only_select(sql)
    if table not in TABLES:
        raise SmtplabError(f"{table!r} is no table", where="--table", do=f"One of: {', '.join(TABLES)}")
    apart(output, *paths)
    from smtplab.logs.segments import given, workers

    with TemporaryDirectory(prefix="smtplab-") as folder:
        # The bar is gone before anything else is shown.
        with bar("read") as tell, workers(given(paths)) as others:
            # While the workers begin.
            from smtplab.logs import results
            from smtplab.logs.read import build, find, told_by

            known = told_by(paths)
            sources = find(paths, Path(folder), format=format, timezone=timezone, year=year)
            parts = build(sources, known, Path(folder), progress=tell, workers=others)
        _tell_formats(parts)
        if sql:
            from smtplab.logs.stored import Stored

            answer = Stored(parts, known, Path(folder)).sql(sql)
            show(answer if json or output else answer.head(SHOWN), json, output)
            _tell_more(len(answer), json or bool(output))
        elif summary:
            _summary(parts, json, output)
        elif output and output.suffix == ".parquet":
            results.write_parquet(parts, table, output)
            print(output)
        else:
            frame = results.table_of(parts, table, None if json or output else SHOWN)
            if json or output:
                show(frame, json, output)
            else:
                _for_people(frame, table)
            _tell_rest(parts, table, json or bool(output))


SHOWN = 100
"""Rows printed for people."""
MOST = 15
"""Rows of a summary printed for people."""
_COLUMNS = {
    "deliveries": ["time", "host", "sender", "recipient", "provider", "status", "delay", "response"],
    "messages": ["time", "host", "queue_id", "sender", "client_ip", "attempts", "outcome", "lifetime"],
    "connections": ["time", "host", "service", "client_ip", "auth_user", "auth_ok", "ended"],
    "rejections": ["time", "host", "stage", "client_ip", "sender", "recipient", "reason", "response"],
}
_SPARED = {"deliveries": ["host", "provider"], "messages": ["host", "client_ip"], "rejections": ["host", "stage"]}
"""Columns that a narrow terminal has no room for."""
_NARROW = 110
_NAMED_ONE_BY_ONE = 20


def _for_people(frame: pd.DataFrame, name: str) -> None:
    if name not in _COLUMNS:
        table_for_people(frame)
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDE
    columns = [c for c in _COLUMNS[name] if width >= _NARROW or c not in _SPARED.get(name, ())]
    shown = frame[columns].assign(time=frame["time"].dt.strftime("%Y-%m-%d %H:%M:%S"))
    table_for_people(shown.rename(columns={"time": "time (UTC)"}), cut=True)


def _tell_formats(parts: Parts) -> None:
    from smtplab.logs import results

    strange = [n for n, t in parts.tallies.items() if t.passed and results.understood(t) <= 0 and not t.unknown]
    # What lies beside the logs, such as mail or reports, has lines in common too, and nobody wants to know.
    told = [row for row in parts.told if row["file"] not in strange]
    for row in told[:_NAMED_ONE_BY_ONE]:
        print(f"smtplab: {one_line(row['file'])}: {one_line(row['what'])}", file=sys.stderr)
    if (more := len(told) - _NAMED_ONE_BY_ONE) > 0:
        print(f"smtplab: {more:,} more such files, with --table problems", file=sys.stderr)
    if len(strange) > _NAMED_ONE_BY_ONE:
        print(f"smtplab: {len(strange):,} files: passed over, no line is of a mail program", file=sys.stderr)
    together: dict[str, list[int]] = {}
    for name, tally in parts.tallies.items():
        if tally.damage:
            what = f"cannot be read on after {tally.lines:,} lines: {tally.damage}"
            print(f"smtplab: {one_line(name)}: {one_line(what)}", file=sys.stderr)
        elif name in strange:
            if len(strange) <= _NAMED_ONE_BY_ONE:
                print(f"smtplab: {one_line(name)}: passed over, no line is of a mail program", file=sys.stderr)
        elif not tally.lines:
            print(f"smtplab: {'standard input' if name == '-' else one_line(name)}: empty", file=sys.stderr)
        elif len(parts.tallies) - len(strange) > _NAMED_ONE_BY_ONE:
            together.setdefault(tally.format, []).append(tally.lines)
        else:
            print(f"smtplab: {one_line(name)}: {tally.format}, {tally.lines:,} lines", file=sys.stderr)
            if len(tally.unknown) and results.understood(tally) <= 0:
                print("         none of them is understood: is it another format?", file=sys.stderr)
    for format, lines in together.items():
        print(f"smtplab: {len(lines):,} files: {format}, {sum(lines):,} lines", file=sys.stderr)


def _tell_more(count: int, whole: bool) -> None:
    if not whole and count > SHOWN:
        print(f"\n{SHOWN} of {count:,} rows; all of them with --json or -o FILE")


def _tell_rest(parts: Parts, name: str, whole: bool) -> None:
    from smtplab.logs import results

    count = results.count(parts, name)
    _tell_more(count, whole)
    if not whole and not count:
        held = ", ".join(f"{n:,} {t}" for t in TABLES if (n := results.count(parts, t)))
        what = f"the other tables hold: {held}" if held else "nor any other table: is it the log of a mail server?"
        print(f"smtplab: no {name}; {what}", file=sys.stderr)


def _summary(parts: Parts, json: bool, output: Path | None) -> None:
    from smtplab.logs import results

    told = results.summary(parts)
    if json and not output:
        print(js.dumps(told))
        return
    import pandas as pd

    def written(value: Any) -> str:
        if isinstance(value, int) and not output:
            return f"{value:,}"
        return "" if value is None else str(value)

    rows = [(" ".join(names), written(value)) for names, value in _flat(told)]
    if output:
        show(pd.DataFrame(rows, columns=["what", "count"]), False, output)
        return
    table_for_people(pd.DataFrame([r for r in rows if not r[0].startswith("by_")], columns=["what", "count"]))
    for by in ("provider", "reason", "day"):
        if counts := told[f"by_{by}"]:
            frame = pd.DataFrame.from_dict(counts, orient="index").astype("Int64").rename_axis(by).reset_index()
            print()
            table_for_people(frame.tail(MOST) if by == "day" else frame.head(MOST))
            if len(frame) > MOST:
                print(f"and {len(frame) - MOST:,} {'before' if by == 'day' else 'more'}, with --json")


def _flat(told: dict[str, Any], *above: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in told.items():
        if isinstance(value, dict):
            yield from _flat(value, *above, f"{name}:")
        else:
            yield (*above, name), value


@app.command(
    epilog=examples("smtplab trace 4hwCTP4SLzzK0bg /var/log/mail.log*", "smtplab trace anna@example.org mail.log.gz")
)
def trace(
    what: Annotated[str, typer.Argument(metavar="ID", help="An address, a Message-ID or a queue id")],
    paths: Paths,
    format: Format = "auto",
    timezone: Zone = "UTC",
    year: Year = None,
    json: Json = False,
    output: Output = None,
) -> None:
    """The story of one message, across hosts, out of the logs. --json and -o give its steps."""
    apart(output, *paths)
    from smtplab.logs.read import read_paths
    from smtplab.logs.trace import trace as traced

    if Path(what).is_file() and not any(Path(path).exists() for path in paths):
        raise SmtplabError("is a file; whom to trace comes first", where=what, do="smtplab trace ID PATH...")
    with bar("read") as tell:
        evidence = read_paths(paths, format=format, timezone=timezone, year=year, progress=tell)
    found = traced(evidence, what)
    if json or output:
        show(found.steps, json, output)
    else:
        print("\n".join(map(one_line, str(found).splitlines())))
