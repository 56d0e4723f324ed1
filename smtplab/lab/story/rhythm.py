"""When mail is sent: moments spread over days and hours as a company's mail is, and who it goes to."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from random import Random

PEOPLE = tomllib.loads((Path(__file__).parent / "people.toml").read_text("utf-8"))
SHOP_HOURS = (2, 1, 1, 1, 2, 6, 12, 18, 22, 24, 24, 22, 20, 20, 21, 22, 24, 26, 25, 20, 15, 11, 7, 4)
OFFICE_HOURS = (0, 0, 0, 0, 0, 0, 1, 8, 20, 24, 24, 20, 10, 20, 24, 22, 16, 6, 1, 0, 0, 0, 0, 0)
MORNING_HOURS = (0, 0, 0, 0, 0, 0, 0, 0, 10, 24, 24, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
NIGHT_HOURS = (6, 20, 24, 24, 16, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2)
EVERY_DAY = (10, 9, 9, 10, 13, 8, 8)
WORKDAYS = (10, 10, 10, 10, 9, 1, 0)


def moments(
    rng: Random, start: datetime, end: datetime, count: int, hours: tuple[int, ...], days: tuple[int, ...]
) -> list[float]:
    """`count` moments (sorted epoch seconds) of a span of time, by weight of hour and weekday (Monday first)."""
    first = start.replace(minute=0, second=0, microsecond=0)
    slots = [first + timedelta(hours=h) for h in range(int((end - first).total_seconds() // 3600) + 1)]
    sums = list(accumulate(hours[s.hour] * days[s.weekday()] for s in slots))
    made: list[float] = []
    low, high = start.timestamp(), end.timestamp()
    while len(made) < count:
        slot = rng.choices(slots, cum_weights=sums)[0].timestamp() + rng.random() * 3600
        if low <= slot < high:
            made.append(round(slot, 3))
    return sorted(made)


def address(rng: Random, group: str) -> str:
    """A made-up address at one of the domains of a group of people.toml."""
    first, last = rng.choice(PEOPLE["first"]), rng.choice(PEOPLE["last"])
    if group in ("companies", "strictmail"):
        local = f"{first}.{last}"
    else:
        shape = rng.randrange(4)
        year = rng.randrange(60, 106) % 100
        local = (
            f"{first}.{last}",
            f"{first}{last}{year:02d}",
            f"{first[0]}.{last}{rng.randrange(1, 999)}",
            f"{last}.{first}{year:02d}",
        )[shape]
    if group == "partner-rail":
        local = rng.choice(["accounts", "invoices", f"{first}.{last}"])
    return f"{local}@{rng.choice(PEOPLE['domains'][group])}"


def mix(rng: Random, weights: dict[str, int], count: int) -> list[str]:
    """`count` groups drawn by weight."""
    return rng.choices(list(weights), weights=list(weights.values()), k=count)


def utc(moment: float) -> datetime:
    """Epoch seconds as a UTC time."""
    return datetime.fromtimestamp(moment, UTC)
