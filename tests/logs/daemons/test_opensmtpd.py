"""OpenSMTPD's and Courier's lines."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.logs import daemons
from smtplab.logs.daemons import courier, opensmtpd
from smtplab.logs.event import COLUMNS, Daemon, Line

NOW = datetime(2026, 1, 1, tzinfo=UTC)
S = "5df87c9b982c840c"


def read(text: str, daemon: Daemon = opensmtpd, program: str = "smtpd") -> list[dict[str, Any]]:
    found = daemon.events(Line(1, NOW, "mx1", program, "7", text))
    assert found is not None
    return [dict(e) for e in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            f'{S} mta delivery evpid=3d4c4a424797fe79 from=<ann@m.example> to=<bob@x.example> rcpt=<-> source="198.51.100.11" relay="203.0.113.25 (mx.x.example)" delay=1h2m3s result="TempFail" stat="421 4.7.0 try later"',
            {"queue_id": "3d4c4a42", "recipient": "bob@x.example", "status": "deferred", "source_ip": "198.51.100.11", "relay_ip": "203.0.113.25", "relay_host": "mx.x.example", "delay": 3723.0, "smtp_code": 421, "enhanced_code": "4.7.0"},
        ),
        (
            f'{S} mta delivery evpid=3d4c4a424797fe79 from=<> to=<bob@x.example> rcpt=<-> source="198.51.100.11" relay="203.0.113.25 (mx.x.example)" delay=0s result="Ok" stat="250 2.0.0: a1 Message accepted"',
            {"status": "sent", "enhanced_code": "2.0.0", "sender": ""},
        ),
        (
            f"{S} mda delivery evpid=c405e39ad6bbc64f from=<a@m.example> to=<b@m.example> rcpt=<b@m.example> user=b delay=0s result=Ok stat=Delivered",
            {"status": "sent", "relay_host": "local", "recipient": "b@m.example"},
        ),
        (f'{S} mta delivery evpid=3d4c4a424797fe79 from=<a@m.example> to=<b@x.example> rcpt=<-> source="-" relay="203.0.113.25" delay=5d result="PermFail" stat="550 5.1.1 no"', {"status": "bounced", "source_ip": None, "delay": 432000.0}),
    ],
)  # fmt: skip
def test_an_attempt(text: str, expected: dict[str, Any]) -> None:
    (row,) = read(text)
    assert row["kind"] == "delivery"
    assert {k: row.get(k) for k in expected} == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{S} smtp message msgid=f6e94209 size=802 nrcpt=1 proto=ESMTP", {"kind": "message", "queue_id": "f6e94209", "size": 802, "recipients": 1}),
        (f"{S} smtp envelope evpid=f6e94209918f7e7b from=<> to=<b@x.example>", {"kind": "message", "queue_id": "f6e94209", "sender": ""}),
        (f"{S} smtp authentication user=bob result=permfail", {"kind": "sign_in", "auth_user": "bob", "auth_ok": False}),
        (f'{S} smtp failed-command command="RCPT TO:<b@m.example> " result="550 Invalid recipient: <b@m.example>"', {"kind": "rejection", "stage": "RCPT", "recipient": "b@m.example", "smtp_code": 550}),
        (f"{S} smtp connected address=[2001:db8::66] host=<unknown>", {"kind": "session", "client_ip": "2001:db8::66", "client_host": None}),
    ],
)  # fmt: skip
def test_sessions_and_refusals(text: str, expected: dict[str, Any]) -> None:
    (row,) = read(text)
    assert {k: row.get(k) for k in expected} == expected


def test_courier_tells_what_became_of_a_recipient() -> None:
    (row,) = read("id=0012.ABC,from=<a@m.example>,addr=<b@x.example>,size=99,status: deferred", courier, "courieresmtp")
    assert (row["recipient"], row["status"], row["queue_id"]) == ("b@x.example", "deferred", "0012.ABC")
    (row,) = read("LOGIN FAILED, user=bob, ip=[::ffff:203.0.113.66]", courier, "imapd")
    assert (row["auth_user"], row["auth_ok"], row["client_ip"]) == ("bob", False, "203.0.113.66")


def test_quiet_and_unknown_lines() -> None:
    assert read("info: OpenSMTPD 7.5.0 starting") == []
    assert read(f"{S} smtp disconnected reason=quit") == []
    assert opensmtpd.events(Line(1, NOW, "h", "smtpd", "", "what is this")) is None
    assert courier.events(Line(1, NOW, "h", "courierd", "", "what is this")) is None


def test_programs_belong_to_one_daemon() -> None:
    names = [p for d in daemons.ALL for p in d.PROGRAMS]
    assert len(names) == len(set(names))
    assert daemons.recognise("smtpd") is opensmtpd
    assert daemons.recognise("cron") is None


@given(st.text(alphabet=st.sampled_from('abc=<>,: []1."result stat delivery\x00é'), max_size=200))
def test_nothing_raises(text: str) -> None:
    for daemon, head in (
        (opensmtpd, f"{S} mta delivery "),
        (opensmtpd, f"{S} smtp "),
        (courier, "error,relay=1.2.3.4,"),
        (courier, ""),
    ):
        for event in daemon.events(Line(1, NOW, "h", "x", "", head + text)) or ():
            assert set(event) <= set(COLUMNS)
