"""Lines of Postfix as events: those that are written as most are, all at once; see unusual.py for the others.

https://www.postfix.org/postconf.5.html, https://www.postfix.org/DSN_README.html, https://www.postfix.org/TLS_README.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from smtplab.logs.columns import NONE, Column, Columns, Flags, Span, absent, constant, known, take
from smtplab.logs.cut import Cut, behind_last, find, fractions, whole
from smtplab.logs.sorting import Chosen

_STATUS = MappingProxyType(
    {"sent": "sent", "deferred": "deferred", "bounced": "bounced", "expired": "expired", "SOFTBOUNCE": "deferred"}
)
"""Others (deliverable, undeliverable) are probes of addresses: nothing was sent."""


Found = dict[str, Span | Column]
"""By column: where its texts stand, or its values."""


def _delivery(of: Chosen, cut: Cut) -> Found:
    data = of.data
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
    status = absent("status", len(of.number))
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
        "mta": constant("postfix", len(of.number)),
        "pid": of.parts["pid"],
        "recipient": recipient,
        "recipient_domain": (behind_last(data, recipient, "@", 48), recipient[1]),
        "relay_host": _unless(to_nobody, of, (relay[0], bracket)),
        "relay_ip": _unless(~at_host | (close <= bracket + 1), of, (np.minimum(bracket + 1, close), close)),
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


def _client(of: Chosen, cut: Cut) -> Found:
    cut.literal("client=")
    name, address = _peer(cut)
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
        "auth_method": _unless(~there, of, method),
        "sasl_user": _unless(~there | (account == start), of, (start, account)),
    }


def _message_id(of: Chosen, cut: Cut) -> Found:
    data = of.data
    cut.literal("message-id=")
    start, end = cut.rest()
    start = start + ((start < end) & (data[start] == 60))
    end = end - ((start < end) & (data[end - 1] == 62))
    # Others are in more than one pair of brackets, or are empty.
    cut.fine &= (start < end) & (data[start] != 60) & (data[end - 1] != 62) & (data[start] != 62)
    return {"message_id": (start, end)}


def _message(of: Chosen, cut: Cut) -> Found:
    cut.literal("from=<")
    sender = cut.until(">")
    cut.literal(">, size=")
    size = cut.until(",", 16)
    cut.literal(", nrcpt=")
    recipients = cut.until(" ", 8)
    return {"sender": sender, "size": whole(of.data, size), "recipients": whole(of.data, recipients)}


def _peer(cut: Cut) -> tuple[Span, Span]:
    """Host and what stands in brackets behind it."""
    name = cut.until("[", 48)
    cut.literal("[")
    address = cut.until("]", 48)
    cut.literal("]")
    return name, address


def _removed(of: Chosen, cut: Cut) -> Found:
    return {}


def _session(of: Chosen, cut: Cut) -> Found:
    cut.literal("disconnect from ")
    name, address = _peer(cut)
    # Before 3.0 the commands were not counted.
    counted = cut.looks(" ")
    cut.fine &= (address[1] > address[0]) & (counted | (cut.at == cut.end))
    cut.at = cut.at + counted
    return {
        "service": of.service,
        "pid": of.parts["pid"],
        "client_host": _unless(name[1] == name[0], of, name),
        "client_ip": address,
        "commands": _unless(~counted, of, cut.rest()),
    }


def _tls(of: Chosen, cut: Cut) -> Found:
    data = of.data
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
        "pid": of.parts["pid"],
        "relay_host": _unless(~outbound, of, (peer[0], bracket)),
        "relay_ip": _unless(~outbound, of, address),
        "client_host": _unless(outbound, of, (peer[0], bracket)),
        "client_ip": _unless(outbound, of, address),
        "tls_verified": verified,
        "tls_version": version,
        "tls_cipher": cipher,
    }


def _rejection(of: Chosen, cut: Cut) -> Found:
    data = of.data
    for who in ("milter-", "proxy-"):
        cut.at = np.minimum(cut.at + len(who) * cut.looks(who), cut.end)
    cut.literal("reject: ")
    stage = cut.until(" ")
    cut.literal(" from ")
    name = cut.until("[", 48)
    address = cut.address()
    _port(cut)
    cut.literal(": ")
    code = (cut.at, np.minimum(cut.at + 3, cut.end))
    cut.at = code[1]
    cut.literal(" ")
    enhanced = (cut.at, find(data, cut.at, cut.end, " "))
    there = _is_enhanced(cut, enhanced)
    cut.at = np.minimum(np.where(there, enhanced[1] + 1, cut.at), cut.end)
    response = (cut.at, cut.before("; from=<"))
    cut.at = response[1]
    cut.literal("; from=<")
    sender = cut.until(">")
    cut.literal(">")
    _comma(cut)
    cut.literal(" to=<")
    recipient = cut.until(">")
    cut.literal(">")
    _comma(cut)
    cut.literal(" proto=")
    cut.until("E", 16)
    helo = (find(data, cut.at, cut.end, "<"), cut.end - 1)
    cut.at = np.maximum(helo[0] - len("helo="), cut.at)
    cut.literal("helo=<")
    number = whole(data, code)
    cut.fine &= (number != NONE) & (data[helo[1]] == ord(">")) & (helo[0] < helo[1])
    queue_id = of.parts["queue_id"]
    nobody = (queue_id[1] == queue_id[0]) | Cut(data, *queue_id).looks("NOQUEUE")
    return {
        "service": of.service,
        "pid": of.parts["pid"],
        "queue_id": _unless(nobody, of, queue_id),
        "stage": stage,
        "client_host": _filled(of, name),
        "client_ip": address,
        "helo": _filled(of, (np.minimum(helo[0] + 1, helo[1]), helo[1])),
        "sender": _filled(of, sender),
        "recipient": _filled(of, recipient),
        "smtp_code": number,
        "enhanced_code": _unless(~there, of, enhanced),
        "response": response,
    }


def _is_enhanced(cut: Cut, span: Span) -> Flags:
    """Whether a word is three numbers with dots between them: `5.7.1`, but not the address `5.7.1.2`."""
    start, end = span
    first = np.minimum(start + 1, end)
    rest = np.minimum(start + 2, end)
    dot = find(cut.data, rest, end, ".")
    numbers = ((start, first), (rest, dot), (np.minimum(dot + 1, end), end))
    there: Flags = cut.data[first] == ord(".")
    for number in numbers:
        there &= whole(cut.data, number) != NONE
    return there


def _port(cut: Cut) -> None:
    """Pass over the port that postscreen writes behind an address."""
    digit = cut.data[np.minimum(cut.at + 1, cut.end)]
    there = np.flatnonzero(cut.looks(":") & (digit >= ord("0")) & (digit <= ord("9")))
    cut.at = cut.at.copy()
    cut.at[there] = find(cut.data, np.minimum(cut.at[there] + 1, cut.end[there]), cut.end[there], ":")


def _comma(cut: Cut) -> None:
    """Pass over the comma that postscreen writes between fields."""
    cut.at = cut.at + cut.looks(",")


def _sign_in(of: Chosen, cut: Cut) -> Found:
    cut.literal("warning: ")
    name = cut.until("[", 48)
    address = cut.address()
    _port(cut)
    cut.literal(": SASL ")
    method = cut.until(" ", 16)
    cut.literal(" authentication failed")
    comma = find(of.data, cut.at, cut.end, ",")
    cut.at = comma
    named = cut.looks(", sasl_username=")
    account = (np.minimum(comma + len(", sasl_username="), cut.end), cut.end)
    cut.fine &= (comma == cut.end) | (named & (account[0] < account[1]))
    cut.fine &= method[1] > method[0]
    return {
        "service": of.service,
        "pid": of.parts["pid"],
        "client_host": name,
        "client_ip": address,
        "auth_method": method,
        "auth_user": _unless(~named, of, account),
        "auth_ok": np.zeros(len(of.number), np.int8),
    }


def _ending(of: Chosen, cut: Cut) -> Found:
    data = of.data
    begin = cut.at
    bracket = cut.until("[", 96)[1]
    name = behind_last(data, (begin, bracket), " ", 96)
    address = cut.address()
    said = np.maximum(name - len(" from "), begin)
    cut.fine &= Cut(data, said, cut.end).looks(" from ")
    return {
        "service": of.service,
        "pid": of.parts["pid"],
        "client_host": _filled(of, (name, bracket)),
        "client_ip": address,
        "ended": (begin, said),
    }


def _filled(of: Chosen, span: Span) -> Column:
    return _unless(span[0] == span[1], of, span)


def _unless(not_there: Any, of: Chosen, span: Span) -> Column:
    made = of.texts(span)
    made[not_there] = absent("host", 1)
    return made


_NAMED = ("delivery", "client", "message_id", "message", "removed")
COMMON: Mapping[str, Callable[[Chosen, Cut], Found]] = MappingProxyType(
    {
        "delivery": _delivery,
        "client": _client,
        "message_id": _message_id,
        "message": _message,
        "removed": _removed,
        "session": _session,
        "tls": _tls,
        "rejection": _rejection,
        "sign_in": _sign_in,
        "ending": _ending,
    }
)


def events(kind: str, of: Chosen) -> tuple[list[tuple[str, Columns]], Chosen]:
    """Events with their kinds, of the lines of a kind that are written as most are; and the lines that are left."""
    if kind not in COMMON:
        return [], of
    cut = Cut(of.data, *of.parts.get("text", of.parts["host"]))
    found = COMMON[kind](of, cut)
    for name in ("queue_id", "host") if kind in _NAMED else ("host",):
        found[name] = of.parts[name]
    fine = np.flatnonzero(cut.fine)
    columns: Columns = {"seq": of.number[fine], "time": of.time[fine]}
    for name, value in found.items():
        if isinstance(value, tuple):
            columns[name] = of.texts((value[0][fine], value[1][fine]))
        else:
            columns[name] = value.take(fine, axis=0)
    made = [(kind, columns)]
    if kind == "client":
        made += _signed(of.of(fine), columns)
    return made, of.of(np.flatnonzero(~cut.fine))


def _signed(of: Chosen, clients: Columns) -> list[tuple[str, Columns]]:
    """A client that signed in did so: what it brought says with which account."""
    method = clients.pop("auth_method")
    signed = np.flatnonzero(known(clients["sasl_user"]))
    if not len(signed):
        return []
    of = of.of(signed)
    made = {
        **take({n: clients[n] for n in ("seq", "time", "host", "client_host", "client_ip")}, signed),
        "service": of.texts(of.service),
        "pid": of.texts(of.parts["pid"]),
        "auth_method": method.take(signed, axis=0),
        "auth_user": clients["sasl_user"].take(signed, axis=0),
        "auth_ok": np.ones(len(signed), np.int8),
    }
    return [("sign_in", made)]
