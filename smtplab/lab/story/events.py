"""Postrider's events of the newsletter, in the format of SendGrid's Event Webhook, one JSON object a line.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
"""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from random import Random
from typing import Any

from smtplab.lab.story import samples
from smtplab.lab.story.plan import Mail, Story
from smtplab.lab.story.queueids import long_id
from smtplab.lab.story.templates import TOKEN, Template

SENDS_FROM = "203.0.113.100"
SAMPLE = {"gmail": "gmail.com", "microsoft": "outlook.com", "grey": "grey.example"}
Event = dict[str, Any]


def files(mails: list[Mail], templates: dict[str, Template], story: Story) -> dict[str, str]:
    """File name -> its lines, one file an issue; every reply is one that Postrider's Postfix really got."""
    rng = Random(story["seed"] + 2)
    made: dict[str, list[Event]] = defaultdict(list)
    taken: list[tuple[str, Event]] = []
    for number, mail in enumerate(m for m in mails if m.stream == "newsletter"):
        issue = mail.swaps["issue"]
        events = _events(rng, mail, number, templates)
        made[issue] += events
        if events[-1]["event"] == "delivered" and mail.group != "gmail":  # Gmail reports no single complaint
            taken.append((issue, events[-1]))
    delivered = sum(e["event"] == "delivered" for events in made.values() for e in events)
    for issue, last in rng.sample(taken, round(story["newsletter"]["complaints"] * delivered)):
        kept = {k: v for k, v in last.items() if k not in ("response", "tls", "attempt", "ip", "event", "sg_event_id")}
        at = last["timestamp"] + rng.randrange(600, 90_000)
        made[issue].append(kept | {"event": "spamreport", "timestamp": at, "sg_event_id": _id("spamreport", last, 0)})
    return {
        f"postrider-{issue}.jsonl": "".join(
            json.dumps(e, separators=(",", ":")) + "\n" for e in sorted(events, key=lambda e: e["timestamp"])
        )
        for issue, events in made.items()
    }


def _events(rng: Random, mail: Mail, number: int, templates: dict[str, Template]) -> list[Event]:
    at = int(mail.at)
    issue = mail.swaps["issue"]
    base: Event = {
        "email": mail.recipient,
        "smtp-id": f"<{samples.message_id('newsletter', number, f'{at:x}')}>",
        "category": ["newsletter", issue],
        "marketing_campaign_name": f"Autumn by rail {issue}",
        "sg_message_id": f"{issue.replace('-', '')}{number:06x}.recvd-send-1",
    }
    made = [base | {"event": "processed", "timestamp": at, "sg_event_id": _id("processed", base, 0)}]
    said = (
        templates[f"newsletter {mail.reply} {SAMPLE.get(mail.group, 'goodpost.example')}"].reply
        if mail.reply != "sent"
        else ""
    )
    accepted = f"250 2.0.0 Ok: queued as {long_id(mail.at + 1, 2_000_000 + number)}"
    if mail.reply == "unauthenticated":
        status = said.split()[0][4:] if "-" in said.split()[0] else said.split()[1]
        made.append(
            _attempt("bounce", base, at + rng.randrange(1, 9), 1)
            | {"reason": _fresh(rng, said), "status": status, "type": "blocked"}
        )
    elif mail.reply == "grey":
        made.append(
            _attempt("deferred", base, at + 2, 1) | {"response": said.replace("anna@grey.example", mail.recipient)}
        )
        made.append(_attempt("delivered", base, at + rng.randrange(320, 700), 2) | {"response": accepted})
    else:
        made.append(_attempt("delivered", base, at + rng.randrange(1, 15), 1) | {"response": accepted})
    return made


def _attempt(event: str, base: Event, at: int, attempt: int) -> Event:
    more = {"event": event, "timestamp": at, "attempt": str(attempt), "ip": SENDS_FROM, "tls": 1}
    return base | more | {"sg_event_id": _id(event, base, attempt)}


def _id(event: str, base: Event, attempt: int) -> str:
    return base64.urlsafe_b64encode(f"{event}-{attempt}-{base['sg_message_id'][:14]}".encode()).decode().rstrip("=")


def _fresh(rng: Random, said: str) -> str:
    return TOKEN.sub(lambda _: f"{rng.getrandbits(48):012x}", said)
