"""Rows of the tables as they are made: in memory while they are few, then in files; written out in their order.

Windows make rows nearly in the order of time. What comes late (a message that waited in the queue, a second of which
the window before told already) is kept apart, so that the rest is put in order a part at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smtplab.logs.arrays import flags, values
from smtplab.logs.duck import full_disk
from smtplab.logs.parse import Tally
from smtplab.tape import beside

HELD = 192 << 20
"""Bytes of rows that stay in memory."""
LATE = 200_000
"""Late rows that are put in order at a time."""
GROUP = 100_000
"""Rows of a group of a Parquet file."""
_REPEATED = [
    "host", "mta", "sender", "recipient_domain", "provider", "relay_host", "relay_ip", "status", "enhanced_code",
    "reason", "rule", "tls_version", "tls_cipher", "tls_verified", "source_ip", "stream", "campaign", "header_from",
    "dkim_domain", "dkim_selector", "provenance", "client_host", "client_ip", "service", "commands", "auth_method",
    "auth_user", "sasl_user", "ended", "outcome", "stage",
]  # fmt: skip
"""Columns of few different values."""
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


@dataclass
class Kept:
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
    tables: dict[str, Kept] = field(default_factory=dict)
    held: int = 0
    told: list[dict[str, Any]] = field(default_factory=list)
    """Rows of the table problems on files that were not read as they are."""

    def add(self, made: Mapping[str, pa.Table]) -> None:
        """The rows of a window, by table."""
        for name, rows in made.items():
            self.tables.setdefault(name, Kept()).add(rows)
            self.held += rows.nbytes
        if self.held > HELD:
            self._spill()

    def _spill(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, rows in self.tables.items():
            for held, files in ((rows.timely, rows.files), (rows.late, rows.late_files)):
                if held:
                    file = self.folder / f"{name}.{len(rows.files) + len(rows.late_files):06}.arrow"
                    _write(held, file)
                    files.append(file)
                    held.clear()
        self.held = 0

    def memory(self, name: str) -> pa.Table:
        """The rows of a table that are in memory."""
        rows = self.tables.get(name, Kept())
        schema = pa.schema(list(self.schemas[name].items()))
        empty = pa.table([pa.nulls(0, kind) for kind in schema.types], schema=schema)
        return pa.concat_tables([empty, *rows.timely, *rows.late])

    def whole(self, name: str) -> pa.Table:
        """All rows of a table."""
        return pa.concat_tables([self.memory(name), *map(_whole, self.files(name))])

    def files(self, name: str) -> list[Path]:
        """The files that hold the other rows of a table."""
        rows = self.tables.get(name, Kept())
        return [*rows.files, *rows.late_files]

    def view(self, con: Any, name: str) -> str:
        """All rows of a table, for a statement of `con`."""
        con.register(f"held_{name}", self.memory(name))
        if not (files := self.files(name)):
            return f"held_{name}"
        from pyarrow.dataset import dataset

        # What is read ahead is no memory that DuckDB counts.
        ahead = {"batch_readahead": 1, "fragment_readahead": 1}
        con.register(f"kept_{name}", dataset(files, format="ipc").scanner(**ahead))
        return f"(from held_{name} union all by name from kept_{name})"

    def in_order(self, name: str, sort: Sequence[str]) -> Iterator[pa.Table]:
        """The rows by what `sort` names, the time first, a part at a time."""
        keys = [(c, "ascending") for c in (*sort, "seq")]
        rows = self.tables.get(name, Kept())
        if not rows.timely and not rows.files:
            return iter([self.memory(name)])
        return _merged(chain(*map(_groups, rows.files), rows.timely), self._late(name, rows, keys), keys)

    def _late(self, name: str, rows: Kept, keys: Keys) -> Iterator[pa.Table]:
        """What came late, in order; where that is much, it is shared out to files by time first."""
        late = chain(*map(_groups, rows.late_files), rows.late)
        if rows.late_rows > LATE:
            bounds = _bounds([_times(t) for t in (*_columns(rows.late_files, "time"), *rows.late)])
            for file in _shared_out(late, bounds, self.folder / f"{name}.late"):
                yield _sorted(_whole(file), keys)
                file.unlink()
        elif rows.late_rows:
            yield _sorted(pa.concat_tables(late), keys)


Keys = Sequence[tuple[str, str]]


def _merged(timely: Iterator[pa.Table], late: Iterator[pa.Table], keys: Keys) -> Iterator[pa.Table]:
    left: pa.Table | None = next(late, None)
    for made in timely:
        newest, parts = _times(made).max(), [made]
        while left is not None:
            due = int(np.searchsorted(_times(left), newest, side="right"))
            parts.append(left.slice(0, due))
            left = left.slice(due) if due < len(left) else next(late, None)
            if due == 0 or (left is not None and _times(left)[0] > newest):
                break
        yield _sorted(pa.concat_tables(parts), keys)
    while left is not None:
        yield left
        left = next(late, None)


def _bounds(times: Sequence[Any]) -> Any:
    """Times between which about LATE rows lie."""
    every = np.sort(np.concatenate(times))
    return np.unique(every[LATE::LATE])


def _shared_out(made: Iterator[pa.Table], bounds: Any, folder: Path) -> list[Path]:
    """Files of rows between the bounds, in order."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{number:06}.arrow" for number in range(len(bounds) + 1)]
    with ExitStack() as stack:
        writers: dict[int, pa.ipc.RecordBatchFileWriter] = {}
        for rows in made:
            place = np.searchsorted(bounds, _times(rows), side="left")
            for number in np.unique(place).tolist():
                if number not in writers:
                    writers[number] = stack.enter_context(_writer(files[number], rows.schema))
                writers[number].write_table(rows.filter(flags(place == number)))
    return [file for number, file in enumerate(files) if number in writers]


def _columns(files: Sequence[Path], name: str) -> Iterator[pa.Table]:
    return (group.select([name]) for file in files for group in _groups(file))


def _groups(file: Path) -> Iterator[pa.Table]:
    """The windows that a file holds."""
    with pa.ipc.open_file(str(file)) as held:
        for number in range(held.num_record_batches):
            yield pa.Table.from_batches([held.get_batch(number)])


def _whole(file: Path) -> pa.Table:
    return pa.concat_tables(_groups(file))


def _writer(file: Path, schema: pa.Schema) -> pa.ipc.RecordBatchFileWriter:
    return pa.ipc.new_file(str(file), schema, options=_OPTIONS)


def _times(made: pa.Table) -> Any:
    return values(made["time"].combine_chunks().cast(pa.int64()))


def _sorted(made: pa.Table, keys: Keys) -> pa.Table:
    order = pc.sort_indices(made, sort_keys=keys)
    as_it_is = values(order)
    return made if (as_it_is[1:] > as_it_is[:-1]).all() else made.take(order)


def _write(held: Sequence[pa.Table], file: Path) -> None:
    try:
        with _writer(file, held[0].schema) as writer:
            for window in held:
                # A batch is a window when it is read again.
                writer.write_table(window.combine_chunks())
    except OSError as e:
        raise full_disk(e) from e


def write(made: Iterator[pa.Table], output: Path) -> None:
    """Write tables one behind the other to a Parquet file, which is there whole or not at all."""
    import pyarrow.parquet as pq

    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with beside(output) as file:
            parts = _of_some_size(made)
            first = next(parts)
            with (
                pq.ParquetWriter(file, first.schema, use_dictionary=_REPEATED, write_statistics=["time"]) as writer,
                ThreadPoolExecutor(1) as thread,
            ):
                # One part is written while the next is put in order.
                writing = thread.submit(writer.write_table, first)
                for part in parts:
                    writing.result()
                    writing = thread.submit(writer.write_table, part)
                writing.result()
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
