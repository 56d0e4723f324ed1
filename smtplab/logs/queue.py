"""Events of one queue id become a message: what it is, how often it was tried, and whether it has left the queue.

A queue id may be used again once its message was removed; Postfix keeps none longer than five days by default, so an
id that was silent for longer names another message (https://www.postfix.org/postconf.5.html#maximal_queue_lifetime).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from smtplab.logs.asof import nth
from smtplab.logs.columns import (
    NONE,
    Bytes,
    Column,
    Columns,
    Flags,
    Hashes,
    Places,
    absent,
    coded,
    column,
    constant,
    equal,
    fill,
    filled,
    hashed,
    known,
    lowered,
    rows,
    together,
)
from smtplab.logs.piece import FACTS

DAY = 86_400_000_000
_LONGEST = 5 * DAY
_LATE, _EARLY = np.iinfo(np.int64).max, np.iinfo(np.int64).min
OPEN = 100_000
"""Deliveries of messages that have not left the queue."""
_TOLD_END = ("postfix", "exim", "haraka")
"""KumoMTA, Exchange, OpenSMTPD and most of Sendmail tell of no end."""


class Clock:
    """The newest event of each host: of those that are not more than five days ahead of most of its events.

    So a clock that is wrong for some lines ends nothing; this one lags by no more than half of what it is given.
    """

    def __init__(self, kinds: Mapping[str, Columns]) -> None:
        held = [c for c in kinds.values() if rows(c)]
        keys = np.concatenate([np.zeros(0, np.uint64), *(c["host_key"] for c in held)])
        times = np.concatenate([np.zeros(0, np.int64), *(c["time"] for c in held)])
        code, count = coded(keys)
        newest = np.full(count, _EARLY)
        np.maximum.at(newest, code, times)
        near = np.bincount(code[times >= newest[code] - _LONGEST], minlength=count)
        alone = 2 * near <= np.bincount(code, minlength=count)
        if alone.any():
            some = np.flatnonzero(alone[code])
            newest[alone] = _EARLY
            some = some[times[some] <= _medians(code[some], times[some], count)[code[some]] + _LONGEST]
            np.maximum.at(newest, code[some], times[some])
        host = np.zeros(count, np.uint64)
        host[code] = keys
        order = np.argsort(host)
        self.host, self.time = host[order], newest[order]

    def newest(self, host: Hashes) -> Places:
        """For each host its newest event, NONE for one of which nothing came."""
        if not len(self.host):
            return np.full(len(host), NONE)
        at = np.minimum(np.searchsorted(self.host, host), len(self.host) - 1)
        found: Places = np.where(self.host[at] == host, self.time[at], NONE)
        return found


def _medians(code: Places, times: Places, count: int) -> Places:
    """The median of the times of each number; of an even count the earlier one."""
    made = np.zeros(count, np.int64)
    order = np.lexsort((times, code))
    numbers, first, size = np.unique(code[order], return_index=True, return_counts=True)
    made[numbers] = times[order][first + (size - 1) // 2]
    return made


class Queue:
    """The messages of a window: each event's message by its number, and what is known of each message.

    `code` is the number of an event's message by kind, -1 for a delivery that is of no queue.
    """

    def __init__(self, kinds: Mapping[str, Columns], buffers: list[Bytes], clock: Clock, final: bool) -> None:
        self.kinds = {k: kinds[k] for k in (*FACTS, "delivery") if rows(kinds.get(k, {}))}
        self.buffers = buffers
        self._columns: dict[str, Column] = {}
        keys, tracked = {}, {}
        for kind, held in self.kinds.items():
            tracked[kind] = np.flatnonzero(filled(column(held, "queue_id")) & (column(held, "from_event") != 1))
            keys[kind] = held["key"][tracked[kind]] if len(tracked[kind]) else np.zeros(0, np.uint64)
        refused = kinds.get("rejection", {})
        asks = refused["key"] if "key" in refused else np.zeros(0, np.uint64)
        codes, count = coded(np.concatenate([*keys.values(), asks]))
        # One that nothing belongs to, so that there always is one to look at.
        self.count = max(count, 1)
        self.code: dict[str, Places] = {}
        at = 0
        for kind, found in keys.items():
            self.code[kind] = np.full(rows(self.kinds[kind]), -1)
            self.code[kind][tracked[kind]] = codes[at : at + len(found)]
            at += len(found)
        self.refused = codes[at:]
        """The message that a refusal names by its queue id."""
        self._measure()
        self._tell_apart()
        self.closed: Flags = np.ones(self.count, bool) if final else (self.removals > 0) | self._silent(clock)
        self._let_go()

    def _measure(self) -> None:
        count = self.count
        self.first, self.last = np.full(count, _LATE), np.full(count, _EARLY)
        self.time, self.seen = np.full(count, _LATE), np.full(count, _EARLY)
        for kind, held in self.kinds.items():
            code = self.code[kind]
            seq, time = held["seq"], held["time"]
            if len(code) and code.min() < 0:
                fine = code >= 0
                code, seq, time = code[fine], seq[fine], time[fine]
            np.minimum.at(self.first, code, seq)
            np.maximum.at(self.last, code, seq)
            np.minimum.at(self.time, code, time)
            np.maximum.at(self.seen, code, time)
        self.attempts = self._number("delivery")
        self.tries = self.attempts - self._untried()
        self.removals = self._number("removed")
        self.expired: Flags = self._number("expired") > 0
        self.removed, self.removed_at = np.full(count, _EARLY), np.full(count, _EARLY)
        if "removed" in self.kinds:
            np.maximum.at(self.removed, self.code["removed"], self.kinds["removed"]["time"])
            np.maximum.at(self.removed_at, self.code["removed"], self.kinds["removed"]["seq"])
        self.there: Flags = self.first != _LATE

    def _number(self, kind: str) -> Places:
        if kind not in self.kinds:
            return np.zeros(self.count, np.int64)
        return np.bincount(self.code[kind][self.code[kind] >= 0], minlength=self.count)

    def _untried(self) -> Places:
        """Lines of deliveries that tell that nothing was tried."""
        held = self.kinds.get("delivery", {})
        code = self.code["delivery"][held["attempt"] == 0] if "attempt" in held else np.zeros(0, np.int64)
        return np.bincount(code[code >= 0], minlength=self.count)

    def _tell_apart(self) -> None:
        """Give the messages of a queue id that was used again numbers of their own."""
        again = self.there & (
            (self.removals > 1)
            | ((self.removals > 0) & (self.removed_at < self.last))
            | (self.seen - np.where(self.there, self.time, 0) > _LONGEST)
        )
        if not again.any():
            return
        chosen = {k: np.flatnonzero((c >= 0) & again[c]) for k, c in self.code.items()}
        codes = np.concatenate([self.code[k][at] for k, at in chosen.items()])
        seq = np.concatenate([self.kinds[k]["seq"][at] for k, at in chosen.items()])
        time = np.concatenate([self.kinds[k]["time"][at] for k, at in chosen.items()])
        ends = np.concatenate([np.full(len(at), k == "removed") for k, at in chosen.items()])
        order = np.lexsort((seq, codes))
        other = np.append(True, codes[order][1:] != codes[order][:-1])
        turn = np.append(False, ends[order][:-1] | (np.diff(time[order]) > _LONGEST))
        fresh = np.empty(len(order), np.int64)
        fresh[order] = self.count + np.cumsum(other | turn) - 1
        newest = np.arange(self.count)
        newest[codes[order]] = fresh[order]
        self.refused = newest[self.refused]
        at = 0
        for kind, places in chosen.items():
            self.code[kind][places] = fresh[at : at + len(places)]
            at += len(places)
        self.count = int(fresh.max()) + 1
        self._measure()

    def _silent(self, clock: Clock) -> Flags:
        newest = clock.newest(self.column("host_key"))
        found: Flags = (newest != NONE) & (self.seen < newest - _LONGEST)
        return found

    def _let_go(self) -> None:
        """Close messages that seem to be over, the longest silent first, where very many are open.

        So many are where the lines that tell of an end are not in the log, because somebody looked for others.
        """
        if "delivery" not in self.kinds:
            return
        code = self.code["delivery"]
        mine = np.flatnonzero((code >= 0) & ~self.closed[code])
        if len(mine) <= OPEN:
            return
        last = np.full(self.count, -1)
        last[code[mine]] = mine
        wanted = self.column("recipients")
        over = (last >= 0) & ((wanted == NONE) | (self.attempts >= wanted))
        over[over] = ~equal(self.kinds["delivery"]["status"][last[over]], "deferred")
        at = np.flatnonzero(over)
        at = at[np.argsort(self.seen[at], kind="stable")]
        enough = np.searchsorted(np.cumsum(self.attempts[at]), len(mine) - OPEN // 2) + 1
        self.closed[at[:enough]] = True

    def column(self, name: str) -> Column:
        """A column of the messages: of each what was told last."""
        if name not in self._columns:
            self._columns[name] = self._gather(name)
        return self._columns[name]

    def _gather(self, name: str) -> Column:
        made = absent(name, self.count)
        newest: Places | None = None
        for kind, held in self.kinds.items():
            if name not in held or (kind == "delivery" and name not in ("host", "host_key", "queue_id", "mta")):
                continue
            if kind == "signature" and name == "mta":
                # Who signs does not have the queue.
                continue
            told = np.flatnonzero(known(held[name]) & (self.code[kind] >= 0))
            row = np.full(self.count, -1)
            row[self.code[kind][told]] = told
            seq = np.where(row >= 0, held["seq"][row], -1) if rows(held) else row
            chosen = np.flatnonzero(row >= 0 if newest is None else (row >= 0) & (seq > newest))
            made[chosen] = held[name][row[chosen]]
            newest = seq if newest is None else np.maximum(newest, seq)
        return made

    def mta(self) -> Column:
        """The program that has each message in its queue; Postfix's lines name none but those of deliveries."""
        told = sum((self._number(kind) for kind in self.kinds if kind != "signature"), np.zeros(self.count, np.int64))
        return fill(self.column("mta"), constant("postfix", 1), np.where(told > 0, 0, -1))

    def attempt(self, at: Places) -> Places:
        """Which attempt for its recipient each of these deliveries is, as far as the queue was seen."""
        made = np.ones(len(at), np.int64)
        code = self.code["delivery"][at]
        several = np.flatnonzero((code >= 0) & (self.attempts[code] > 1))
        if len(several):
            recipient = hashed(column(self.kinds["delivery"], "recipient")[at[several]], self.buffers)
            made[several] = nth(coded(together(code[several].astype(np.uint64), recipient))[0])
        return made

    def settled(self) -> Places:
        """When the last word fell on all recipients of a message whose program tells of no end; NONE where none did."""
        ended = np.full(self.count, NONE)
        if "delivery" not in self.kinds:
            return ended
        mta = self.column("mta")
        silent = self.there & self.closed & (self.removals == 0) & known(mta)
        for name in _TOLD_END:
            silent &= ~equal(mta, name)
        code = self.code["delivery"]
        at = np.flatnonzero((code >= 0) & silent[code])
        if not len(at):
            return ended
        deliveries = self.kinds["delivery"]
        recipient = hashed(*lowered(column(deliveries, "recipient")[at], self.buffers))
        pair, pairs = coded(together(code[at].astype(np.uint64), recipient))
        final = np.zeros(pairs, np.int64)
        final[pair] = at
        newest = np.full(pairs, _EARLY)
        np.maximum.at(newest, pair, deliveries["time"][at])
        message = code[final]
        open_still = np.zeros(self.count, bool)
        open_still[message[equal(deliveries["status"][final], "deferred")]] = True
        wanted = self.column("recipients")
        done = ~open_still & (np.bincount(message, minlength=self.count) >= np.maximum(wanted, 0))
        moment = np.full(self.count, _EARLY)
        np.maximum.at(moment, message, newest)
        fine = done & (moment != _EARLY)
        ended[fine] = moment[fine]
        return ended
