"""The evidence of the mail logs: tables that are loaded when they are wanted, and SQL over them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from smtplab.errors import SmtplabError

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

TABLES = ("deliveries", "messages", "connections", "rejections", "outcomes", "complaints", "problems")
_DO = "Ask one select; describe deliveries lists the columns of a table"
Parameters = list[Any] | dict[str, Any] | None


class Tables(Protocol):
    """Where the tables of TABLES lie: in memory, or on disk as the engine left them (stored.py)."""

    def table(self, name: str) -> pd.DataFrame:
        """A table in memory, in its row order."""

    def count(self, name: str) -> int | None:
        """Its rows; None where they were not made yet, which takes a while."""

    def sql(self, query: str, parameters: Parameters) -> pd.DataFrame:
        """The answer to a query over all of them."""


class _Table:
    """A table of the evidence under its name."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, evidence: LogEvidence, owner: type) -> pd.DataFrame:
        return evidence.tables.table(self.name)


@dataclass(frozen=True)
class LogEvidence:
    """The tables of DESIGN, and `complaints` (time, recipient, stream, campaign): spam reports in provider events.

    `marks` are the case's changes, for timelines.
    """

    tables: Tables
    marks: tuple[tuple[pd.Timestamp, str], ...] = ()

    deliveries = _Table()
    messages = _Table()
    connections = _Table()
    rejections = _Table()
    outcomes = _Table()
    complaints = _Table()
    problems = _Table()

    def __repr__(self) -> str:
        shown = ("deliveries", "messages", "connections", "outcomes", "problems")
        counts = {t: n for t in shown if (n := self.tables.count(t)) is not None}
        return f"LogEvidence({', '.join(f'{n:,} {t}' for t, n in counts.items())})"

    def sql(self, query: str, parameters: Parameters = None) -> pd.DataFrame:
        """The answer to a query (`select`) over the tables, in DuckDB's SQL; no other file is read, none is written.

        Of `read_paths` large tables lie on disk: only the answer must fit in memory. Raises SmtplabError for what is no
        query, or none that can be answered.

        `evidence.sql("select provider, count(*) n from deliveries where status = 'deferred' group by 1")`
        """
        return self.tables.sql(query, parameters)


@dataclass(frozen=True)
class InMemory:
    """Tables that were loaded, or made by hand."""

    frames: Mapping[str, pd.DataFrame]

    def table(self, name: str) -> pd.DataFrame:
        """The table itself."""
        return self.frames[name]

    def count(self, name: str) -> int:
        """Its rows."""
        return len(self.frames[name])

    def sql(self, query: str, parameters: Parameters) -> pd.DataFrame:
        """The answer to a query over all of them."""
        import duckdb

        with duckdb.connect(config={"autoinstall_known_extensions": False}) as con:
            for name in TABLES:
                con.register(name, self.frames[name])
            return ask(con, query, parameters)


def ask(con: duckdb.DuckDBPyConnection, query: str, parameters: Parameters) -> pd.DataFrame:
    """The answer to a query; from here on `con` opens no file but those in its `allowed_paths`."""
    con.execute("set enable_external_access = false; set lock_configuration = true")
    with _told():
        only_select(query)
        return frame(con.sql(query, params=parameters).to_arrow_table())


def only_select(query: str) -> None:
    """Raise SmtplabError for what is not one `select`, before the work that it would waste."""
    import duckdb

    with _told():
        if [s.type for s in duckdb.extract_statements(query)] != [duckdb.StatementType.SELECT]:
            raise SmtplabError("only one query is answered, and nothing is written", where="SQL", do=_DO)


@contextmanager
def _told() -> Iterator[None]:
    import duckdb

    try:
        yield
    except duckdb.Error as e:
        said = str(e).partition("\n\n")[0].replace("\n", " ")
        raise SmtplabError(said[:400], where="SQL", do=_DO) from e


def frame(table: Any) -> pd.DataFrame:
    """A table of Arrow with missing values as they are: a number that is missing stays a whole number."""
    import pandas as pd
    import pyarrow as pa

    kinds = {pa.int64(): pd.Int64Dtype(), pa.float64(): pd.Float64Dtype(), pa.bool_(): pd.BooleanDtype()}
    made: pd.DataFrame = table.to_pandas(types_mapper=kinds.get)
    return made
