import itertools
from datetime import UTC, datetime
from random import Random

import pytest

from smtplab.lab.story.queueids import LIFETIME, MAXIMAL_BACKOFF, MINIMAL_BACKOFF, QUEUE_RUN, long_id, printed, retries


def test_a_long_queue_id_begins_with_the_second_of_arrival_as_postfix_writes_it() -> None:
    # Postfix 3.7 logged 4jYQxr5XVpzJJJd at this second.
    assert long_id(datetime(2026, 11, 24, 2, 0, 32, tzinfo=UTC).timestamp(), 1)[:6] == "4jYQxr"


def test_ids_of_later_messages_sort_later_and_never_meet() -> None:
    moments = sorted({round(1_790_000_000 + Random(1).random() * n, 6) for n in range(400)})
    ids = [long_id(at, 2_000_000) for at in moments]
    assert ids == sorted(ids, key=lambda one: [ord(c) for c in one])
    assert len(set(ids)) == len(moments)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0"),
        (0.004, "0"),
        (0.04, "0.04"),
        (0.5, "0.5"),
        (1.0, "1"),
        (1.26, "1.3"),
        (6.4, "6.4"),
        (12.3, "12"),
        (432123.7, "432124"),
    ],
)
def test_delays_are_printed_with_two_significant_digits(seconds: float, text: str) -> None:
    assert printed(seconds) == text


def test_a_deferred_message_waits_its_age_between_the_two_backoff_times() -> None:
    times = [0.0, *retries(Random(7), LIFETIME)]
    assert 30 < len(times) < 50
    for before, after in itertools.pairwise(times):
        due = min(max(MINIMAL_BACKOFF, before), MAXIMAL_BACKOFF)
        assert due <= after - before <= due + QUEUE_RUN
    assert times[-1] < LIFETIME
