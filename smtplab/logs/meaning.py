"""What do replies, domains and senders mean? Each different value is judged once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smtplab import replies
from smtplab.logs.arrays import flags, marks, numbers, optional, scalar, strings, valid, values, without_empty
from smtplab.logs.columns import NONE, Bytes, Columns, Flags, Places, array, column, rows
from smtplab.logs.window import Rows
from smtplab.providers import provider

if TYPE_CHECKING:
    from smtplab.casefile import Host, Stream

LOWER = (
    "case when {0} = lower({0}) then nullif({0}, '') else"
    " left({0}, -length(split_part({0}, '@', -1))) || lower(split_part({0}, '@', -1)) end"
)
"""An address with its domain in lower case; NA for an empty one."""
_SHAPE = "<[^<> ]+@[^<> ]+>|[0-9a-f]{10,}"
"""The recipient in a reply and the numbers that make each one different."""
_KEYS = {"category": "campaign"}
REMEMBERED = 100_000
"""Replies and domains that are known again in the next window: a stranger may make each one different."""
_SETS = ("source_ip", "header_from", "dkim_domain", "dkim_selector")
_TEXT, _NUMBER, _FRACTION = pa.string(), pa.int64(), pa.float64()
_MOMENT = pa.timestamp("us", "UTC")

SCHEMAS: Mapping[str, Mapping[str, pa.DataType]] = {
    "deliveries": {
        "seq": _NUMBER, "message": _NUMBER, "from_event": pa.bool_(), "time": _MOMENT, "host": _TEXT, "mta": _TEXT,
        "queue_id": _TEXT, "message_id": _TEXT, "sender": _TEXT, "recipient": _TEXT, "recipient_domain": _TEXT,
        "provider": _TEXT, "relay_host": _TEXT, "relay_ip": _TEXT, "relay_port": _NUMBER, "status": _TEXT,
        "smtp_code": _NUMBER, "enhanced_code": _TEXT, "response": _TEXT, "reason": _TEXT, "rule": _TEXT,
        "delay": _FRACTION, "delay_before_queue": _FRACTION, "delay_in_queue": _FRACTION,
        "delay_connection": _FRACTION, "delay_transmission": _FRACTION, "tls_version": _TEXT, "tls_cipher": _TEXT,
        "tls_verified": _TEXT, "connection_uses": _NUMBER, "size": _NUMBER, "attempt": _NUMBER, "source_ip": _TEXT,
        "stream": _TEXT, "campaign": _TEXT, "header_from": _TEXT, "dkim_domain": _TEXT, "dkim_selector": _TEXT,
        "provenance": _TEXT,
    },
    "messages": {
        "seq": _NUMBER, "time": _MOMENT, "host": _TEXT, "mta": _TEXT, "queue_id": _TEXT, "message_id": _TEXT,
        "sender": _TEXT, "size": _NUMBER, "recipients": _NUMBER, "client_host": _TEXT, "client_ip": _TEXT,
        "sasl_user": _TEXT, "attempts": _NUMBER, "outcome": _TEXT, "lifetime": _FRACTION,
    },
    "connections": {
        "seq": _NUMBER, "time": _MOMENT, "host": _TEXT, "service": _TEXT, "client_host": _TEXT, "client_ip": _TEXT,
        "tls_version": _TEXT, "commands": _TEXT, "auth_method": _TEXT, "auth_user": _TEXT, "auth_ok": pa.bool_(),
        "ended": _TEXT,
    },
    "rejections": {
        "seq": _NUMBER, "time": _MOMENT, "host": _TEXT, "service": _TEXT, "stage": _TEXT, "client_host": _TEXT,
        "client_ip": _TEXT, "helo": _TEXT, "sender": _TEXT, "recipient": _TEXT, "smtp_code": _NUMBER,
        "enhanced_code": _TEXT, "response": _TEXT, "reason": _TEXT,
    },
    "complaints": {"seq": _NUMBER, "time": _MOMENT, "recipient": _TEXT, "stream": _TEXT, "campaign": _TEXT},
    "begun": {"seq": _NUMBER, "time": _MOMENT, "message_id": _TEXT, "queue_id": _TEXT, "recipient": _TEXT},
}  # fmt: skip
"""The columns of each table as they are kept, before they are sorted."""


@dataclass(frozen=True)
class Known:
    """What the case tells of its mail: servers and streams."""

    hosts: tuple[Host, ...] = ()
    streams: tuple[Stream, ...] = ()

    @property
    def addresses(self) -> list[tuple[str, str, bool]]:
        """Host as syslog names it (with and without its domain), address, and whether it is the host's first."""
        made = [(h.name, a, a == h.addresses[0]) for h in self.hosts for a in h.addresses]
        return list(dict.fromkeys(made + [(n.partition(".")[0], a, f) for n, a, f in made]))

    @cached_property
    def own(self) -> dict[str, list[str]]:
        """The addresses of each host, its first before the others."""
        found: dict[str, list[str]] = {}
        for host, address, first in self.addresses:
            held = found.setdefault(host, [])
            held.insert(0, address) if first else held.append(address)
        return found


@dataclass
class Judge:
    """Makes tables of rows; what was judged of one window serves the next."""

    known: Known
    _providers: dict[tuple[str, str], str | None] = field(default_factory=dict)
    _replies: dict[tuple[Any, ...], tuple[Any, ...]] = field(default_factory=dict)

    def get_ready(self) -> None:
        """Load the rules before the first reply is asked for."""
        replies.classify("", None, None, None)

    def tables(self, made: Rows) -> dict[str, pa.Table]:
        """Every table of SCHEMAS."""
        for judged in (self._providers, self._replies):
            if len(judged) > REMEMBERED:
                judged.clear()
        return {
            "deliveries": self._deliveries(made.tables["deliveries"], made.buffers),
            "messages": _messages(made.tables["messages"], made.buffers),
            "connections": _table("connections", made.tables["connections"], made.buffers, {}),
            "rejections": self._rejections(made.tables["rejections"], made.buffers),
            "complaints": self._complaints(made.tables["complaints"], made.buffers),
            "begun": _table("begun", made.tables["begun"], made.buffers, {}),
        }

    def _deliveries(self, held: Columns, buffers: Sequence[Bytes]) -> pa.Table:
        if not rows(held):
            return _none("deliveries")
        text = {n: array(column(held, n), _TEXT, buffers) for n in _DELIVERY_TEXTS}
        domain = _changed(text["recipient_domain"], str.lower)
        who = self._provider(domain, text["relay_host"])
        text |= {
            "recipient": lower_domain(text["recipient"]), "sender": lower_domain(text["sender"]),
            "recipient_domain": domain, "provider": who,
        }  # fmt: skip
        codes = {"smtp_code": array(column(held, "smtp_code"), _NUMBER, ())}
        self._meaning(text, codes, valid(text["status"]) & ~_equal(text["status"], scalar(_SENT)))
        parts = [(f"told_{n}", t) for n, t in (("dkim_domain", _SIGNED), ("header_from", _HEADER))]
        said = _notes(text["provenance"], [(held[n], t) for n, t in parts])
        text["source_ip"], said = self._address(text, said)
        stream = self._stream(text)
        if stream is not None:
            said = _notes(said, [(valid(stream["name"]) & ~valid(text["stream"]), _STREAM)])
            text["stream"] = _either(text["stream"], stream["name"])
            text["campaign"] = _either(stream["campaign"], text["campaign"])
            for name in _SETS:
                text[name] = _either(text[name], stream[name])
        text["provenance"] = said
        from_event = flags(column(held, "from_event") == 1)
        return _table("deliveries", held, buffers, {**text, **codes, "from_event": from_event})

    def _provider(self, domain: pa.Array, relay: pa.Array) -> pa.Array:
        """Who runs the recipient's mail, by domain and the host that took it."""
        relay = relay.fill_null(scalar(""))

        def judged(one: str | None, host: str) -> str | None:
            if one is None:
                return None
            if (one, host) not in self._providers:
                self._providers[one, host] = provider(one, host)
            return self._providers[one, host]

        at, different = _different([domain, relay])
        return strings(judged(*d) for d in different).take(at)

    def _meaning(self, text: dict[str, pa.Array], codes: dict[str, pa.Array], refused: Flags) -> None:
        """Fill in what the replies say that are no acceptance: reason, rule and codes."""
        at = np.flatnonzero(refused)
        code, enhanced = codes["smtp_code"], text["enhanced_code"]
        some = numbers(at)
        asked = [_shape(text["response"].take(some)), code.take(some), enhanced.take(some), text["provider"].take(some)]
        found = self._judged(asked)
        text["reason"] = _spread(found[0], at, len(refused), _TEXT)
        text["rule"] = _spread(found[1], at, len(refused), _TEXT)
        codes["smtp_code"] = _either(_spread(found[2], at, len(refused), _NUMBER), code)
        said = _spread(found[3], at, len(refused), _TEXT)
        text["enhanced_code"] = pc.if_else(flags(refused), said, enhanced)

    def _judged(self, asked: Sequence[pa.Array]) -> list[pa.Array]:
        """Reason, rule, reply code and enhanced code by shape, codes and provider."""
        at, different = _different(asked)
        answers = []
        for one in different:
            if one not in self._replies:
                reply = replies.classify(*one)
                answer = (reply.reason or "undefined", reply.rule or None, reply.smtp_code, reply.enhanced_code)
                self._replies[one] = answer
            answers.append(self._replies[one])
        reason, rule, code, enhanced = ([a[n] for a in answers] for n in range(4))
        return [found.take(at) for found in (strings(reason), strings(rule), optional(code), strings(enhanced))]

    def _address(self, text: Mapping[str, pa.Array], said: pa.Array) -> tuple[pa.Array, pa.Array]:
        """Our address that a delivery left from: as told, quoted in the reply, or the host's first in case.toml."""
        told = text["source_ip"]
        own = self.known.own
        if not own:
            return told, said
        first = _changed(text["host"], lambda h: own[h][0] if own.get(h) else None)
        asked = flags(~valid(told) & valid(text["status"]) & ~_equal(text["status"], scalar(_SENT)))
        quoted = self._quoted(pc.if_else(asked, text["response"], scalar(None)), text["host"])
        address = _either(told, _either(quoted, first))
        open_still = ~valid(told)
        by_reply = open_still & valid(quoted) & ~_equal(quoted, first)
        by_host = open_still & ~by_reply & valid(first)
        return address, _notes(said, [(by_reply, _QUOTED), (by_host, _HOST)])

    def _quoted(self, response: pa.Array, host: pa.Array) -> pa.Array:
        """An address of the host that a reply quotes."""
        one = "|".join(sorted({a.replace(".", "[.]") for h in self.known.hosts for a in h.addresses}))
        pattern = f"(?:^|[^0-9A-Fa-f.:])(?P<address>{one})(?:$|[.:]?[^0-9A-Fa-f])"
        found = pc.extract_regex(response, pattern).field("address") if len(response) else response
        at, different = _different([found, host])
        own = self.known.own
        fits = [a if a in own.get(h, ()) else None for a, h in different]
        return strings(fits).take(at)

    def _stream(self, text: Mapping[str, pa.Array]) -> dict[str, pa.Array] | None:
        """Of each row what case.toml tells of the first stream that it matches."""
        streams = self.known.streams
        if not streams:
            return None
        chosen = np.full(len(text["recipient"]), len(streams))
        for number in range(len(streams) - 1, -1, -1):
            fits = np.ones(len(chosen), bool)
            for key, wanted in streams[number].match.items():
                fits &= _matches(text, key, wanted)
            chosen[fits] = number
        at = numbers(chosen)
        made: dict[str, list[str | None]] = {"name": [s.name for s in streams]}
        made["campaign"] = [s.campaign or None for s in streams]
        made |= {name: [s.sets.get(name) for s in streams] for name in _SETS}
        return {name: strings([*held, None]).take(at) for name, held in made.items()}

    def _rejections(self, held: Columns, buffers: Sequence[Bytes]) -> pa.Table:
        if not rows(held):
            return _none("rejections")
        response, enhanced = (array(column(held, n), _TEXT, buffers) for n in ("response", "enhanced_code"))
        code = array(column(held, "smtp_code"), _NUMBER, ())
        nobody = pa.nulls(len(response), _TEXT)
        reason = self._judged([_shape(response), code, enhanced, nobody])[0]
        filled = {n: without_empty(array(column(held, n), _TEXT, buffers)) for n in ("sender", "recipient")}
        return _table("rejections", held, buffers, {**filled, "reason": reason})

    def _complaints(self, held: Columns, buffers: Sequence[Bytes]) -> pa.Table:
        if not rows(held):
            return _none("complaints")
        text = {n: array(column(held, n), _TEXT, buffers) for n in _DELIVERY_TEXTS}
        text["recipient"] = lower_domain(text["recipient"])
        stream = self._stream(text)
        if stream is not None:
            text["stream"] = _either(text["stream"], stream["name"])
            text["campaign"] = _either(stream["campaign"], text["campaign"])
        return _table("complaints", held, buffers, text)


_SENT = "sent"
_SIGNED, _HEADER, _STREAM = "signature in the log", "header in the log", "stream in case.toml"
_QUOTED, _HOST = "address quoted in the reply", "host in case.toml"
_DELIVERY_TEXTS = (
    "host", "message_id", "sender", "recipient", "recipient_domain", "relay_host", "relay_ip", "status",
    "enhanced_code", "response", "source_ip", "stream", "campaign", "header_from", "dkim_domain", "dkim_selector",
    "provenance", "mta",
)  # fmt: skip


def _messages(held: Columns, buffers: Sequence[Bytes]) -> pa.Table:
    if not rows(held):
        return _none("messages")
    ended, expired = held["ended"], held["expired"]
    outcome = np.where(expired, 2, np.where(ended != NONE, 1, 0))
    names = strings(["queued", "removed", "expired"]).take(numbers(outcome))
    lasted = np.where(ended == NONE, np.nan, (ended - held["time"]) / 1e6)
    made = {
        "outcome": names, "lifetime": numbers(lasted, ended != NONE),
        "sender": lower_domain(array(held["sender"], _TEXT, buffers)),
    }  # fmt: skip
    return _table("messages", held, buffers, made)


def _table(name: str, held: Columns, buffers: Sequence[Bytes], made: Mapping[str, pa.Array]) -> pa.Table:
    """A table of SCHEMAS; columns that are not made come from the rows as they are."""
    if not rows(held):
        return _none(name)
    schema = pa.schema(list(SCHEMAS[name].items()))
    return pa.table([made[f.name] if f.name in made else _plain(held, f, buffers) for f in schema], schema=schema)


def _plain(held: Columns, field: pa.Field, buffers: Sequence[Bytes]) -> pa.Array:
    own = column(held, field.name) if field.name != "message" else held["message"]
    return array(own, field.type, buffers)


def _none(name: str) -> pa.Table:
    schema = pa.schema(list(SCHEMAS[name].items()))
    return pa.table([pa.nulls(0, kind) for kind in schema.types], schema=schema)


def lower_domain(found: pa.Array) -> pa.Array:
    """Addresses with their domains in lower case; null for an empty one."""
    plain = pc.and_(pc.equal(found, pc.ascii_lower(found)), pc.string_is_ascii(found))
    found = without_empty(found)
    odd = ~marks(plain) & valid(found)
    if not odd.any():
        return found
    at = numbers(np.flatnonzero(odd))
    new = []
    for address in found.take(at).to_pylist():
        local, at_sign, domain = (address or "").rpartition("@")
        new.append(local + at_sign + domain.lower() if address else None)
    return pc.replace_with_mask(found, flags(odd), strings(new))


def _shape(response: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(response.fill_null(scalar("")), _SHAPE, "<>")


def _changed(found: pa.Array, change: Callable[[str], str | None]) -> pa.Array:
    """Each different text changed once."""
    encoded = found.dictionary_encode()
    new = [None if text is None else change(text) for text in encoded.dictionary.to_pylist()]
    return strings(new).take(encoded.indices)


def _different(parts: Sequence[pa.Array]) -> tuple[pa.Array, list[tuple[Any, ...]]]:
    """Of each row the place of its values among those that differ, and these."""
    number = np.zeros(len(parts[0]), np.int64)
    for part in parts:
        encoded = part.dictionary_encode()
        last = len(encoded.dictionary)
        code = values(encoded.indices, last).astype(np.int64)
        # Numbered anew each time, so that the product stays small.
        number = _renumbered(number * (last + 1) + code)
    firsts = numbers(_firsts(number))
    return numbers(number), list(zip(*(part.take(firsts).to_pylist() for part in parts), strict=True))


def _renumbered(number: Places) -> Places:
    return values(numbers(number).dictionary_encode().indices).astype(np.int64)


def _firsts(number: Places) -> Places:
    """The first row of each number from 0 on."""
    found = np.zeros(int(number.max(initial=-1)) + 1, np.int64)
    found[number[::-1]] = np.arange(len(number))[::-1]
    return found


def _spread(found: pa.Array, at: Places, count: int, kind: pa.DataType) -> pa.Array:
    """Values at these places of a column, null elsewhere."""
    place = np.full(count, len(found))
    place[at] = np.arange(len(at))
    return pa.concat_arrays([found, pa.nulls(1, kind)]).take(numbers(place))


def _either(one: pa.Array, other: pa.Array) -> pa.Array:
    if one.null_count == len(one):
        return other
    return one if not one.null_count else pc.coalesce(one, other)


def _equal(one: pa.Array, other: Any) -> Flags:
    return marks(pc.equal(one, other))


def _notes(said: pa.Array, more: Sequence[tuple[Flags, str]]) -> pa.Array:
    """Remarks with others added where marked, "; " between them; null where there is none."""
    for marked, text in more:
        if marked.any():
            added = _changed(said, partial(_added, text)).fill_null(scalar(text))
            said = pc.if_else(flags(marked), added, said)
    return without_empty(said)


def _added(new: str, old: str) -> str:
    return f"{old}; {new}" if old else new


def _matches(text: Mapping[str, pa.Array], key: str, wanted: str) -> Flags:
    if key == "message_id":
        found = pc.ends_with(text["message_id"], wanted)
    elif key == "sender_domain":
        found = pc.equal(_changed(text["sender"], lambda s: s.rpartition("@")[2].lower()), scalar(wanted.lower()))
    else:
        found = pc.equal(pc.utf8_lower(text[_KEYS.get(key, key)]), scalar(wanted.lower()))
    return marks(found)
