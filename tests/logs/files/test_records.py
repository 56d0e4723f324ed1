"""JSON records: how they may stand in a file, what a broken one costs, and that nothing in them raises."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.logs.event import COLUMNS, FileFormat
from smtplab.logs.files import kumomta, mailgun, postmark, records, sendgrid, ses, sparkpost
from tests.logs.files.reading import parsed

A = {"a": 1, "inner": {"text": 'a } " { b', "list": [{}, {"x": 2}]}}
B = {"b": 2}
JSON: list[FileFormat] = [kumomta, mailgun, postmark, sendgrid, ses, sparkpost]


def found(text: str) -> list[dict[str, Any] | None]:
    return [o for _, o in records.objects(iter(enumerate(text.split("\n"), 1)))]


@pytest.mark.parametrize(
    "text",
    [
        f"{json.dumps(A)}\n{json.dumps(B)}",
        json.dumps([A, B]),
        json.dumps([A, B], indent=2),
        json.dumps([A, B], indent=0),
        f"{json.dumps(A, indent=2)}\n{json.dumps(B, indent=2)}",
        f"[\n{json.dumps(A)},\n{json.dumps(B)}\n]",
        f"\ufeff{json.dumps(A)} {json.dumps(B)}",
        f"{json.dumps([A])}\n{json.dumps([B])}\n",
    ],
)
def test_records_stand_as_object_array_or_lines(text: str) -> None:
    assert found(text) == [A, B]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1, "b\n{"b": 2}', [None, B]),
        ('{"b": 2}\nnot json\n{"b": 2}', [B, None, B]),
        ('[{"b": 2}, 7, null]', [B, None, None]),
        ('{\n"a": tru\n}\n{"b": 2}', [None, B]),
        ('{"b": 2', [None]),
        ('{"b": 2}}}}\n{"b": 2}', [B, None, B]),
        ("[" * 100_000, []),
        ('{"b":' * 100_000, [None]),
    ],
)
def test_a_broken_record_costs_itself(text: str, expected: list[Any]) -> None:
    assert found(text) == expected


def test_a_record_beyond_the_bound_is_dropped() -> None:
    lines = ['{"a": [', *[f'"{"x" * 60_000}",' for _ in range(150)]]
    assert None in found("\n".join([*lines, '{"b": 2}']))
    assert found("\n".join([*lines, '{"b": 2}']))[-1] == B


@pytest.mark.parametrize(
    "value",
    [1767225600, 1767225600.0, "1767225600", 1767225600000, "2026-01-01T00:00:00Z", "2026-01-01T01:00:00.0000000+01:00", "2026-01-01 00:00:00"],
)  # fmt: skip
def test_a_time_is_read_in_every_spelling(value: object) -> None:
    assert records.moment(value) == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("value", [None, True, -1, 0, 1e300, "nan", "inf", "", "soon", [1], {}, 10**400, "9" * 5000])
def test_what_is_no_time_is_refused(value: object) -> None:
    with pytest.raises(records.STRANGE):
        records.moment(value)


def test_texts_can_be_stored_and_numbers_are_bounded() -> None:
    assert records.text("a\ud800b") == "a?b"
    assert records.text("x" * 999, 10) == "x" * 10
    assert (records.whole("12"), records.whole(-1), records.whole(10**30), records.whole("x"), records.whole(True)) == (
        12,
        None,
        None,
        None,
        None,
    )
    assert (records.seconds("1500", 0.001), records.seconds(-1), records.seconds("nan"), records.seconds([])) == (
        1.5,
        None,
        None,
        None,
    )


def leaf() -> st.SearchStrategy[Any]:
    return st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=8),
        st.just("2026-01-01T00:00:00Z"),
        st.just("550 5.1.1 no"),
    )


NAMES = [
    "event", "email", "timestamp", "type", "msys", "message_event", "event-data", "RecordType", "MessageID", "eventType", "mail", "bounce", "bouncedRecipients",
    "emailAddress", "delivery", "recipients", "recipient", "response", "peer_address", "id", "headers", "tags", "Message", "Records", "category", "items", "code",
]  # fmt: skip
WORDS = st.sampled_from(
    [
        "Delivery",
        "Bounce",
        "bounce",
        "delivered",
        "failed",
        "Reception",
        "Rejection",
        "Feedback",
        "delivery",
        "delay",
        "complained",
        "accepted",
    ]
)
TREES = st.recursive(
    st.one_of(leaf(), WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=6)),
    max_leaves=25,
)


@given(st.dictionaries(st.sampled_from(NAMES), TREES, max_size=12))
def test_no_record_raises_and_what_comes_can_be_stored(record: dict[str, Any]) -> None:
    for form in JSON:
        for event in parsed(form, [json.dumps(record)])[0]:
            for key, value in event.items():
                pa.array([value], COLUMNS[key])
