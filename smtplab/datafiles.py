"""The facts about the world that the package brings: `smtplab/data/*.toml`, each entry with its source and date."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any


def load(name: str) -> dict[str, Any]:
    """The document `NAME.toml`, read anew at each call."""
    return tomllib.loads((resources.files("smtplab") / "data" / f"{name}.toml").read_text("utf-8"))
