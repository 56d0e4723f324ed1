"""Findings on sign-ins, accounts and refused clients: the attack is told, and what looks like one is not."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from smtplab import logs
from smtplab.findings import Finding, Findings
from tests.logs.frames import at, evidence

Row = dict[str, Any]
START = at("2026-11-01 08:00")
OFFICE, ATTACKER = "192.0.2.5", "203.0.113.7"


def one(findings: Findings, code: str) -> Finding:
    (found,) = [f for f in findings if f.code == code]
    return found


def signin(minute: float, user: str, ip: str = OFFICE, ok: bool = True, method: str = "PLAIN") -> Row:
    base = {"time": START + pd.Timedelta(minutes=minute), "host": "mail", "service": "submission", "client_ip": ip}
    return base | {"auth_user": user, "auth_ok": ok, "auth_method": method}


def spray(*fine: Row) -> Findings:
    tried = [signin(n, f"user{n % 12}", ATTACKER, False) for n in range(24)]
    return logs.check(evidence(connections=[signin(-60, "anna"), *tried, *fine]))


def test_a_few_passwords_on_many_accounts_are_spraying() -> None:
    found = one(spray(), "logs.signins.spraying")
    assert (found.subject, found.facts["accounts"]) == ("203.0.113.0/24", 12)
    assert not spray().of("logs.signins.guessing")


def test_a_sign_in_from_the_spraying_network_is_an_account_taken_over() -> None:
    findings = spray(signin(30, "user3", ATTACKER))
    found = one(findings, "logs.account.sprayed")
    assert (found.severity, found.facts["taken"], found.facts["since"]) == ("critical", ["user3"], "2026-11-01 08:30")
    assert not findings.of("logs.signins.spraying")


def test_an_office_with_stale_passwords_is_no_attacker() -> None:
    findings = spray(signin(-10, "user3", ATTACKER))
    assert not [*findings.of("logs.signins.spraying"), *findings.of("logs.account.")]


def test_guessing_is_told_by_network_and_not_for_a_network_that_signs_in() -> None:
    tried = [signin(n, "anna", ATTACKER, False) for n in range(25)]
    found = one(logs.check(evidence(connections=tried)), "logs.signins.guessing")
    assert [found.facts[k] for k in ("failures", "networks", "accounts")] == [25, "1 network", ["anna"]]
    mistyped = [signin(n, "anna", OFFICE, False) for n in range(25)]
    assert not logs.check(evidence(connections=[signin(-1, "anna"), *mistyped])).of("logs.signins.guessing")
    assert not logs.check(evidence(connections=tried[:19])).of("logs.signins.guessing")


def test_a_failure_that_dovecot_s_auth_service_tells_as_well_counts_once() -> None:
    front = [signin(n, "anna", ATTACKER, False) for n in range(25)]
    behind = [r | {"service": "auth", "auth_method": None} for r in front]
    for rows in (front, [*front, *behind], behind):
        assert one(logs.check(evidence(connections=rows)), "logs.signins.guessing").facts["failures"] == 25


def test_one_account_from_many_networks_in_a_day() -> None:
    rows = [signin(n, "anna", f"203.0.{n}.9") for n in range(6)]
    found = one(logs.check(evidence(connections=rows)), "logs.account.many_networks")
    assert [found.facts[k] for k in ("account", "networks", "day")] == ["anna", 6, "2026-11-01"]
    spread = [signin(n * 1440, "anna", f"203.0.{n}.9") for n in range(6)]
    one_network = [signin(n, "anna", f"203.0.113.{n}") for n in range(6)]
    for harmless in (spread, one_network):
        assert not logs.check(evidence(connections=harmless)).of("logs.account.")


def test_what_a_second_factor_would_cover() -> None:
    rows = [signin(n, "anna") for n in range(6)] + [signin(9, "ben", ATTACKER), signin(9, "eva", method="OAUTHBEARER")]
    found = one(logs.check(evidence(connections=rows)), "logs.signins.coverage")
    told = [found.facts[k] for k in ("signins", "accounts", "share", "networks", "elsewhere")]
    assert told == [8, "3 accounts", "88%", "2 networks", "12%"]
    assert {"PLAIN: 7", "OAUTHBEARER: 1", "from 192.0.2.0/24: 7"} <= set(found.evidence)


@pytest.mark.parametrize("ip", [None, "unknown", "x" * 300])
def test_a_client_without_address_is_no_network(ip: str) -> None:
    rows = [signin(n, f"u{n}", ip, False) for n in range(40)] + [signin(50, "anna", ip)]
    findings = logs.check(evidence(connections=rows))
    assert {f.code for f in findings} == {"logs.signins.coverage"}


def mail(day: int, count: int, hour: int = 9, user: str | None = "anna") -> list[Row]:
    time = at("2026-11-01 00:00") + pd.Timedelta(days=day, hours=hour)
    return [
        {"time": time + pd.Timedelta(seconds=n), "host": "mail", "queue_id": f"{day}-{hour}-{n}", "sasl_user": user}
        for n in range(count)
    ]


def weeks(count: int, **more: Any) -> list[Row]:
    return [row for day in range(14) for row in mail(day, count, **more)]


def test_a_sudden_volume_of_an_account_is_measured_by_its_own_history() -> None:
    found = one(logs.check(evidence(messages=[*weeks(10), *mail(14, 60)])), "logs.account.volume")
    assert [found.facts[k] for k in ("account", "count", "day", "usual")] == ["anna", 60, "2026-11-15", 10]
    a_mailing_before = [*weeks(10), *mail(3, 60, hour=10), *mail(14, 60)]
    no_history = mail(0, 500)
    for harmless in (weeks(10), a_mailing_before, no_history, [*weeks(10), *mail(14, 40)]):
        assert not logs.check(evidence(messages=harmless)).of("logs.account.volume")


def test_hours_never_used_before_are_odd() -> None:
    found = one(logs.check(evidence(messages=[*weeks(10), *mail(14, 20, hour=3)])), "logs.account.odd_hours")
    assert (found.facts["count"], found.facts["day"]) == (20, "2026-11-15")
    assert found.evidence == ("hours (UTC): 03",)
    used_once = [*weeks(10), *mail(2, 1, hour=3), *mail(14, 20, hour=3)]
    an_hour_later = [*weeks(10), *mail(14, 20, hour=10)]
    for harmless in (used_once, an_hour_later, mail(0, 100, hour=3)):
        assert not logs.check(evidence(messages=harmless)).of("logs.account.odd_hours")


def test_a_server_s_sudden_volume() -> None:
    found = one(logs.check(evidence(messages=[*weeks(90, user=None), *mail(14, 600, user=None)])), "logs.volume.sudden")
    assert [found.facts[k] for k in ("host", "count", "usual")] == ["mail", 600, 90]
    assert not logs.check(evidence(messages=weeks(600, user=None))).of("logs.volume.")


def refused(count: int, **more: Any) -> list[Row]:
    base = {"host": "mx", "service": "smtpd", "stage": "RCPT", "client_ip": ATTACKER, "reason": "norelaying"}
    return [base | {"time": START + pd.Timedelta(seconds=n)} | more for n in range(count)]


def test_relay_attempts_are_counted_by_network() -> None:
    found = one(logs.check(evidence(rejections=refused(10))), "logs.relay.attempts")
    assert (found.facts["attempts"], found.facts["networks"], found.facts["hosts"]) == (10, "1 network", ["mx"])
    assert not logs.check(evidence(rejections=refused(9))).of("logs.relay.")


def test_postscreen_s_effect_and_the_cost_of_its_deep_tests() -> None:
    blocked = refused(5, service="postscreen", reason="blocked", enhanced_code="5.7.1")
    findings = logs.check(evidence(rejections=blocked))
    assert one(findings, "logs.postscreen.effect").facts["refused"] == 5
    assert not findings.of("logs.postscreen.deep_tests")
    again = refused(20, service="postscreen", reason="undefined", enhanced_code="4.3.2")
    assert one(logs.check(evidence(rejections=again)), "logs.postscreen.deep_tests").facts["refused"] == 20


def test_a_filter_that_judges_and_one_that_is_away() -> None:
    spam = refused(5, service="cleanup", reason="spamdetected", response="5.7.1 Spam message rejected")
    findings = logs.check(evidence(rejections=spam))
    assert one(findings, "logs.milter.refusals").evidence == ("taken for spam: 5",)
    away = refused(25, service="smtpd", reason="undefined", response="4.7.1 Service unavailable - try again later")
    findings = logs.check(evidence(rejections=away))
    found = one(findings, "logs.milter.unavailable")
    assert (found.facts["since"], found.facts["refused"]) == ("2026-11-01 08:00", 25)
    assert not findings.of("logs.milter.refusals")
