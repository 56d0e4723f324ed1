"""How sure is a share, and when did it change? Intervals, dated jumps and fair comparisons of counts.

Wilson 1927 (interval of a share); Jackson et al. 2005 (optimal partitioning) with the penalty of Zhang and Siegmund
2007 (changes); Mantel and Haenszel 1959 (comparison within strata); Holm 1979 (many comparisons at once).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import erfc, log, sqrt
from typing import Any

import numpy as np
import pandas as pd

from smtplab.rates import wilson

BUCKETS = 400
"""Most buckets of time that are searched for changes."""


def bucket(times: pd.Series[Any]) -> str:
    """The span that a long series is counted by: hours in a log of days, days of months, weeks of years."""
    span = times.max() - times.min() if len(times) else pd.Timedelta(0)
    return "h" if span <= pd.Timedelta(days=4) else "D" if span <= pd.Timedelta(days=BUCKETS) else "7D"


@dataclass(frozen=True)
class Level:
    """A stretch of buckets, `first` to `last`, in which a share held."""

    first: int
    last: int
    hits: int
    total: int

    @property
    def share(self) -> float:
        """Of the whole stretch."""
        return self.hits / self.total if self.total else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's, 95%."""
        return wilson(self.hits, self.total)


def levels(hits: Sequence[int], totals: Sequence[int]) -> list[Level]:
    """The stretches of one level into which counts per bucket of time fall; one where nothing changed.

    Of all ways to cut the series, the one that makes the binomial counts likeliest, each cut paid for with
    3 log(buckets): exact, by dynamic programming. Mail comes in batches, so counts scatter more than coins do: the
    likelihood is divided by the scatter between neighbours, without the tenth that differ most, as they do at a jump.
    """
    k, n = np.asarray(hits, dtype="float64"), np.asarray(totals, dtype="float64")
    if not len(k):
        return []
    scatter, penalty = _scatter(k, n), 3 * log(max(len(k), 2))
    sums_k, sums_n = np.concatenate([[0], k.cumsum()]), np.concatenate([[0], n.cumsum()])
    best, cut = np.zeros(len(k) + 1), np.zeros(len(k) + 1, dtype=int)
    for end in range(1, len(k) + 1):
        cost = _cost(sums_k[end] - sums_k[:end], sums_n[end] - sums_n[:end]) / scatter
        each = best[:end] + cost + penalty
        cut[end] = int(each.argmin())
        best[end] = each[cut[end]]
    made: list[Level] = []
    end = len(k)
    while end:
        start = int(cut[end])
        made.append(Level(start, end - 1, int(k[start:end].sum()), int(n[start:end].sum())))
        end = start
    return made[::-1]


def _cost(k: Any, n: Any) -> Any:
    """Minus twice the log likelihood of k in n at their own share."""
    with np.errstate(divide="ignore", invalid="ignore"):
        bad = np.where(k > 0, k * np.log(k / n), 0.0)
        good = np.where(n > k, (n - k) * np.log((n - k) / n), 0.0)
    return -2 * (bad + good)


def _scatter(k: Any, n: Any) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        p = k / n
        pooled = (k[1:] + k[:-1]) / (n[1:] + n[:-1])
        chi = (p[1:] - p[:-1]) ** 2 / (pooled * (1 - pooled) * (1 / n[1:] + 1 / n[:-1]))
    # Neighbours without any hit, or with nothing else, differ by nothing.
    chi = np.where((pooled == 0) | (pooled == 1), 0.0, chi)
    chi = chi[np.isfinite(chi)]
    usual = np.sort(chi)[: len(chi) - 1 - len(chi) // 10]
    return max(1.0, float(usual.mean())) if len(usual) else 1.0


@dataclass(frozen=True)
class Jump:
    """A share that changed: when, from what, to what."""

    time: pd.Timestamp
    before: Level
    after: Level


def jumps(times: pd.Series[Any], hit: pd.Series[Any], least: float = 0.05) -> list[Jump]:
    """The dated changes of a share by at least `least`, whose intervals do not touch, in order of time.

    `times` and `hit` (flags) are a row a recipient. Fewer than 20 recipients make no level.
    """
    if times.empty:
        return []
    step = bucket(times)
    counts = hit.astype("int64").groupby(times.dt.floor(step)).agg(["sum", "size"])
    found = [v for v in levels(counts["sum"].tolist(), counts["size"].tolist()) if v.total >= 20]
    made = []
    for before, after in pairwise(found):
        (low, high), (low_after, high_after) = before.interval, after.interval
        if abs(after.share - before.share) >= least and (low_after > high or high_after < low):
            made.append(Jump(counts.index[after.first], before, after))
    return made


def compare_within(rows: pd.DataFrame) -> tuple[float, float]:
    """Two groups compared within strata: the difference of their shares, and how likely chance makes one as large.

    `rows`: stratum, group (True, False), hits, total. Mantel-Haenszel's test and risk difference; (0, 1) where no
    stratum holds both groups. A group that only has worse mail to send does not look worse treated.
    """
    wide = rows.pivot_table(index="stratum", columns="group", values=["hits", "total"], aggfunc="sum").dropna()
    if wide.empty or wide.columns.nlevels < 2 or len(wide.columns) < 4:
        return 0.0, 1.0
    a, n1 = wide["hits"][True].astype(float), wide["total"][True].astype(float)
    b, n0 = wide["hits"][False].astype(float), wide["total"][False].astype(float)
    n, m = n1 + n0, a + b
    variance = float((n1 * n0 * m * (n - m) / (n * n * (n - 1).clip(lower=1))).sum())
    weight = n1 * n0 / n
    difference = float((weight * (a / n1 - b / n0)).sum() / weight.sum())
    if variance <= 0:
        return difference, 1.0
    z = abs(float((a - n1 * m / n).sum())) / sqrt(variance)
    return difference, erfc(z / sqrt(2))


def holm(chances: Sequence[float]) -> list[float]:
    """The chances of many comparisons, corrected for how many there are."""
    order = sorted(range(len(chances)), key=lambda i: chances[i])
    made, worst = [1.0] * len(chances), 0.0
    for rank, index in enumerate(order):
        worst = max(worst, min(1.0, chances[index] * (len(chances) - rank)))
        made[index] = worst
    return made
