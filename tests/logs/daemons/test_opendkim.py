"""OpenDKIM's lines name the signature of a queue id."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from smtplab.logs.daemons import opendkim
from smtplab.logs.event import Event, Line


def read(text: str) -> list[Event] | None:
    found = opendkim.events(Line(1, datetime(2026, 1, 1, tzinfo=UTC), "out1", "opendkim", "7", text))
    return None if found is None else list(found)


@pytest.mark.parametrize("word", ["field", "header"])
def test_a_signature_added_has_domain_and_selector(word: str) -> None:
    made = read(f"4abcd12345: DKIM-Signature {word} added (s=pr1, d=Meridian.example)")
    assert made is not None
    assert [(e["kind"], e["queue_id"], e["dkim_domain"], e["dkim_selector"]) for e in made] == [
        ("signature", "4abcd12345", "meridian.example", "pr1")
    ]


@pytest.mark.parametrize(
    "text",
    [
        "4abcd12345: no signing table match for 'a@b.example'",
        "OpenDKIM Filter v2.11.0 starting",
        "4abcd12345: s=x d=y SSL error",
    ],
)
def test_other_lines_tell_nothing(text: str) -> None:
    assert read(text) == []


def test_a_line_no_rule_knows_is_not_understood() -> None:
    assert read("something new") is None
