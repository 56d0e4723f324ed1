"""A real Dovecot's own log is understood line by line."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from smtplab.logs import files
from smtplab.logs.event import Setting, Unknown
from smtplab.logs.files import dovecot
from tests.mailservers import inside

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("servers")]


def test_every_sign_in_is_found(tmp_path: Path) -> None:
    inside("tests.logs.inside_dovecot", str(tmp_path / "dovecot.log"))
    lines = (tmp_path / "dovecot.log").read_text().splitlines()
    assert files.recognise(lines) is dovecot
    found = list(dovecot.events(enumerate(lines, 1), Setting("dovecot.log", "UTC", datetime.now(UTC), "mail1")))
    assert not [f for f in found if isinstance(f, Unknown)]
    told = [dict(f[1]) for f in found if not isinstance(f, Unknown)]
    assert {e["client_ip"] for e in told} == {"127.0.0.1"}
    tried = [(e["service"], e.get("auth_user"), e["auth_ok"]) for e in told if e["kind"] == "sign_in"]
    # Each failure comes twice: from the password database at once, from the login service at the end.
    wrong = [("imap", "jo", False), ("imap", "nobody", False), ("pop3", "jo", False), ("auth", "jo", False), ("auth", "nobody", False), ("auth", "jo", False)]  # fmt: skip
    assert sorted(tried, key=str) == sorted([("imap", "jo", True), *wrong], key=str)
    assert {e["ended"].split(" in ")[0] for e in told if e["kind"] == "session"} == {"no auth attempts"}
