"""Provider events: the SendGrid Event Webhook format, as JSON lines or arrays, plain or .gz.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from smtplab.logs.lines import head, lines

EXPECTED = "expected JSON of the SendGrid Event Webhook, an event or an array a line"
MAX_LINE = 8 * 1024 * 1024
"""A webhook posts its events as one array on one line."""
_STRANGE = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
STATUS = {"delivered": "sent", "deferred": "deferred", "bounce": "bounced", "dropped": "discarded"}


def read(path: Path, name: str, problems: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Events of a file; what is no event goes to `problems` (rows of that table)."""
    for number, line in lines(path, MAX_LINE):
        if not line.strip():
            continue
        try:
            yield from _events(line)
        except _STRANGE as e:
            problems.append({"file": name, "line": number, "what": f"not an event: {type(e).__name__}", "records": 1})


def refusal(path: Path) -> str:
    """Why a file can hold no events, by its first lines; "" for one that may, or is empty."""
    strange = False
    try:
        for line in head(path, MAX_LINE):
            strange = True
            with suppress(*_STRANGE):
                next(_events(line), None)
                return ""
    except (OSError, EOFError) as e:
        return f"no events can be read from it: {e}"
    return f"no provider events: {EXPECTED}" if strange else ""


def _events(line: str) -> Iterator[dict[str, Any]]:
    raw = json.loads(line)
    for event in raw if isinstance(raw, list) else [raw]:
        yield _event(event)


def _event(raw: dict[str, Any]) -> dict[str, Any]:
    category = raw.get("category", "")
    return {
        "time": datetime.fromtimestamp(float(raw["timestamp"]), UTC),
        "event": str(raw["event"]),
        "recipient": str(raw["email"])[:320],
        "message_id": str(raw.get("smtp-id", "")).strip("<>")[:998],
        "queue_id": str(raw.get("sg_message_id", ""))[:100],
        "response": str(raw.get("reason") or raw.get("response") or "")[:2000],
        "source_ip": str(raw["ip"]) if raw.get("ip") else None,
        "category": str(category[0] if isinstance(category, list) and category else category)[:200],
        "attempt": int(raw.get("attempt") or 1),
        "tls": bool(raw.get("tls")),
    }
