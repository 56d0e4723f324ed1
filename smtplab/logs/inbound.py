"""Inbound connections: what was told of one before it ended goes with its end."""

from __future__ import annotations

import numpy as np

from smtplab.logs.asof import behind
from smtplab.logs.columns import (
    NONE,
    Column,
    Columns,
    Flags,
    Places,
    absent,
    column,
    equal,
    fill,
    filled,
    hashed,
    joined,
    known,
    rows,
    take,
    together,
)
from smtplab.logs.piece import Piece
from smtplab.logs.queue import DAY, Clock

_TWICE = 15_000_000
CONNECTION = (
    "seq", "time", "host", "service", "client_host", "client_ip", "tls_version", "commands", "auth_method", "auth_user",
    "auth_ok", "ended",
)  # fmt: skip


class Inbound:
    """The connections of a window: `rows` of the table, and what is `held` for the next window."""

    def __init__(self, told: Piece, clock: Clock, final: bool) -> None:
        self.told = told
        self.sessions = told.of("session")
        before = [_marked(told.of(kind), number) for number, kind in enumerate(("sign_in", "ending", "tls"))]
        tls = before[2]
        if rows(tls):
            before[2] = take(tls, known(column(tls, "client_ip")))
        self.before = joined(before)
        self.session = self._ends()
        self._known()
        self.waits = np.zeros(rows(self.before), bool) if final else self._waits(clock)
        self.rows = joined([self._sign_ins(), self._ended(), self._never_ended()])

    @property
    def held(self) -> dict[str, Columns]:
        """What may still find its end."""
        if not rows(self.before):
            return {}
        kind = self.before["mark"]
        return {
            name: _unmarked(take(self.before, self.waits & (kind == number)))
            for number, name in enumerate(("sign_in", "ending", "tls"))
        }

    def _ends(self) -> Places:
        """The session that each event ended with, within a day; -1 where there is none."""
        found = np.full(rows(self.before), -1)
        if not len(found) or not rows(self.sessions):
            return found
        fits = filled(column(self.sessions, "pid")) & np.isin(self.sessions["connection"], self.before["connection"])
        some = np.flatnonzero(fits)
        nearest = behind(
            self.before["connection"], self.before["seq"],
            self.sessions["connection"][some], self.sessions["seq"][some],
        )  # fmt: skip
        there = (nearest >= 0) & filled(column(self.before, "pid"))
        found[there] = some[nearest[there]]
        in_time = self.sessions["time"][found] <= self.before["time"] + DAY
        found[~in_time] = -1
        return found

    def _known(self) -> None:
        """Of each session: its last sign-in, TLS version and how it was about to end."""
        count = rows(self.sessions)
        at = np.flatnonzero(self.session >= 0)
        self.signed = np.full(count, NONE)
        signs = at[self.before["mark"][at] == 0] if len(at) else at
        if len(signs):
            self.signed[self.session[signs]] = self.before["seq"][signs]
        self.extra: dict[str, Column] = {}
        for name in ("tls_version", "ended"):
            self.extra[name] = absent(name, count)
            if len(at):
                told = at[known(column(self.before, name)[at])]
                self.extra[name][self.session[told]] = column(self.before, name)[told]

    def _waits(self, clock: Clock) -> Flags:
        if not rows(self.before):
            return np.zeros(0, bool)
        newest = clock.newest(self.before["host_key"])
        auth = equal(column(self.before, "service"), "auth")
        # A process that said nothing for a day has forgotten the connection.
        patience = np.where(auth, _TWICE, np.where(filled(column(self.before, "pid")), DAY, -1))
        alive = (patience >= 0) & ((newest == NONE) | (self.before["time"] >= newest - patience))
        found: Flags = (self.session < 0) & alive
        return found

    def _told_twice(self) -> Flags:
        """A failed attempt that Dovecot's password database tells of is told again by the service that took it."""
        held = self.before
        sign_in = held["mark"] == 0
        auth = equal(column(held, "service"), "auth")
        told = np.zeros(rows(held), bool)
        a = np.flatnonzero(sign_in & auth & known(column(held, "client_ip")))
        b = np.flatnonzero(sign_in & ~auth & known(column(held, "service")) & (column(held, "auth_ok") == 0))
        if len(a) and len(b):
            client = together(held["host_key"], hashed(column(held, "client_ip"), self.told.buffers))
            nearest = behind(client[a], held["seq"][a] + 1, client[b], held["seq"][b])
            told[a] = (nearest >= 0) & (held["time"][b[nearest]] <= held["time"][a] + _TWICE)
        return told

    def _sign_ins(self) -> Columns:
        held = self.before
        if not rows(held):
            return {}
        at = np.flatnonzero((held["mark"] == 0) & ~self.waits & ~self._told_twice())
        made = _row(held, at)
        session = self.session[at]
        made["tls_version"] = fill(made["tls_version"], self.extra["tls_version"], session)
        last = session >= 0
        last[last] = self.signed[session[last]] == made["seq"][last]
        made["ended"] = fill(made["ended"], self.extra["ended"], np.where(last, session, -1))
        made["commands"] = absent("commands", len(at))
        made["commands"] = fill(made["commands"], column(self.sessions, "commands"), np.where(last, session, -1))
        return made

    def _ended(self) -> Columns:
        if not rows(self.sessions):
            return {}
        at = np.flatnonzero(self.signed == NONE)
        made = _row(self.sessions, at)
        for name in ("tls_version", "ended"):
            made[name] = fill(made[name], self.extra[name], at)
        return made

    def _never_ended(self) -> Columns:
        held = self.before
        if not rows(held):
            return {}
        made = _row(held, np.flatnonzero((held["mark"] == 1) & (self.session < 0) & ~self.waits))
        return {n: c if n in _ENDING else absent(n, rows(made)) for n, c in made.items()}


_ENDING = ("seq", "time", "host", "service", "client_host", "client_ip", "tls_version", "ended")


def _marked(held: Columns, number: int) -> Columns:
    return {**held, "mark": np.full(rows(held), number, np.int8)} if rows(held) else {}


def _unmarked(held: Columns) -> Columns:
    return {name: values for name, values in held.items() if name != "mark"}


def _row(held: Columns, at: Places) -> Columns:
    return {name: column(held, name).take(at, axis=0) for name in CONNECTION}
