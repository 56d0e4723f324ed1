"""PowerMTA's accounting files: CSV, a line of names, a row a recipient.

User's guide, 12.2 "Accounting records": https://hackmd.io/@z3d3m0n/Pmta_records
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from smtplab.logs.event import Event, Setting, Unknown
from smtplab.logs.files import tables
from smtplab.logs.files.records import must, text, whole
from smtplab.logs.values import codes, ip, tls, told

NAME = "powermta"
_STATUS = {"d": "sent", "b": "bounced", "t": "deferred", "rb": "bounced"}
_TYPES = {
    "delivery": "d",
    "bounce": "b",
    "transient": "t",
    "received": "r",
    "feedback-loop": "f",
    "remote-bounce": "rb",
}
_MTA = re.compile(r"([^\s()]{1,255}) ?(?:\(([0-9A-Fa-f.:]{2,45})\))?", re.ASCII)
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}", re.ASCII)


def looks(head: Sequence[str]) -> bool:
    """Whether a line of names stands there."""
    return any(_names(line) for line in head[:50])


def events(lines: Iterator[tuple[int, str]], setting: Setting) -> Iterator[tuple[int, Event] | Unknown]:
    """Attempts, receptions and complaints."""
    zone = ZoneInfo(setting.zone)
    return tables.events(lines, NAME, _names, lambda row: _read(row, setting.host, zone))


def _names(line: str) -> list[str] | None:
    return line.split(",") if line.startswith("type,") and "timeLogged" in line else None


def _read(row: tables.Row, host: str, zone: ZoneInfo) -> Iterable[Event]:
    what = _TYPES.get(row["type"], row["type"])
    if what not in _STATUS and what not in ("r", "f"):
        return ()
    base: dict[str, Any] = {
        "time": _time(row["timeLogged"], zone),
        "host": host or row.get("dsnReportingMta") or row.get("reportingMta") or "",
        "mta": NAME,
        **told(
            message_id=(row.get("header_Message-Id") or row.get("header_Message-ID") or "").strip("<>")[:998] or None,
            queue_id=text(row.get("messageId") or row.get("envId"), 100),
            sender=row["orig"][:320] if "orig" in row else None,
            header_from=text(row.get("header_From")),
            campaign=text(row.get("jobId"), 200),
            stream=text(row.get("vmtaPool") or row.get("vmta"), 200),
            source_ip=ip(row.get("dlvSourceIp")),
        ),
    }
    if base.keys() & {"campaign", "stream", "source_ip"}:
        base["provenance"] = "accounting file"
    if what == "r":
        client = told(client_ip=ip(row.get("rcvSourceIp")), client_host=text(row.get("srcMta")))
        return [{**base, "kind": "message"}, *([{**base, "kind": "client", **client}] if client else [])]
    if what == "f":
        return [{**base, "kind": "complaint", "recipient": must(row.get("rcpt"))}]
    return [_attempt(row, base, _STATUS[what], zone)]


def _attempt(row: tables.Row, base: dict[str, Any], status: str, zone: ZoneInfo) -> Event:
    reply = row.get("dsnDiag", "")
    reply = reply.partition(";")[2].strip() if reply.lower().startswith("smtp;") else reply
    code, enhanced = codes(reply)
    written = _ENHANCED.match(row.get("dsnStatus", ""))
    relay = _MTA.match(row.get("dsnMta", ""))
    if status == "bounced" and (row.get("bounceCat") == "message-expired" or "expired" in row.get("dsnStatus", "")):
        status = "expired"
    known = told(
        response=reply[:2_000] or None,
        smtp_code=code,
        enhanced_code=written[0] if written else enhanced,
        relay_host=relay[1] if relay else None,
        relay_ip=ip(row.get("dlvDestinationIp")) or (ip(relay[2]) if relay else None),
        tls_version=tls(row["dlvTlsProtocol"])[:20] if row.get("dlvTlsProtocol") else None,
        tls_cipher=text(row.get("dlvTlsCipher"), 60),
        size=whole(row.get("dlvSize")),
        delay=_age(row, base["time"], zone),
    )
    return {**base, "kind": "delivery", "recipient": must(row.get("rcpt")), "status": status, **known}


def _time(value: str, zone: ZoneInfo) -> datetime:
    found = datetime.fromisoformat(value.strip())
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)


def _age(row: tables.Row, logged: datetime, zone: ZoneInfo) -> float | None:
    try:
        age = (logged - _time(row["timeQueued"], zone)).total_seconds()
    except (KeyError, ValueError, OverflowError):
        return None
    return age if age >= 0 else None
