"""Whatever a table holds, and whatever it lacks: checks, figures and traces answer, and never raise."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smtplab import logs
from smtplab.logs import figures
from smtplab.tables import schemas
from tests.logs.frames import Rows, evidence

WORDS = (
    "sent", "deferred", "bounced", "expired", "accepted", "late", "lost", "pending", "removed", "gmail",
    "userunknown", "mailboxfull", "speeding", "toomanyconn", "networkerror", "greylisted", "norelaying", "blocked",
    "4.7.28", "4.3.2", "4.1.1", "192.0.2.1", "2001:db8::1", "not an address", "postscreen", "cleanup", "PLAIN",
    "a@x.example", "Q1", "TLSv1", "connect to mx.example[192.0.2.9]:25: timed out", "{x}", "<b>", "\x1b[2J",
)  # fmt: skip
TABLES = ("deliveries", "messages", "connections", "rejections", "outcomes")
KINDS: dict[str, Callable[[], st.SearchStrategy[Any]]] = {
    "text": lambda: st.sampled_from(WORDS),
    "time": lambda: st.datetimes(datetime(2025, 12, 25), datetime(2026, 1, 25)).map(lambda t: t.replace(tzinfo=UTC)),
    "count": lambda: st.sampled_from([0, 1, 2, 30, 250, 2**40]),
    "seconds": lambda: st.sampled_from([-5.0, 0.0, 0.3, 70.0, 90_000.0]),
    "flag": st.booleans,
}


GIVEN = {
    "deliveries": {"host", "provider", "recipient", "recipient_domain", "attempt"},
    "outcomes": {"host", "provider", "recipient", "recipient_domain", "attempts"},
    "messages": {"host", "queue_id"},
    "rejections": {"host"},
    "connections": {"host"},
}
"""What no row of a table is without, beside its time and its outcome."""
VOCABULARIES = {
    ("deliveries", "status"): ("sent", "deferred", "bounced", "expired", "discarded"),
    ("outcomes", "outcome"): ("accepted", "late", "lost", "pending"),
    ("messages", "outcome"): ("accepted", "mixed", "bounced", "discarded", "expired", "pending", "removed"),
}


def rows(table: str) -> st.SearchStrategy[Rows]:
    """Rows of a table in which nearly anything may be missing, each of them once or sixty times."""
    columns = {}
    for column in schemas()[table].columns:
        words = VOCABULARIES.get((table, column.name))
        values = st.sampled_from(words) if words else KINDS[column.kind]()
        sure = words or column.kind == "time" or column.name in GIVEN.get(table, ())
        columns[column.name] = values if sure else st.none() | values
    each = st.tuples(st.fixed_dictionaries(columns), st.sampled_from([1, 60]))
    return st.lists(each, max_size=3).map(lambda found: [row for row, times in found for _ in range(times)])


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.fixed_dictionaries({t: rows(t) for t in TABLES}))
def test_nothing_raises(tables: dict[str, Rows]) -> None:
    told = evidence(**tables)
    for finding in logs.check(told):
        assert all((finding.title, finding.why, finding.fix or "-", finding.record or "-"))
    for name in figures.__all__:
        assert getattr(figures, name)(told).layout.title.text
    for asked in ("Q1", "a@x.example", logs.most_tried(told)):
        assert str(logs.trace(told, asked))
    for table in (logs.by_provider, logs.by_stream, logs.by_account):
        table(told)
