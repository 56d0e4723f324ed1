"""The same two steps on more than one machine: workers of a Dask client turn segments into events, then partitions of
events into rows.

Events go to a partition by a hash of host and queue id (of connections: host, process and client), so that what
belongs together meets; the rows are those of one machine. Workers must see the log files under the same paths.
Nothing is written but what a worker holds for a moment: what a lost worker held is made again by another.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from smtplab.logs import engine
from smtplab.logs.engine import TABLES, Job, Parts, Progress
from smtplab.logs.meaning import Known, prepare
from smtplab.logs.parse import FAMILIES, Tally, parse
from smtplab.logs.values import quoted

Piece = dict[str, bytes]
"""Parquet by family of events, or by table."""

_HELD = """
create temp table tls as select hash(host, pid, relay_ip) as connection, * from told
where kind = 'tls' and relay_ip is not null;
create temp table newest as select host, max(time) as newest
from (select host, time from tries union all select host, time from facts union all select host, time from told)
group by 1;
create temp table settled as
select d.* exclude (connection, tls_version, tls_cipher, tls_verified),
    coalesce(d.tls_version, case when told_at >= d.time - interval 1 day then t.tls_version end) as tls_version,
    coalesce(d.tls_cipher, case when told_at >= d.time - interval 1 day then t.tls_cipher end) as tls_cipher,
    coalesce(d.tls_verified, case when told_at >= d.time - interval 1 day then t.tls_verified end) as tls_verified
from (select *, hash(host, pid, relay_ip) as connection from tries) as d
asof left join (select connection, seq, time as told_at, tls_version, tls_cipher, tls_verified from tls) as t
    on d.connection = t.connection and d.seq >= t.seq;
create temp table last as
select arg_max(tls, tls.seq) as t from tls join newest using (host)
where tls.time >= newest - interval 1 day group by tls.connection, tls.host;
"""
"""TLS of an outbound connection is told by its process, not by the queue id: it is joined where both stand in one
segment, and what a process told last goes to every partition."""


def build(
    jobs: Sequence[Job], known: Known, work: Path, client: Any, partitions: int = 0, progress: Progress | None = None
) -> Parts:
    """As engine.build, on the workers of a Dask client; `partitions` is two a worker where not given."""
    parts = Parts(work / "parts")
    count = partitions or 2 * max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
    mapped = [client.submit(events, job, count, pure=False) for job in jobs]
    bundles = [client.submit(itemgetter(0), m) for m in mapped]
    made = [
        client.submit(rows, [client.submit(itemgetter(p), b) for b in bundles], known, pure=False) for p in range(count)
    ]
    for at, (job, one) in enumerate(zip(jobs, mapped, strict=True)):
        parts.tallies.setdefault(job.segment.name, Tally()).add(client.submit(itemgetter(1), one).result())
        if progress:
            progress("read", at + 1, len(jobs))
    for table in TABLES:
        (parts.folder / table).mkdir(parents=True, exist_ok=True)
    for number, future in enumerate(made):
        for table, data in future.result().items():
            (parts.folder / table / f"{number:06}.parquet").write_bytes(data)
        future.release()
    return parts


def events(job: Job, partitions: int) -> tuple[list[list[Piece]], Tally]:
    """The events of a segment, in pieces, by partition; and what became of its lines."""
    with tempfile.TemporaryDirectory(prefix="smtplab-") as folder:
        out = Path(folder)
        tally = parse(job.segment, job.setting, job.format, out / "events", alone=True)
        pieces = [_shared_out(stem, out, partitions) for stem in engine.stems(out / "events")]
    return [list(p) for p in zip(*pieces, strict=True)], tally


def _shared_out(stem: Path, work: Path, partitions: int) -> list[Piece]:
    with engine.connection(work, threads=1) as con:
        for family in FAMILIES:
            con.execute(f"create view {family} as select * from read_parquet({quoted(f'{stem}.{family}.parquet')})")
        con.execute(_HELD)
        return [{f: _parquet(con, _part(f, p, partitions), work) for f in FAMILIES} for p in range(partitions)]


def _part(family: str, number: int, partitions: int) -> str:
    here = f"% {partitions} = {number}"
    if family == "tries":
        columns = ", ".join(FAMILIES["tries"][1])
        return f"select {columns} from settled where hash(host, queue_id) {here}"
    if family == "told":
        return (
            "select * from told where not (kind = 'tls' and relay_ip is not null)"
            # A refusal that names no client is joined with its message.
            " and case when kind = 'rejection' and client_ip is null then hash(host, queue_id)"
            f" else hash(host, pid, client_ip) end {here}"
            " union all by name select t.* exclude (connection) from last"
        )
    return f"select * from {family} where hash(host, queue_id) {here}"


def rows(pieces: Sequence[Sequence[Piece]], known: Known) -> Piece:
    """The rows of a partition, by table: the events of all segments in their order, joined as on one machine."""
    with tempfile.TemporaryDirectory(prefix="smtplab-") as folder:
        work = Path(folder)
        parts = Parts(work / "parts")
        windows = [(at, piece) for at, segment in enumerate(pieces) for piece in segment]
        with engine.connection(work, threads=1) as con:
            prepare(con, known)
            for number, (at, piece) in enumerate(windows):
                for family, data in piece.items():
                    (work / f"{number}.{family}.parquet").write_bytes(data)
                engine.window(con, known, [(work / str(number), engine.base(at))], number == len(windows) - 1)
                engine.write(con, parts, number)
            made = {table: f"select * from read_parquet({parts.files(table)})" for table in TABLES}
            return {table: _parquet(con, query, work) for table, query in made.items()}


def _parquet(con: Any, query: str, work: Path) -> bytes:
    file = work / "copied.parquet"
    con.execute(f"copy ({query}) to {quoted(file)} (format parquet)")
    return file.read_bytes()
