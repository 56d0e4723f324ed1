"""Which service stands behind an SPF include, from `data/spf_owners.toml`, each row with its source and date."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources


@cache
def _services() -> dict[str, str]:
    raw = tomllib.loads((resources.files("smtplab") / "data" / "spf_owners.toml").read_text("utf-8"))
    return {row["suffix"]: row["service"] for row in raw["owners"]}


def service(name: str) -> str:
    """The service behind an include, by the longest suffix of its name that is known; "" for an unknown one."""
    labels = name.lower().rstrip(".").split(".")
    known = _services()
    return next((known[s] for i in range(len(labels)) if (s := ".".join(labels[i:])) in known), "")
