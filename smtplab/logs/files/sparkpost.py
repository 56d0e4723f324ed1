"""SparkPost's webhooks: events inside "msys".

https://developers.sparkpost.com/api/webhooks/ and
https://www.sparkpost.com/docs/tech-resources/sparkpost-event-definitions/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from smtplab.logs.event import Event, Setting, Unknown
from smtplab.logs.files import records
from smtplab.logs.files.records import moment, must, seconds, text, whole
from smtplab.logs.values import codes, ip, told

NAME = "sparkpost"
LONGEST = records.LONGEST
_STATUS = {
    "delivery": "sent",
    "delay": "deferred",
    "bounce": "bounced",
    "out_of_band": "bounced",
    "policy_rejection": "discarded",
    "generation_failure": "discarded",
    "generation_rejection": "discarded",
}


def looks(head: Sequence[str]) -> bool:
    """Whether the first records have SparkPost's wrapper."""
    return records.starts(head) and '"msys"' in "".join(head)


def events(lines: Iterator[tuple[int, str]], setting: Setting) -> Iterator[tuple[int, Event] | Unknown]:
    """Attempts, their outcomes and complaints."""
    return records.events(lines, NAME, _unwrapped)


def _unwrapped(raw: dict[str, Any]) -> Iterable[Event]:
    # SparkPost checks a new webhook with an empty event.
    return [e for inner in raw["msys"].values() for e in _read(inner)]


def _read(raw: dict[str, Any]) -> Iterable[Event]:
    what = must(raw["type"])
    if what not in _STATUS and what not in ("injection", "spam_complaint"):
        return ()
    event: dict[str, Any] = {
        "time": moment(raw["timestamp"]),
        "host": "provider",
        "mta": NAME,
        "recipient": must(raw.get("rcpt_to") or raw.get("raw_rcpt_to")),
        "provenance": "provider event",
        **told(
            queue_id=text(raw.get("message_id"), 100),
            sender=text(raw.get("msg_from")),
            header_from=text(raw.get("friendly_from")),
            size=whole(raw.get("msg_size")),
            source_ip=ip(text(raw.get("sending_ip"))),
            stream=text(raw.get("ip_pool"), 200),
            campaign=text(raw.get("campaign_id"), 200),
        ),
    }
    if what in ("injection", "spam_complaint"):
        return [{**event, "kind": "message" if what == "injection" else "complaint"}]
    reply = text(raw.get("raw_reason") or raw.get("reason"), 2_000)
    code, enhanced = codes(reply or "")
    retries = whole(raw.get("num_retries"), 10_000)
    known = told(
        response=reply,
        smtp_code=code or whole(raw.get("error_code"), 599),
        enhanced_code=enhanced,
        relay_ip=ip(text(raw.get("ip_address"))),
        attempt=retries + 1 if retries is not None else None,
        delay=seconds(raw.get("queue_time"), 0.001),
    )
    return [{**event, "kind": "delivery", "status": _STATUS[what], **known}]
