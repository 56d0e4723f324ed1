"""What became of each recipient in the end, over all windows: the last word counts."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from smtplab.logs.duck import sql_of
from smtplab.logs.engine import views
from smtplab.logs.meaning import LOWER, Known
from smtplab.logs.parts import Parts


def outcomes(con: duckdb.DuckDBPyConnection, parts: Parts, known: Known) -> None:
    """Make every table of the parts a view of `con`, and `outcomes` a table; see outcomes.sql."""
    views(con, parts)
    con.register("ours", pa.table(_ours(known), schema=pa.schema([("address", pa.string()), ("label", pa.string())])))
    late = [(s.name, s.late_after) for s in known.streams]
    con.register(
        "streams",
        pa.table(
            [pa.array([n for n, _ in late], pa.string()), pa.array([x for _, x in late], pa.float64())],
            names=["name", "late_after"],
        ),
    )
    con.execute(sql_of("outcomes").format(recipient=LOWER.format("recipient")))


def _ours(known: Known) -> dict[str, list[str]]:
    pairs = {a: h.name.partition(".")[0].lower() for h in known.hosts for a in (h.name, *h.addresses)}
    return {"address": list(pairs), "label": list(pairs.values())}
