"""The evidence tables: every column with its type, unit and meaning, and the one way to make such a table.

Times are UTC and aware. Absent is NA, never "" or 0. Row order is defined by each table's sort columns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Literal

from smtplab import datafiles
from smtplab.errors import SmtplabError

if TYPE_CHECKING:
    import pandas as pd

DTYPES = {
    "text": "str",
    "time": "datetime64[us, UTC]",
    "count": "Int64",
    "seconds": "Float64",
    "fraction": "Float64",
    "flag": "boolean",
}


@dataclass(frozen=True)
class Column:
    """One column: its kind decides the dtype, `unit` is for people."""

    name: str
    kind: str
    meaning: str
    unit: str = ""


@dataclass(frozen=True)
class Table:
    """A table's columns in order, what a row is, and its row order."""

    name: str
    row: str
    columns: tuple[Column, ...]
    sort: tuple[str, ...]


@cache
def schemas() -> Mapping[str, Table]:
    """All tables by name, from smtplab/data/tables.toml."""
    raw = datafiles.load("tables")
    shared = {n: tuple(v) for n, v in raw.pop("column").items()}
    return {
        name: Table(
            name,
            t["row"],
            tuple(Column(c, *(t.get("own", {}).get(c) or shared[c])) for c in t["columns"]),
            tuple(t["sort"]),
        )
        for name, t in raw.items()
    }


def conform(name: str, rows: pd.DataFrame | Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A table with exactly the schema's columns, dtypes and row order; missing columns become NA.

    Raises SmtplabError for a column the schema does not know, naming table and column.
    """
    # A command that only reads a log must not wait for pandas.
    import pandas as pd

    table = schemas()[name]
    names = [c.name for c in table.columns]
    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    if unknown := [str(c) for c in frame.columns if c not in names]:
        raise SmtplabError(f"the table {name} has no column {', '.join(unknown)}", where=name)
    made = {}
    for column in table.columns:
        have = frame[column.name] if column.name in frame else pd.Series(pd.NA, index=frame.index, dtype="object")
        made[column.name] = _cast(have, DTYPES[column.kind], f"{name}.{column.name}")
    result = pd.DataFrame(made, columns=names)
    return result.sort_values(list(table.sort), kind="stable", na_position="last", ignore_index=True)


def _cast(values: pd.Series[Any], dtype: str, where: str) -> pd.Series[Any]:
    import pandas as pd

    try:
        if dtype.startswith("datetime"):
            return pd.to_datetime(values, utc=True).astype(dtype)
        if dtype == "str":
            return values.astype("str")
        return values.astype(dtype)
    except (TypeError, ValueError) as e:
        raise SmtplabError(f"a value does not fit {dtype}: {e}", where=where) from e


def empty(name: str) -> pd.DataFrame:
    """The table without rows."""
    return conform(name, [])


def files_of(rows: pd.DataFrame) -> tuple[str, ...]:
    """The first files that rows come from, as the evidence of a finding."""
    return tuple(sorted(rows["file"].dropna().unique())[:20])


Kind = Literal[
    "domain", "selector", "bimi_selector", "host", "outbound", "recipient_domain", "author", "signer", "envelope",
    "helo",
]  # fmt: skip


@dataclass(frozen=True, order=True)
class Sighting:
    """One thing seen in evidence: `where` is its source.

    `of` is the domain of a selector, the role of a host, the address that greets so (helo), and of a signer (d=) or
    an envelope (MAIL FROM) the author domain, the one in the From line, whose mail it vouches for. `last` is when it
    was last seen, as far as the source tells times.
    """

    kind: Kind
    value: str
    of: str = ""
    where: str = ""
    count: int = 1
    last: datetime | None = field(default=None, compare=False)


def signers(signatures: pd.Series[Any], times: pd.Series[Any]) -> list[tuple[str, str, int, datetime | None]]:
    """Domain, selector, count and latest time of what stands in `signatures`, texts of "domain/selector" parts."""
    import pandas as pd

    listed = pd.DataFrame({"one": signatures.str.split(), "time": times}).explode("one").dropna(subset=["one"])
    made = []
    for one, part in listed.groupby("one")["time"]:
        domain, _, selector = str(one).rpartition("/")
        last = part.max()
        made.append((domain, selector, len(part), None if pd.isna(last) else last.to_pydatetime()))
    return made


@dataclass(frozen=True)
class Inventory:
    """Everything the evidence speaks of, a sighting a thing, the most seen of each kind first."""

    things: tuple[Sighting, ...]

    @cached_property
    def frame(self) -> pd.DataFrame:
        """A row a thing: kind, value, of, count, where."""
        import pandas as pd

        rows = [(s.kind, s.value, s.of, s.count, s.where) for s in self.things]
        return pd.DataFrame(rows, columns=["kind", "value", "of", "count", "where"])

    def _values(self, kind: Kind, of: str | None = None) -> tuple[str, ...]:
        return tuple(dict.fromkeys(s.value for s in self.things if s.kind == kind and of in (None, s.of)))

    def domains(self) -> tuple[str, ...]:
        """The case's own domains."""
        return self._values("domain")

    def selectors(self, domain: str) -> tuple[str, ...]:
        """DKIM selectors seen for a domain."""
        return self._values("selector", domain)

    def logos(self, domain: str) -> tuple[str, ...]:
        """BIMI selectors seen for a domain, beside the default one."""
        return self._values("bimi_selector", domain)

    def hosts(self, role: str | None = None) -> tuple[str, ...]:
        """Host names, of one role or all."""
        return self._values("host", role)

    def outbound(self) -> tuple[str, ...]:
        """Addresses our mail leaves from."""
        return self._values("outbound")

    def greetings(self) -> dict[str, str]:
        """The name in HELO by address, the one seen most."""
        return {s.of: s.value for s in reversed(self.things) if s.kind == "helo"}

    def recipient_domains(self) -> tuple[str, ...]:
        """Domains we send to, most messages first."""
        return self._values("recipient_domain")

    def authors(self) -> tuple[str, ...]:
        """Domains of our own seen in the From line, forged mail included, most messages first."""
        return self._values("author")

    def vouching(self, kind: Literal["signer", "envelope"], author: str) -> tuple[str, ...]:
        """Domains of our own that signed mail of an author domain, or stood in its envelope, and passed."""
        return self._values(kind, author)

    def where(self, kind: Kind, value: str, of: str | None = None) -> str:
        """Where a thing was seen, or ""."""
        seen = (s.where for s in self.things if s.kind == kind and s.value == value and of in (None, s.of))
        return "; ".join(dict.fromkeys(seen))

    def last(self, kind: Kind, value: str, of: str) -> datetime | None:
        """When a thing was last seen; None where no source tells."""
        seen = (s.last for s in self.things if (s.kind, s.value, s.of) == (kind, value, of) and s.last)
        return max(seen, default=None)

    def __repr__(self) -> str:
        counts = Counter(s.kind for s in self.things)
        said = (
            f"{n:,} {k.replace('_', ' ')}{'s' * (n != 1 and k not in ('outbound', 'helo'))}"
            for k, n in sorted(counts.items())
        )
        return f"Inventory({', '.join(said)})"
