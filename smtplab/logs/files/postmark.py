"""Postmark's webhooks: Delivery, Bounce and SpamComplaint.

https://postmarkapp.com/email-webhooks and https://postmarkapp.com/developer/api/bounce-api (bounce types)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from smtplab.logs.event import Event, Setting, Unknown
from smtplab.logs.files import records
from smtplab.logs.files.records import moment, must, text
from smtplab.logs.values import codes, told

NAME = "postmark"
LONGEST = records.LONGEST
_ANSWERS = frozenset(
    {"Unsubscribe", "Subscribe", "AutoResponder", "AddressChange", "ChallengeVerification", "OpenRelayTest"}
)
"""Types that say that somebody answered, not that mail was lost."""
_STATUS = {"Transient": "deferred", "DnsError": "deferred", "TemplateRenderingFailed": "discarded"}


def looks(head: Sequence[str]) -> bool:
    """Whether the first records name a record type and Postmark's message id."""
    said = "".join(head)
    named = '"RecordType"' in said or ('"TypeCode"' in said and '"BouncedAt"' in said)
    return records.starts(head) and named and '"MessageID"' in said


def events(lines: Iterator[tuple[int, str]], setting: Setting) -> Iterator[tuple[int, Event] | Unknown]:
    """Attempts, their outcomes and complaints."""
    return records.events(lines, NAME, _read)


def _read(raw: dict[str, Any]) -> Iterable[Event]:
    what = must(raw.get("RecordType") or "Bounce")
    if what not in ("Delivery", "Bounce", "SpamComplaint"):
        return ()
    event: dict[str, Any] = {
        "host": "provider",
        "mta": NAME,
        "queue_id": must(raw["MessageID"], 100),
        "provenance": "provider event",
        **told(
            header_from=text(raw.get("From")),
            stream=text(raw.get("MessageStream"), 200),
            campaign=text(raw.get("Tag"), 200),
        ),
    }
    if what == "Delivery":
        row = {"time": moment(raw["DeliveredAt"]), "recipient": must(raw["Recipient"]), "status": "sent"}
        return [{**event, "kind": "delivery", **row, **_reply(raw.get("Details"))}]
    row = {"time": moment(raw["BouncedAt"]), "recipient": must(raw["Email"])}
    kind = text(raw.get("Type")) or ""
    if what == "SpamComplaint" or kind == "SpamComplaint":
        return [{**event, "kind": "complaint", **row}]
    if kind in _ANSWERS:
        return ()
    status = {"status": _STATUS.get(kind, "bounced")}
    return [{**event, "kind": "delivery", **row, **status, **_reply(raw.get("Details") or raw.get("Description"))}]


def _reply(details: Any) -> dict[str, Any]:
    reply = text(details, 2_000)
    # Details of a bounce start as a Diagnostic-Code field does: "smtp;550 5.1.1 ...".
    reply = reply.partition(";")[2].strip() if reply and reply.lower().startswith("smtp;") else reply
    code, enhanced = codes(reply or "")
    return told(response=reply, smtp_code=code, enhanced_code=enhanced)
