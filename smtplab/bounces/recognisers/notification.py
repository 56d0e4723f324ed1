"""Amazon SES notifications that SNS delivers by mail: JSON in the body (Amazon SES developer guide, notifications)."""

from __future__ import annotations

import json
from typing import Any

from smtplab import mail
from smtplab.bounces.dsn import Recipient
from smtplab.bounces.letter import Letter, Recogniser

_MOST = 65_536
_AWAY = ("Transient", "General")


def read(letter: Letter, kind: str) -> list[Recipient]:
    """The bounced recipients of a notification; [] for anything else."""
    bounce = event_of(letter.words).get("bounce")
    found = []
    for row in _objects(bounce, "bouncedRecipients"):
        plain = mail.address(str(row.get("emailAddress", "")))
        if plain:
            told = str(row.get("diagnosticCode") or f"{bounce.get('bounceType')} {bounce.get('bounceSubType')}")  # type: ignore[union-attr]
            found.append(
                Recipient(
                    "bounce",
                    plain,
                    action="failed",
                    status=str(row["status"]) if row.get("status") else None,
                    diagnostic=told.removeprefix("smtp; "),
                )
            )
    return found


def away(event: dict[str, Any]) -> list[str]:
    """The recipients of a bounce that may be an absence notice; [] for any other.

    Amazon SES makes a bounce of an automatic reply too, Transient and General, without a code of any server:
    https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html (bounce types), and counts it as none.
    """
    bounce = event.get("bounce")
    if not isinstance(bounce, dict) or (bounce.get("bounceType"), bounce.get("bounceSubType")) != _AWAY:
        return []
    rows = _objects(bounce, "bouncedRecipients")
    if any(r.get("diagnosticCode") or r.get("status") for r in rows):
        return []
    return [a for r in rows if (a := mail.address(str(r.get("emailAddress", ""))))]


def complaint(event: dict[str, Any]) -> tuple[str, list[str]] | None:
    """The type and recipients of a notification of a complaint; None for anything else."""
    said = event.get("complaint")
    if not isinstance(said, dict):
        return None
    named = [mail.address(str(r.get("emailAddress", ""))) for r in _objects(said, "complainedRecipients")]
    return str(said.get("complaintFeedbackType") or "abuse")[:40], [a for a in named if a]


def _objects(event: Any, name: str) -> list[dict[str, Any]]:
    """The objects of a list within an object, whatever stands there instead."""
    rows = event.get(name) if isinstance(event, dict) else None
    return [r for r in rows if isinstance(r, dict)] if isinstance(rows, list) else []


def event_of(words: str) -> dict[str, Any]:
    """The notification within a text, {} where there is none."""
    text = words.lstrip()
    if not text.startswith("{"):
        return {}
    try:
        outer, _ = json.JSONDecoder(strict=False).raw_decode(text[:_MOST].replace("!\n ", ""))
        inner = outer.get("Message", outer) if isinstance(outer, dict) else {}
        event = json.loads(inner, strict=False) if isinstance(inner, str) else inner
    except (ValueError, RecursionError):
        return {}
    return event if isinstance(event, dict) else {}


RECOGNISER = Recogniser(
    "notification",
    '{"notificationType": "Bounce", "bounce": {"bouncedRecipients": [{"emailAddress": "lost@example.net"}]}}',
    read,
)
