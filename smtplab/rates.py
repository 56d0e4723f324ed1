"""How sure is a share? Wilson's score interval (1927), for one share or many at once."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import pandas as pd


def wilson(hits: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """The Wilson score interval of a share; 0 to 1 where nothing was counted."""
    low, high = bands(pd.Series([hits]), pd.Series([total]), confidence)
    return float(low.iloc[0]), float(high.iloc[0])


def bands(hits: pd.Series[Any], total: pd.Series[Any], confidence: float = 0.95) -> tuple[Any, Any]:
    """Wilson's low and high of many shares at once; 0 to 1 where nothing was counted."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    n = total.astype("float64").where(total > 0)
    p = hits.astype("float64") / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * ((p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5) / (1 + z * z / n)
    return (centre - half).clip(lower=0).fillna(0.0), (centre + half).clip(upper=1).fillna(1.0)
