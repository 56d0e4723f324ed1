"""The tables as the engine left them, on disk where they are large: each is loaded when it is wanted, and SQL asks all
of them where they lie, with what does not fit in memory spilt beside them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from smtplab.logs.duck import connection
from smtplab.logs.evidence import TABLES, Parameters, ask, frame
from smtplab.logs.meaning import Known
from smtplab.logs.outcomes import outcomes
from smtplab.logs.parts import Parts
from smtplab.logs.results import columns, ordered, table_of, views
from smtplab.logs.values import quoted

if TYPE_CHECKING:
    import pandas as pd


class Stored:
    """The tables of TABLES in the folder `work`, which must live as long as this does."""

    def __init__(self, parts: Parts, known: Known, work: Path) -> None:
        self.parts, self.known, self.work = parts, known, work
        self._loaded: dict[str, pd.DataFrame] = {}

    def table(self, name: str) -> pd.DataFrame:
        """A table in its row order, loaded once."""
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def count(self, name: str) -> int | None:
        """Its rows, which need not be loaded; of outcomes only once they were asked for."""
        if name == "outcomes" and not self._outcomes.exists():
            return None
        if name in self._loaded or name == "problems":
            return len(self.table(name))
        with connection(self.work) as con:
            self._views(con, name)
            return int(con.execute(f"select count(*) from {name}").fetchall()[0][0])

    def sql(self, query: str, parameters: Parameters = None) -> pd.DataFrame:
        """The answer to a query over all of them."""
        with connection(self.work) as con:
            self._views(con, query)
            con.execute(f"set allowed_paths = [{quoted(self._outcomes)}]")
            con.register("problems", self.table("problems"))
            for name in TABLES[:-1]:
                if name != "outcomes" or _speaks_of(name, query):
                    con.execute(f"alter view {name} rename to whole_{name}")
                    con.execute(f"create temp view {name} as select {columns(name)} from whole_{name}")
            return ask(con, query, parameters)

    def _load(self, name: str) -> pd.DataFrame:
        from smtplab.tables import conform

        if name not in ("complaints", "outcomes"):
            return table_of(self.parts, name)
        with connection(self.work) as con:
            self._views(con, name)
            made = frame(con.sql(ordered(name)).to_arrow_reader(100_000).read_all())
        if name != "complaints":
            return conform(name, made)
        import pandas as pd

        made = made.astype({"recipient": "str", "stream": "str", "campaign": "str"})
        return made.assign(time=pd.to_datetime(made["time"], utc=True))

    def _views(self, con: duckdb.DuckDBPyConnection, query: str) -> None:
        views(con, self.parts)
        if not _speaks_of("outcomes", query):
            return
        if not self._outcomes.exists():
            # Joined over all windows, which takes a while: made once, and only if asked for.
            with connection(self.work) as making:
                outcomes(making, self.parts, self.known)
                making.execute(f"copy (select * from outcomes) to {quoted(self._outcomes)} (format parquet)")
        con.execute(f"create temp view outcomes as select * from read_parquet({quoted(self._outcomes)})")

    @property
    def _outcomes(self) -> Path:
        return self.work / "outcomes.parquet"


def frames(parts: Parts, known: Known, work: Path) -> dict[str, pd.DataFrame]:
    """All tables in memory."""
    stored = Stored(parts, known, work)
    return {name: stored.table(name) for name in TABLES}


def _speaks_of(name: str, query: str) -> bool:
    return bool(re.search(rf"\b{name}\b", query, re.IGNORECASE))
