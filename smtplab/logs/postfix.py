"""Lines of Postfix as events: the common ones all at once, the others by SQL (tries.sql, facts.sql, told.sql).

https://www.postfix.org/postconf.5.html, https://www.postfix.org/DSN_README.html, https://www.postfix.org/TLS_README.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from smtplab.logs.columns import NONE, Bytes, Column, Columns, Places, Span, absent, constant, known, take, texts
from smtplab.logs.cut import Cut, behind_last, find, fractions, whole
from smtplab.logs.heads import Heads, Lines
from smtplab.logs.piece import by_kind
from smtplab.logs.sorting import KINDS, schema

QUIET = (
    r"^(?:lost connection|statistics:|starting|daemon started|terminating|using |reload|refreshing|"
    r"sender (?:non-)?delivery|uid=|host .+ said|enabling|Greylist|skipped|warning:|table .+ has changed|connect to |"
    r"setting up TLS|SSL_|improper|timeout after|too many errors|certificate|to=<.*status=(?:un)?deliverable|"
    r"(?:resent-)?message-id=|filter: |replace: |prepend: |hold: |info: |enforced|stopping|"
    r"(?:Anonymous|Untrusted|Trusted|Verified) TLS|PASS |WHITELISTED|ALLOWLISTED|BLACKLISTED|DENYLISTED|PREGREET|"
    r"DNSBL|COMMAND |NON-SMTP|BARE NEWLINE|addr .+ listed by|cache |close database|disconnect|dict_|fatal:|error:|"
    r"premature|master |process |removed|cleanup|requeued|Requeued|postqueue|scheduled|watchdog|query|proxy|"
    r"conversation with|client=|Host offered|discard:|milter-(?:hold|discard|accept)|postsuper|Placed|Released|Deleted|"
    r"mapping DSN|reject_warning|warn:|redirect:|dovecot|trouble|SASL)"
)
"""Lines that are understood and tell nothing of the tables."""
_STATUS = MappingProxyType(
    {"sent": "sent", "deferred": "deferred", "bounced": "bounced", "expired": "expired", "SOFTBOUNCE": "deferred"}
)
"""Others (deliverable, undeliverable) are probes of addresses: nothing was sent."""


class Chosen:
    """Lines of one kind: their places, and the parts that stand before their texts."""

    def __init__(self, lines: Lines, heads: Heads, at: Places) -> None:
        self.lines, self.heads, self.at, self.data = lines, heads, at, lines.data
        self.cut = Cut(lines.data, heads.text[0][at], heads.text[1][at])

    def part(self, name: str) -> Span:
        """Where a part of the head stands."""
        start, end = getattr(self.heads, name)
        return start[self.at], end[self.at]

    @property
    def service(self) -> Span:
        """The program's last name: smtpd of postfix/submission/smtpd."""
        program = self.part("program")
        return behind_last(self.data, program, "/"), program[1]


Found = dict[str, Span | Column]
"""By column: where its texts stand, or its values."""


def _delivery(of: Chosen) -> Found:
    cut, data = of.cut, of.data
    cut.literal("to=<")
    recipient = cut.until(">")
    cut.literal(">, ")
    cut.maybe("orig_to=<", ">", ">, ")
    cut.literal("relay=")
    relay = cut.until(",", 96)
    cut.literal(", ")
    reused, uses = cut.maybe("conn_use=", ",", ", ")
    cut.literal("delay=")
    delay = cut.until(",", 16)
    cut.literal(", delays=")
    delays = []
    for stop in "///,":
        delays.append(cut.until(stop, 16))
        cut.literal("/" if stop == "/" else ", ")
    # Since 3.10 the TLS level that was wanted may stand before the enhanced code.
    cut.maybe("tls=", ",", ", ")
    cut.literal("dsn=")
    code = cut.until(",", 16)
    cut.literal(", status=")
    word = cut.until(" ", 16)
    cut.literal(" (")
    start, end = cut.rest()
    status = absent("status", len(of.at))
    for name, means in _STATUS.items():
        told = (word[1] - word[0] == len(name)) & Cut(data, *word).looks(name)
        status[told] = constant(means, 1)
    cut.fine &= known(status)
    bracket = find(data, *relay, "[", 96)
    close = find(data, bracket, relay[1], "]")
    at_host = bracket < relay[1]
    to_nobody = (relay[1] - relay[0] == 4) & Cut(data, *relay).looks("none")
    port = np.minimum(close + 2, relay[1])
    times = {f"delay_{name}": fractions(data, span) for name, span in zip(_STAGES, delays, strict=True)}
    return {
        "mta": constant("postfix", len(of.at)),
        "pid": of.part("pid"),
        "recipient": recipient,
        "recipient_domain": (behind_last(data, recipient, "@", 48), recipient[1]),
        "relay_host": _unless(to_nobody, data, (relay[0], bracket)),
        "relay_ip": _unless(~at_host | (close <= bracket + 1), data, (np.minimum(bracket + 1, close), close)),
        "relay_port": np.where(data[close + 1] == 58, whole(data, (port, relay[1])), NONE),
        "status": status,
        "enhanced_code": code,
        # syslog cuts long lines, so the closing parenthesis may be missing.
        "response": (start, end - ((end > start) & (data[end - 1] == 41))),
        "delay": fractions(data, delay),
        **times,
        "connection_uses": np.where(reused, whole(data, uses), np.where(close < relay[1], 1, NONE)),
    }


_STAGES = ("before_queue", "in_queue", "connection", "transmission")


def _client(of: Chosen) -> Found:
    cut = of.cut
    cut.literal("client=")
    name = cut.until("[", 48)
    cut.literal("[")
    address = cut.until("]", 48)
    cut.literal("]")
    method = cut.maybe(", sasl_method=", ",", ", ")[1]
    there = cut.looks("sasl_username=")
    start = np.where(there, np.minimum(cut.at + len("sasl_username="), cut.end), cut.at)
    account = find(of.data, start, cut.end, ",")
    # What stands behind the account begins with a comma and a space.
    cut.fine &= (start < cut.end) == there
    cut.fine &= (account == cut.end) | (of.data[account + 1] == 32)
    return {
        "client_host": name,
        "client_ip": address,
        "auth_method": _unless(~there, of.data, method),
        "sasl_user": _unless(~there | (account == start), of.data, (start, account)),
    }


def _message_id(of: Chosen) -> Found:
    cut, data = of.cut, of.data
    cut.literal("message-id=")
    start, end = cut.rest()
    start = start + ((start < end) & (data[start] == 60))
    end = end - ((start < end) & (data[end - 1] == 62))
    # Others are in more than one pair of brackets, or are empty.
    cut.fine &= (start < end) & (data[start] != 60) & (data[end - 1] != 62) & (data[start] != 62)
    return {"message_id": (start, end)}


def _message(of: Chosen) -> Found:
    cut = of.cut
    cut.literal("from=<")
    sender = cut.until(">")
    cut.literal(">, size=")
    size = cut.until(",", 16)
    cut.literal(", nrcpt=")
    recipients = cut.until(" ", 8)
    return {"sender": sender, "size": whole(of.data, size), "recipients": whole(of.data, recipients)}


def _removed(of: Chosen) -> Found:
    return {}


def _session(of: Chosen) -> Found:
    cut = of.cut
    cut.literal("disconnect from ")
    name = cut.until("[", 48)
    cut.literal("[")
    address = cut.until("]", 48)
    cut.literal("]")
    # Before 3.0 the commands were not counted.
    counted = cut.looks(" ")
    cut.fine &= (address[1] > address[0]) & (counted | (cut.at == cut.end))
    cut.at = cut.at + counted
    return {
        "service": of.service,
        "pid": of.part("pid"),
        "client_host": _unless(name[1] == name[0], of.data, name),
        "client_ip": address,
        "commands": _unless(~counted, of.data, cut.rest()),
    }


def _tls(of: Chosen) -> Found:
    cut, data = of.cut, of.data
    verified = cut.until(" ", 16)
    cut.literal(" TLS connection established ")
    outbound = cut.looks("to ")
    inbound = cut.looks("from ")
    cut.fine &= outbound | inbound
    cut.at = np.minimum(cut.at + np.where(outbound, 3, 5), cut.end)
    peer = cut.until(" ", 96)
    cut.literal(" ")
    version = cut.until(" ", 16)
    cut.literal(" with cipher ")
    cipher = cut.until(" ", 48)
    bracket = find(data, *peer, "[", 96)
    begin = np.minimum(bracket + 1, peer[1])
    address = (begin, find(data, begin, peer[1], "]", 48))
    cut.fine &= (bracket < peer[1]) & (address[1] < peer[1])
    return {
        "pid": of.part("pid"),
        "relay_host": _unless(~outbound, data, (peer[0], bracket)),
        "relay_ip": _unless(~outbound, data, address),
        "client_host": _unless(outbound, data, (peer[0], bracket)),
        "client_ip": _unless(outbound, data, address),
        "tls_verified": verified,
        "tls_version": version,
        "tls_cipher": cipher,
    }


def _unless(not_there: Any, data: Bytes, span: Span) -> Column:
    made = texts(data, span)
    made[not_there] = absent("host", 1)
    return made


_NAMED = ("delivery", "client", "message_id", "message", "removed")
_COMMON: Mapping[str, Callable[[Chosen], Found]] = MappingProxyType(
    {
        "delivery": _delivery,
        "client": _client,
        "message_id": _message_id,
        "message": _message,
        "removed": _removed,
        "session": _session,
        "tls": _tls,
    }
)


def events(lines: Lines, heads: Heads, kinds: Mapping[str, Places]) -> tuple[dict[str, Columns], dict[str, Places]]:
    """Events by kind, of the lines that are written as most are; the texts of lines.data are their first buffer.

    And the lines that are left, by kind of line.
    """
    made: dict[str, Columns] = {}
    left = dict(kinds)
    for kind, read in _COMMON.items():
        if not len(kinds[kind]):
            continue
        of = Chosen(lines, heads, kinds[kind])
        found = read(of)
        if kind in _NAMED:
            found["queue_id"] = of.part("queue_id")
        found["host"] = of.part("host")
        fine = np.flatnonzero(of.cut.fine)
        left[kind] = of.at[~of.cut.fine]
        chosen = of.at[fine]
        columns: Columns = {"seq": lines.number[chosen], "time": lines.time[chosen]}
        for name, value in found.items():
            if isinstance(value, tuple):
                columns[name] = texts(lines.data, (value[0][fine], value[1][fine]))
            else:
                columns[name] = value.take(fine, axis=0)
        made[kind] = columns
        if kind == "client":
            _signed(made, lines, heads, chosen, columns)
    return made, left


def _signed(made: dict[str, Columns], lines: Lines, heads: Heads, at: Places, clients: Columns) -> None:
    """A client that signed in did so: what it brought says with which account."""
    method = clients.pop("auth_method")
    signed = np.flatnonzero(known(clients["sasl_user"]))
    if len(signed):
        of = Chosen(lines, heads, at[signed])
        made["sign_in"] = {
            **take({n: clients[n] for n in ("seq", "time", "host", "client_host", "client_ip")}, signed),
            "service": texts(lines.data, of.service),
            "pid": texts(lines.data, of.part("pid")),
            "auth_method": method.take(signed, axis=0),
            "auth_user": clients["sasl_user"].take(signed, axis=0),
            "auth_ok": np.ones(len(signed), np.int8),
        }


def others(
    con: duckdb.DuckDBPyConnection,
    left: Mapping[str, Sequence[pa.RecordBatch]],
    buffers: list[Bytes],
    strange: Callable[[str, int, int], None],
) -> dict[str, list[Columns]]:
    """Events of the lines that are left, by kind, their texts in new buffers; those of no known shape are counted."""
    if not left:
        return {}
    for kind in KINDS:
        if KINDS[kind][2]:
            con.register(kind, pa.Table.from_batches(left.get(kind, ()), schema(kind)))
    made: dict[str, list[Columns]] = {}
    for family, asks in _FAMILIES.items():
        if left.keys() & set(asks):
            con.execute(f"create or replace temp table {family} as {_sql(family)}")
            for kind, columns in by_kind(con.sql(f"from {family}").to_arrow_table(), buffers).items():
                made.setdefault(kind, []).extend(columns)
        else:
            con.execute(f"create or replace temp table {family} as select 0::bigint as seq, '' as kind limit 0")
    if left.keys() & set(_MUST_TELL):
        for number, count, kind in con.execute(_sql("unread"), {"quiet": QUIET}).fetchall():
            strange(kind, number, count)
    return made


_FAMILIES = MappingProxyType(
    {
        "tries": ("delivery",),
        "facts": ("client", "message_id", "header", "message"),
        "told": ("client", "sign_in", "tls", "session", "ending", "rejection"),
    }
)
"""The statements that make events, and the kinds of lines that they read."""
_MUST_TELL = ("delivery", "message", "rejection", "ending", "other")


@cache
def _sql(name: str) -> str:
    return (resources.files("smtplab.logs") / f"{name}.sql").read_text("utf-8")
