"""The second step: a window of events, and what earlier windows left open, become rows of the tables.

What may still go on is held for the next window, so that memory does not follow the size of the logs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from smtplab.logs.asof import before
from smtplab.logs.columns import (
    NONE,
    Bytes,
    Columns,
    Flags,
    column,
    fill,
    filled,
    joined,
    known,
    moved,
    rows,
    take,
)
from smtplab.logs.inbound import CONNECTION, Inbound
from smtplab.logs.piece import Piece, kept, merged
from smtplab.logs.queue import DAY, Clock, Queue

_TLS = ("tls_version", "tls_cipher", "tls_verified")
_FROM_MESSAGE = ("mta", "message_id", "sender", "size", "header_from", "dkim_domain", "dkim_selector")
_MESSAGE = (
    "host", "mta", "queue_id", "message_id", "sender", "size", "recipients", "client_host", "client_ip", "sasl_user",
)  # fmt: skip


_PATIENCE = 3_600_000_000
"""Sendmail waits an hour for a command (Timeout.command of its operation guide)."""
MOST = 64 << 20
"""Bytes of texts that are copied at once."""


@dataclass
class Rows:
    """Rows of the tables, before it is judged what their values mean."""

    tables: dict[str, Columns]
    buffers: list[Bytes]

    def shared_out(self) -> Iterator[Rows]:
        """The same rows, not too many at once: one message-id of 64 KB may stand in each of 100,000 deliveries."""
        parts = {name: list(_parts(held)) for name, held in self.tables.items()}
        for number in range(max(map(len, parts.values()))):
            tables = {name: found[number] if number < len(found) else {} for name, found in parts.items()}
            yield Rows(tables, self.buffers)


def _parts(held: Columns) -> Iterator[Columns]:
    """Rows of at most MOST bytes of texts, and one that has more; all of them at once where they are few."""
    size = np.zeros(rows(held), np.int64)
    for text in held.values():
        if text.ndim == 2:
            size += np.where(known(text), text[:, 0], 0)
    part = np.cumsum(size) // MOST
    if not len(part) or part[0] == part[-1]:
        yield held
        return
    ends = [0, *(np.flatnonzero(part[1:] != part[:-1]) + 1).tolist(), len(part)]
    for begin, end in pairwise(ends):
        yield take(held, np.arange(begin, end))


def window(pieces: Sequence[tuple[Piece, int]], held: Piece, final: bool) -> tuple[Rows, Piece]:
    """The rows of pieces of events, and what is held; a number is added to the numbers of each piece's events."""
    new = merged(pieces)
    clock = Clock({k: c for k, c in new.kinds.items() if k not in ("complaint", "began")})
    both = _behind(held, new)
    tls = _outbound(both.of("tls"))
    # Deliveries that were held have theirs already; it was told before what came since.
    _tls(both.of("delivery"), tls)
    queue = Queue(both.kinds, both.buffers, clock, final)
    inbound = Inbound(both, clock, final)
    rejections, waiting = _rejections(both.of("rejection"), queue, clock, final)
    tables = {
        "deliveries": _deliveries(queue),
        "messages": _messages(queue),
        "connections": {n: column(inbound.rows, n) for n in CONNECTION} if rows(inbound.rows) else {},
        "rejections": _own(rejections),
        "complaints": _own(new.of("complaint")),
        "begun": _own(joined([new.of("began"), new.of("complaint")])),
    }
    open_still = {} if final else {**_open(queue, inbound, tls, clock), "rejection": waiting}
    return Rows(tables, both.buffers), kept(open_still, both.buffers)


def _own(held: Columns) -> Columns:
    """Copies: a number that stays in a table would keep all in memory that came from another process with it."""
    return {name: values.copy() for name, values in held.items()}


def _behind(held: Piece, new: Piece) -> Piece:
    """What was held, and the new events behind it; the buffers of the new ones, which are many, keep their numbers."""
    kinds = {k: joined([moved(held.of(k), len(new.buffers)), new.of(k)]) for k in {**held.kinds, **new.kinds}}
    return Piece(kinds, new.buffers + held.buffers)


def _outbound(tls: Columns) -> Columns:
    return take(tls, known(column(tls, "relay_ip"))) if rows(tls) else {}


def _tls(deliveries: Columns, tls: Columns) -> None:
    """An outbound connection's TLS is told before its deliveries, by the same process.

    A process lives for hours, so what was told a day before belongs to another one of the same number.
    """
    if not rows(tls) or not rows(deliveries):
        return
    found = before(deliveries["connection"], deliveries["seq"], tls["connection"], tls["seq"])
    found[tls["time"][found] < deliveries["time"] - DAY] = -1
    for name in _TLS:
        deliveries[name] = fill(column(deliveries, name), column(tls, name), found)


def settle(one: Piece) -> Flags:
    """Give the deliveries of a piece the TLS that was told in it; says which outbound TLS its process told last."""
    tls = one.of("tls")
    outbound = known(column(tls, "relay_ip")) if rows(tls) else np.zeros(0, bool)
    _tls(one.of("delivery"), take(tls, outbound) if rows(tls) else {})
    last = np.zeros(len(outbound), bool)
    last[np.flatnonzero(outbound)] = _newest(take(tls, outbound)) if outbound.any() else False
    return last


def _deliveries(queue: Queue) -> Columns:
    held = queue.kinds.get("delivery", {})
    if not rows(held):
        return {}
    code = queue.code["delivery"]
    at = np.flatnonzero((code < 0) | queue.closed[code])
    made, code = take(held, at), code[at]
    made["attempt"] = column(made, "attempt").copy()
    # Where the program counts, it counts; what it tells that it did not try is none of those that are counted here.
    counted = np.flatnonzero(made["attempt"] == NONE)
    made["attempt"][counted] = queue.attempt(at[counted])
    made["message"] = np.where(code >= 0, queue.first[code], NONE)
    for name in ("dkim_domain", "header_from"):
        made[f"told_{name}"] = (code >= 0) & known(queue.column(name))[code]
    for name in _FROM_MESSAGE:
        made[name] = fill(column(made, name), queue.column(name), code)
    return made


def _messages(queue: Queue) -> Columns:
    # Where every recipient was refused, nothing was queued.
    refused = (queue.column("recipients") == 0) & (queue.attempts == 0)
    at = np.flatnonzero(queue.there & queue.closed & ~refused)
    if not len(at):
        return {}
    made = {name: queue.column(name).take(at, axis=0) for name in _MESSAGE}
    ended = np.where(queue.removals > 0, queue.removed, queue.settled())[at]
    made |= {"seq": queue.first[at], "time": queue.time[at], "attempts": queue.tries[at]}
    made["mta"] = queue.mta()[at]
    made["expired"] = queue.expired[at]
    made["ended"] = ended
    return made


def _rejections(held: Columns, queue: Queue, clock: Clock, final: bool) -> tuple[Columns, Columns]:
    """Refused commands, and those that wait for a client: a line that names none has its message's.

    Sendmail's "User unknown" comes before the line that tells of its message.
    """
    if not rows(held) or "key" not in held:
        return held, {}
    unnamed = ~known(column(held, "client_ip")) & filled(column(held, "queue_id"))
    at = np.where(unnamed, queue.refused, -1)
    made = {**held, **{n: fill(column(held, n), queue.column(n), at) for n in ("client_host", "client_ip", "sender")}}
    if final or not unnamed.any():
        return made, {}
    newest = clock.newest(held["host_key"])
    waits = unnamed & ~queue.there[queue.refused] & ((newest == NONE) | (held["time"] >= newest - _PATIENCE))
    return take(made, ~waits), take(held, waits)


def _open(queue: Queue, inbound: Inbound, tls: Columns, clock: Clock) -> dict[str, Columns]:
    """What may still go on: messages in the queue, TLS of processes that live, connections that have not ended."""
    made = {}
    for kind, held in queue.kinds.items():
        code = queue.code[kind]
        made[kind] = take(held, (code >= 0) & ~queue.closed[code])
    connections = inbound.held
    made |= {k: c for k, c in connections.items() if k != "tls"}
    made["tls"] = joined([connections.get("tls", {}), _living(tls, clock)])
    return made


def _living(tls: Columns, clock: Clock) -> Columns:
    """What each process told last of its outbound connections, within a day."""
    if not rows(tls):
        return {}
    newest = clock.newest(tls["host_key"])
    return take(tls, _newest(tls) & ((newest == NONE) | (tls["time"] >= newest - DAY)))


def _newest(tls: Columns) -> Flags:
    """Which row is the last of its connection."""
    last = np.zeros(rows(tls), bool)
    order = np.lexsort((tls["seq"], tls["connection"]))
    connection = tls["connection"][order]
    last[order[np.append(connection[1:] != connection[:-1], True)]] = True
    return last
