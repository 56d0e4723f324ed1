"""Amazon SES notifications that SNS delivers by mail: JSON in the body (Amazon SES developer guide, notifications)."""

from __future__ import annotations

import json
from typing import Any

from smtplab import mail
from smtplab.bounces.dsn import Recipient
from smtplab.bounces.letter import Letter, Recogniser

_MOST = 65_536


def read(letter: Letter, kind: str) -> list[Recipient]:
    """The bounced recipients of a notification; [] for anything else."""
    event = event_of(letter.words)
    bounce = event.get("bounce") if isinstance(event.get("bounce"), dict) else None
    rows = bounce.get("bouncedRecipients") if bounce else None
    found = []
    for row in rows if isinstance(rows, list) else []:
        plain = mail.address(str(row.get("emailAddress", ""))) if isinstance(row, dict) else None
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


def complaint(event: dict[str, Any]) -> tuple[str, list[str]] | None:
    """The type and recipients of a notification of a complaint; None for anything else."""
    said = event.get("complaint")
    if not isinstance(said, dict):
        return None
    rows = said.get("complainedRecipients")
    named = [mail.address(str(r.get("emailAddress", ""))) for r in rows or [] if isinstance(r, dict)]
    return str(said.get("complaintFeedbackType") or "abuse")[:40], [a for a in named if a]


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
    "a JSON notification of type Bounce",
    '{"notificationType": "Bounce", "bounce": {"bouncedRecipients": [{"emailAddress": "lost@example.net"}]}}',
    read,
)
