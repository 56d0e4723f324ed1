"""A real Exim's log is understood line by line, with few log selectors and with all."""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from smtplab.logs import files
from smtplab.logs.event import Setting, Unknown
from smtplab.logs.files import exim
from tests.mailservers import inside

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("servers")]


@pytest.fixture(
    scope="module", params=["+tls_peerdn", "+all", "+millisec +pid +outgoing_interface +deliver_time +queue_time"]
)
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    if not os.environ.get("SMTPLAB_EXIM"):
        pytest.skip("set SMTPLAB_EXIM to an unpacked exim4")
    out = tmp_path_factory.mktemp("exim") / "mainlog"
    inside("tests.logs.inside_exim", str(out), request.param)
    lines = out.read_text().splitlines()
    assert files.recognise(lines) is exim
    found = list(exim.events(enumerate(lines, 1), Setting("mainlog", "UTC", datetime.now(UTC), "out1")))
    assert not [f for f in found if isinstance(f, Unknown)]
    return [dict(f[1]) for f in found if not isinstance(f, Unknown)]


def test_every_recipient_has_its_outcome(told: list[dict[str, Any]]) -> None:
    attempts = {(e["recipient"], e["status"], e.get("smtp_code")) for e in told if e["kind"] == "delivery"}
    assert attempts >= {("good@x.example", "sent", 250), ("later@x.example", "deferred", 451), ("never@x.example", "bounced", 550), ("lost@nowhere.example", "bounced", None)}  # fmt: skip
    sent = next(e for e in told if e.get("status") == "sent")
    assert (sent["relay_ip"], sent["response"]) == ("127.0.0.1", "250 2.0.0 queued as A1")
    never = next(e for e in told if e.get("recipient") == "never@x.example" and e["kind"] == "delivery")
    assert (never["enhanced_code"], never["relay_ip"]) == ("5.1.1", "127.0.0.1")
    assert never["response"].endswith("550 5.1.1 no such user H=evil [192.0.2.9]")


def test_arrivals_sign_ins_and_refusals_are_found(told: list[dict[str, Any]]) -> None:
    kinds = Counter(e["kind"] for e in told)
    assert (kinds["message"], kinds["message_id"], kinds["removed"]) == (2, 2, 1)
    client = next(e for e in told if e["kind"] == "client")
    assert (client["client_ip"], client["helo"], client["sasl_user"]) == ("127.0.0.1", "pc.meridian.example", "jo")
    failed = next(e for e in told if e["kind"] == "sign_in")
    assert (failed["auth_ok"], failed["auth_user"], failed["client_ip"]) == (False, "jo", "127.0.0.1")
    refused = next(e for e in told if e["kind"] == "rejection")
    assert (refused["stage"], refused["recipient"], refused["response"]) == (
        "RCPT",
        "stranger@x.example",
        "relay not permitted",
    )
    assert {e["message_id"] for e in told if e["kind"] == "message_id"} == {"a1@meridian.example"}
