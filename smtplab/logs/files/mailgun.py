"""Mailgun's webhooks and the answers of its events API.

https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-payloads
https://documentation.mailgun.com/docs/mailgun/user-manual/events/event-types
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from smtplab.logs.event import Event, Setting, Unknown
from smtplab.logs.files import records
from smtplab.logs.files.records import first, message_id, moment, must, part, seconds, text, whole
from smtplab.logs.values import codes, ip, told

NAME = "mailgun"
LONGEST = records.LONGEST


def looks(head: Sequence[str]) -> bool:
    """Whether the first records have Mailgun's wrapper, or its names inside."""
    said = "".join(head)
    inside = all(f'"{key}"' in said for key in ("event", "recipient", "timestamp"))
    return records.starts(head) and ('"event-data"' in said or (inside and '"log-level"' in said))


def events(lines: Iterator[tuple[int, str]], setting: Setting) -> Iterator[tuple[int, Event] | Unknown]:
    """Attempts, their outcomes and complaints."""
    return records.events(lines, NAME, _unwrapped)


def _unwrapped(raw: dict[str, Any]) -> Iterable[Event]:
    if isinstance(raw.get("items"), list):
        return [e for item in raw["items"] for e in _read(item)]
    return _read(raw.get("event-data", raw))


def _read(raw: dict[str, Any]) -> Iterable[Event]:
    what, envelope, message = must(raw["event"]), part(raw.get("envelope")), part(raw.get("message"))
    headers = part(message.get("headers"))
    tag = first(raw.get("tags"))
    campaign = first(raw.get("campaigns"))
    event: dict[str, Any] = {
        "time": moment(raw["timestamp"]),
        "host": "provider",
        "mta": NAME,
        "recipient": must(raw["recipient"]),
        "provenance": "provider event",
        **told(
            message_id=message_id(headers.get("message-id")),
            sender=text(envelope.get("sender")),
            header_from=text(headers.get("from")),
            size=whole(message.get("size")),
            source_ip=ip(text(envelope.get("sending-ip"))),
            campaign=text(part(campaign).get("name") or tag, 200),
        ),
    }
    if what == "accepted":
        return [{**event, "kind": "message"}]
    if what == "complained":
        return [{**event, "kind": "complaint"}]
    status = _status(what, raw)
    return [{**event, "kind": "delivery", "status": status, **_outcome(raw)}] if status else ()


def _status(what: str, raw: dict[str, Any]) -> str:
    reason = text(raw.get("reason")) or ""
    if what == "failed" and raw.get("severity") == "temporary":
        return "deferred"
    if what == "failed":
        # Addresses on a suppression list are not tried; "old" is what was tried until the limit.
        return "discarded" if reason.startswith("suppress-") else "expired" if reason == "old" else "bounced"
    return {"delivered": "sent", "rejected": "discarded"}.get(what, "")


def _outcome(raw: dict[str, Any]) -> dict[str, Any]:
    said = part(raw.get("delivery-status"))
    reply = text(said.get("message") or said.get("description") or part(raw.get("reject")).get("reason"), 2_000)
    code, enhanced = codes(reply or "")
    verified = "Trusted" if said.get("certificate-verified") is True else "Untrusted"
    return told(
        response=reply,
        smtp_code=whole(said.get("code"), 599) or code,
        enhanced_code=text(said.get("enhanced-code"), 12) or enhanced,
        relay_host=text(said.get("mx-host")),
        attempt=whole(said.get("attempt-no"), 10_000),
        delay_transmission=seconds(said.get("session-seconds")),
        tls_verified=verified if said.get("tls") is True else None,
    )
