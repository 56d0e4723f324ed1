"""Message-tracking logs of Exchange and accounting files of PowerMTA."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.logs.files import exchange, powermta
from tests.logs.files.reading import has, parsed, read

NAMES = (
    "date-time,client-ip,client-hostname,server-ip,server-hostname,source-context,connector-id,source,event-id,internal-message-id,message-id,network-message-id,"
    "recipient-address,recipient-status,total-bytes,recipient-count,related-recipient-address,reference,message-subject,sender-address,return-path,message-info,"
    "directionality,tenant-id,original-client-ip,original-server-ip,custom-data"
)
HEAD = f"\ufeff#Software: Microsoft Exchange Server\n#Version: 15.02.1544.004\n#Log-type: Message Tracking Log\n#Date: 2026-01-01T12:00:00.000Z\n#Fields: {NAMES}\n"


def line(event: str, **cells: str) -> str:
    row = {
        "date-time": "2026-01-01T12:00:00.250Z", "client-ip": "198.51.100.11", "client-hostname": "EX01.meridian.example", "server-ip": "203.0.113.25",
        "server-hostname": "mx.x.example", "source": "SMTP", "event-id": event, "internal-message-id": "4711", "message-id": "<a1@meridian.example>",
        "recipient-address": "bob@x.example", "recipient-status": "250 2.1.5 OK", "total-bytes": "2048", "recipient-count": "1",
        "message-subject": '"Hello, ""world"""', "sender-address": "ann@meridian.example", "return-path": "ann@meridian.example",
        "message-info": "2026-01-01T11:59:50.250Z;SRV=x",
    }  # fmt: skip
    row.update({k.replace("_", "-"): v for k, v in cells.items()})
    return ",".join(row.get(n, "") for n in NAMES.split(","))


def rows(*lines: str) -> list[dict[str, Any]]:
    made, unknown = read(exchange, HEAD + "\n".join(lines))
    assert not unknown
    return made


def test_a_send_has_a_row_for_each_recipient_with_its_status() -> None:
    made = rows(
        line("SEND", recipient_address="bob@x.example;eve@x.example", recipient_status="250 2.1.5 OK;250 2.1.5 ok eve")
    )
    assert [(e["recipient"], e["response"]) for e in made] == [
        ("bob@x.example", "250 2.1.5 OK"),
        ("eve@x.example", "250 2.1.5 ok eve"),
    ]
    has(
        made[0],
        kind="delivery",
        status="sent",
        host="ex01.meridian.example",
        mta="exchange",
        queue_id="4711",
        message_id="a1@meridian.example",
    )
    has(
        made[0],
        relay_host="mx.x.example",
        relay_ip="203.0.113.25",
        source_ip="198.51.100.11",
        smtp_code=250,
        enhanced_code="2.1.5",
        delay=10.0,
    )
    assert made[0]["time"] == datetime(2026, 1, 1, 12, 0, 0, 250_000, tzinfo=UTC)
    has(made[0], provenance="sending address in the log")


@pytest.mark.parametrize("joined", ["bob@x.example;;eve@x.example", "bob@x.example; eve@x.example;"])
def test_recipients_are_joined_by_one_semicolon_or_two(joined: str) -> None:
    assert [e["recipient"] for e in rows(line("SEND", recipient_address=joined))] == ["bob@x.example", "eve@x.example"]


@pytest.mark.parametrize(
    ("event", "status", "expected"),
    [
        ("DELIVER", "", {"status": "sent", "relay_host": "local", "relay_ip": None}),
        ("FAIL", "[{LED=550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found};{MSG=};{FQDN=mx.x.example};{IP=203.0.113.25};{LRT=}]", {"status": "bounced", "smtp_code": 550, "enhanced_code": "5.1.10", "relay_host": "mx.x.example", "relay_ip": "203.0.113.25"}),
        ("FAIL", "[{LRT=};{LED=550 4.4.7 QUEUE.Expired; message expired};{FQDN=};{IP=}]", {"status": "expired"}),
        ("DEFER", "[{LED=451 4.7.0 Temporary server error};{MSG=};{FQDN=mx.x.example};{IP=203.0.113.25}]", {"status": "deferred", "smtp_code": 451, "response": "451 4.7.0 Temporary server error"}),
    ],
)  # fmt: skip
def test_other_outcomes(event: str, status: str, expected: dict[str, Any]) -> None:
    (row,) = rows(line(event, recipient_status=status, server_hostname="EX01"))
    has(row, host="ex01", recipient="bob@x.example", **expected)


def test_a_receive_is_message_client_and_message_id() -> None:
    made = rows(
        line(
            "RECEIVE",
            client_ip="203.0.113.5",
            client_hostname="pc",
            server_hostname="EX01",
            connector_id='"EX01\\Default, x"',
            return_path="<>",
        )
    )
    assert [e["kind"] for e in made] == ["message", "client", "message_id"]
    has(made[0], sender="", size=2048, recipients=1, host="ex01")
    has(made[1], client_ip="203.0.113.5", client_host="pc", service="EX01\\Default, x")


@pytest.mark.parametrize(
    "event", ["DSN", "SUBMIT", "RESOLVE", "EXPAND", "AGENTINFO", "HAREDIRECT", "TRANSFER", "NOTIFYMAPI"]
)
def test_steps_inside_exchange_tell_nothing(event: str) -> None:
    assert rows(line(event)) == []


def test_a_broken_row_costs_itself() -> None:
    made, unknown = read(
        exchange,
        HEAD + "\n".join([line("SEND", date_time="yesterday"), '2026-01-01T12:00:00Z,"open', "x,y", line("SEND")]),
    )
    assert (len(made), len(unknown)) == (1, 3)


PMTA = "type,timeLogged,timeQueued,orig,rcpt,orcpt,dsnAction,dsnStatus,dsnDiag,dsnMta,bounceCat,srcType,srcMta,dlvType,dlvSourceIp,dlvDestinationIp,dlvSize,vmta,jobId,vmtaPool,header_From,header_Message-Id"
TAIL = "smtp,pc,smtp,198.51.100.31,203.0.113.25,2048,vmta1,autumn,pool1,news@m.example,<a1@m.example>"


@pytest.mark.parametrize(
    ("kind", "dsn", "expected"),
    [
        ("d", '2.0.0 (success),"smtp;250 2.0.0 OK, queued",mx.x.example (203.0.113.25),', {"status": "sent", "smtp_code": 250, "response": "250 2.0.0 OK, queued"}),
        ("b", "5.1.1 (bad destination mailbox address),smtp;550 5.1.1 no,mx.x.example (203.0.113.25),bad-mailbox", {"status": "bounced", "smtp_code": 550, "enhanced_code": "5.1.1"}),
        ("b", "4.4.7 (delivery time expired),,mx.x.example (203.0.113.25),message-expired", {"status": "expired", "enhanced_code": "4.4.7", "response": None}),
        ("t", "4.7.1 (x),smtp;451 4.7.1 later,mx.x.example (203.0.113.25),", {"status": "deferred", "smtp_code": 451}),
    ],
)  # fmt: skip
def test_accounting_rows(kind: str, dsn: str, expected: dict[str, Any]) -> None:
    made, unknown = read(
        powermta,
        f"{PMTA}\n{kind},2026-01-01 13:00:00+0100,2026-01-01 12:59:30+0100,b@m.example,bob@x.example,,relayed,{dsn},{TAIL}",
    )
    assert not unknown
    (row,) = made
    has(
        row,
        kind="delivery",
        time=datetime(2026, 1, 1, 12, tzinfo=UTC),
        host="mx1",
        mta="powermta",
        recipient="bob@x.example",
        sender="b@m.example",
        delay=30.0,
        **expected,
    )
    has(
        row,
        relay_host="mx.x.example",
        relay_ip="203.0.113.25",
        source_ip="198.51.100.31",
        campaign="autumn",
        stream="pool1",
        header_from="news@m.example",
        message_id="a1@m.example",
        size=2048,
    )


def test_times_without_a_zone_are_the_cases_and_a_second_line_of_names_counts() -> None:
    text = f"type,timeLogged,orig,rcpt\nd,2026-01-01 13:00:00,b@m.example,bob@x.example\ntype,timeLogged,rcpt,feedbackType\nf,2026-01-01 13:00:00,eve@x.example,abuse\n{'tq,2026-01-01 13:00:00,,x'}"
    made, unknown = read(powermta, text)
    assert not unknown
    assert [(e["kind"], e["recipient"], e["time"].hour) for e in made] == [
        ("delivery", "bob@x.example", 12),
        ("complaint", "eve@x.example", 12),
    ]


def test_a_reception_and_broken_rows() -> None:
    made, unknown = read(
        powermta,
        "type,timeLogged,orig,rcpt,rcvSourceIp\nr,2026-01-01 13:00:00,,bob@x.example,203.0.113.5\nd,never,a,b,c\nd,2026-01-01 13:00:00,a,,c",
    )
    assert [e["kind"] for e in made] == ["message", "client"]
    assert made[0]["sender"] == ""
    assert len(unknown) == 2


@given(
    st.lists(
        st.text(alphabet=st.sampled_from('d,b"t;SEND\x002026-01-01T12:00:00Z[{}]é\ud800 '), max_size=200), max_size=4
    )
)
def test_nothing_raises(lines: list[str]) -> None:
    parsed(
        exchange, [*HEAD.split("\n"), *lines, *(line("SEND", recipient_address=x, recipient_status=x) for x in lines)]
    )
    parsed(powermta, [PMTA, *lines, *(f"d,2026-01-01 13:00:00,{x}" for x in lines)])
