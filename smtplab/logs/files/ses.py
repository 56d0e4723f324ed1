"""Amazon SES: events and notifications, bare or inside what SNS, EventBridge or a Lambda function wrap around them.

https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from smtplab.logs.event import Event, Setting, Unknown
from smtplab.logs.files import records
from smtplab.logs.files.records import first, message_id, moment, must, part, seconds, text
from smtplab.logs.values import codes, ip, told

NAME = "ses"
LONGEST = records.LONGEST
_SUPPRESSED = frozenset({"Suppressed", "OnAccountSuppressionList", "OnTenantSuppressionList"})
"""Bounces of mail that SES did not try to send."""
_DEEPEST = 4


def looks(head: Sequence[str]) -> bool:
    """Whether the first records name an event type and SES's message id."""
    said = "".join(head)
    return records.starts(head) and ("eventType" in said or "notificationType" in said) and "messageId" in said


def events(lines: Iterator[tuple[int, str]], setting: Setting) -> Iterator[tuple[int, Event] | Unknown]:
    """Attempts, their outcomes and complaints, a row a recipient."""
    return records.events(lines, NAME, lambda raw: [e for r in _unwrapped(raw, 0) for e in _read(r)])


def _unwrapped(raw: dict[str, Any], depth: int) -> list[dict[str, Any]]:
    if depth > _DEEPEST:
        raise ValueError("wrapped too deep")
    inner: Any = raw.get("Message") or raw.get("detail") or raw.get("Sns")
    if isinstance(inner, str):
        # SNS confirms a subscription with a message that is a sentence.
        inner = json.loads(inner) if inner.lstrip()[:1] == "{" else {}
    if isinstance(inner, dict):
        return _unwrapped(inner, depth + 1) if inner else []
    if isinstance(raw.get("Records"), list):
        return [r for record in raw["Records"] for r in _unwrapped(record, depth + 1)]
    return [raw]


def _read(raw: dict[str, Any]) -> Iterable[Event]:
    what = must(raw.get("eventType") or raw.get("notificationType"))
    mail = raw["mail"]
    base = _base(mail)
    sent = _list(mail.get("destination"))
    if what == "Send":
        made = {**base, "kind": "message", "time": moment(mail["timestamp"]), **told(sender=text(mail.get("source")))}
        return [{**made, "recipient": must(r)} for r in sent]
    if what == "Delivery":
        return _delivered(raw["delivery"], base)
    if what == "Bounce":
        return _failed(raw["bounce"], base)
    if what == "DeliveryDelay":
        given = raw["deliveryDelay"]
        return [
            {**base, "kind": "delivery", "time": moment(given["timestamp"]), "status": "deferred", **_recipient(r)}
            for r in _list(given["delayedRecipients"])
        ]
    if what == "Complaint":
        given = raw["complaint"]
        when = moment(given["timestamp"])
        return [
            {**base, "kind": "complaint", "time": when, "recipient": must(r["emailAddress"])}
            for r in _list(given["complainedRecipients"])
        ]
    if what in ("Reject", "Rendering Failure"):
        given = part(raw.get("reject")) or part(raw.get("failure"))
        why = text(given.get("reason") or given.get("errorMessage"), 2_000)
        row = {**base, "kind": "delivery", "time": moment(mail["timestamp"]), "status": "discarded", "response": why}
        return [{**row, "recipient": must(r)} for r in sent]
    return ()


def _base(mail: dict[str, Any]) -> dict[str, Any]:
    tags, headers = part(mail.get("tags")), part(mail.get("commonHeaders"))
    return {
        "host": "provider",
        "mta": NAME,
        "provenance": "provider event",
        **told(
            queue_id=text(mail.get("messageId"), 100),
            message_id=message_id(headers.get("messageId")),
            header_from=text(first(headers.get("from"))),
            source_ip=ip(text(first(tags.get("ses:outgoing-ip")))),
            stream=text(first(tags.get("ses:configuration-set")), 200),
            campaign=text(first(tags.get("campaign")), 200),
        ),
    }


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _delivered(raw: dict[str, Any], base: dict[str, Any]) -> list[Event]:
    reply = text(raw.get("smtpResponse"), 2_000)
    code, enhanced = codes(reply or "")
    row = told(
        response=reply,
        smtp_code=code,
        enhanced_code=enhanced,
        relay_ip=ip(text(raw.get("remoteMtaIp"))),
        delay=seconds(raw.get("processingTimeMillis"), 0.001),
    )
    row |= {**base, "kind": "delivery", "status": "sent", "time": moment(raw["timestamp"])}
    return [{**row, "recipient": must(r)} for r in raw["recipients"]]


def _failed(raw: dict[str, Any], base: dict[str, Any]) -> list[Event]:
    status = "discarded" if raw.get("bounceSubType") in _SUPPRESSED else "bounced"
    row = {**base, "kind": "delivery", "status": status, "time": moment(raw["timestamp"])}
    relay = told(relay_ip=ip(text(raw.get("remoteMtaIp"))))
    failed = [r for r in raw["bouncedRecipients"] if not _may_be_away(raw, r)]
    return [{**row, **relay, **_recipient(r)} for r in failed]


def _may_be_away(raw: dict[str, Any], recipient: dict[str, Any]) -> bool:
    """Whether it may be an absence notice, of which SES makes a bounce too: then nothing was lost."""
    said = recipient.get("diagnosticCode") or recipient.get("status")
    return raw.get("bounceType") == "Transient" and raw.get("bounceSubType") == "General" and not said


def _recipient(raw: dict[str, Any]) -> dict[str, Any]:
    reply = text(raw.get("diagnosticCode"), 2_000)
    reply = reply.partition(";")[2].strip() if reply and reply.lower().startswith("smtp;") else reply
    code, enhanced = codes(reply or "")
    known = told(response=reply, smtp_code=code, enhanced_code=text(raw.get("status"), 12) or enhanced)
    return {"recipient": must(raw["emailAddress"]), **known}
