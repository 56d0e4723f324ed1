"""Sendmail's lines, and the abuse of fail2ban's samples."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.logs.daemons import sendmail
from smtplab.logs.event import COLUMNS, Line
from tests.logs.abuse import events, samples

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ID = "60116R0x123456"


def read(text: str) -> list[dict[str, Any]]:
    found = sendmail.events(Line(1, NOW, "mx1", "sendmail", "7", text))
    assert found is not None
    return [dict(e) for e in found]


def test_an_arrival_is_message_client_and_message_id() -> None:
    made = read(
        f"{ID}: from=<ann@meridian.example>, size=1234, class=0, nrcpts=2, msgid=<a1@meridian.example>, proto=ESMTPS, daemon=MTA, relay=pc.meridian.example [203.0.113.5]"
    )
    assert [e["kind"] for e in made] == ["message", "client", "message_id"]
    assert (made[0]["sender"], made[0]["size"], made[0]["recipients"]) == ("ann@meridian.example", 1234, 2)
    assert (made[1]["client_host"], made[1]["client_ip"]) == ("pc.meridian.example", "203.0.113.5")
    assert made[2]["message_id"] == "a1@meridian.example"


def test_what_a_stranger_wrote_in_an_address_is_no_field() -> None:
    (_, client) = read(f'{ID}: from=<"a, relay=evil [192.0.2.9], x"@b.example>, size=1, nrcpts=1, relay=[203.0.113.5]')
    assert client["client_ip"] == "203.0.113.5"


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ("relay=mx.x.example. [203.0.113.25], dsn=2.0.0, stat=Sent (250 2.0.0 ok, thanks)", ("sent", "mx.x.example", "203.0.113.25", 250, "2.0.0", "250 2.0.0 ok, thanks")),
        ("relay=mx.x.example. [IPv6:2001:db8::25], dsn=4.7.1, stat=Deferred: 451 4.7.1 greylisted", ("deferred", "mx.x.example", "2001:db8::25", 451, "4.7.1", "451 4.7.1 greylisted")),
        ("relay=mx.x.example., dsn=4.0.0, stat=Deferred: Connection refused by mx.x.example.", ("deferred", "mx.x.example", None, None, "4.0.0", "Connection refused by mx.x.example.")),
        ("dsn=5.1.1, stat=User unknown", ("bounced", None, None, None, "5.1.1", "User unknown")),
    ],
)  # fmt: skip
def test_an_attempt_has_a_row_for_each_recipient(rest: str, expected: tuple[object, ...]) -> None:
    made = read(
        f"{ID}: to=<bob@x.example>,<eve@x.example>, ctladdr=<ann@m.example> (1/1), delay=1+02:03:04, xdelay=00:00:05, mailer=esmtp, pri=1, {rest}"
    )
    assert [e["recipient"] for e in made] == ["bob@x.example", "eve@x.example"]
    keys = ("status", "relay_host", "relay_ip", "smtp_code", "enhanced_code", "response")
    assert tuple(made[0].get(k) for k in keys) == expected
    assert (made[0]["delay"], made[0]["delay_transmission"]) == (93784.0, 5.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{ID}: done; delay=00:00:01, ntries=1", {"kind": "removed"}),
        (f"{ID}: 60116R0y123456: return to sender: Cannot send message for 5 days", {"kind": "expired", "queue_id": ID}),
        ("STARTTLS=client, relay=mx.x.example., version=TLSv1.3, verify=FAIL, cipher=TLS_AES_256_GCM_SHA384, bits=256/256", {"kind": "tls", "relay_host": "mx.x.example", "tls_version": "TLSv1.3", "tls_verified": "Untrusted"}),
        (f"{ID}: AUTH=server, relay=pc [203.0.113.5], authid=ann, mech=PLAIN, bits=0", {"kind": "sign_in", "auth_ok": True, "auth_user": "ann", "client_ip": "203.0.113.5"}),
        (f"{ID}: AUTH failure (LOGIN): user not found (-20) SASL(-13): user not found, relay=bad [203.0.113.66]", {"kind": "sign_in", "auth_ok": False, "auth_method": "LOGIN", "client_ip": "203.0.113.66"}),
        (f"{ID}: ruleset=check_mail, arg1=<a@b.example>, relay=[203.0.113.66], reject=553 5.1.8 <a@b.example>... Domain of sender address does not exist", {"kind": "rejection", "stage": "MAIL", "sender": "a@b.example", "smtp_code": 553}),
    ],
)  # fmt: skip
def test_other_lines(text: str, expected: dict[str, Any]) -> None:
    (row,) = read(text)
    assert {k: row.get(k) for k in expected} == expected


def test_every_abuse_line_of_fail2ban_is_found_with_its_client(corpora: Path) -> None:
    told = list(samples(corpora / "logs" / "fail2ban" / "sendmail-reject"))
    assert len(told) > 40
    refused_ids: set[str] = set()
    for sample in told:
        made = events(sample.line) or []
        refused = [e for e in made if e["kind"] == "rejection"]
        refused_ids |= {e["queue_id"] for e in refused if "queue_id" in e}
        found = {e["client_ip"] for e in refused if "client_ip" in e}
        if sample.mode != "normal":
            # Clients that left without sending are abuse only in the stricter modes.
            found |= {e["client_ip"] for e in made if e["kind"] == "session"}
        # The refusal of a recipient names no client: the line of its message, with the same id, does.
        found |= {e["client_ip"] for e in made if e["kind"] == "client" and e["queue_id"] in refused_ids}
        assert found == ({sample.host} if sample.abuse else set()), sample.line


def test_every_abuse_line_of_courier_is_found_with_its_client(corpora: Path) -> None:
    told = list(samples(corpora / "logs" / "fail2ban" / "courier-smtp"))
    assert len(told) > 7
    for sample in told:
        made = events(sample.line) or []
        assert sample.abuse
        assert {e.get("client_ip") for e in made if e["kind"] in ("rejection", "sign_in")} == {sample.host}, sample.line


@given(st.text(alphabet=st.sampled_from("abc=<>,: []1.,stat=reject=relay=to=from=\x00é"), max_size=300))
def test_nothing_raises(text: str) -> None:
    for head in ("", f"{ID}: ", f"{ID}: to=<a>, ", "from=<"):
        for event in sendmail.events(Line(1, NOW, "h", "sendmail", "", head + text)) or ():
            assert set(event) <= set(COLUMNS)
