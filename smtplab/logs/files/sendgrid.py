"""SendGrid's Event Webhook.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from smtplab.logs.event import Event, Setting, Unknown
from smtplab.logs.files import records
from smtplab.logs.files.records import first, message_id, moment, must, text, whole
from smtplab.logs.values import codes, ip, told

NAME = "sendgrid"
LONGEST = records.LONGEST
_STATUS = {"delivered": "sent", "deferred": "deferred", "bounce": "bounced", "dropped": "discarded"}


def looks(head: Sequence[str]) -> bool:
    """Whether the first records have an event, an address and a time."""
    said = "".join(head)
    return records.starts(head) and all(f'"{key}"' in said for key in ("event", "email", "timestamp"))


def events(lines: Iterator[tuple[int, str]], setting: Setting) -> Iterator[tuple[int, Event] | Unknown]:
    """Attempts, their outcomes and spam reports."""
    return records.events(lines, NAME, _read)


def _read(raw: dict[str, Any]) -> Iterable[Event]:
    what = must(raw["event"])
    event: dict[str, Any] = {
        "time": moment(raw["timestamp"]),
        "host": "provider",
        "mta": NAME,
        "recipient": must(raw["email"]),
        "provenance": "provider event",
        **told(
            message_id=message_id(raw.get("smtp-id")),
            queue_id=text(raw.get("sg_message_id"), 100),
            campaign=text(first(raw.get("category")) or raw.get("marketing_campaign_name"), 200),
        ),
    }
    if what == "processed":
        return [{**event, "kind": "message"}]
    if what == "spamreport":
        return [{**event, "kind": "complaint"}]
    if what not in _STATUS:
        return ()
    reply = text(raw.get("reason") or raw.get("response"), 2_000)
    code, enhanced = codes(reply or "")
    known = told(
        response=reply,
        smtp_code=code,
        enhanced_code=enhanced or text(raw.get("status"), 12),
        source_ip=ip(text(raw.get("ip"))),
        attempt=whole(raw.get("attempt") or 1, 10_000),
    )
    return [{**event, "kind": "delivery", "status": _STATUS[what], **known}]
