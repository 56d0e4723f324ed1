"""What tests of the log engine look at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from smtplab.logs import columns, engine, window


@pytest.fixture
def still_open(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[int]]:
    """Gives how many events of a kind each window leaves open, in a list that grows as windows are made."""

    def watch(kind: str) -> list[int]:
        held: list[int] = []

        def watched(*given: Any) -> Any:
            made = window.window(*given)
            held.append(columns.rows(made[1].of(kind)))
            return made

        monkeypatch.setattr(engine, "window", watched)
        return held

    return watch
