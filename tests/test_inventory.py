"""The inventory: what counts as one thing, how often it was seen, and when last."""

from __future__ import annotations

from datetime import UTC, datetime

from smtplab.inventory import merge
from smtplab.tables import Sighting


def test_selectors_are_one_whatever_their_letter_case() -> None:
    seen = [
        Sighting("selector", "S1", "Corp.example", "reports", 2),
        Sighting("selector", "s1", "corp.example", "bounces", 3),
        Sighting("bimi_selector", "Spring", "corp.example", "reports"),
    ]
    found = merge(seen)
    assert found.selectors("corp.example") == ("s1",)
    assert found.logos("corp.example") == ("spring",)
    (one,) = [s for s in found.things if s.kind == "selector"]
    assert (one.count, one.where) == (5, "reports; bounces")


def test_the_latest_time_that_a_source_tells_is_kept() -> None:
    early, late = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)
    found = merge(
        [
            Sighting("selector", "s1", "corp.example", "case.toml"),
            Sighting("selector", "s1", "corp.example", "reports", 1, late),
            Sighting("selector", "S1", "corp.example", "bounces", 1, early),
            Sighting("selector", "s2", "corp.example", "bounces"),
        ]
    )
    assert found.last("selector", "s1", "corp.example") == late
    assert found.last("selector", "s2", "corp.example") is None
