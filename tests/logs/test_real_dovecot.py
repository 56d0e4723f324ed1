"""A real Dovecot's own log is understood line by line."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from smtplab.logs import files
from smtplab.logs.event import Setting, Unknown
from smtplab.logs.files import dovecot

REPOSITORY = Path(__file__).parents[2]
ENTER = "import sys; from smtplab.lab import in_namespace; sys.exit(in_namespace(sys.argv[1:]))"

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("servers")]


def test_every_sign_in_is_found(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ENTER, "tests.logs.inside_dovecot", str(tmp_path / "dovecot.log")]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, capture_output=True, cwd=REPOSITORY, env=env, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode()
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
