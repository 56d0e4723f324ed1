"""Which service stands behind an SPF include, from `data/spf_owners.toml`, each row with its source and date."""

from __future__ import annotations

from functools import cache

from smtplab import datafiles


@cache
def _services() -> dict[str, str]:
    raw = datafiles.load("spf_owners")
    return {row["suffix"]: row["service"] for row in raw["owners"]}


def service(name: str) -> str:
    """The service behind an include, by the longest suffix of its name that is known; "" for an unknown one."""
    labels = name.lower().rstrip(".").split(".")
    known = _services()
    return next((known[s] for i in range(len(labels)) if (s := ".".join(labels[i:])) in known), "")
