"""Findings on providers, queues and connections: each is raised by its fault, and not by its harmless neighbour."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pytest

from smtplab import logs
from smtplab.findings import Finding, Findings
from tests.logs.frames import at, evidence

Row = dict[str, Any]
START = at("2026-11-01 08:00")


def minutes(n: float) -> pd.Timestamp:
    return START + pd.Timedelta(minutes=n)


def one(findings: Findings, code: str) -> Finding:
    (found,) = [f for f in findings if f.code == code]
    return found


def ends(count: int, **more: Any) -> list[Row]:
    base = {"time": START, "host": "out", "provider": "gmail", "recipient_domain": "gmail.com", "attempts": 1}
    rows = [base | {"queue_id": f"Q{n}", "recipient": f"r{n}@gmail.com", "outcome": "accepted"} for n in range(count)]
    return [r | {k: v(n) if callable(v) else v for k, v in more.items()} for n, r in enumerate(rows)]


def tries(count: int, **more: Any) -> list[Row]:
    base = {"host": "out", "provider": "gmail", "recipient_domain": "gmail.com", "status": "sent", "attempt": 1}
    base |= {"source_ip": "192.0.2.1", "relay_host": "mx.gmail.com", "relay_ip": "203.0.113.9"}
    rows = [base | {"time": minutes(n), "queue_id": f"Q{n}", "recipient": f"r{n}@gmail.com"} for n in range(count)]
    return [r | {k: v(n) if callable(v) else v for k, v in more.items()} for n, r in enumerate(rows)]


def daily(bad: Callable[[int], bool], **worse: Any) -> Iterator[Row]:
    """Fifty recipients a day for twenty days; from the eleventh on every second one is `bad`."""
    for n, row in enumerate(ends(1000, time=lambda n: minutes(1440 * (n // 50) + n % 50))):
        yield row | (worse if bad(n) else {})


def test_a_jump_of_deferrals_is_dated_and_named_beside_what_changed() -> None:
    rows = daily(lambda n: n >= 500 and n % 2 == 0, attempts=2)
    marks = ((at("2026-11-11 00:00"), "list imported"), (at("2026-10-01 00:00"), "long before"))
    found = one(logs.check(evidence(outcomes=rows, marks=marks)), "logs.provider.deferrals")
    assert found.title.startswith("Since 2026-11-11 Gmail holds back 50% of recipients")
    assert any("list imported (a lead, no proof)" in e for e in found.evidence)
    assert not any("long before" in e for e in found.evidence)
    steady = daily(lambda n: n % 2 == 0, attempts=2)
    assert not logs.check(evidence(outcomes=steady)).of("logs.provider.")


def test_a_jump_of_losses_is_dated() -> None:
    rows = daily(lambda n: n >= 500 and n % 5 == 0, outcome="lost")
    found = one(logs.check(evidence(outcomes=rows)), "logs.provider.losses")
    assert (found.facts["since"], found.facts["share"], found.facts["before"]) == ("2026-11-11", "20%", "0.0%")
    better = daily(lambda n: n < 500 and n % 5 == 0, outcome="lost")
    assert not logs.check(evidence(outcomes=better)).of("logs.provider.")


def limited(before: list[int], free: int) -> list[Row]:
    """A day each: so many accepted within an hour and then three refusals; at last an hour without any."""
    rows: list[Row] = []
    for day, count in enumerate(before):
        rows += tries(count, time=lambda n, day=day: minutes(1440 * day + n * 0.1))
        refused = {"status": "deferred", "reason": "speeding", "time": lambda n, day=day: minutes(1440 * day + 50 + n)}
        rows += tries(3, **refused)
    return [*rows, *tries(free, time=lambda n: minutes(1440 * 20 + n * 0.1))]


def test_the_sending_cap_is_what_was_accepted_before_the_replies_begin() -> None:
    found = one(logs.check(evidence(deliveries=limited([90, 100, 110], 80))), "logs.provider.sending_cap")
    assert [found.facts[k] for k in ("cap", "low", "high")] == [100, 95, 105]
    assert found.facts["pause"] == 45
    assert "slow-gmail_destination_rate_delay = 45s" in found.record


def test_a_limit_that_more_mail_passed_without_is_none_of_volume() -> None:
    findings = logs.check(evidence(deliveries=limited([9, 10, 11], 400)))
    assert one(findings, "logs.provider.limit_not_volume").facts["most"] == 400
    assert not findings.of("logs.provider.sending_cap")
    assert not logs.check(evidence(deliveries=limited([90, 100], 80))).of("logs.provider.")


def by_address(bad: int) -> list[Row]:
    first = ends(200, source_ip="192.0.2.1", stream="tickets", outcome=lambda n: "lost" if n < 4 else "accepted")
    other = ends(100, source_ip="192.0.2.2", stream="tickets", outcome=lambda n: "lost" if n < bad else "accepted")
    return [*first, *[r | {"queue_id": f"B{n}"} for n, r in enumerate(other)]]


def test_one_of_our_addresses_is_treated_worse() -> None:
    found = one(logs.check(evidence(outcomes=by_address(40))), "logs.address.disparity")
    assert [found.facts[k] for k in ("source_ip", "better", "difference")] == ["192.0.2.2", "192.0.2.1", "38"]
    assert not logs.check(evidence(outcomes=by_address(3))).of("logs.address.")


def test_recipients_who_do_not_exist_are_no_treatment() -> None:
    rows = [r | ({"reason": "userunknown"} if r["outcome"] == "lost" else {}) for r in by_address(40)]
    assert not logs.check(evidence(outcomes=rows)).of("logs.address.")


def test_greylisting_costs_minutes() -> None:
    held = tries(30, status="deferred", reason="greylisted", provider="grey.example")
    rows = ends(30, attempts=2, delay=lambda n: 60.0 * (n + 1), recipient_domain="grey.example")
    found = one(logs.check(evidence(deliveries=held, outcomes=rows)), "logs.greylisting.cost")
    # The median of 1 to 30 is 15.5, the even neighbour is printed.
    assert [found.facts[k] for k in ("recipients", "where", "median", "longest")] == [30, "grey.example", "16", "30"]


@pytest.mark.parametrize(
    ("stage", "seconds", "code"),
    [
        ("delay_before_queue", 45.0, "logs.delay.before_queue"),
        ("delay_in_queue", 90.0, "logs.delay.in_queue"),
        ("delay_connection", 15.0, "logs.delay.connection"),
        ("delay_transmission", 40.0, "logs.delay.transmission"),
    ],
)
def test_a_slow_stage_is_named_and_a_wait_for_a_retry_is_none(stage: str, seconds: float, code: str) -> None:
    quick = dict.fromkeys(("delay_before_queue", "delay_in_queue", "delay_connection", "delay_transmission"), 0.1)
    slow = tries(100, **quick)
    slow = [r | {stage: seconds} if n < 10 else r for n, r in enumerate(slow)]
    found = one(logs.check(evidence(deliveries=slow)), code)
    assert found.facts["seconds"] == f"{seconds:.0f}"
    later = [r | {"attempt": 2} if r[stage] == seconds else r for r in slow]
    assert not logs.check(evidence(deliveries=later)).of("logs.delay.")


def stay(n: int, **more: Any) -> Row:
    return {"time": minutes(n), "host": "out", "queue_id": f"Q{n}", "outcome": "accepted", "lifetime": 2.0} | more


def test_long_stays_and_what_is_still_queued() -> None:
    rows = [stay(n, lifetime=5 * 3600.0) for n in range(20)] + [stay(n) for n in range(20, 100)]
    rows += [stay(-3000, outcome="pending", lifetime=None), stay(99, outcome="pending", lifetime=None)]
    findings = logs.check(evidence(messages=rows))
    assert one(findings, "logs.queue.long_stays").facts["messages"] == 20
    stuck = one(findings, "logs.queue.stuck")
    # 3,099 minutes.
    assert (stuck.facts["messages"], stuck.facts["oldest"], stuck.facts["queue_id"]) == (1, "2 d 3 h", "Q-3000")
    assert not logs.check(evidence(messages=[stay(n) for n in range(100)])).of("logs.queue.")


def test_retries_against_a_wall() -> None:
    rows = ends(5, attempts=30, outcome="lost", reason="userunknown", enhanced_code="4.1.1")
    found = one(logs.check(evidence(outcomes=rows)), "logs.retries.wall")
    assert (found.facts["recipients"], found.facts["attempts"]) == (5, 150)
    # A line that makes 4yz final by its code would lose greylisted mail and mail to servers that are down.
    assert not found.record
    for harmless in ({"attempts": 3}, {"reason": "greylisted"}, {"outcome": "accepted"}):
        assert not logs.check(evidence(outcomes=[r | harmless for r in rows])).of("logs.retries.")


def test_a_connection_for_each_message_where_one_would_do() -> None:
    close = tries(100, time=lambda n: minutes(n // 2), connection_uses=1, tls_version="TLSv1.3")
    found = one(logs.check(evidence(deliveries=close)), "logs.connections.single_use")
    assert (found.facts["could"], found.facts["share"]) == (50, "50%")
    # On demand is Postfix's default: the line names the destinations.
    assert found.record == "smtp_connection_cache_destinations = gmail.com"
    apart = tries(100, connection_uses=1)
    reused = [r | {"connection_uses": 1 + n % 2} for n, r in enumerate(close)]
    for rows in (apart, reused):
        assert not logs.check(evidence(deliveries=rows)).of("logs.connections.")


def test_clear_text_is_told_apart_from_tls_that_is_not_logged() -> None:
    mixed = tries(100, tls_version=lambda n: None if n < 10 else "TLSv1.3", recipient_domain="clear.example")
    found = one(logs.check(evidence(deliveries=mixed)), "logs.tls.plaintext")
    assert (found.facts["deliveries"], found.facts["share"], found.facts["worst"]) == (10, "10.0%", "clear.example")
    assert "inline:{ clear.example=encrypt }" in found.record
    # Without DNSSEC look-ups Postfix treats the level dane as may.
    assert "smtp_dns_support_level = dnssec" in found.record
    silent = logs.check(evidence(deliveries=tries(100)))
    assert one(silent, "logs.tls.not_seen").facts["deliveries"] == 100
    assert not silent.of("logs.tls.plaintext")
    fine = logs.check(evidence(deliveries=tries(100, tls_version="TLSv1.3")))
    assert one(fine, "logs.tls.all").facts["deliveries"] == 100
    filtered = tries(100, relay_ip="127.0.0.1")
    assert not logs.check(evidence(deliveries=filtered)).of("logs.tls.")


def test_a_stranger_s_domain_does_not_get_into_a_line_to_copy() -> None:
    rows = tries(60, tls_version=lambda n: None if n else "TLSv1.3", recipient_domain="x}\nrelayhost=[203.0.113.66]")
    assert "203.0.113.66" not in one(logs.check(evidence(deliveries=rows)), "logs.tls.plaintext").record


def test_old_tls() -> None:
    rows = tries(20, tls_version=lambda n: "TLSv1" if n < 3 else "TLSv1.2")
    found = one(logs.check(evidence(deliveries=rows)), "logs.tls.old")
    assert (found.facts["deliveries"], found.facts["versions"]) == (3, ["TLSv1"])
    # smtp_tls_protocols counts at level may, where mail then goes in clear text.
    assert found.record == "smtp_tls_mandatory_protocols = >=TLSv1.2"


def test_a_mail_server_that_is_slow_beside_its_sister() -> None:
    slow = tries(30, delay_connection=12.0, relay_host="mx1.gmail.com")
    quick = tries(30, delay_connection=0.2, relay_host="mx2.gmail.com")
    found = one(logs.check(evidence(deliveries=[*slow, *quick])), "logs.mx.slow")
    assert (found.subject, found.facts["seconds"]) == ("mx1.gmail.com", "12")
    assert "the provider's quickest server: 0.2 s" in found.evidence


def test_a_mail_server_that_was_never_reached_while_another_takes_the_mail() -> None:
    text = "connect to mx2.gmail.com[203.0.113.8]:25: Connection timed out"
    failed = {"status": "deferred", "reason": "networkerror", "response": text, "relay_host": None, "relay_ip": None}
    found = one(logs.check(evidence(deliveries=[*tries(12, **failed), *tries(30)])), "logs.mx.unreachable")
    assert [found.facts[k] for k in ("relay", "attempts", "other")] == ["mx2.gmail.com", 12, "mx.gmail.com"]
    reached = tries(1, relay_host="mx2.gmail.com")
    for rows in ([*tries(12, **failed)], [*tries(12, **failed), *tries(30), *reached]):
        assert not logs.check(evidence(deliveries=rows)).of("logs.mx.unreachable")


def test_late_mail_is_accepted_mail_where_complaints_are_weighed() -> None:
    rows = ends(500, outcome="accepted", stream="news") + ends(500, outcome="late", stream="news")
    told = [{"time": minutes(n), "recipient": f"r{n}@x.example", "stream": "news"} for n in range(2)]
    assert (
        one(logs.check(evidence(outcomes=rows, complaints=told)), "logs.complaints.below_limit").facts["rate"]
        == "0.20%"
    )
