"""The statistics behind the findings, against values worked out by hand and published examples."""

from __future__ import annotations

import random

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.logs import rates
from tests.logs.frames import at


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    [
        # With no hit the upper end is z² / (n + z²), with z = 1.959964.
        (0, 10, 0.0, 0.277533),
        (10, 10, 0.722467, 1.0),
        # Newcombe 1998, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (0, 0, 0.0, 1.0),
    ],
)
def test_wilson_s_interval(hits: int, total: int, low: float, high: float) -> None:
    assert rates.wilson(hits, total) == (pytest.approx(low, abs=6e-5), pytest.approx(high, abs=6e-5))


def test_a_change_is_dated_to_its_bucket_and_a_flat_series_has_none() -> None:
    chance = random.Random(7)
    flat = [sum(chance.random() < 0.1 for _ in range(100)) for _ in range(60)]
    up = [sum(chance.random() < (0.1 if day < 37 else 0.25) for _ in range(100)) for day in range(60)]
    assert len(rates.levels(flat, [100] * 60)) == 1
    assert [(v.first, v.last) for v in rates.levels(up, [100] * 60)] == [(0, 36), (37, 59)]


def test_a_change_from_nothing_to_everything_is_one() -> None:
    assert [(v.first, v.hits) for v in rates.levels([0] * 10 + [50] * 10, [50] * 20)] == [(0, 0), (10, 500)]


def test_one_bad_day_is_a_stretch_of_its_own() -> None:
    hits = [5] * 20 + [80] + [5] * 20
    assert [(v.first, v.last, v.share) for v in rates.levels(hits, [100] * 41)] == [
        (0, 19, 0.05), (20, 20, 0.8), (21, 40, 0.05),
    ]  # fmt: skip


def test_mail_that_comes_in_batches_scatters_without_changing() -> None:
    # Ten batches of ten an hour, each of them held back whole or not at all.
    found = []
    for seed in range(20):
        chance = random.Random(seed)
        hits = [10 * sum(chance.random() < 0.3 for _ in range(10)) for _ in range(60)]
        found.append(len(rates.levels(hits, [100] * 60)))
    assert sum(n > 1 for n in found) <= 1


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=40))
def test_stretches_cover_every_bucket_once_whatever_the_counts(counts: list[tuple[int, int]]) -> None:
    hits, totals = [a for a, _ in counts], [a + b for a, b in counts]
    found = rates.levels(hits, totals)
    assert [i for v in found for i in range(v.first, v.last + 1)] == list(range(len(counts)))
    assert sum(v.hits for v in found) == sum(hits)


def test_jumps_are_dated_and_small_or_uncertain_ones_are_not_told() -> None:
    days = [at(f"2026-11-{d:02} 10:00") for d in range(1, 21) for _ in range(50)]
    times = pd.Series(days)

    def share(first: int, second: int) -> pd.Series:
        return pd.Series([i % 50 < (first if i < 500 else second) for i in range(1000)])

    (jump,) = rates.jumps(times, share(2, 25))
    assert (jump.time, jump.before.share, jump.after.share) == (at("2026-11-11 00:00"), 0.04, 0.5)
    assert rates.jumps(times, share(2, 4)) == []
    assert rates.jumps(times.iloc[:0], share(2, 4).iloc[:0]) == []


def table(*rows: tuple[str, bool, int, int]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["stratum", "group", "hits", "total"])


def test_in_one_stratum_mantel_haenszel_is_pearson_s_test_but_for_a_factor() -> None:
    # Pearson: 0.1² / (0.15 · 0.85 · 2/100) = 3.9216; times (n-1)/n = 3.9020; chance of a larger one 0.0482.
    difference, chance = rates.compare_within(table(("a", True, 20, 100), ("a", False, 10, 100)))
    assert (difference, chance) == (pytest.approx(0.1), pytest.approx(0.0482, abs=1e-4))


def test_an_address_that_only_sends_worse_mail_is_not_worse_treated() -> None:
    # Bulk loses 20 %, tickets 2 %, whoever sends them; one address sends mostly bulk (Simpson's paradox).
    rows = [("bulk", True, 180, 900), ("bulk", False, 20, 100), ("tickets", True, 2, 100), ("tickets", False, 18, 900)]
    difference, chance = rates.compare_within(table(*rows))
    assert (difference, chance) == (pytest.approx(0.0), pytest.approx(1.0))


def test_without_a_stratum_in_common_nothing_is_compared() -> None:
    assert rates.compare_within(table(("a", True, 9, 10), ("b", False, 1, 10))) == (0.0, 1.0)
    assert rates.compare_within(table(("a", True, 0, 10), ("a", False, 0, 10))) == (0.0, 1.0)
    assert rates.compare_within(table()) == (0.0, 1.0)


def test_holm_s_correction() -> None:
    # Holm 1979 by hand: 0.01·4, 0.02·3, 0.03·2 raised to the one before, 0.04·1 likewise.
    assert rates.holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert rates.holm([]) == []
