"""Figures of the logs: each title states what hand-made rows hold, and none grows with the evidence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from smtplab import theme
from smtplab.logs import figures
from smtplab.logs.evidence import LogEvidence
from tests.logs.frames import at, evidence

Row = dict[str, Any]
Draw = Callable[[LogEvidence], go.Figure]
EVERY = [getattr(figures, name) for name in figures.__all__]
every_figure = pytest.mark.parametrize("draw", EVERY, ids=lambda f: f.__name__)
START = at("2026-11-01 08:00")


def many(count: int) -> LogEvidence:
    """Months of mail to many providers, with everything that a figure may show."""
    draw = np.random.default_rng(5)
    times = START + pd.to_timedelta(draw.uniform(0, 200 * 86_400, count), unit="s")
    names = draw.choice([f"d{n}.example" for n in range(40)], count)
    base = {
        "time": times, "host": draw.choice([f"out{n}" for n in range(20)], count), "provider": names,
        "recipient_domain": names, "reason": draw.choice(["blocked", "mailboxfull", "speeding"], count),
        "source_ip": draw.choice([f"192.0.2.{n}" for n in range(30)], count), "queue_id": "Q", "recipient": "r@d",
        "stream": draw.choice([f"stream {n}" for n in range(12)], count), "delay": draw.exponential(900, count),
    }  # fmt: skip
    outcomes = base | {"outcome": draw.choice(["accepted", "late", "lost", "pending"], count), "attempts": 2}
    stages = dict.fromkeys(("delay_before_queue", "delay_in_queue", "delay_connection", "delay_transmission"), 0.5)
    tries = base | stages | {"status": draw.choice(["sent", "deferred", "bounced"], count), "attempt": 1}
    tries |= {"tls_version": draw.choice(["TLSv1.3", "TLSv1.2", None], count), "relay_ip": "203.0.113.9"}
    tries |= {"connection_uses": draw.choice([1, 2], count)}
    signins = {"time": times, "auth_user": "anna", "auth_ok": draw.random(count) < 0.5, "auth_method": "PLAIN"}
    signins |= {"client_ip": [f"192.0.{n % 250}.9" for n in range(count)], "host": "mail"}
    frames = {"outcomes": outcomes, "deliveries": tries, "connections": signins}
    rows = {name: pd.DataFrame(columns).to_dict("records") for name, columns in frames.items()}
    return evidence(**rows, marks=tuple((START + pd.Timedelta(days=d), f"change {d}") for d in range(0, 200, 40)))


@pytest.fixture(scope="module")
def much() -> LogEvidence:
    return many(6_000)


@every_figure
def test_without_evidence_a_figure_says_what_is_missing_and_claims_nothing(draw: Draw) -> None:
    figure = draw(evidence())
    assert not figure.data
    assert not any(word in figure.layout.title.text for word in ("Nothing", "All", "Every"))


@every_figure
def test_a_figure_is_told_in_words_and_does_not_grow_with_the_evidence(draw: Draw, much: LogEvidence) -> None:
    figure = draw(much)
    assert figure.layout.title.text
    assert len(figure.layout.meta["alt"]) > 40
    assert len(figure.to_json()) < 120_000
    assert theme._points(figure) <= theme.MAX_POINTS


@every_figure
def test_one_row_makes_a_figure(draw: Draw) -> None:
    row = {"time": START, "provider": "x.example", "recipient_domain": "x.example", "queue_id": "Q", "recipient": "r@x"}
    one = evidence(
        outcomes=[row | {"outcome": "lost", "attempts": 1, "delay": 0.0}],
        deliveries=[row | {"status": "bounced", "attempt": 1, "host": "out"}],
        connections=[{"time": START, "auth_user": "anna", "auth_ok": False, "client_ip": "203.0.113.9"}],
    )
    assert draw(one).layout.title.text


@every_figure
def test_names_that_strangers_choose_are_no_markup(draw: Draw) -> None:
    evil = "<img src=x onerror=alert(1)>"
    row = {"time": START, "provider": evil, "recipient_domain": evil, "queue_id": "Q", "recipient": "r@x", "host": evil}
    row |= {"source_ip": evil, "stream": evil, "reason": evil}
    more = {"tls_version": evil, "relay_ip": evil, "connection_uses": 1, "attempt": 1}
    stages = dict.fromkeys(("delay_before_queue", "delay_in_queue", "delay_connection", "delay_transmission"), 0.5)
    hostile = evidence(
        outcomes=[row | {"outcome": "lost", "attempts": 3, "delay": 1.0}] * 30,
        deliveries=[row | stages | more | {"status": s} for s in ("sent", "deferred")] * 30,
        connections=[{"time": START, "auth_user": evil, "auth_ok": ok, "client_ip": evil} for ok in (True, False)],
        marks=((START, evil),),
    )
    assert "<img" not in draw(hostile).to_json()


def ends(day: int, count: int, outcome: str, **more: Any) -> list[Row]:
    base = {"time": START + pd.Timedelta(days=day), "provider": "gmail", "attempts": 1, "delay": 5.0, "queue_id": "Q"}
    return [base | {"recipient": f"r{n}@gmail.com", "outcome": outcome} | more for n in range(count)]


def title(draw: Draw, **tables: Any) -> str:
    return str(draw(evidence(**tables)).layout.title.text)


def test_the_worst_day_is_one_with_enough_mail() -> None:
    rows = ends(0, 500, "accepted") + ends(1, 200, "accepted") + ends(1, 300, "lost")
    # One of six lost is a lower share of accepted than any day but the second, and mere chance.
    rows += ends(2, 2, "accepted") + ends(2, 4, "lost")
    assert title(figures.acceptance_over_time, outcomes=rows) == "Gmail accepted only 40% on 2 November"
    assert title(figures.acceptance_over_time, outcomes=ends(0, 500, "accepted")).startswith("Every large provider")


def test_the_moment_of_change_is_drawn_and_named() -> None:
    rows = [r for d in range(20) for r in ends(d, 50, "accepted", attempts=1 + 2 * (d >= 10))]
    figure = figures.deferrals_over_time(evidence(outcomes=rows))
    assert figure.layout.title.text == "Gmail began to hold mail back on 11 November"
    assert [s.x0 for s in figure.layout.shapes] == ["2026-11-11 00:00"]
    steady = [r for d in range(20) for r in ends(d, 50, "accepted", attempts=2)]
    assert title(figures.deferrals_over_time, outcomes=steady).startswith("No provider changed")


def test_the_survival_curve_falls_to_what_was_never_accepted() -> None:
    rows = ends(0, 50, "accepted", stream="tickets", delay=30.0) + ends(0, 30, "late", stream="tickets", delay=7200.0)
    rows += ends(0, 20, "lost", stream="tickets", delay=1.0)
    figure = figures.undelivered(evidence(outcomes=rows))
    (line,) = figure.data
    share = dict(zip(line.x, line.y, strict=True))
    assert [next(y for x, y in share.items() if x >= minute) for minute in (0, 1, 119.9)] == [1.0, 0.5, 0.2]
    assert figure.layout.title.text == "After an hour 50% of tickets mail is not accepted, and 20% never is"


def test_an_hour_stands_out_only_against_the_provider_s_own_day() -> None:
    hours = [r | {"time": START + pd.Timedelta(hours=h)} for h in range(10) for r in ends(0, 40, "accepted")]
    bad = [r | {"outcome": "lost"} if r["time"].hour == 14 else r for r in hours]
    said = "At 14:00 UTC Gmail puts off or refuses 100% of recipients, over the whole day 10%"
    assert title(figures.hours_by_provider, outcomes=bad) == said
    greylisted = [r | {"attempts": 2} for r in hours]
    assert title(figures.hours_by_provider, outcomes=greylisted) == "No hour of the day stands out"


def test_the_address_that_one_provider_refuses() -> None:
    rows = ends(0, 40, "lost", source_ip="192.0.2.2", reason="blocked") + ends(0, 60, "accepted", source_ip="192.0.2.2")
    rows += ends(0, 100, "accepted", source_ip="192.0.2.1")
    figure = figures.address_by_provider(evidence(outcomes=rows))
    assert figure.layout.title.text == "Gmail refuses or delays 40% of the mail from 192.0.2.2"
    cells = dict(zip(figure.data[0].x, figure.data[0].text[0], strict=True))
    assert cells == {"192.0.2.1": "0%", "192.0.2.2": "40%<br>address<br>blocked"}


def tries(count: int, **more: Any) -> list[Row]:
    base = {"time": START, "provider": "gmail", "status": "sent", "attempt": 1, "host": "out", "queue_id": "Q"}
    return [base | {"recipient": f"r{n}@gmail.com", "relay_ip": "203.0.113.9"} | more for n in range(count)]


def test_where_the_time_goes() -> None:
    rows = tries(10, delay_before_queue=0.1, delay_in_queue=0.1, delay_connection=3.0, delay_transmission=0.8)
    said = "Gmail takes longest: 4.0 s a first attempt, most of it connecting"
    assert title(figures.delay_stages, deliveries=rows) == said


def test_tls_that_is_not_logged_is_unknown_and_clear_text_is_counted() -> None:
    assert "unknown" in title(figures.tls_share, deliveries=tries(9))
    mixed = tries(9, tls_version="TLSv1.3") + tries(1)
    assert title(figures.tls_share, deliveries=mixed) == "1 delivery shows no TLS; most often those to Gmail"
    hop = tries(9, tls_version="TLSv1.3") + tries(2, host="mx2", relay_host="mx1.example")
    assert title(figures.tls_share, deliveries=hop) == "2 deliveries show no TLS, all from mx2 to mx1.example"
    assert title(figures.tls_share, deliveries=tries(9, tls_version="TLSv1.3")).startswith("All 9 deliveries were")


def test_reuse_of_connections() -> None:
    rows = tries(30, connection_uses=1) + tries(10, connection_uses=2)
    assert title(figures.connection_reuse, deliveries=rows) == "25% of deliveries went over a connection used before"
    assert title(figures.connection_reuse, deliveries=rows[:30]).startswith("Each of 30 deliveries opened")


def test_the_reply_heard_most() -> None:
    rows = tries(9, status="deferred", reason="mailboxfull") + tries(4, status="bounced", reason="blocked")
    assert title(figures.replies_by_reason, deliveries=rows) == "The reply heard most is “mailbox full”: 9 attempts"
    assert title(figures.replies_by_reason, deliveries=tries(3)).startswith("No attempt was put off")


def test_guessing_that_succeeded_is_in_the_title() -> None:
    def signin(minute: int, ok: bool) -> Row:
        base = {"time": START + pd.Timedelta(minutes=minute), "auth_user": "anna", "client_ip": "203.0.113.9"}
        return base | {"auth_ok": ok}

    failed = [signin(n, False) for n in range(20)]
    assert title(figures.signins_over_time, connections=failed) == "20 of 20 sign-ins failed"
    taken = title(figures.signins_over_time, connections=[*failed, signin(30, True)])
    assert taken == "Guessing succeeded: anna signed in on 1 November from a network that had guessed"
    before = title(figures.signins_over_time, connections=[signin(-1, True), *failed])
    assert before == "20 of 21 sign-ins failed"
