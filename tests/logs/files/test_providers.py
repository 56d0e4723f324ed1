"""Events of Amazon SES, SendGrid, Mailgun, Postmark and SparkPost land in one vocabulary."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from smtplab.logs import files
from smtplab.logs.files import mailgun, postmark, sendgrid, ses, sparkpost
from tests.logs.files.reading import has, one, read

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ISO, EPOCH = "2026-01-01T12:00:00.000Z", 1767268800
SES_MAIL = {
    "timestamp": "2026-01-01T11:59:58.000Z",
    "messageId": "0100abc-def-000000",
    "source": "news@meridian.example",
    "destination": ["bob@x.example", "eve@y.example"],
    "commonHeaders": {"from": ["Meridian <news@meridian.example>"], "messageId": "<a1@meridian.example>"},
    "tags": {"ses:configuration-set": ["marketing"], "ses:outgoing-ip": ["198.51.100.31"], "campaign": ["autumn"]},
}


def ses_event(kind: str, **details: Any) -> dict[str, Any]:
    return {"eventType": kind, "mail": SES_MAIL, **details}


DELIVERY = ses_event("Delivery", delivery={"timestamp": ISO, "processingTimeMillis": 2000, "recipients": ["bob@x.example"], "smtpResponse": "250 2.0.0 OK", "remoteMtaIp": "203.0.113.25"})  # fmt: skip
BOUNCED = {
    "emailAddress": "bob@x.example",
    "action": "failed",
    "status": "5.1.1",
    "diagnosticCode": "smtp; 550 5.1.1 user unknown",
}


def test_a_delivery_by_ses_has_address_stream_and_campaign() -> None:
    row = one(ses, DELIVERY)
    has(
        row, kind="delivery", status="sent", time=NOON, host="provider", mta="ses", recipient="bob@x.example", delay=2.0
    )
    has(
        row,
        queue_id="0100abc-def-000000",
        message_id="a1@meridian.example",
        header_from="Meridian <news@meridian.example>",
    )
    has(row, source_ip="198.51.100.31", stream="marketing", campaign="autumn", relay_ip="203.0.113.25", smtp_code=250)
    has(row, provenance="provider event", response="250 2.0.0 OK", enhanced_code="2.0.0")


@pytest.mark.parametrize(
    "wrapped",
    [
        {"Type": "Notification", "TopicArn": "arn", "Message": json.dumps(DELIVERY)},
        {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": json.dumps(DELIVERY)}}]},
        {"detail-type": "Email Delivered", "detail": DELIVERY},
        {**DELIVERY, "notificationType": DELIVERY["eventType"], "eventType": None},
    ],
)
def test_ses_events_are_unwrapped(wrapped: dict[str, Any]) -> None:
    assert one(ses, wrapped) == one(ses, DELIVERY)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (ses_event("Bounce", bounce={"bounceType": "Permanent", "timestamp": ISO, "bouncedRecipients": [BOUNCED]}), {"status": "bounced", "smtp_code": 550, "enhanced_code": "5.1.1", "response": "550 5.1.1 user unknown"}),
        (ses_event("Bounce", bounce={"bounceType": "Permanent", "bounceSubType": "OnAccountSuppressionList", "timestamp": ISO, "bouncedRecipients": [BOUNCED]}), {"status": "discarded"}),
        (ses_event("DeliveryDelay", deliveryDelay={"delayType": "MailboxFull", "timestamp": ISO, "delayedRecipients": [{**BOUNCED, "status": "4.2.2", "diagnosticCode": "452 4.2.2 full"}]}), {"status": "deferred", "smtp_code": 452}),
        (ses_event("Complaint", complaint={"timestamp": ISO, "complainedRecipients": [{"emailAddress": "bob@x.example"}]}), {"kind": "complaint", "campaign": "autumn"}),
    ],
)  # fmt: skip
def test_other_ses_events(event: dict[str, Any], expected: dict[str, Any]) -> None:
    row = one(ses, event)
    has(row, **expected)
    assert row["time"] == NOON


def test_what_ses_took_to_send_begins_for_each_recipient() -> None:
    made, _ = read(ses, json.dumps(ses_event("Send", send={})))
    assert [(e["kind"], e["recipient"], e["sender"]) for e in made] == [
        ("message", r, "news@meridian.example") for r in ("bob@x.example", "eve@y.example")
    ]
    assert made[0]["time"] == datetime(2026, 1, 1, 11, 59, 58, tzinfo=UTC)


def test_a_rejected_ses_message_is_discarded_for_each_recipient_and_opens_are_passed_over() -> None:
    made, unknown = read(
        ses,
        "\n".join(
            json.dumps(e) for e in (ses_event("Reject", reject={"reason": "Bad content"}), ses_event("Open", open={}))
        ),
    )
    assert [(e["recipient"], e["status"], e["response"]) for e in made] == [
        ("bob@x.example", "discarded", "Bad content"),
        ("eve@y.example", "discarded", "Bad content"),
    ]
    assert not unknown


def grid(event: str, **more: Any) -> dict[str, Any]:
    return {
        "event": event,
        "email": "bob@x.example",
        "timestamp": EPOCH,
        "smtp-id": "<a1@m.example>",
        "sg_message_id": "abc.filter",
        "category": ["autumn", "b"],
        **more,
    }


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (grid("processed"), {"kind": "message"}),
        (grid("delivered", response="250 2.0.0 OK", ip="198.51.100.31"), {"kind": "delivery", "status": "sent", "source_ip": "198.51.100.31", "attempt": 1}),
        (grid("deferred", response="451 4.7.1 later", attempt="3"), {"status": "deferred", "attempt": 3, "smtp_code": 451}),
        (grid("bounce", reason="550 5.1.1 no such user", status="5.1.1", type="bounce"), {"status": "bounced", "smtp_code": 550, "response": "550 5.1.1 no such user"}),
        (grid("dropped", reason="Bounced Address", status="5.0.0", category="autumn"), {"status": "discarded", "enhanced_code": "5.0.0"}),
        (grid("spamreport"), {"kind": "complaint"}),
    ],
)  # fmt: skip
def test_sendgrid_events(event: dict[str, Any], expected: dict[str, Any]) -> None:
    row = one(sendgrid, [event])
    has(
        row,
        time=NOON,
        host="provider",
        mta="sendgrid",
        recipient="bob@x.example",
        campaign="autumn",
        message_id="a1@m.example",
        queue_id="abc.filter",
        **expected,
    )


def gun(event: str, **more: Any) -> dict[str, Any]:
    inner = {
        "event": event, "timestamp": EPOCH + 0.25, "recipient": "bob@x.example", "tags": ["autumn"], "log-level": "info", "id": "x",
        "envelope": {"sender": "bounce@m.example", "sending-ip": "198.51.100.31", "targets": "bob@x.example"},
        "message": {"headers": {"message-id": "a1@m.example", "from": "News <news@m.example>"}, "size": 999}, **more,
    }  # fmt: skip
    return {"signature": {"token": "t"}, "event-data": inner}


STATUS = {
    "code": 550,
    "message": "5.1.1 unknown",
    "enhanced-code": "5.1.1",
    "attempt-no": 2,
    "mx-host": "mx.x.example",
    "tls": True,
    "certificate-verified": True,
    "session-seconds": 1.5,
}


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (gun("accepted"), {"kind": "message"}),
        (gun("delivered", **{"delivery-status": {**STATUS, "code": 250, "message": "OK", "enhanced-code": ""}}), {"status": "sent", "smtp_code": 250, "relay_host": "mx.x.example", "tls_verified": "Trusted", "delay_transmission": 1.5}),
        (gun("failed", severity="permanent", reason="bounce", **{"delivery-status": STATUS}), {"status": "bounced", "smtp_code": 550, "enhanced_code": "5.1.1", "attempt": 2}),
        (gun("failed", severity="permanent", reason="suppress-bounce", **{"delivery-status": {"code": 605}}), {"status": "discarded", "smtp_code": None}),
        (gun("failed", severity="permanent", reason="old"), {"status": "expired"}),
        (gun("failed", severity="temporary", reason="generic", **{"delivery-status": {**STATUS, "code": 451}}), {"status": "deferred", "smtp_code": 451}),
        (gun("rejected", reject={"reason": "Sandbox"}), {"status": "discarded", "response": "Sandbox"}),
        (gun("complained"), {"kind": "complaint"}),
    ],
)  # fmt: skip
def test_mailgun_events(event: dict[str, Any], expected: dict[str, Any]) -> None:
    for form in (event, event["event-data"], {"items": [event["event-data"]], "paging": {}}):
        row = one(mailgun, form)
        has(
            row,
            mta="mailgun",
            recipient="bob@x.example",
            message_id="a1@m.example",
            header_from="News <news@m.example>",
            campaign="autumn",
            source_ip="198.51.100.31",
            **expected,
        )
        assert row["time"].microsecond == 250_000


POST = {
    "MessageID": "883953f4",
    "MessageStream": "broadcast",
    "Tag": "autumn",
    "From": "news@m.example",
    "Email": "bob@x.example",
    "BouncedAt": "2026-01-01T12:00:00.0000000Z",
}


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({**POST, "RecordType": "Delivery", "Recipient": "bob@x.example", "DeliveredAt": "2026-01-01T13:00:00+01:00", "Details": "smtp;250 2.0.0 ok"}, {"status": "sent", "smtp_code": 250}),
        ({**POST, "RecordType": "Bounce", "Type": "HardBounce", "TypeCode": 1, "Details": "smtp;550 5.1.1 no"}, {"status": "bounced", "smtp_code": 550, "enhanced_code": "5.1.1"}),
        ({**POST, "Type": "Transient", "TypeCode": 2, "Details": "action: delayed"}, {"status": "deferred", "response": "action: delayed"}),
        ({**POST, "RecordType": "SpamComplaint", "Type": "SpamComplaint"}, {"kind": "complaint"}),
    ],
)  # fmt: skip
def test_postmark_events(event: dict[str, Any], expected: dict[str, Any]) -> None:
    has(
        one(postmark, event),
        time=NOON,
        mta="postmark",
        recipient="bob@x.example",
        queue_id="883953f4",
        stream="broadcast",
        campaign="autumn",
        header_from="news@m.example",
        **expected,
    )


def test_a_bounce_that_ses_makes_of_an_absence_notice_is_none() -> None:
    """Transient and General is what it says of automatic replies; with a server's reply it is a loss."""
    away = {"bounceType": "Transient", "bounceSubType": "General", "timestamp": ISO}
    assert read(
        ses, json.dumps(ses_event("Bounce", bounce={**away, "bouncedRecipients": [{"emailAddress": "bob@x.example"}]}))
    ) == ([], [])
    assert one(ses, ses_event("Bounce", bounce={**away, "bouncedRecipients": [BOUNCED]}))["status"] == "bounced"
    full = {**away, "bounceSubType": "MailboxFull", "bouncedRecipients": [{"emailAddress": "bob@x.example"}]}
    assert one(ses, ses_event("Bounce", bounce=full))["status"] == "bounced"


def test_an_answer_that_postmark_calls_a_bounce_is_none() -> None:
    assert read(postmark, json.dumps({**POST, "RecordType": "Bounce", "Type": "AutoResponder"})) == ([], [])


def spark(kind: str, **more: Any) -> list[dict[str, Any]]:
    event = {
        "type": kind, "timestamp": str(EPOCH), "rcpt_to": "bob@x.example", "msg_from": "b@m.example", "friendly_from": "news@m.example", "message_id": "000443",
        "campaign_id": "autumn", "ip_pool": "shared", "sending_ip": "198.51.100.31", "msg_size": "999", **more,
    }  # fmt: skip
    return [{"msys": {"message_event": event}}]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (spark("injection"), {"kind": "message"}),
        (spark("delivery", queue_time="1500", num_retries="2", ip_address="203.0.113.25"), {"status": "sent", "delay": 1.5, "attempt": 3, "relay_ip": "203.0.113.25"}),
        (spark("bounce", bounce_class="10", error_code="550", raw_reason="550 5.1.1 no such user"), {"status": "bounced", "smtp_code": 550, "enhanced_code": "5.1.1"}),
        (spark("delay", error_code="454", raw_reason="later"), {"status": "deferred", "smtp_code": 454}),
        (spark("policy_rejection", raw_reason="550 5.7.1 recipient address suppressed"), {"status": "discarded"}),
        (spark("out_of_band", raw_reason="554 5.7.1 blocked"), {"status": "bounced"}),
        (spark("spam_complaint", fbtype="abuse"), {"kind": "complaint"}),
    ],
)  # fmt: skip
def test_sparkpost_events(event: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    has(
        one(sparkpost, event),
        time=NOON,
        mta="sparkpost",
        recipient="bob@x.example",
        queue_id="000443",
        stream="shared",
        campaign="autumn",
        source_ip="198.51.100.31",
        size=999,
        **expected,
    )


def test_the_empty_event_of_a_new_sparkpost_webhook_is_passed_over() -> None:
    assert read(sparkpost, '[{"msys":{}}]') == ([], [])


def test_one_bad_record_costs_itself() -> None:
    made, unknown = read(
        sendgrid,
        json.dumps(
            [grid("delivered"), grid("delivered", timestamp=None), "x", grid("bounce", email=7e400), grid("bounce")]
        ),
    )
    assert [e["status"] for e in made] == ["sent", "bounced", "bounced"]
    assert [u.shape for u in unknown] == [
        "sendgrid: a record without what it must have (ValueError)",
        "sendgrid: not JSON",
    ]


def test_what_is_no_event_file_is_not_recognised() -> None:
    assert files.recognise(['{"hello": "world"}']) is None
    assert files.recognise(["From: a@b.example", "Subject: event email timestamp"]) is None
