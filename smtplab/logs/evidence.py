"""The evidence of the mail logs: tables in memory, and SQL over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

TABLES = ("deliveries", "messages", "connections", "rejections", "outcomes", "complaints", "problems")


@dataclass(frozen=True)
class LogEvidence:
    """The tables of DESIGN, and `complaints` (time, recipient, stream, campaign): spam reports in provider events.

    `marks` are the case's changes, for timelines.
    """

    deliveries: pd.DataFrame
    messages: pd.DataFrame
    connections: pd.DataFrame
    rejections: pd.DataFrame
    outcomes: pd.DataFrame
    complaints: pd.DataFrame
    problems: pd.DataFrame
    marks: tuple[tuple[pd.Timestamp, str], ...] = ()

    def __repr__(self) -> str:
        n = {t: len(getattr(self, t)) for t in ("deliveries", "messages", "connections", "outcomes", "problems")}
        return "LogEvidence(" + ", ".join(f"{v:,} {k}" for k, v in n.items()) + ")"

    def sql(self, query: str, parameters: list[Any] | dict[str, Any] | None = None) -> pd.DataFrame:
        """The answer to a query over the tables, in DuckDB's SQL; no file is read and none is written.

        `evidence.sql("select provider, count(*) n from deliveries where status = 'deferred' group by 1")`
        """
        import duckdb

        with duckdb.connect(config={"autoinstall_known_extensions": False}) as con:
            for name in TABLES:
                con.register(name, getattr(self, name))
            con.execute("set enable_external_access = false; set lock_configuration = true")
            return con.execute(query, parameters).df()
