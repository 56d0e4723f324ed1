"""The same two steps on more than one machine: workers of a Dask client turn segments into events, then partitions of
events into rows.

Events go to a partition by a hash of host and queue id (of connections: host, process and client), so that what
belongs together meets; the rows are those of one machine. Workers must see the log files under the same paths.
Nothing is written but what a worker holds for a moment: what a lost worker held is made again by another.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from smtplab.logs import engine
from smtplab.logs.columns import Hashes, column, filled, known, rows, take
from smtplab.logs.duck import reader
from smtplab.logs.engine import TABLES, Builder, Progress
from smtplab.logs.jobs import Job
from smtplab.logs.meaning import SCHEMAS, Known
from smtplab.logs.parse import Tally, parse
from smtplab.logs.parts import Parts
from smtplab.logs.piece import Piece, arrow, from_arrow
from smtplab.logs.window import settle

Packed = bytes
"""Events or rows as Parquet."""


def build(
    jobs: Sequence[Job], known: Known, work: Path, client: Any, partitions: int = 0, progress: Progress | None = None
) -> Parts:
    """As engine.build, on the workers of a Dask client; `partitions` is two a worker where not given."""
    parts = Parts(work / "parts", SCHEMAS)
    count = partitions or 2 * max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
    mapped = [client.submit(events, job, count, pure=False) for job in jobs]
    bundles = [client.submit(itemgetter(0), m) for m in mapped]
    made = [
        client.submit(rows_of, [client.submit(itemgetter(p), b) for b in bundles], known, pure=False)
        for p in range(count)
    ]
    for at, (job, one) in enumerate(zip(jobs, mapped, strict=True)):
        parts.tallies.setdefault(job.segment.name, Tally()).add(client.submit(itemgetter(1), one).result())
        if progress:
            progress("read", at + 1, len(jobs))
    for future in made:
        parts.add({table: pq.read_table(pa.BufferReader(data)) for table, data in future.result().items()})
        future.release()
    return parts


def events(job: Job, partitions: int) -> tuple[list[list[Packed]], Tally]:
    """The events of a segment, in pieces, by partition; and what became of its lines."""
    tally = Tally()
    with ExitStack() as stack:
        pieces = [
            [_packed(arrow(part)) for part in shared_out(one, partitions)]
            for one in parse(job.segment, job.setting, job.format, reader(stack), tally)
        ]
    return [list(p) for p in zip(*pieces, strict=True)] or [[] for _ in range(partitions)], tally


def shared_out(one: Piece, partitions: int) -> Iterator[Piece]:
    """The events of each partition.

    TLS of an outbound connection is told by its process, not by the queue id: it is joined where both stand in one
    piece, and what a process told last goes to every partition.
    """
    last = settle(one)
    for number in range(partitions):
        part = Piece(buffers=one.buffers)
        for kind, held in one.kinds.items():
            chosen = _group(kind, held) % np.uint64(partitions) == number
            if kind == "tls":
                chosen = np.where(known(column(held, "relay_ip")), last, chosen)
            if chosen.any():
                part.kinds[kind] = take(held, chosen)
        yield part


def _group(kind: str, held: Any) -> Hashes:
    """What decides on the partition of each event."""
    nothing = np.zeros(rows(held), np.uint64)
    message: Hashes = held.get("key", nothing)
    connection: Hashes = held.get("connection", nothing)
    if kind == "rejection":
        # A refusal that names no client is joined with its message.
        return np.where(known(column(held, "client_ip")) | ~filled(column(held, "queue_id")), connection, message)
    return connection if kind in ("sign_in", "session", "ending", "tls") else message


def rows_of(pieces: Sequence[Sequence[Packed]], known: Known) -> dict[str, Packed]:
    """The rows of a partition, by table: the events of all segments in their order, joined as on one machine."""
    with tempfile.TemporaryDirectory(prefix="smtplab-") as folder:
        parts = Parts(Path(folder), SCHEMAS)
        builder = Builder(parts, known)
        for at, segment in enumerate(pieces):
            for data in segment:
                builder.add(from_arrow(pq.read_table(pa.BufferReader(data))), engine.base(at))
        builder.end()
        return {table: _packed(parts.whole(table)) for table in TABLES}


def _packed(found: pa.Table) -> Packed:
    out = pa.BufferOutputStream()
    pq.write_table(found, out, compression="lz4", write_statistics=False)
    return bytes(out.getvalue().to_pybytes())
