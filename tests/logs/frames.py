"""Log evidence made by hand: rows in, the tables of DESIGN out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from smtplab.logs.evidence import InMemory, LogEvidence
from smtplab.tables import conform

Rows = Iterable[Mapping[str, Any]]


def at(text: str) -> pd.Timestamp:
    """A moment in UTC, of November 2026 where only a day and a time are given: "13 02:00"."""
    return pd.Timestamp(text if len(text) > 12 else f"2026-11-{text}", tz="UTC")


def evidence(
    deliveries: Rows = (),
    messages: Rows = (),
    connections: Rows = (),
    rejections: Rows = (),
    outcomes: Rows = (),
    complaints: Rows = (),
    marks: tuple[tuple[pd.Timestamp, str], ...] = (),
) -> LogEvidence:
    """The evidence of these rows."""
    told = pd.DataFrame(list(complaints), columns=["time", "recipient", "stream", "campaign"])
    made = {
        "deliveries": conform("deliveries", deliveries),
        "messages": conform("messages", messages),
        "connections": conform("connections", connections),
        "rejections": conform("rejections", rejections),
        "outcomes": conform("outcomes", outcomes),
        "complaints": told.astype({"recipient": "str", "stream": "str", "campaign": "str"}),
        "problems": conform("problems", []),
    }
    return LogEvidence(InMemory(made), marks)
