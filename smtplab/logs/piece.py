"""Events of a run of lines, by kind, ready to be joined: what an event needs to find its message or connection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smtplab.logs.columns import (
    TYPES,
    Bytes,
    Columns,
    column,
    columns_of,
    hashed,
    joined,
    known,
    moved,
    owned,
    rows,
    table,
    together,
)

FACTS = ("client", "message", "message_id", "signature", "expired", "removed")
"""Kinds that tell of a message; deliveries do too."""
TOLD = ("sign_in", "tls", "session", "ending", "rejection")
"""Kinds that tell of a connection."""
_PEER: Mapping[str, str] = MappingProxyType({"delivery": "relay_ip"} | dict.fromkeys(TOLD, "client_ip"))


@dataclass
class Piece:
    """Events by kind, in the order of their numbers, and the buffers that their texts stand in."""

    kinds: dict[str, Columns] = field(default_factory=dict)
    buffers: list[Bytes] = field(default_factory=list)
    size: int = 0
    """Bytes of what was read."""

    def of(self, kind: str) -> Columns:
        """The events of a kind; none has no columns."""
        return self.kinds.get(kind, {})


def piece(parts: Mapping[str, Sequence[Columns]], buffers: list[Bytes], size: int) -> Piece:
    """Put together what was found of each kind."""
    made = Piece(buffers=buffers, size=size)
    for kind, found in parts.items():
        if rows(held := joined(found)):
            made.kinds[kind] = _keyed(kind, held, buffers)
    return made


def _keyed(kind: str, held: Columns, buffers: Sequence[Bytes]) -> Columns:
    held = dict(held)
    host = held["host_key"] = hashed(column(held, "host"), buffers)
    if "queue_id" in held:
        held["key"] = together(host, hashed(held["queue_id"], buffers))
    if kind in _PEER:
        peer = column(held, _PEER[kind])
        if kind == "tls":
            outbound = column(held, "relay_ip")
            peer = np.where(known(outbound)[:, None], outbound, peer)
        held["connection"] = together(host, hashed(column(held, "pid"), buffers), hashed(peer, buffers))
    return held


def by_kind(found: pa.Table, buffers: list[Bytes]) -> dict[str, list[Columns]]:
    """A table of events of several kinds, taken apart; columns of which nothing is known are left out."""
    made: dict[str, list[Columns]] = {}
    for kind in found["kind"].unique().to_pylist():
        own = found.filter(pc.equal(found["kind"], kind))
        names = [n for n in own.column_names if n in ("seq", "time", "host") or own[n].null_count < len(own)]
        made[kind] = [columns_of(own.select([n for n in names if n != "kind"]), buffers)]
    return made


def merged(pieces: Iterable[tuple[Piece, int]]) -> Piece:
    """Pieces one behind the other; what is added to the numbers of each stands beside it."""
    buffers: list[Bytes] = []
    parts: dict[str, list[Columns]] = {}
    for one, first in pieces:
        for kind, held in one.kinds.items():
            own = moved(held, len(buffers))
            parts.setdefault(kind, []).append({**own, "seq": own["seq"] + first} if first else own)
        buffers += one.buffers
    return Piece({kind: joined(held) for kind, held in parts.items()}, buffers)


def kept(kinds: Mapping[str, Columns], buffers: Sequence[Bytes]) -> Piece:
    """The same events with texts of their own, so that the buffers can be let go."""
    made = Piece()
    for kind, held in kinds.items():
        if rows(held):
            made.kinds[kind] = owned(held, buffers, made.buffers)
    return made


def arrow(one: Piece) -> pa.Table:
    """All events as one table, for a file or another machine."""
    tables = []
    for kind, held in one.kinds.items():
        own = table(held, [n for n in TYPES if n in held], one.buffers)
        tables.append(own.append_column("kind", pa.repeat(kind, len(own))))
    if not tables:
        return pa.table({"kind": pa.nulls(0, pa.string())})
    return pa.concat_tables(tables, promote_options="default")


def from_arrow(found: pa.Table) -> Piece:
    """The events of such a table."""
    made = Piece(size=found.nbytes)
    for kind, held in by_kind(found, made.buffers).items():
        made.kinds[kind] = held[0]
    return made


def save(one: Piece, file: Path) -> None:
    """Keep a piece."""
    import pyarrow.parquet as pq

    pq.write_table(arrow(one), file, compression="lz4", write_statistics=False)


def load(file: Path) -> Piece:
    """A piece that was kept."""
    import pyarrow.parquet as pq

    return from_arrow(pq.read_table(file))
