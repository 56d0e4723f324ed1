"""Rows of the tables as they are made: in memory while they are few, then in files; written out in their order.

Windows make rows nearly in the order of time. What comes late (a message that waited in the queue, a second of which
the window before told already) is kept apart, so that the rest is put in order a part at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from smtplab.errors import SmtplabError
from smtplab.logs.arrays import flags, values, without_empty
from smtplab.logs.parse import Tally
from smtplab.logs.values import quoted
from smtplab.tape import beside

HELD = 128 << 20
"""Bytes of rows that stay in memory."""
LATE = 500_000
"""Late rows that are put in order in memory."""
GROUP = 100_000
"""Rows of a group of a Parquet file."""
_REPEATED = [
    "host", "mta", "sender", "recipient_domain", "provider", "relay_host", "relay_ip", "status", "enhanced_code",
    "reason", "rule", "tls_version", "tls_cipher", "tls_verified", "source_ip", "stream", "campaign", "header_from",
    "dkim_domain", "dkim_selector", "provenance", "client_host", "client_ip", "service", "commands", "auth_method",
    "auth_user", "sasl_user", "ended", "outcome", "stage",
]  # fmt: skip
"""Columns of few different values."""


@dataclass
class Rows:
    """Rows of one table: those in the order of time, those that came late, and the files that hold more of each."""

    timely: list[pa.Table] = field(default_factory=list)
    late: list[pa.Table] = field(default_factory=list)
    newest: int = -1
    """The latest time so far, in microseconds."""
    files: list[Path] = field(default_factory=list)
    late_files: list[Path] = field(default_factory=list)
    late_rows: int = 0

    def add(self, made: pa.Table) -> None:
        """The rows of a window."""
        if not len(made):
            return
        time = _times(made)
        timely = time > self.newest
        if timely.all():
            self.timely.append(made)
        else:
            self.late.append(made.filter(flags(~timely)))
            self.late_rows += len(self.late[-1])
            if timely.any():
                self.timely.append(made.filter(flags(timely)))
        self.newest = max(self.newest, int(time.max()))


@dataclass
class Parts:
    """The rows made, and what became of the lines of each file."""

    folder: Path
    schemas: Mapping[str, Mapping[str, pa.DataType]]
    tallies: dict[str, Tally] = field(default_factory=dict)
    tables: dict[str, Rows] = field(default_factory=dict)
    held: int = 0
    told: list[dict[str, Any]] = field(default_factory=list)
    """Rows of the table problems on files that were not read as they are."""

    def add(self, made: Mapping[str, pa.Table]) -> None:
        """The rows of a window, by table."""
        for name, rows in made.items():
            self.tables.setdefault(name, Rows()).add(rows)
            self.held += rows.nbytes
        if self.held > HELD:
            self._spill()

    def _spill(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, rows in self.tables.items():
            for held, files in ((rows.timely, rows.files), (rows.late, rows.late_files)):
                if held:
                    file = self.folder / f"{name}.{len(rows.files) + len(rows.late_files):06}.parquet"
                    _write(held, file)
                    files.append(file)
                    held.clear()
        self.held = 0

    def memory(self, name: str) -> pa.Table:
        """The rows of a table that are in memory."""
        rows = self.tables.get(name, Rows())
        schema = pa.schema(list(self.schemas[name].items()))
        empty = pa.table([pa.nulls(0, kind) for kind in schema.types], schema=schema)
        return pa.concat_tables([empty, *rows.timely, *rows.late])

    def whole(self, name: str) -> pa.Table:
        """All rows of a table."""
        return pa.concat_tables([self.memory(name), *map(pq.read_table, self.files(name))])

    def files(self, name: str) -> list[Path]:
        """The files that hold the other rows of a table."""
        rows = self.tables.get(name, Rows())
        return [*rows.files, *rows.late_files]

    def view(self, con: Any, name: str) -> str:
        """All rows of a table, for a statement of `con`."""
        con.register(f"held_{name}", self.memory(name))
        if not (files := self.files(name)):
            return f"held_{name}"
        listed = ", ".join(map(quoted, files))
        return f"(from held_{name} union all by name from read_parquet([{listed}]))"

    def in_order(self, name: str, sort: Sequence[str]) -> Iterator[pa.Table] | None:
        """The rows by what `sort` names, the time first, a part at a time; None where too many came late."""
        rows = self.tables.get(name, Rows())
        if rows.late_rows > LATE:
            return None
        found = _merged(rows, [(c, "ascending") for c in (*sort, "seq")])
        return found if rows.timely or rows.files else iter([self.memory(name)])


def _merged(rows: Rows, keys: Sequence[tuple[str, str]]) -> Iterator[pa.Table]:
    late = [*map(pq.read_table, rows.late_files), *rows.late]
    left = _sorted(pa.concat_tables(late), keys) if late else None
    times = _times(left) if left is not None else None
    done = 0
    for made in chain(*map(_groups, rows.files), rows.timely):
        if left is not None and times is not None:
            due = int(np.searchsorted(times, _times(made).max(), side="right"))
            made = pa.concat_tables([made, left.slice(done, due - done)])
            done = due
        yield _sorted(made, keys)
    if left is not None and done < len(left):
        yield left.slice(done)


def _groups(file: Path) -> Iterator[pa.Table]:
    """The windows that a file holds."""
    held = pq.ParquetFile(file)
    return (held.read_row_group(number) for number in range(held.num_row_groups))


def _times(made: pa.Table) -> Any:
    return values(made["time"].combine_chunks().cast(pa.int64()))


def _sorted(made: pa.Table, keys: Sequence[tuple[str, str]]) -> pa.Table:
    order = pc.sort_indices(made, sort_keys=keys)
    as_it_is = values(order)
    return made if (as_it_is[1:] > as_it_is[:-1]).all() else made.take(order)


def _write(held: Sequence[pa.Table], file: Path) -> None:
    options = {"compression": "lz4", "write_statistics": False, "use_dictionary": _REPEATED}
    try:
        with pq.ParquetWriter(file, held[0].schema, **options) as writer:
            for window in held:
                writer.write_table(window)
    except OSError as e:
        raise full_disk(e) from e


def full_disk(e: Exception) -> SmtplabError:
    """One line for a person."""
    do = "Free space there, or name another folder in TMPDIR"
    return SmtplabError(f"a table cannot be kept: {str(e)[:400]}", do=do)


def write_in_order(made: Iterator[pa.Table], columns: Sequence[str], output: Path) -> None:
    """Write these columns of tables one behind the other to a Parquet file, which is there whole or not at all."""
    try:
        with beside(output) as file:
            parts = _of_some_size(_named(one, columns) for one in made)
            first = next(parts)
            with pq.ParquetWriter(file, first.schema, use_dictionary=_REPEATED) as writer:
                for part in chain([first], parts):
                    writer.write_table(part)
    except OSError as e:
        raise full_disk(e) from e


def _of_some_size(made: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in larger tables, which are read faster."""
    waiting: list[pa.Table] = []
    for one in made:
        waiting.append(one)
        if sum(map(len, waiting)) >= GROUP:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _named(made: pa.Table, columns: Sequence[str]) -> pa.Table:
    """These columns; inside, files that name no host share one, so that their lines can be joined."""
    host = [without_empty(chunk) for chunk in made["host"].chunks]
    made = made.set_column(made.column_names.index("host"), "host", pa.chunked_array(host, pa.string()))
    return made.select(list(columns))
