"""Reading a text with a format, for the tests of every format."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from smtplab.logs import files
from smtplab.logs.event import COLUMNS, FileFormat, Setting, Unknown

SETTING = Setting("events", "Europe/Zurich", datetime(2026, 1, 5, tzinfo=UTC), "mx1")


def read(form: FileFormat, text: str) -> tuple[list[dict[str, Any]], list[Unknown]]:
    """Events and records not understood; the format must recognise its own text."""
    lines = text.split("\n")
    assert files.recognise([x for x in lines if x.strip()]) is form
    return parsed(form, lines)


def parsed(form: FileFormat, lines: list[str]) -> tuple[list[dict[str, Any]], list[Unknown]]:
    found = list(form.events(iter([(n, x) for n, x in enumerate(lines, 1) if x.strip()]), SETTING))
    made = [dict(f[1]) for f in found if not isinstance(f, Unknown)]
    for event in made:
        assert set(event) <= set(COLUMNS)
        assert event["time"].tzinfo
    return made, [f for f in found if isinstance(f, Unknown)]


def one(form: FileFormat, record: object) -> dict[str, Any]:
    made, unknown = read(form, json.dumps(record))
    assert not unknown
    assert len(made) == 1
    return made[0]


def has(row: dict[str, Any], **expected: Any) -> None:
    assert {k: row.get(k) for k in expected} == expected
