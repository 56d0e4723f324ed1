"""Findings on logs: each planted fault is found with its facts, and greylisting raises nothing above info."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from smtplab import logs
from smtplab.case import Case
from smtplab.findings import Findings

TOML = """version = 1
domains = ["meridian.example"]
as_of = 2026-11-16T06:00:00Z
[sources]
logs = ["mail.log"]
events = ["events*"]
[[hosts]]
name = "out1.meridian.example"
addresses = ["198.51.100.11"]
roles = ["outbound"]
[[streams]]
name = "news"
match = { category = "news" }
[[streams]]
name = "winback"
campaign = "winback-2019"
match = { sender = "w@meridian.example" }
"""


def mail(n: int, to: str, *ends: str, day: int = 13, client: str = "") -> list[str]:
    at = f"Oct {day} 02:{n // 60 % 60:02}:{n % 60:02} out1 postfix"
    lines = [f"{at}/smtpd[1]: 4abc{n:06}: client=x[{client}], sasl_method=PLAIN, sasl_username=anna"] * bool(client)
    lines += [
        f"{at}/cleanup[1]: 4abc{n:06}: message-id=<{n}@meridian.example>",
        f"{at}/qmgr[1]: 4abc{n:06}: from=<w@meridian.example>, size=9, nrcpt=1 (queue active)",
    ]
    for end in ends:
        dsn, status, reply = end.split(" ", 2)
        lines.append(
            f"{at}/smtp[2]: 4abc{n:06}: to=<{to}>, relay=mx.h.example[203.0.113.40]:25, delay=1, "
            f"delays=0/0/0/1, dsn={dsn}, status={status} ({reply})"
        )
    return lines


def check(folder: Path, lines: list[str]) -> Findings:
    (folder / "case.toml").write_text(TOML)
    (folder / "mail.log").write_text("\n".join(lines) + "\n")
    return logs.check(logs.read(Case.open(folder)))


def many(count: int, to: str, *ends: str) -> list[str]:
    return [line for n in range(count) for line in mail(n, f"r{n}@{to}", *ends)]


FULL = "4.2.2 deferred 452 4.2.2 over quota"


@pytest.mark.parametrize(
    ("lines", "code", "facts"),
    [
        (many(60, "x.example", "5.1.1 bounced 550 5.1.1 unknown"), "logs.campaign.unknown_users",
         {"campaign": "winback-2019", "recipients": 60, "since": "2026-10-13"}),
        (many(5, "gmail.com", "4.7.28 deferred 421-4.7.28 unusual rate"), "logs.provider.rate_limited",
         {"provider": "gmail", "source_ip": "198.51.100.11"}),
        (many(60, "yahoo.com", "4.7.0 deferred 421 Too many connections"), "logs.connections.not_reused",
         {"host": "out1", "providers": ["Yahoo"], "destinations": "yahoo.com"}),
        (many(20, "x.example", *[FULL] * 4, "4.2.2 bounced 452 4.2.2 over quota"), "logs.mailbox_full.retried",
         {"recipients": 20, "attempts": 100}),
        (many(1, "p.example", "5.1.10 bounced Domain does not accept mail (nullMX)"), "logs.recipient_domain.null_mx",
         {"recipient_domain": "p.example"}),
    ],
)  # fmt: skip
def test_a_fault_is_found_with_its_facts(tmp_path: Path, lines: list[str], code: str, facts: dict[str, object]) -> None:
    findings = check(tmp_path, lines)
    found = [f for f in findings if f.code == code]
    assert [{k: f.facts[k] for k in facts} for f in found] == [facts]
    assert {f.code for f in findings.at_least("medium")} <= {code}


@pytest.mark.parametrize(
    "said",
    [
        ("4.3.2 deferred 432 4.3.2 busy", "2.0.0 sent 250 ok"),
        ("5.3.2 bounced 550 5.3.2 System not accepting network messages",),
        ("5.7.27 bounced 550 5.7.27 Sender address has null MX",),
    ],
)
def test_only_a_domain_s_own_null_mx_says_that_it_takes_no_mail(tmp_path: Path, said: tuple[str, ...]) -> None:
    assert not check(tmp_path, many(1, "p.example", *said)).of("logs.recipient_domain.")


def test_guessing_then_success_from_elsewhere_is_a_stolen_account(tmp_path: Path) -> None:
    usual = mail(1, "a@x.example", "2.0.0 sent 250 ok", day=12, client="192.0.2.50")
    guess = "Oct 18 01:00:00 out1 postfix/smtpd[1]: warning: y[203.0.113.66]: SASL LOGIN authentication failed: x, sasl_username=anna"
    night = mail(2, "b@x.example", "2.0.0 sent 250 ok", day=18, client="203.0.113.66")
    found = check(tmp_path, [*usual, *[guess] * 25, *night]).of("logs.account.")
    assert [(f.facts["account"], f.facts["networks"], f.facts["source_ips"]) for f in found] == [
        ("anna", ["203.0.113.0/24"], ["198.51.100.11"])
    ]
    assert not check(tmp_path, [*usual, *[guess] * 25]).of("logs.account.")


@pytest.mark.parametrize(
    ("accepted", "complaints", "code"),
    [
        # Gmail and Yahoo never accept 0.3%.
        (1000, 3, "logs.complaints.above_limit"),
        (1001, 3, "logs.complaints.below_limit"),
        (1000, 1, "logs.complaints.below_limit"),
        (1000, 0, ""),
    ],
)
def test_complaints_are_judged_by_their_share_of_accepted_mail(
    tmp_path: Path, accepted: int, complaints: int, code: str
) -> None:
    base = {"timestamp": 1_793_600_000, "category": "news"}
    told = [{**base, "event": "delivered", "email": f"r{n}@gmail.com"} for n in range(accepted)]
    told += [{**base, "event": "spamreport", "email": f"r{n}@gmail.com"} for n in range(complaints)]
    (tmp_path / "events.jsonl").write_text("".join(f"{json.dumps(e)}\n" for e in told))
    found = check(tmp_path, []).of("logs.complaints")
    assert [f.code for f in found] == [code] * bool(code)
    assert all(f.facts["rate"] == f"{complaints / accepted:.2%}" for f in found)


def test_greylisting_that_resolves_is_information_only(tmp_path: Path) -> None:
    findings = check(tmp_path, many(60, "grey.example", "4.2.0 deferred 450 4.2.0 Greylisted", "2.0.0 sent 250 ok"))
    assert {"logs.deferrals.resolved", "logs.greylisting.cost", "logs.ok"} <= {f.code for f in findings}
    assert not [f for f in findings.at_least("low") if not f.code.startswith("logs.connections.")]
