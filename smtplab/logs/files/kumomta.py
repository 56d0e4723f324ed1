"""KumoMTA's log records, one JSON object a line.

https://docs.kumomta.com/reference/log_record/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from smtplab.logs.event import Event, Setting, Unknown
from smtplab.logs.files import records
from smtplab.logs.files.records import first, message_id, moment, must, part, text, whole
from smtplab.logs.values import ip, tls, told

NAME = "kumomta"
LONGEST = records.LONGEST
_STATUS = {
    "Delivery": "sent",
    "TransientFailure": "deferred",
    "Bounce": "bounced",
    "OOB": "bounced",
    "Expiration": "expired",
    "AdminBounce": "discarded",
}


def looks(head: Sequence[str]) -> bool:
    """Whether the first records name a queue, a peer and a time of creation."""
    said = "".join(head)
    return records.starts(head) and all(f'"{key}"' in said for key in ("type", "queue", "peer_address", "created"))


def events(lines: Iterator[tuple[int, str]], setting: Setting) -> Iterator[tuple[int, Event] | Unknown]:
    """Arrivals, attempts, refusals and complaints."""
    return records.events(lines, NAME, lambda raw: _read(raw, setting.host))


def _read(raw: dict[str, Any], host: str) -> Iterable[Event]:
    what = must(raw["type"])
    campaign, _, tenant = (text(raw.get("queue"), 700) or "").rpartition("@")[0].rpartition(":")
    base: dict[str, Any] = {
        "time": moment(raw["timestamp"]),
        "host": host or text(raw.get("nodeid"), 100) or "",
        "mta": NAME,
        "queue_id": must(raw["id"], 100),
        **told(campaign=campaign[:200] or None, stream=tenant[:200] or None),
    }
    if campaign or tenant:
        base["provenance"] = "queue in the log"
    if what == "Reception":
        return _arrival(raw, base)
    if what == "Rejection":
        return [_rejection(raw, base)]
    if what == "Feedback":
        report = part(raw.get("feedback_report"))
        rcpt = first(report.get("original_rcpto_to") or report.get("original_rcpt_to")) or first(raw.get("recipient"))
        return [{**base, "kind": "complaint", "recipient": must(rcpt).strip("<>")}]
    return _attempt(raw, base, _STATUS[what]) if what in _STATUS else ()


def _headers(raw: dict[str, Any]) -> dict[str, Any]:
    return {k.lower(): first(v) for k, v in part(raw.get("headers")).items()}


def _arrival(raw: dict[str, Any], base: dict[str, Any]) -> list[Event]:
    headers, peer = _headers(raw), part(raw.get("peer_address"))
    sender = raw.get("sender")
    known = told(sender=sender[:320] if isinstance(sender, str) else None, size=whole(raw.get("size")))
    made: list[Event] = [{**base, "kind": "message", **known}]
    if client := ip(text(peer.get("addr"))):
        made.append({**base, "kind": "client", "client_ip": client, **told(helo=text(peer.get("name")))})
    if found := message_id(headers.get("message-id")):
        made.append({**base, "kind": "message_id", "message_id": found, **told(header_from=text(headers.get("from")))})
    return made


def _response(raw: dict[str, Any]) -> dict[str, Any]:
    said = part(raw.get("response"))
    digits = [whole(part(said.get("enhanced_code")).get(k), 999) for k in ("class", "subject", "detail")]
    code = whole(said.get("code"), 599)
    enhanced = ".".join(str(d) for d in digits) if None not in digits else None
    words = [str(x) for x in (code, enhanced, text(said.get("content"), 2_000)) if x]
    return told(smtp_code=code, enhanced_code=enhanced, response=" ".join(words) or None)


def _attempt(raw: dict[str, Any], base: dict[str, Any], status: str) -> list[Event]:
    peer, headers = part(raw.get("peer_address")), _headers(raw)
    source = (text(part(raw.get("source_address")).get("address")) or "").rpartition(":")[0].strip("[]")
    version = text(raw.get("tls_protocol_version"), 20)
    age = (base["time"] - moment(raw["created"])).total_seconds() if raw.get("created") else -1.0
    row = {
        **base,
        "kind": "delivery",
        "status": status,
        **_response(raw),
        **told(
            message_id=message_id(headers.get("message-id")),
            header_from=text(headers.get("from")),
            sender=raw["sender"][:320] if isinstance(raw.get("sender"), str) else None,
            relay_host=(text(peer.get("name")) or "").removesuffix(".") or None,
            relay_ip=ip(text(peer.get("addr"))),
            source_ip=ip(source),
            tls_version=tls(version) if version else None,
            tls_cipher=text(raw.get("tls_cipher"), 60),
            size=whole(raw.get("size")),
            delay=age if age >= 0 else None,
        ),
    }
    to = raw["recipient"]
    return [{**row, "recipient": must(r)} for r in (to if isinstance(to, list) else [to])]


def _rejection(raw: dict[str, Any], base: dict[str, Any]) -> Event:
    peer = part(raw.get("peer_address"))
    stage = (text(part(raw.get("response")).get("command")) or "").partition(" ")[0].upper()
    known = told(
        client_ip=ip(text(peer.get("addr"))),
        helo=text(peer.get("name")),
        sender=text(raw.get("sender")),
        recipient=text(first(raw.get("recipient"))),
    )
    return {
        **base,
        "kind": "rejection",
        "service": NAME,
        "stage": "DATA" if stage == "." else stage[:20],
        **known,
        **_response(raw),
    }
