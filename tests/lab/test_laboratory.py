import base64
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from tests.mailservers import inside

REPOSITORY = Path(__file__).parents[2]
HERE = {"cwd": REPOSITORY, "env": {**os.environ, "PYTHONPATH": str(REPOSITORY)}, "timeout": 300}

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("lab")]


def left_over(root: str) -> list[str]:
    """Command lines of processes that still speak of the lab's folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if root in words:
            found.append(words)
    return found


@pytest.fixture(scope="module")
def seen(tmp_path_factory) -> dict:
    out = tmp_path_factory.mktemp("lab") / "seen.json"
    inside("tests.lab.inside", str(out), timeout=300)
    return json.loads(out.read_text())


def test_every_service_answers(seen) -> None:
    assert seen["silent"] == []
    assert seen["pop3s"]


def test_nothing_can_leave_loopback(seen) -> None:
    assert seen["route"] == ""
    assert set(seen["outside"]) <= {"NXDOMAIN", "REFUSED"}


def test_the_resolver_validates_the_signed_zone_and_ns2_serves_an_old_serial(seen) -> None:
    assert seen["authentic"]
    new, old = seen["serials"]
    assert new > old


def test_the_planted_faults_of_the_servers_show(seen) -> None:
    certificate = x509.load_der_x509_certificate(base64.b64decode(seen["mx1 certificate"]))
    assert certificate.not_valid_after_utc == datetime(2026, 10, 29, 12, tzinfo=UTC)
    assert seen["mx2 starttls"] is False
    assert seen["auth before TLS"] is True
    assert "mx: mx1.meridian.example" in seen["policy"]
    assert "mx2" not in seen["policy"]
    assert "smtp_connection_cache_on_demand = no" in seen["postconf"]
    assert "disable_plaintext_auth = no" in seen["doveconf"]


@pytest.mark.parametrize(
    ("recipient", "status", "code"),
    [
        ("anna@gmail.com", "sent", "2.0.0"),
        ("rl1@gmail.com", "deferred", "4.7.28"),
        ("unknown1@gmail.com", "bounced", "5.1.1"),
        ("full1@gmail.com", "deferred", "4.2.2"),
        ("bert@gmail.com", "bounced", "5.7.25"),
        ("carl@gmail.com", "bounced", "5.7.26"),
        ("dora@outlook.com", "bounced", "5.7.515"),
        ("emil@gmail.com", "bounced", "5.7.32"),
        ("s3150a@hotmail.com", "bounced", "5.7.1"),
        ("busy1@yahoo.com", "deferred", "4.7.0"),
        ("quota1@goodpost.example", "bounced", "5.2.2"),
        ("gina@grey.example", "deferred", "4.2.0"),
        ("hans@strictmail.example", "bounced", "5.7.23"),
        ("ida@partner-rail.example", "bounced", "5.1.0"),
        ("jan@nordbank.example", "sent", "2.0.0"),
        ("kim@forwarder.example", "sent", "2.0.0"),
    ],
)
def test_each_provider_answers_as_the_large_ones_do(seen, recipient: str, status: str, code: str) -> None:
    first = seen["attempts"][recipient][0]
    assert f"dsn={code}, status={status} " in first


def test_a_greylisted_message_is_accepted_later_and_a_refused_one_expires(seen) -> None:
    assert "status=sent" in seen["attempts"]["gina@grey.example"][-1]
    assert (
        "status=expired, returned to sender" in "".join(seen["attempts"]["rl1@gmail.com"])
        or len(seen["attempts"]["rl1@gmail.com"]) > 1
    )


def test_bounces_of_every_sender_come_home(seen) -> None:
    for recipient in ("unknown1@gmail.com", "bert@gmail.com", "emil@gmail.com", "full1@gmail.com"):
        assert any(f"rfc822;{recipient}" in text.replace("; ", ";") for text in seen["bounces"])


def test_an_account_sends_through_submission_and_out2(seen) -> None:
    assert "sasl_username=jonas.keller" in seen["account log"][0]
    assert "relay=out2.meridian.example[198.51.100.12]:25" in seen["account"][-1]


def test_configuration_names_no_path_of_this_machine(seen) -> None:
    assert seen["root"] not in seen["postconf"] + seen["doveconf"]
    assert "/tmp" not in seen["postconf"] + seen["doveconf"]


def test_nothing_is_left_behind(seen) -> None:
    assert not Path(seen["root"]).exists()
    assert left_over(seen["root"]) == []


def test_a_folder_that_the_servers_cannot_enter_is_refused(tmp_path) -> None:
    tmp_path.chmod(0o700)
    command = [sys.executable, "-m", "smtplab.lab", "run", "--directory", str(tmp_path / "lab"), "--", "true"]
    done = subprocess.run(command, capture_output=True, **HERE)
    assert done.returncode == 2
    assert b"cannot enter" in done.stderr


def test_a_lab_told_to_stop_cleans_up() -> None:
    command = [sys.executable, "-m", "smtplab.lab", "up"]
    options = {key: HERE[key] for key in ("cwd", "env")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options) as process:
        for line in process.stdout:
            if line.startswith(b"logs and mail under"):
                root = line.split(b" under ")[1].split(b";")[0].decode()
                break
        assert left_over(root)
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    assert process.returncode == 0
    assert not Path(root).exists()
    end = time.monotonic() + 5
    while left_over(root) and time.monotonic() < end:
        time.sleep(0.1)
    assert left_over(root) == []
