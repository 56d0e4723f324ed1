"""Commands on mail logs without a case: logs, trace."""

from __future__ import annotations

import json as js
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from smtplab.cli.app import app
from smtplab.cli.output import Json, Output, bar, one_line, show
from smtplab.errors import SmtplabError

if TYPE_CHECKING:
    from smtplab.logs.parts import Parts

NAMED = (
    "syslog, exim, dovecot, rspamd, haraka, exchange, powermta, kumomta, ses, sparkpost, postmark, mailgun, sendgrid"
)
Paths = Annotated[list[str], typer.Argument(metavar="PATH...", help="Files, folders or globs; - is standard input")]
Format = Annotated[str, typer.Option("--format", help="auto decides by content; else one of " + NAMED)]
Zone = Annotated[str, typer.Option("--timezone", help="Zone of stamps that carry none, as Europe/Berlin")]
Year = Annotated[int | None, typer.Option("--year", min=1970, max=9000, help="Year in which files without one begin")]
TABLES = ("deliveries", "messages", "connections", "rejections", "problems")


@app.command(
    epilog="Examples: smtplab logs /var/log/mail.log* --summary  |  smtplab logs mail.log.gz -o deliveries.parquet  |"
    "  journalctl -t postfix/smtp -o json | smtplab logs - --table deliveries --json  |"
    '  smtplab logs mail.log --sql "select provider, count(*) from deliveries group by all"'
)
def logs(
    paths: Paths,
    format: Format = "auto",
    timezone: Zone = "UTC",
    year: Year = None,
    table: Annotated[str, typer.Option("--table", help=", ".join(TABLES))] = "deliveries",
    summary: Annotated[bool, typer.Option("--summary", help="Counts only")] = False,
    sql: Annotated[str, typer.Option("--sql", metavar="QUERY", help="Ask the tables in DuckDB's SQL; one select")] = "",
    json: Json = False,
    output: Output = None,
) -> None:
    """What mail logs tell: a row a delivery, message, connection or refusal, in the order of time."""
    if sql:
        from smtplab.logs.evidence import only_select

        if summary or table != TABLES[0]:
            raise SmtplabError("one answer at a time", where="--sql", do="Leave out --summary and --table")
        only_select(sql)
    if table not in TABLES:
        raise SmtplabError(f"{table!r} is no table", where="--table", do=f"One of: {', '.join(TABLES)}")
    from smtplab.logs import results
    from smtplab.logs.meaning import Known
    from smtplab.logs.read import build, find

    with bar("read") as tell, TemporaryDirectory(prefix="smtplab-") as folder:
        sources = find(paths, Path(folder), format=format, timezone=timezone, year=year)
        parts = build(sources, Known(), Path(folder), progress=tell)
        _tell_formats(parts, json or bool(output))
        if sql:
            from smtplab.logs.stored import Stored

            answer = Stored(parts, Known(), Path(folder)).sql(sql)
            show(answer if json or output else answer.head(SHOWN), json, output)
            _tell_more(len(answer), json or bool(output))
        elif summary:
            _summary(parts, json, output)
        elif output and output.suffix == ".parquet":
            results.write_parquet(parts, table, output)
            print(output)
        else:
            frame = results.table_of(parts, table, None if json or output else SHOWN)
            show(frame, json, output, _COLUMNS[table])
            _tell_rest(parts, table, json or bool(output))


SHOWN = 100
"""Rows printed for people."""
_COLUMNS = {
    "deliveries": ["time", "host", "queue_id", "recipient", "relay_host", "status", "enhanced_code", "delay"],
    "messages": ["time", "host", "queue_id", "sender", "client_ip", "attempts", "outcome", "lifetime"],
    "connections": ["time", "host", "service", "client_ip", "auth_user", "auth_ok", "ended"],
    "rejections": ["time", "host", "stage", "client_ip", "sender", "recipient", "reason", "response"],
    "problems": ["file", "line", "what", "records"],
}


def _tell_formats(parts: Parts, only_strange: bool) -> None:
    from smtplab.logs import results

    for row in parts.told:
        print(f"smtplab: {one_line(row['file'])}: {one_line(row['what'])}", file=sys.stderr)
    for name, tally in parts.tallies.items():
        if tally.passed and results.understood(tally) <= 0 and not tally.unknown:
            print(f"smtplab: {one_line(name)}: passed over, no line is of a mail program", file=sys.stderr)
        elif not only_strange:
            print(f"smtplab: {one_line(name)}: {tally.format}, {tally.lines:,} lines", file=sys.stderr)


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

    flat = {k: v for k, v in told.items() if not isinstance(v, dict)}
    flat |= {f"deliveries: {k}": v for k, v in told["deliveries"].items()}
    rows = [(k, f"{v:,}" if isinstance(v, int) and not output else str(v)) for k, v in flat.items()]
    show(pd.DataFrame(rows, columns=["what", "count"]), False, output)


@app.command(
    epilog="Examples: smtplab trace 4hwCTP4SLzzK0bg /var/log/mail.log*  |  smtplab trace anna@example.org mail.log.gz"
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
    """Everything the logs hold on one message, across hosts, as a story; --json and -o give its steps."""
    from smtplab.logs.read import read_paths
    from smtplab.logs.trace import trace as traced

    with bar("read") as tell:
        evidence = read_paths(paths, format=format, timezone=timezone, year=year, progress=tell)
    found = traced(evidence, what)
    if json or output:
        show(found.steps, json, output)
    else:
        print("\n".join(map(one_line, str(found).splitlines())))
