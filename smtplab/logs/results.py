"""What was read, as it is wanted: tables in memory, a Parquet file that never was in memory, or counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from smtplab.logs import engine
from smtplab.logs.arrays import flags, numbers, values, without_empty
from smtplab.logs.duck import connection, sql_of
from smtplab.logs.evidence import frame
from smtplab.logs.parse import Tally
from smtplab.logs.parts import Parts, write
from smtplab.tape import beside

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

_OUTCOME = (
    "case outcome when 'queued' then 'pending' when 'removed' then"
    " coalesce((select word from ended_as where message = seq), outcome) else outcome end as outcome"
)
"""A queue only tells that a message left it: what became of it, its recipients tell."""
PROVIDERS = 100
COMPLAINTS = "complaints"
"""The one table that tables.py does not know."""


Change = Callable[[pa.Table], pa.Table]


def understood(tally: Tally) -> int:
    """Lines of mail programs that a rule understood."""
    return tally.lines - tally.ignored - sum(n for _, n in tally.unknown.values())


def problems(parts: Parts) -> list[dict[str, Any]]:
    """Rows of the table problems: what was passed over, of each file."""
    rows = list(parts.told)
    for name, tally in parts.tallies.items():
        if tally.damage:
            what = f"cannot be read on: {tally.damage}"[:200]
            rows.append({"file": name, "line": tally.lines + 1, "what": what, "records": 1})
        if tally.first_ignored:
            all_of_it = tally.ignored >= tally.lines
            what = "no line is a mail log line" if all_of_it else "lines of no mail program that is read"
            rows.append({"file": name, "line": tally.first_ignored, "what": what, "records": tally.passed})
        rows += [
            {"file": name, "line": line, "what": f"line not understood: {shape}", "records": count}
            for shape, (line, count) in tally.unknown.items()
        ]
    return rows


def summary(parts: Parts) -> dict[str, Any]:
    """Counts: lines (understood, ignored, unknown), deliveries by status, the other tables, and the time spanned.

    `by_provider`, `by_reason` (of what was not sent) and `by_day` (UTC) count deliveries by status under each name, the
    most frequent first, the days in their order; beyond PROVIDERS the rest stands under "others".
    """
    total = Tally()
    for tally in parts.tallies.values():
        total.add(tally)
    unknown = sum(n for _, n in total.unknown.values())
    with connection(parts.folder) as con:
        views(con, parts)
        by_status = con.execute("select status, count(*) from deliveries group by 1 order by 1").fetchall()
        by = {
            "by_provider": _by(con, "provider", "true"),
            "by_reason": _by(con, "case when attempt = 0 then 'not tried' else reason end", "status <> 'sent'"),
            "by_day": dict(sorted(_by(con, "strftime(time::timestamp, '%Y-%m-%d')", "true", None).items())),
        }
        counts = {
            t: con.execute(f"select count(*) from {t}").fetchall()[0][0]
            for t in ("messages", "rejections", "connections")
        }
        union = " union all ".join(f"select time from {t}" for t in ("deliveries", *counts))
        first, last = con.execute(
            f"select strftime(min(time)::timestamp, $f), strftime(max(time)::timestamp, $f) from ({union})",
            {"f": "%Y-%m-%dT%H:%M:%SZ"},
        ).fetchall()[0]
    return {
        "lines": total.lines,
        "understood": understood(total),
        "ignored": total.ignored,
        "unknown": unknown,
        "deliveries": dict(by_status),
        **counts,
        "first": first,
        "last": last,
        **by,
    }


def _by(
    con: duckdb.DuckDBPyConnection, name: str, which: str, most: int | None = PROVIDERS
) -> dict[str, dict[str, int]]:
    rows = con.execute(
        f"with counted as (select {name} as name, status, count(*) as n from deliveries where {which} group by all),"
        " placed as (select *, dense_rank() over (order by total desc, name) as place"
        " from (select *, sum(n) over (partition by name) as total from counted))"
        " select case when $most is null or place <= $most then name else 'others' end, status, sum(n)::bigint"
        " from placed group by all order by min(place), min(status)",
        {"most": most},
    )
    made: dict[str, dict[str, int]] = {}
    for key, status, count in rows.fetchall():
        made.setdefault(key or "unknown", {})[status] = count
    return made


def count(parts: Parts, name: str) -> int:
    """Rows of a table."""
    if name == "problems":
        return len(problems(parts))
    with connection(parts.folder) as con:
        views(con, parts)
        return int(con.execute(f"select count(*) from {name}").fetchall()[0][0])


def write_parquet(parts: Parts, name: str, output: Path) -> None:
    """Write a table in its row order, with what does not fit in memory spilt to disk."""
    if name == "problems":
        from smtplab.tables import conform

        with beside(output) as made:
            conform(name, problems(parts)).to_parquet(made, index=False)
        return
    write(in_order(parts, name), output)


def table_of(parts: Parts, name: str, limit: int | None = None) -> pd.DataFrame:
    """A table in memory, or its first rows."""
    from smtplab.tables import conform

    if name == "problems":
        return conform(name, problems(parts))
    made, count = [], 0
    for part in in_order(parts, name):
        made.append(part.slice(0, limit - count) if limit else part)
        count += len(made[-1])
        if limit and count >= limit:
            break
    return conform(name, frame(pa.concat_tables(made)))


def in_order(parts: Parts, name: str) -> Iterator[pa.Table]:
    """The rows of a table as they are shown, in their order, a part at a time."""
    from smtplab.tables import schemas

    schema = schemas()[name]
    change = _CHANGES[name](parts) if name in _CHANGES else None
    for made in parts.in_order(name, schema.sort):
        # Inside, files that name no host share one, so that their lines can be joined.
        host = pa.chunked_array([without_empty(chunk) for chunk in made["host"].chunks], pa.string())
        made = made.set_column(made.column_names.index("host"), "host", host)
        made = change(made) if change else made
        yield made.select([c.name for c in schema.columns])


def _ends(parts: Parts) -> Change:
    """A queue only tells that a message left it: what became of it, its recipients tell."""
    with connection(parts.folder) as con:
        views(con, parts)
        told = con.sql(f"select seq, {_OUTCOME} from messages order by seq").to_arrow_table()
    seq, outcome = values(told["seq"].combine_chunks()), told["outcome"].combine_chunks()

    def change(made: pa.Table) -> pa.Table:
        at = np.searchsorted(seq, values(made["seq"].combine_chunks()))
        return made.set_column(made.column_names.index("outcome"), "outcome", outcome.take(numbers(at)))

    return change


def _once(parts: Parts) -> Change:
    """Exim's reject log tells the main log's refusals again."""
    with connection(parts.folder) as con:
        engine.views(con, parts)
        every = parts.view(con, "rejections")
        told = con.sql(f"select seq from {every} where service = 'exim' except select seq from rejections")
        again = values(told.to_arrow_table()["seq"].combine_chunks())

    def change(made: pa.Table) -> pa.Table:
        return made.filter(flags(~np.isin(values(made["seq"].combine_chunks()), again))) if len(again) else made

    return change


_CHANGES: Mapping[str, Callable[[Parts], Change]] = {"messages": _ends, "rejections": _once}
"""What the rows of a table are not yet as they are kept."""


def ordered(name: str) -> str:
    """The query that gives the columns of a table in its row order."""
    from smtplab.tables import schemas

    sort = "".join(f"{c}, " for c in schemas()[name].sort) if name != COMPLAINTS else ""
    return f"select {columns(name)} from {name} order by {sort}seq"


def columns(name: str) -> str:
    """The columns of a table, as SQL: inside, files that name no host share one, so that their lines can be joined."""
    from smtplab.tables import schemas

    if name == COMPLAINTS:
        return "time, recipient, stream, campaign"
    said = {"host": "nullif(host, '') as host"}
    if name == "messages":
        said["outcome"] = _OUTCOME
    return ", ".join(said.get(c.name, c.name) for c in schemas()[name].columns)


def views(con: duckdb.DuckDBPyConnection, parts: Parts) -> None:
    """Make every table of the parts a view of `con`, and what `columns` asks of them."""
    engine.views(con, parts)
    ended = sql_of("ended")
    con.execute(f"create temp view ended_as as {ended.format(deliveries=parts.view(con, 'deliveries'))}")
