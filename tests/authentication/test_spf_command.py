"""`smtplab spf` as a user and a script meet it: its object, its tree, its exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.authentication.dnsserver import Zone, serve, txt

ZONE: Zone = {
    "corp.example": [
        ("TXT", txt(b"v=spf1 a:gone.example include:_spf.corp.example redirct=x.example -all exp=why.example"))
    ],
    "_spf.corp.example": [("TXT", txt(b"v=spf1 ip4:192.0.2.0/24 ?all"))],
    "why.example": [("TXT", txt(b"%{i} may not send for %{d}, <b>sorry</b>"))],
    "bare.example": [("TXT", txt(b" v=spf1 -all"))],
    "shut.example": [("*", "SERVFAIL")],
}
KEYS = ["result", "mechanism", "lookups", "void_lookups", "explanation", "trace"]


@pytest.fixture(scope="module")
def resolver() -> Iterator[str]:
    with serve(ZONE) as address:
        yield address


def smtplab(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "smtplab", "spf", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def told(resolver: str, *words: str) -> dict[str, object]:
    done = smtplab(*words, "--resolver", resolver, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    made = json.loads(line)
    assert isinstance(made, dict)
    return made


def test_an_object_for_scripts_says_result_term_cost_and_trace(resolver: str) -> None:
    row = told(resolver, "Corp.Example.", "--ip", "192.0.2.9", "--sender", "news@corp.example", "--helo", "h.example")
    assert [row[k] for k in KEYS[:5]] == ["pass", "include:_spf.corp.example", 2, 1, ""]
    assert {
        "domain": "corp.example",
        "ip": "192.0.2.9",
        "sender": "news@corp.example",
        "helo": "h.example",
    }.items() <= row.items()
    assert row["worst_case_lookups"] == 2
    trace = row["trace"]
    assert isinstance(trace, list)
    assert [(s["term"], s["depth"], s["lookup"], s["outcome"]) for s in trace] == [
        ("a:gone.example", 0, 1, "no match"),
        ("include:_spf.corp.example", 0, 2, "match"),
        ("ip4:192.0.2.0/24", 1, 0, "match"),
    ]


def test_the_domains_own_explanation_is_told(resolver: str) -> None:
    row = told(resolver, "corp.example", "--ip", "2001:db8::1")
    assert (row["result"], row["explanation"]) == (
        "fail",
        "2.0.0.1.0.D.B.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1 may not send for corp.example, <b>sorry</b>",
    )


def test_a_record_can_be_tried_before_it_is_published(resolver: str) -> None:
    row = told(resolver, "corp.example", "--ip", "203.0.113.1", "--record", '"v=spf1 ip4:203.0.113.0/24" " -all"')
    assert (row["result"], row["mechanism"], row["worst_case_lookups"]) == ("pass", "ip4:203.0.113.0/24", 0)


@pytest.mark.parametrize(
    ("domain", "result"), [("bare.example", "none"), ("shut.example", "temperror"), ("no.example", "none")]
)
def test_no_record_and_no_answer_are_results(resolver: str, domain: str, result: str) -> None:
    assert told(resolver, domain, "--ip", "192.0.2.1")["result"] == result


def test_without_an_address_the_record_at_rest_is_told(resolver: str) -> None:
    row = told(resolver, "corp.example")
    assert (row["lookups"], row["void_lookups"]) == (2, 1)
    assert row["problems"] == ["corp.example: redirct=x.example: is no modifier of SPF and is ignored"]
    terms = row["terms"]
    assert isinstance(terms, list)
    assert [(t["term"], t["lookups"], t["owner"]) for t in terms] == [
        ("a:gone.example", 1, "gone.example"),
        ("include:_spf.corp.example", 1, "corp.example"),
        ("-all", 0, ""),
    ]
    assert told(resolver, "shut.example")["state"] == "unknown"


def test_a_terminal_sees_a_tree_or_a_table(resolver: str) -> None:
    tree = smtplab("corp.example", "--ip", "198.51.100.1", "--resolver", resolver).stdout
    assert tree.startswith("fail by -all")
    assert "├── 2 include:_spf.corp.example  no match: _spf.corp.example says neutral" in tree
    assert "│   └── ?all  match: matches every sender" in tree
    assert "explanation: 198.51.100.1 may not send for corp.example, <b>sorry</b>" in tree
    table = smtplab("corp.example", "--resolver", resolver).stdout
    assert table.startswith("SPF of corp.example: 2 of 10 look-ups, 1 empty")
    assert "! corp.example: redirct=x.example" in table
    assert "v=spf1 -all" in smtplab("bare.example", "--resolver", resolver).stdout


@pytest.mark.parametrize(
    "words",
    [
        ("corp.example", "--ip", "nowhere"),
        ("corp.example", "--ip", "192.0.2.256"),
        ("corp.example", "--ip", "fe80::1%eth0"),
        ("a..b", "--ip", "192.0.2.1"),
        ("192.0.2.1",),
        ("corp.example", "--resolver", "nowhere"),
    ],
)
def test_bad_input_is_one_line_and_exit_status_two(words: tuple[str, ...]) -> None:
    done = smtplab(*words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("smtplab: ")


def test_help_shows_an_example() -> None:
    assert "Example: smtplab spf example.org --ip" in " ".join(smtplab("--help").stdout.split())


def test_json_holds_nothing_that_drives_a_terminal_and_survives_bytes_that_are_no_utf_8(resolver: str) -> None:
    done = smtplab(
        "bare.example",
        "--ip",
        "192.0.2.1",
        "--sender",
        "\udcff\u202e\x9b@bare.example",
        "--resolver",
        resolver,
        "--json",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
