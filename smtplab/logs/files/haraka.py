"""Haraka's log, in its default form and as logfmt: connections, refusals, and outcomes of outbound mail.

https://haraka.github.io/core/Logging and https://haraka.github.io/core/Outbound
A line about a delivery names no recipient: those come from the lines of its transaction before.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from smtplab.logs.event import Event, Setting, Unknown
from smtplab.logs.files.records import seconds, whole
from smtplab.logs.values import codes, ip, shape, tls, told

NAME = "haraka"
_STAMP = r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?Z?) {1,3}"
_UUID = r"([0-9A-F-]{1,40}(?:\.\d{1,6}){0,2})"
_LEVEL = r"(?:DATA|PROTOCOL|DEBUG|INFO|NOTICE|WARN|ERROR|CRIT|ALERT|EMERG)"
_LINE = re.compile(rf"{_STAMP}\[{_LEVEL}\] \[{_UUID}\] \[([^\]]{{1,100}})\] +(.*)", re.ASCII)
_LOGFMT = re.compile(
    rf"{_STAMP}level={_LEVEL} (?:connection_)?uuid={_UUID} (?:origin|source)=(\S{{1,100}}) message=(.*)", re.ASCII
)
_FIELD = re.compile(r'([A-Za-z_]{1,20})=("(?:[^"\\]|\\.){0,2000}"|\S{0,998})')
_ADDRESS = re.compile(r"(sender|recipient) <([^>]{0,320})>(?: (deferred|rejected): (.{0,2000}))?")
_BOUNCED = re.compile(r"bouncing mail: (.{0,2000})")
_DEFERRED = re.compile(r"Temp failing \S{1,200} for [\d.]{1,20} seconds: (.{0,2000})")
_MOST = 50_000
"""Transactions remembered at a time."""


@dataclass
class _Transaction:
    waiting: dict[str, None] = field(default_factory=dict)
    """Recipients whose end is not known."""
    domains: dict[str, None] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    """Those that the attempt now running was told to try later."""
    tls: dict[str, Any] = field(default_factory=dict)

    def at(self, domain: str) -> list[str]:
        return [r for r in self.waiting if r not in self.held and r.rpartition("@")[2].lower() == domain]


def looks(head: Sequence[str]) -> bool:
    """Whether a line has Haraka's stamp, level, transaction and plugin."""
    return any(_LINE.match(line) or _LOGFMT.match(line) for line in head)


def events(lines: Iterator[tuple[int, str]], setting: Setting) -> Iterator[tuple[int, Event] | Unknown]:
    """Connections, messages, refusals and outcomes of each recipient."""
    known: OrderedDict[str, _Transaction] = OrderedDict()
    zone = ZoneInfo(setting.zone)
    for number, line in lines:
        if not line.strip():
            continue
        found = _LINE.match(line) or _LOGFMT.match(line)
        time = _time(found[1], zone) if found else None
        if not found or not time:
            yield Unknown(number, f"haraka: {shape(line)}")
            continue
        base: dict[str, Any] = {"time": time, "host": setting.host, "mta": NAME}
        # Outbound mail has the id of its transaction and the number of its domain behind it.
        connection, _, numbers = found[2].partition(".")
        count, _, domain = numbers.partition(".")
        transaction = _Transaction()
        if count:
            base["queue_id"] = f"{connection}.{count}"
            transaction = known.setdefault(base["queue_id"], transaction)
            if len(known) > _MOST:
                known.popitem(last=False)
        text = found[4].lstrip(' "')
        made = (
            _outbound(text, base, transaction, domain) if found[3] == "outbound" else _inbound(text, base, transaction)
        )
        for event in made:
            yield number, event
        if made and transaction.domains and not transaction.waiting:
            # Every recipient has had its outcome.
            known.pop(base["queue_id"], None)
            yield number, {**base, "kind": "removed"}


def _time(written: str, zone: ZoneInfo) -> datetime | None:
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)


def _fields(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for m in _FIELD.finditer(text[:8_000]):
        fields.setdefault(m[1], m[2].strip('"'))
    return fields


def _inbound(text: str, base: dict[str, Any], transaction: _Transaction) -> list[Event]:
    if text.startswith("disconnect"):
        f = _fields(text)
        client = told(client_ip=ip(f.get("ip")), client_host=f.get("rdns") or None, helo=f.get("helo") or None)
        return [{**base, "kind": "session", "service": NAME, "ended": "disconnect", **client}]
    if found := _ADDRESS.match(text):
        f = _fields(text[found.end() :])
        if f.get("code", "").startswith("DENY"):
            code, enhanced = codes(f.get("msg", ""))
            stage = {"stage": "MAIL" if found[1] == "sender" else "RCPT", found[1]: found[2]}
            reply = told(response=f.get("msg") or None, smtp_code=code, enhanced_code=enhanced)
            return [{**base, "kind": "rejection", "service": NAME, **stage, **reply}]
        if found[1] == "sender":
            return [{**base, "kind": "message", "sender": found[2]}]
        transaction.waiting[found[2]] = None
        transaction.domains[found[2].rpartition("@")[2].lower()] = None
    if text.startswith("message") and (mid := _fields(text).get("mid")):
        return [{**base, "kind": "message_id", "message_id": mid.strip("<>")[:998]}]
    return []


def _outbound(text: str, base: dict[str, Any], transaction: _Transaction, number: str) -> list[Event]:
    row = {**base, "kind": "delivery"}
    place = (whole(number, 10_000) or 0) - 1
    domain = list(transaction.domains)[place] if 0 <= place < len(transaction.domains) else ""
    if text.startswith("secured "):
        f = _fields(text)
        verified = "Trusted" if f.get("verified") == "true" else "Untrusted"
        transaction.tls = told(tls_version=tls(f.get("version", "")), tls_cipher=f.get("cipher"), tls_verified=verified)
    elif text.startswith("delivered file"):
        return _delivered(_fields(text), row, transaction, domain)
    elif (found := _ADDRESS.match(text)) and found[3] == "deferred":
        transaction.held.add(found[2])
        return [_refused(row, found[2], "deferred", found[4])]
    elif found and found[3]:
        transaction.waiting.pop(found[2], None)
        return [_refused(row, found[2], "bounced", found[4])]
    elif (found := _BOUNCED.match(text)) and not found[1].startswith("Some recipients"):
        status = "expired" if found[1].startswith("Too many failures") else "bounced"
        transaction.held.clear()
        return [_refused(row, r, status, found[1]) for r in _ended(transaction, domain)]
    elif found := _DEFERRED.match(text):
        # Recipients that were put off one by one had lines of their own.
        one_by_one = found[1].startswith("Some recipients")
        made = [] if one_by_one else [_refused(row, r, "deferred", found[1]) for r in transaction.at(domain)]
        transaction.held.clear()
        return made
    return []


def _delivered(f: dict[str, str], row: dict[str, Any], transaction: _Transaction, domain: str) -> list[Event]:
    # The reply comes without its code: only 250 after the message leads here.
    known = told(
        relay_host=f.get("host") or None,
        relay_ip=ip(f.get("ip")),
        relay_port=whole(f.get("port"), 65_535),
        response=f.get("response") or None,
        smtp_code=250,
        delay=seconds(f.get("delay")),
        **(transaction.tls if f.get("tls") == "Y" else {}),
    )
    return [{**row, "status": "sent", "recipient": r, **known} for r in _ended(transaction, domain)]


def _ended(transaction: _Transaction, domain: str) -> list[str]:
    ended = transaction.at(domain)
    for recipient in ended:
        del transaction.waiting[recipient]
    return ended


def _refused(row: dict[str, Any], recipient: str, status: str, reply: str) -> Event:
    code, enhanced = codes(reply.removeprefix("Upstream error: "))
    known = told(smtp_code=code, enhanced_code=enhanced)
    return {**row, "recipient": recipient, "status": status, "response": reply, **known}
