"""Exchange's message-tracking logs: CSV below a line "#Fields:", times in UTC, recipients joined by semicolons.

https://learn.microsoft.com/en-us/exchange/mail-flow/transport-logs/message-tracking
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from smtplab.logs.event import Event, Setting, Unknown
from smtplab.logs.files import tables
from smtplab.logs.files.records import moment, must, text, whole
from smtplab.logs.values import codes, ip, told

NAME = "exchange"
_FIELDS = "#Fields:"
_STATUS = {"SEND": "sent", "SENDEXTERNAL": "sent", "DELIVER": "sent", "FAIL": "bounced", "DEFER": "deferred"}
_CODE = re.compile(r"(?:^|[\s=\[{;'])([245]\d\d [245]\.\d{1,3}\.\d{1,3}[^\]}]{0,1900})", re.ASCII)
_INSIDE = re.compile(r"\{(FQDN|IP)=([^}]{1,255})\}", re.ASCII)
"""Which server a refusal came from, inside the status of FAIL and DEFER."""
_EXPIRED = re.compile(r"QUEUE\.Expired|4\.4\.7|message expired", re.IGNORECASE)


def looks(head: Sequence[str]) -> bool:
    """Whether the line of names of a message-tracking log stands there."""
    return any(line.lstrip("\ufeff").startswith(_FIELDS) and "internal-message-id" in line for line in head)


def events(lines: Iterator[tuple[int, str]], setting: Setting) -> Iterator[tuple[int, Event] | Unknown]:
    """Arrivals, attempts and what became of each recipient."""
    return tables.events(lines, NAME, _names, lambda row: _read(row, setting.host))


def _names(line: str) -> list[str] | None:
    if not line.startswith("#"):
        return None
    return [n.strip() for n in line[len(_FIELDS) :].split(",")] if line.startswith(_FIELDS) else []


def _read(row: tables.Row, host: str) -> Iterable[Event]:
    what = row["event-id"].upper()
    if what not in _STATUS and what != "RECEIVE":
        return ()
    # The server that sends is the "client" of its own SEND, everywhere else it is the "server".
    own = row["client-hostname"] if what.startswith("SEND") else row["server-hostname"] or row["client-hostname"]
    base: dict[str, Any] = {
        "time": moment(must(row["date-time"], 40)),
        "host": own.lower() or host,
        "mta": NAME,
        **told(
            queue_id=text(row.get("internal-message-id"), 100),
            message_id=row.get("message-id", "").strip("<>")[:998] or None,
        ),
    }
    return _arrival(row, base) if what == "RECEIVE" else _attempts(row, base, _STATUS[what])


def _sender(row: tables.Row) -> str:
    path = row.get("return-path") or row.get("sender-address") or ""
    return "" if path == "<>" else path[:320]


def _arrival(row: tables.Row, base: dict[str, Any]) -> list[Event]:
    known = told(size=whole(row.get("total-bytes")), recipients=whole(row.get("recipient-count"), 1_000_000_000))
    made: list[Event] = [{**base, "kind": "message", "sender": _sender(row), **known}]
    client = told(
        client_ip=ip(row.get("original-client-ip") or row.get("client-ip")),
        client_host=text(row.get("client-hostname")),
    )
    if row.get("source") == "SMTP" and client:
        made.append({**base, "kind": "client", "service": text(row.get("connector-id"), 100), **client})
    if base.get("message_id"):
        made.append({**base, "kind": "message_id"})
    return made


def _attempts(row: tables.Row, base: dict[str, Any], status: str) -> list[Event]:
    recipients = [r.strip() for r in row["recipient-address"].split(";") if r.strip()]
    said = row.get("recipient-status", "")
    replies = said.split(";") if "{" not in said else []
    local = row["event-id"].upper() == "DELIVER"
    sent = status == "sent" and not local
    inside = dict(_INSIDE.findall(said))
    known = told(
        sender=_sender(row),
        size=whole(row.get("total-bytes")),
        relay_host="local" if local else text(row["server-hostname"] if sent else inside.get("FQDN")),
        relay_ip=None if local else ip(row.get("server-ip") if sent else inside.get("IP")),
        source_ip=ip(row.get("client-ip")) if sent else None,
        delay=_age(row, base),
    )
    if "source_ip" in known:
        known["provenance"] = "sending address in the log"
    made: list[Event] = []
    for n, recipient in enumerate(recipients):
        reply = (replies[n] if len(replies) == len(recipients) else said).strip(" '")
        coded = _CODE.search(reply)
        code, enhanced = codes(coded[1] if coded else reply)
        outcome = "expired" if status == "bounced" and _EXPIRED.search(reply) else status
        told_ = told(response=(coded[1] if coded else reply)[:2_000] or None, smtp_code=code, enhanced_code=enhanced)
        made.append({**base, "kind": "delivery", "recipient": recipient[:320], "status": outcome, **known, **told_})
    return made


def _age(row: tables.Row, base: dict[str, Any]) -> float | None:
    # message-info starts with the time at which the message was submitted.
    try:
        age = (base["time"] - moment(row.get("message-info", "").partition(";")[0])).total_seconds()
    except (ValueError, OverflowError):
        return None
    return float(age) if age >= 0 else None
