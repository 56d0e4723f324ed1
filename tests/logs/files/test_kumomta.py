"""KumoMTA's records."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from smtplab.logs.files import kumomta
from tests.logs.files.reading import has, one, read

RECORD = {
    "type": "Delivery", "id": "1d98076abbbc11ed", "sender": "bounce@m.example", "recipient": "bob@x.example", "queue": "autumn:shop@x.example", "site": "out1->mx.x.example",
    "size": 999, "response": {"code": 250, "enhanced_code": {"class": 2, "subject": 0, "detail": 0}, "content": "OK", "command": "."},
    "peer_address": {"name": "mx.x.example.", "addr": "203.0.113.25"}, "timestamp": 1767268800, "created": 1767268790, "num_attempts": 0, "egress_source": "out1",
    "source_address": {"address": "198.51.100.31:53210"}, "headers": {"Message-ID": "<a1@m.example>", "From": "news@m.example"}, "tls_cipher": "TLS_AES_256_GCM_SHA384",
    "tls_protocol_version": "TLSv1.3", "nodeid": "557f3ad4",
}  # fmt: skip
REFUSED = {
    "code": 550,
    "enhanced_code": {"class": 5, "subject": 1, "detail": 1},
    "content": "no such user",
    "command": "RCPT TO",
}


def test_a_delivery() -> None:
    row = one(kumomta, RECORD)
    has(
        row,
        kind="delivery",
        status="sent",
        time=datetime(2026, 1, 1, 12, tzinfo=UTC),
        host="mx1",
        mta="kumomta",
        queue_id="1d98076abbbc11ed",
    )
    has(
        row,
        recipient="bob@x.example",
        sender="bounce@m.example",
        relay_host="mx.x.example",
        relay_ip="203.0.113.25",
        source_ip="198.51.100.31",
    )
    has(
        row,
        smtp_code=250,
        enhanced_code="2.0.0",
        response="250 2.0.0 OK",
        delay=10.0,
        tls_version="TLSv1.3",
        campaign="autumn",
        stream="shop",
    )
    has(row, message_id="a1@m.example", header_from="news@m.example", size=999, provenance="queue in the log")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"type": "TransientFailure", "response": {**REFUSED, "code": 451, "enhanced_code": None}}, {"status": "deferred", "smtp_code": 451, "response": "451 no such user"}),
        ({"type": "Bounce", "response": REFUSED}, {"status": "bounced", "smtp_code": 550, "enhanced_code": "5.1.1"}),
        ({"type": "Expiration", "peer_address": None, "source_address": None}, {"status": "expired", "relay_ip": None}),
        ({"type": "AdminBounce"}, {"status": "discarded"}),
        ({"type": "OOB", "queue": "x.example"}, {"status": "bounced", "campaign": None}),
        ({"type": "Feedback", "feedback_report": {"feedback_type": "abuse", "original_rcpto_to": ["<bob@x.example>"]}}, {"kind": "complaint", "recipient": "bob@x.example"}),
        ({"type": "Rejection", "response": REFUSED}, {"kind": "rejection", "stage": "RCPT", "client_ip": "203.0.113.25", "smtp_code": 550, "helo": "mx.x.example."}),
    ],
)  # fmt: skip
def test_other_records(change: dict[str, Any], expected: dict[str, Any]) -> None:
    has(one(kumomta, {**RECORD, **change}), **expected)


def test_a_reception_is_message_client_and_message_id() -> None:
    made, _ = read(kumomta, json.dumps({**RECORD, "type": "Reception", "sender": ""}))
    assert [e["kind"] for e in made] == ["message", "client", "message_id"]
    has(made[0], sender="", size=999)
    has(made[2], message_id="a1@m.example", header_from="news@m.example")


def test_a_record_with_several_recipients_and_a_broken_one() -> None:
    made, unknown = read(
        kumomta,
        f"{json.dumps({**RECORD, 'recipient': ['a@x.example', 'b@x.example']})}\n{json.dumps({**RECORD, 'id': None})}\n{json.dumps({**RECORD, 'type': 'Delay'})}",
    )
    assert [e["recipient"] for e in made] == ["a@x.example", "b@x.example"]
    assert len(unknown) == 1
