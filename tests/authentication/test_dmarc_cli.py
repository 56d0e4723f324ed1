"""`smtplab dmarc` as a script meets it, and as a person does."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.authentication.dnsserver import Zone, serve
from tests.authentication.test_dmarc import zone

TREE: Zone = zone({"corp.example": "p=reject; np=quarantine; t=y; rua=mailto:x@desk.example"})
KEYS = {
    "domain", "mode", "state", "exists", "record", "organizational_domain", "policy", "subdomain_policy",
    "nonexistent_policy", "psl_organizational_domain", "walk", "report_targets", "disputed", "differs", "findings",
}  # fmt: skip


def dmarc(*words: str, names: Zone = TREE) -> subprocess.CompletedProcess[str]:
    with serve(names) as resolver:
        command = [sys.executable, "-m", "smtplab", "dmarc", *words, "--resolver", resolver]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def told(*words: str, names: Zone = TREE) -> dict[str, Any]:
    done = dmarc(*words, "--json", names=names)
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    made: dict[str, Any] = json.loads(line)
    return made


def test_a_script_gets_one_object_with_the_keys_of_the_contract() -> None:
    made = told("x.corp.example")
    assert made.keys() == KEYS
    assert (made["state"], made["exists"], made["organizational_domain"]) == ("present", False, "corp.example")
    assert (made["policy"], made["subdomain_policy"], made["nonexistent_policy"]) == (
        "quarantine", "reject", "quarantine",
    )  # fmt: skip
    assert [s["name"] for s in made["walk"]] == ["_dmarc.x.corp.example", "_dmarc.corp.example", "_dmarc.example"]
    assert made["report_targets"][0]["consent"] == "not authorised"
    assert {d["case"] for d in made["disputed"]} == {"t=y", "walk ends without psd="}
    assert all(len(d["readings"]) == 2 for d in made["disputed"])
    assert {"dmarc.policy.testing", "dmarc.report.unauthorised"} <= {f["code"] for f in made["findings"]}


def test_the_mode_decides_whose_policy_is_given() -> None:
    old = told("x.corp.example", "--mode", "7489")
    assert (old["policy"], old["nonexistent_policy"]) == ("reject", "reject")


@pytest.mark.parametrize(
    ("words", "result", "disposition"),
    [
        (("--spf", "bounce.corp.example:pass"), "pass", "none"),
        (("--spf", "vendor.example:pass", "--dkim", "corp.example:FAIL"), "fail", "quarantine"),
        (("--dkim", "vendor.example:pass", "--mode", "7489"), "fail", "reject"),
        (("--dkim", "a.vendor.example:pass", "--dkim", "corp.example:pass"), "pass", "none"),
    ],
)
def test_a_message_gets_its_verdict(words: tuple[str, ...], result: str, disposition: str) -> None:
    verdict = told("corp.example", *words)["verdict"]
    assert (verdict["result"], verdict["disposition"]) == (result, disposition)
    assert len(verdict["identities"]) == words.count("--spf") + words.count("--dkim")


def test_a_person_reads_both_standards_and_what_to_do() -> None:
    done = dmarc("corp.example", "--spf", "vendor.example:pass")
    assert (done.returncode, done.stderr) == (0, "")
    for piece in (
        "RFC 7489",
        "policy for a subdomain that does not exist",
        "differently",
        "disagree on DMARC",
        "dmarc=fail",
    ):
        assert piece in done.stdout
    # To be copied: on one line.
    assert '_dmarc.corp.example. TXT "v=DMARC1; p=reject; np=quarantine; rua=mailto:x@desk.example"' in done.stdout


def test_what_a_stranger_publishes_does_not_drive_the_terminal() -> None:
    done = dmarc("corp.example", names=zone({"corp.example": "p=none; rua=mailto:a\x1b[2J@b.example; x\x1b]0;y=1"}))
    assert done.returncode == 0
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    ("words", "piece"),
    [
        (("not a domain",), "not a domain name"),
        (("a@corp.example",), "Leave away what stands before and after the domain"),
        (("corp.example", "--mode", "1"), "--mode"),
        (("corp.example", "--spf", "corp.example"), "--spf"),
        (("corp.example", "--spf", "corp.example:maybe"), "--spf"),
        (("corp.example", "--dkim", ":pass"), "--dkim"),
        (("corp.example", "--dkim", "a b:pass"), "not a domain name"),
    ],
)
def test_bad_input_is_one_line_and_exit_status_2(words: tuple[str, ...], piece: str) -> None:
    done = dmarc(*words)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert piece in line


def test_a_resolver_that_is_silent_leaves_unknown() -> None:
    with serve({}) as resolver:
        gone = resolver
    command = [sys.executable, "-m", "smtplab", "dmarc", "corp.example", "--resolver", gone, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    made = json.loads(done.stdout)
    assert (done.returncode, made["state"], made["policy"], made["record"]) == (0, "unknown", "unknown", None)
