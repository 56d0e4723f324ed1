"""Stamps without a year: what is older than a year keeps its year, whatever the file is like."""

from __future__ import annotations

import gzip
import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from smtplab import logs

END = datetime(2026, 3, 20, 12, tzinfo=UTC)


def line(day: date, number: int, words: str = "250 ok") -> str:
    return (
        f"{day:%b} {day.day:2d} 08:00:00 mail postfix/smtp[9]: {number:05X}A: to=<{day.isoformat()}@b.example>, "
        f"relay=x[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent ({words})\n"
    )


def days(begin: date, end: date, step: int = 1) -> list[date]:
    return [begin + timedelta(days=n) for n in range(0, (end - begin).days + 1, step)]


def wrong(path: Path, year: int | None = None) -> list[str]:
    """The recipients, who are named after their day, whose day is read as another."""
    deliveries = logs.read_paths([path], year=year).deliveries
    assert len(deliveries)
    read = deliveries["time"].dt.strftime("%Y-%m-%d") + "@b.example"
    return [f"{name} as {day}" for name, day in zip(deliveries["recipient"], read, strict=True) if name != day]


def write(path: Path, order: list[date], packed: bool = False, words: str = "250 ok") -> Path:
    text = "".join(line(day, n, words) for n, day in enumerate(order)).encode()
    path.write_bytes(gzip.compress(text) if packed else text)
    os.utime(path, (END.timestamp(), END.timestamp()))
    return path


LAST = END.date()
THREE_YEARS = days(date(2023, 2, 1), LAST)
NEW_YEAR = THREE_YEARS.index(date(2024, 1, 1))
DISORDERED = [
    *THREE_YEARS[: NEW_YEAR - 1],
    *THREE_YEARS[NEW_YEAR - 1 : NEW_YEAR + 2][::-1],
    *THREE_YEARS[NEW_YEAR + 2 :],
]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "order",
    [
        pytest.param(THREE_YEARS, id="every day of three years"),
        pytest.param(DISORDERED, id="out of order around New Year"),
        pytest.param(days(date(2021, 6, 3), LAST, 40), id="a line every forty days of five years"),
        pytest.param(days(date(2024, 2, 20), LAST), id="from a leap day on"),
        pytest.param(
            [*days(date(2024, 1, 1), date(2024, 9, 30)), *days(date(2025, 3, 1), LAST)], id="months of silence"
        ),
        pytest.param(days(date(2025, 3, 25), LAST), id="within a year"),
        pytest.param(days(date(2025, 12, 30), LAST), id="within a year and over New Year"),
    ],
)
def test_every_line_has_its_year(tmp_path: Path, order: list[date], packed: bool) -> None:
    assert not wrong(write(tmp_path / "mail.log", order, packed))


def test_a_large_file_is_looked_at_now_and_then(tmp_path: Path) -> None:
    path = write(tmp_path / "mail.log", [d for d in THREE_YEARS for _ in range(8)], words="x" * 400)
    assert path.stat().st_size > 4 << 20
    assert not wrong(path)


def test_the_year_in_which_a_file_begins_may_be_given(tmp_path: Path) -> None:
    path = write(tmp_path / "mail.log", THREE_YEARS)
    os.utime(path)
    assert not wrong(path, year=2023)


def test_a_clock_that_was_not_set_at_the_start_of_the_machine_is_no_new_year(tmp_path: Path) -> None:
    order = days(date(2024, 5, 1), LAST)
    at = order.index(date(2025, 6, 5))
    # Three lines of the 1st of January, as a machine without a clock writes them before it asks for the time.
    unset = date(2025, 1, 1)
    path = write(tmp_path / "mail.log", [*order[:at], *[unset] * 3, *order[at:]])
    assert not [w for w in wrong(path) if not w.startswith(unset.isoformat())]


def test_rotated_files_are_read_in_the_order_of_their_years(tmp_path: Path) -> None:
    write(tmp_path / "mail.log.1", days(date(2023, 3, 1), date(2025, 2, 1)))
    os.utime(tmp_path / "mail.log.1", (datetime(2025, 2, 1, 12, tzinfo=UTC).timestamp(),) * 2)
    write(tmp_path / "mail.log", days(date(2025, 2, 2), LAST))
    assert not wrong(tmp_path)
    assert logs.read_paths([tmp_path]).deliveries["time"].is_monotonic_increasing
