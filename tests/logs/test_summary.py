"""The small tables behind the figures count every recipient once, and stand empty without evidence."""

from __future__ import annotations

from typing import Any

import pytest

from smtplab import logs
from tests.logs.frames import at, evidence


def end(outcome: str, **more: Any) -> dict[str, Any]:
    base = {"time": at("13 02:00"), "provider": "gmail", "stream": "tickets", "outcome": outcome, "attempts": 1}
    return base | {"queue_id": "Q1", "message_id": "1@x.example", "recipient": "r@gmail.com"} | more


def test_every_recipient_stands_once_in_its_provider_and_its_stream() -> None:
    rows = [end("accepted")] * 6 + [end("late", attempts=3)] * 2 + [end("lost")] * 2
    rows += [end("pending", provider="x.example", stream=None)]
    told = evidence(outcomes=rows)
    first = logs.by_provider(told).iloc[0].to_dict()
    # Wilson's interval of 6 in 10: 0.3127 to 0.8318.
    assert first == {
        "provider": "Gmail", "recipients": 10, "accepted": 6, "late": 2, "lost": 2, "pending": 0, "held_back": 2,
        "accepted_share": 0.6, "low_share": pytest.approx(0.3127, abs=1e-4), "high_share": pytest.approx(0.8318, abs=1e-4),
    }  # fmt: skip
    streams = logs.by_stream(told)
    assert list(streams["stream"]) == ["tickets", "other"]
    assert list(streams["recipients"]) == [10, 1]
    assert list(streams["lost_share"]) == [0.2, 0.0]


def test_providers_beyond_the_largest_stand_in_one_row_so_that_the_columns_add_up() -> None:
    rows = [end("accepted", provider=f"{n}.example") for n in range(3) for _ in range(9 - n)]
    rows += [end("lost", provider="x.example", attempts=2), end("lost", provider="y.example")]
    told = logs.by_provider(evidence(outcomes=rows), most=3)
    assert told["provider"].tolist() == ["0.example", "1.example", "2.example", "2 others"]
    assert told[["recipients", "lost", "held_back"]].sum().tolist() == [26, 2, 1]
    # One that is left over has room for its own name.
    assert logs.by_provider(evidence(outcomes=rows), most=4)["provider"].tolist()[-1] == "y.example"


def test_accounts_with_most_failures_come_first() -> None:
    def signin(user: str, ok: bool, ip: str) -> dict[str, Any]:
        return {"time": at("13 02:00"), "auth_user": user, "auth_ok": ok, "client_ip": ip, "auth_method": "PLAIN"}

    rows = [signin("anna", True, "192.0.2.1"), signin("ben", False, "203.0.113.1"), signin("ben", True, "192.0.2.9")]
    table = logs.by_account(evidence(connections=rows, messages=[{"time": at("13 02:00"), "sasl_user": "ben"}]))
    assert table.to_dict("records") == [
        {"account": "ben", "succeeded": 1, "failed": 1, "mechanisms": "PLAIN", "networks": 2, "messages": 1},
        {"account": "anna", "succeeded": 1, "failed": 0, "mechanisms": "PLAIN", "networks": 1, "messages": 0},
    ]


def test_the_lost_message_that_was_tried_most() -> None:
    rows = [end("lost", attempts=9, message_id="9@x"), end("lost", attempts=3), end("accepted", attempts=30)]
    assert logs.most_tried(evidence(outcomes=rows)) == "9@x"
    assert logs.most_tried(evidence(outcomes=[end("lost", message_id=None)])) == "Q1"
    assert logs.most_tried(evidence(outcomes=[end("accepted")])) == ""


def test_without_evidence_the_tables_are_empty_with_their_columns() -> None:
    for table in (logs.by_provider, logs.by_stream, logs.by_account):
        assert len(table(evidence())) == 0
        assert len(table(evidence()).columns) > 4
