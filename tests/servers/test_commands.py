"""Commands server and explain, as a script meets them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from smtplab.case import Case
from tests.net.certs import DAY, HOST, Authority
from tests.net.scripted import SMTP, SMTP_INSIDE, Scripted, context, dialogue


def smtplab(*words: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "smtplab", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env={**os.environ, **env})


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return Authority().issue(HOST).write(tmp_path_factory.mktemp("tls"))


def test_one_object_an_endpoint_as_the_contract_says(tls: tuple[Path, Path]) -> None:
    inside = SMTP_INSIDE | {"AUTH": "535 5.7.8 no\r\n"}
    with Scripted(dialogue("220 hi\r\n", SMTP, inside), context(*tls)) as server:
        endpoint = f"localhost:{server.port}:smtp"
        done = smtplab("server", endpoint, "127.0.0.1:1", "--json", "--user", "jo", SMTPLAB_PASSWORD="secret-word")
    assert done.returncode == 0, done.stderr
    first, second = map(json.loads, done.stdout.splitlines())
    contract = {"host", "port", "protocol", "steps", "capabilities", "tls", "connections_used", "findings"}
    assert contract <= first.keys()
    assert (first["host"], first["protocol"]) == ("localhost", "smtp")
    assert {"phase", "ok", "ms", "reply", "bytes_out", "bytes_in"} == first["steps"][0].keys()
    assert {"versions", "ciphers", "groups", "negotiated", "certificate"} <= first["tls"].keys()
    assert first["tls"]["certificate"]["names"] == [HOST]
    assert all(first["capabilities"][when] for when in ("before", "after"))
    assert "auth-wrong" in [c["id"] for c in first["causes"]]
    assert 1 <= first["connections_used"] <= 12
    assert "secret-word" not in done.stdout
    assert second["tls"] is None
    assert second["causes"][0]["id"] in ("port-refused", "port-not-served")


def test_a_person_gets_steps_causes_and_the_connections() -> None:
    done = smtplab("server", "127.0.0.1:1", "--timeout", "0.5")
    assert done.returncode == 0
    for words in ("FAILED", "connection refused", "Tell apart:", "Do:", "Connections used: 1"):
        assert words in done.stdout


BAD = [
    (["nonsense:port"], "is no port"),
    (["mx.example:25:gopher"], "not spoken here"),
    (["mx.example", "--starttls", "maybe"], "One of: auto, never, implicit"),
    (["192.0.2.1", "--intrusive"], "not listed as your own"),
    (["127.0.0.1:1", "--sender", "a\nb"], "no address"),
    (["127.0.0.1:1", "--fail-on", "awful"], "no severity"),
    (["127.0.0.1:1", "--resolver", "ns.example"], "no resolver"),
]


@pytest.mark.parametrize(("words", "said"), BAD)
def test_bad_input_is_one_line_and_exit_status_2(words: list[str], said: str) -> None:
    done = smtplab("server", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_case_lists_the_hosts_that_may_be_probed(tmp_path: Path) -> None:
    Case.create(tmp_path / "case", "example.org")
    file = tmp_path / "case" / "case.toml"
    file.write_text(file.read_text() + '\n[[hosts]]\nname = "mx.example.org"\naddresses = ["192.0.2.1"]\nown = true\n')
    words = ("--case", tmp_path / "case", "--intrusive", "--timeout", "0.2", "--json")
    assert smtplab("server", "192.0.2.1", *words).returncode == 0
    assert smtplab("server", "192.0.2.2", *words).returncode == 2


def test_loopback_may_be_probed() -> None:
    with Scripted(dialogue("220 hi\r\n", {"EHLO": "250 hi\r\n", "MAIL": "554 no\r\n"})) as server:
        done = smtplab("server", f"127.0.0.1:{server.port}:smtp", "--intrusive", "--json", "--timeout", "0.5")
    told = json.loads(done.stdout)
    assert {p["what"] for p in told["probes"]} == {"relay", "verify", "injection", "smuggling"}
    assert told["connections_used"] <= 12


def test_an_error_text_is_explained() -> None:
    done = smtplab("explain", "ssl.SSLError: [SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)")
    assert done.returncode == 0
    assert "who must act: you" in done.stdout
    told = json.loads(smtplab("explain", "Error: Greeting never received", "--json").stdout)
    assert told["rule"] == "connection-timeout"


def test_a_case_adds_its_evidence(meridian: Path) -> None:
    done = smtplab("explain", "SEC_ERROR_EXPIRED_CERTIFICATE", "--case", meridian)
    assert done.returncode == 0
    assert "in this case:" in done.stdout
    assert "mx1.meridian.example" in done.stdout


def test_findings_on_tls_stand_beside_those_of_the_session_and_decide_the_exit_status(tls: tuple[Path, Path]) -> None:
    clear = SMTP | {"EHLO": SMTP_INSIDE["EHLO"].replace("250 8", "250-STARTTLS\r\n250 8")}
    with Scripted(dialogue("220 hi\r\n", clear, SMTP_INSIDE), context(*tls)) as server:
        endpoint = f"localhost:{server.port}:smtp"
        told = json.loads(smtplab("server", endpoint, "--json").stdout)
        status = {level: smtplab("server", endpoint, "--fail-on", level).returncode for level in ("critical", "high")}
    found = {f["code"]: f["severity"] for f in told["findings"]}
    assert "servers.auth.before_tls" in found
    # The authority is of our own making: this machine knows nobody who signed the certificate.
    assert "transport.certificate.chain_incomplete" in found
    assert status == {"critical": 0, "high": 1}


def test_an_address_is_not_asked_for_its_name(tmp_path: Path) -> None:
    authority = Authority()
    now = datetime.now(UTC)
    chain = authority.issue(HOST, begin=now - DAY, end=now + 60 * DAY).write(tmp_path)
    trust = {"SSL_CERT_FILE": str(authority.pem(tmp_path / "ca.pem"))}
    with Scripted(dialogue("220 hi\r\n", SMTP, SMTP_INSIDE), context(*chain)) as server:
        by_address = smtplab("server", f"127.0.0.1:{server.port}:smtp", "--json", **trust)
        by_name = smtplab("server", f"localhost:{server.port}:smtp", "--json", **trust)
    told, other = json.loads(by_address.stdout), json.loads(by_name.stdout)
    codes = [{f["code"] for f in t["findings"] if "certificate" in f["code"]} for t in (told, other)]
    assert codes == [{"transport.certificate.whose"}, {"transport.certificate.name"}]
    assert [t["tls"]["certificate"]["covers_host"] for t in (told, other)] == [None, False]
    assert told["tls"]["certificate"]["strict"] == "valid"
    step = next(s for s in told["steps"] if s["phase"] == "certificate")
    assert step["ok"] is True
    assert "needs its name" in step["reply"]
