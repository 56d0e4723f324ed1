"""Haraka's log: outcomes find the recipients of their transaction."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.logs.files import haraka
from tests.logs.files.reading import has, parsed, read

T, U = "2026-01-01T12:00:00.250Z", "D33D6290-C923-4DAC-A4B4-D0E7B8FAF010"


def core(text: str, uuid: str = f"{U}.1") -> str:
    return f"{T} [NOTICE] [{uuid}] [core] {text}"


def out(text: str, number: int = 1) -> str:
    return f"{T} [NOTICE] [{U}.1.{number}] [outbound] {text}"


QUEUED = [
    core('sender <ann@m.example> code=CONT msg=""'),
    core('recipient <bob@x.example> code=OK msg="" sender="ann@m.example"'),
    core('recipient <eve@x.example> code=OK msg="" sender="ann@m.example"'),
    core('recipient <kim@y.example> code=OK msg="" sender="ann@m.example"'),
    core("message mid=<a1@m.example> size=451 rcpts=3/0/0 delay=0.009 code=CONT"),
]
SENT = ' delivered file=16_0_a domain=x.example host=mx.x.example ip=203.0.113.25 port=25 mode=SMTP tls=Y auth=N response="Queued as BA5" delay=4.5 fails=0 rcpts=2/0/0'


def rows(*lines: str) -> list[dict[str, Any]]:
    made, unknown = read(haraka, "\n".join([*QUEUED, *lines]))
    assert not unknown
    assert [e["kind"] for e in made[:2]] == ["message", "message_id"]
    return made[2:]


def test_a_delivery_is_one_row_for_each_recipient_at_its_domain() -> None:
    made = rows(out("secured verified=true cipher=ECDHE-RSA version=TLSv1.2 cn=x"), out(SENT))
    assert [e["recipient"] for e in made] == ["bob@x.example", "eve@x.example"]
    has(
        made[0],
        kind="delivery",
        status="sent",
        queue_id=f"{U}.1",
        relay_host="mx.x.example",
        relay_ip="203.0.113.25",
        relay_port=25,
        delay=4.5,
    )
    has(
        made[0],
        response="Queued as BA5",
        smtp_code=250,
        tls_version="TLSv1.2",
        tls_verified="Trusted",
        mta="haraka",
        host="mx1",
    )
    assert made[0]["time"] == datetime(2026, 1, 1, 12, 0, 0, 250_000, tzinfo=UTC)


def test_refused_recipients_have_rows_of_their_own_and_are_not_sent() -> None:
    made = rows(
        out("recipient <bob@x.example> deferred: 451 4.7.1 later"),
        out(SENT),
        out("Temp failing 16_0_a for 64 seconds: Some recipients temp failed: <bob@x.example>"),
        out(SENT),
        out("recipient <kim@y.example> rejected: 550 5.1.1 no", 2),
        out("bouncing mail: Some recipients failed: <kim@y.example>", 2),
    )
    assert [(e["recipient"], e["status"]) for e in made if e["kind"] == "delivery"] == [
        ("bob@x.example", "deferred"), ("eve@x.example", "sent"), ("bob@x.example", "sent"), ("kim@y.example", "bounced"),
    ]  # fmt: skip
    has(made[3], smtp_code=550, enhanced_code="5.1.1", response="550 5.1.1 no")
    has(made[4], kind="removed", queue_id=f"{U}.1")


def test_a_whole_message_put_off_then_given_up() -> None:
    made = rows(
        out("Temp failing 16_0_a for 64 seconds: Upstream error: 451 4.7.1 later", 2),
        out("bouncing mail: Too many failures (Upstream error: 451 4.7.1 later)", 2),
        out("bouncing mail: Too many failures (again)", 2),
    )
    assert [(e["recipient"], e["status"], e.get("smtp_code")) for e in made] == [
        ("kim@y.example", "deferred", 451),
        ("kim@y.example", "expired", None),
    ]


def test_a_refused_client_and_the_end_of_a_connection() -> None:
    made = rows(
        core('recipient <no@m.example> code=DENY msg="550 5.1.1 no such user" sender="a@b.example"', f"{U}.2"),
        core(
            "disconnect ip=203.0.113.66 rdns=bad.example helo=[10.0.0.1] relay=N early=N tls=N errors=0 txns=1 time=2.3",
            U,
        ),
    )
    has(made[0], kind="rejection", stage="RCPT", recipient="no@m.example", smtp_code=550)
    has(made[1], kind="session", client_ip="203.0.113.66", client_host="bad.example", ended="disconnect")


@pytest.mark.parametrize(
    "line",
    [
        f"{T} level=NOTICE uuid={U} origin=core message=disconnect ip=203.0.113.66 rdns=bad.example",
        f"2026-01-01 13:00:00.250000000  [NOTICE] [{U}] [core] disconnect ip=203.0.113.66 rdns=bad.example",
    ],
)
def test_other_forms_of_the_line(line: str) -> None:
    made, _ = read(haraka, line)
    has(
        made[0],
        client_ip="203.0.113.66",
        client_host="bad.example",
        time=datetime(2026, 1, 1, 12, 0, 0, 250_000, tzinfo=UTC),
    )


def test_a_delivery_in_logfmt() -> None:
    lines = [
        f"{T} level=NOTICE uuid={U}.1 origin=core message=recipient <bob@x.example> code=OK",
        f'{T} level=NOTICE uuid={U}.1.1 origin=outbound message=""{SENT}',
    ]
    made, _ = read(haraka, "\n".join(lines))
    assert [(e["kind"], e.get("recipient")) for e in made] == [("delivery", "bob@x.example"), ("removed", None)]


def test_rubbish_is_counted() -> None:
    made, unknown = parsed(haraka, ["hello", f"2026-02-30T12:00:00Z [NOTICE] [{U}] [core] x", core("x")])
    assert (made, len(unknown)) == ([], 2)


@given(st.lists(st.sampled_from([*QUEUED, out(SENT), out("bouncing mail: x"), out("Temp failing a for 1 seconds: b"), out("secured x=1"), out("recipient <> deferred: x", 9)]), max_size=12), st.text(max_size=40))  # fmt: skip
def test_nothing_raises(lines: list[str], rest: str) -> None:
    parsed(haraka, [*lines, *(x + rest for x in lines), core(rest), out(rest)])
