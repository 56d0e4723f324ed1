"""Exim's lines become events, with every log_selector an analyst may have set."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.logs import files
from smtplab.logs.daemons import exim as daemon
from smtplab.logs.event import COLUMNS, Line, Setting, Unknown
from smtplab.logs.files import exim

SETTING = Setting("mainlog", "Europe/Zurich", datetime(2026, 1, 5, tzinfo=UTC), "mx1")
AT = "2026-01-01 12:00:00"
ID, OLD = "1vNaXy-000000005vi-0000", "1vNaXy-0005vi-00"


def read(*lines: str) -> list[dict[str, Any]]:
    found = list(exim.events(enumerate(lines, 1), SETTING))
    assert not [f for f in found if isinstance(f, Unknown)]
    return [dict(f[1]) for f in found if not isinstance(f, Unknown)]


def has(row: Mapping[str, Any], **expected: Any) -> None:
    assert {k: row.get(k) for k in expected} == expected


def test_an_arrival_by_smtp_is_message_client_and_message_id() -> None:
    message, client, named = read(
        f"{AT} {ID} <= ann@meridian.example H=pc.meridian.example (laptop) [203.0.113.5]:4711 I=[192.0.2.1]:587 P=esmtpsa "
        "X=TLS1.3:TLS_AES_256_GCM_SHA384:256 CV=no A=plain_server:ann S=1234 id=a1@meridian.example "
        'T="hello H=[192.0.2.9] S=1 for you" from <ann@meridian.example> for bob@x.example eve@y.example'
    )
    has(
        message,
        kind="message",
        queue_id=ID,
        sender="ann@meridian.example",
        size=1234,
        recipients=2,
        host="mx1",
        mta="exim",
    )
    assert message["time"] == datetime(2026, 1, 1, 11, tzinfo=UTC)
    has(client, kind="client", client_host="pc.meridian.example", helo="laptop", client_ip="203.0.113.5")
    has(client, auth_method="plain_server", sasl_user="ann", tls_version="TLSv1.3")
    has(named, kind="message_id", message_id="a1@meridian.example")


def test_a_bounce_has_the_null_sender_and_a_local_message_no_client() -> None:
    (message,) = read(f"{AT} {OLD} <= <> R={OLD} U=exim P=local S=99")
    has(message, kind="message", queue_id=OLD, sender="", size=99)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '=> bob@x.example R=dns T=smtp H=mx.x.example [203.0.113.25]:25 I=[198.51.100.11]:51000 X=TLS1.2:ECDHE_SECP256R1__RSA:256 CV=dane DN="CN=mx, x" DKIM=meridian.example:pr1 C="250 2.0.0 Ok: queued as A1" QT=3m2s DT=1.5s',
            {
                "recipient": "bob@x.example", "status": "sent", "relay_host": "mx.x.example", "relay_ip": "203.0.113.25", "relay_port": 25,
                "source_ip": "198.51.100.11", "tls_version": "TLSv1.2", "tls_cipher": "ECDHE_SECP256R1__RSA", "tls_verified": "Verified",
                "response": "250 2.0.0 Ok: queued as A1", "smtp_code": 250, "enhanced_code": "2.0.0", "delay": 182.0, "delay_transmission": 1.5,
                "dkim_domain": "meridian.example", "dkim_selector": "pr1",
            },
        ),
        ("-> ann <ann@meridian.example> R=local T=lmtp", {"recipient": "ann@meridian.example", "status": "sent", "relay_host": "local"}),
        ("=> /var/mail/ann <ann@meridian.example> R=local T=file", {"recipient": "ann@meridian.example", "status": "sent"}),
        ("=> ext@x.example <list@meridian.example> R=dns T=smtp H=x [203.0.113.2]", {"recipient": "ext@x.example"}),
        ("=> :blackhole: <spam@meridian.example> R=drop", {"recipient": "spam@meridian.example", "status": "discarded"}),
        (">> bob@x.example R=cut T=smtp H=mx [2001:db8::25] C=\"250 ok\"", {"recipient": "bob@x.example", "status": "sent", "relay_ip": "2001:db8::25"}),
        ('=> "a b"@x.example R=dns T=smtp H=mx [203.0.113.2]', {"recipient": '"a b"@x.example', "relay_ip": "203.0.113.2"}),
        ("=> bob@x.example R=dns T=smtp H=([203.0.113.9]) [203.0.113.2]", {"relay_ip": "203.0.113.2"}),
        (
            "** bob@x.example F=<ann@meridian.example> R=dns T=smtp H=mx [203.0.113.2] X=TLS1.3:C:256 CV=yes: SMTP error from remote mail server after RCPT TO:<bob@x.example>: 550 5.1.1 H=evil [192.0.2.9] unknown",
            {
                "recipient": "bob@x.example", "status": "bounced", "relay_ip": "203.0.113.2", "smtp_code": 550, "enhanced_code": "5.1.1", "tls_verified": "Trusted",
                "response": "SMTP error from remote mail server after RCPT TO:<bob@x.example>: 550 5.1.1 H=evil [192.0.2.9] unknown",
            },
        ),
        ("** bob@x.example: retry timeout exceeded", {"recipient": "bob@x.example", "status": "expired", "response": "retry timeout exceeded"}),
        ("** nobody@meridian.example : Unrouteable address", {"recipient": "nobody@meridian.example", "status": "bounced", "response": "Unrouteable address", "relay_host": None}),
        (
            "== bob@x.example R=dns T=smtp defer (-44) H=mx [203.0.113.2]: SMTP error from remote mail server after RCPT TO:<bob@x.example>: 451 4.7.1 greylisted",
            {"recipient": "bob@x.example", "status": "deferred", "relay_host": "mx", "relay_ip": "203.0.113.2", "smtp_code": 451, "enhanced_code": "4.7.1"},
        ),
        (
            "== bob@x.example R=dns T=smtp defer (-44) H=mx [2001:db8::25]:25 I=[198.51.100.11]:5 DT=1.5s: SMTP error from remote mail server after RCPT TO:<bob@x.example>: 451 later",
            {"source_ip": "198.51.100.11", "delay_transmission": 1.5, "response": "SMTP error from remote mail server after RCPT TO:<bob@x.example>: 451 later"},
        ),
        ("== bob@x.example R=dns T=smtp defer (111): Connection refused", {"status": "deferred", "response": "Connection refused", "relay_host": None}),
        ("** bob@x.example R=dns T=remote_smtp: retry timeout exceeded", {"status": "expired", "relay_host": None}),
        ("** ann@meridian.example R=local T=mail_spool: mailbox is full", {"status": "bounced", "relay_host": "local"}),
        ("== bob@x.example routing defer (-51): retry time not reached", {"response": "retry time not reached", "attempt": 0}),
        ("== bob@x.example R=dns T=smtp defer (-53): retry time not reached for any host for 'x.example'", {"status": "deferred", "attempt": 0}),
        ("== bob@x.example R=dns T=smtp defer (-44) H=mx [203.0.113.2]: SMTP error from remote mail server after RCPT TO:<bob@x.example>: 451 retry time not reached", {"attempt": None}),
    ],
)  # fmt: skip
def test_an_attempt_has_recipient_relay_reply_and_times(text: str, expected: dict[str, Any]) -> None:
    for queue_id in (ID, OLD):
        (row,) = read(f"{AT} {queue_id} {text}")
        has(row, kind="delivery", queue_id=queue_id, **expected)


def test_a_message_that_is_done_is_removed_and_a_test_run_delivers_nothing() -> None:
    assert [e["kind"] for e in read(f"{AT} {ID} *> a@x.example R=r T=t", f"{AT} {ID} Completed QT=2d3h")] == ["removed"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "H=(spam) [203.0.113.66]:1 F=<a@b.example> rejected RCPT <c@meridian.example>: relay not permitted",
            {"stage": "RCPT", "client_ip": "203.0.113.66", "helo": "spam", "sender": "a@b.example", "recipient": "c@meridian.example", "smtp_code": 550, "response": "relay not permitted"},
        ),
        (
            "H=mail.b.example [203.0.113.66] X=TLS1.3:C:256 CV=no F=<> temporarily rejected RCPT <c@meridian.example>: 451 4.7.1 greylisted",
            {"stage": "RCPT", "client_host": "mail.b.example", "sender": "", "smtp_code": 451, "enhanced_code": "4.7.1"},
        ),
        (f"{ID} H=(x) [203.0.113.66] F=<a@b.example> rejected after DATA: This message contains a virus", {"stage": "DATA", "queue_id": ID, "client_ip": "203.0.113.66"}),
        ("H=(x) [203.0.113.66] rejected MAIL <a@b.example>: no", {"stage": "MAIL", "sender": "a@b.example"}),
        ("H=[203.0.113.66] rejected connection in \"connect\" ACL: listed", {"stage": "CONNECT", "client_ip": "203.0.113.66"}),
        ("rejected EHLO from [203.0.113.66]: syntactically invalid argument(s): (no argument given)", {"stage": "EHLO", "client_ip": "203.0.113.66"}),
        ("Connection from [203.0.113.66]:99 refused: too many connections from that IP address", {"stage": "CONNECT", "client_ip": "203.0.113.66"}),
        ("SMTP call from bad.example [203.0.113.66] dropped: too many nonmail commands (last was \"RSET\")", {"client_host": "bad.example", "client_ip": "203.0.113.66"}),
        ("SMTP protocol synchronization error (input sent without waiting for greeting): rejected connection from H=[203.0.113.66] input=\"x\"", {"stage": "CONNECT", "client_ip": "203.0.113.66"}),
    ],
)  # fmt: skip
def test_a_refusal_has_stage_client_and_reply(text: str, expected: dict[str, Any]) -> None:
    (row,) = read(f"{AT} {text}")
    has(row, kind="rejection", **expected)


@pytest.mark.parametrize(
    "text",
    [
        "plain_login authenticator failed for (PC) [203.0.113.66]: 535 Incorrect authentication data (set_id=bob)",
        "plain_login authenticator failed for H=(PC) [203.0.113.66]:5 U=x: 535 Incorrect authentication data (set_id=bob)",
    ],
)
def test_a_failed_sign_in_has_account_and_client(text: str) -> None:
    (row,) = read(f"{AT} {text}")
    has(row, kind="sign_in", auth_ok=False, auth_user="bob", auth_method="plain_login", client_ip="203.0.113.66")


@pytest.mark.parametrize(
    ("text", "ended"),
    [
        ("SMTP connection from pc.example (pc) [203.0.113.66]:5 D=1s closed by QUIT", "closed by QUIT"),
        ("SMTP command timeout on connection from [203.0.113.66]:5", "SMTP command timeout"),
        ("no MAIL in SMTP connection from [203.0.113.66] D=0s C=EHLO,AUTH,QUIT", "no MAIL in SMTP connection"),
        (
            "unexpected disconnection while reading SMTP command from (x) [203.0.113.66] D=2s",
            "unexpected disconnection",
        ),
        ("TLS error on connection from [203.0.113.66] (SSL_accept): no shared cipher", "TLS error"),
    ],
)
def test_the_end_of_a_connection_is_a_session(text: str, ended: str) -> None:
    (row,) = read(f"{AT} {text}")
    has(row, kind="session", ended=ended, client_ip="203.0.113.66")


@pytest.mark.parametrize("stamp", [f"{AT} +0100", f"{AT}.250 +0100 [77]", f"{AT} [77]", AT])
def test_zone_fraction_and_pid_stand_before_the_text(stamp: str) -> None:
    (row,) = read(f"{stamp} {ID} Completed")
    assert row["time"].replace(microsecond=0) == datetime(2026, 1, 1, 11, tzinfo=UTC)
    assert row.get("pid") == ("77" if "77" in stamp else None)


def test_headers_below_a_refusal_are_passed_over_and_rubbish_is_not() -> None:
    lines = [
        f"{AT} {ID} H=(x) [203.0.113.66] F=<a@b.example> rejected after DATA: no",
        "Envelope-from: <a@b.example>",
        "Envelope-to: <c@meridian.example>",
        "P Received: from x",
        "\tby y",
        "  Subject: hello",
        "----------------------------------------------------------------",
    ]
    assert [e["kind"] for e in read(*lines)] == ["rejection"]
    strange = list(
        exim.events(iter([(7, "garbage"), (8, "2026-02-30 00:00:00 x"), (9, f"{AT} {ID} what 17 is this")]), SETTING)
    )
    assert strange == [
        Unknown(7, "exim: garbage"),
        Unknown(8, "exim: #-#-# #:#:# x"),
        Unknown(9, "exim: what # is this"),
    ]


def test_a_log_is_known_by_its_first_lines() -> None:
    assert files.recognise([f"{AT} Start queue run: pid=7"]) is exim
    assert files.recognise([f"{AT} {OLD} <= a@b.example"]) is exim
    assert files.recognise([f"{AT} hello world"]) is None


@pytest.mark.parametrize("own", ["", f"{AT} ", f"[1/2] {AT} ", f"{AT}.123 +0100 [9] "])
def test_syslog_carries_the_same_lines(own: str) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    made = daemon.events(Line(1, now, "mx2", "exim", "9", f"{own}{ID} == a@x.example R=r T=t defer (-1): later"))
    assert made is not None
    assert [(e["kind"], e["host"], e["status"]) for e in made] == [("delivery", "mx2", "deferred")]
    assert daemon.events(Line(2, now, "mx2", "exim", "9", "[2\\2] rest of it")) == ()


@given(st.lists(st.sampled_from([AT, ID, OLD, "<=", "=>", "==", "**", "H=", "H=(a)", "[1.2.3.4]", ":", "rejected RCPT", '"', "C=\"", "<", ">", "S=9", "defer (", "\x00", "é", "A=", "QT=", " for "]), max_size=20), st.text(max_size=50))  # fmt: skip
def test_nothing_raises_and_every_column_is_known(parts: list[str], rest: str) -> None:
    for line in (" ".join(parts), f"{AT} {' '.join(parts)}", f"{AT} {ID} {' '.join(parts)} {rest}", f"{AT} {rest}"):
        for found in exim.events(iter([(1, line)]), SETTING):
            assert isinstance(found, Unknown) or set(found[1]) <= set(COLUMNS)
