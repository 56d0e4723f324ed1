"""The inventory: what counts as one thing, how often it was seen, and when last."""

from __future__ import annotations

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
