"""What happened to what we sent? Mail logs and provider events as deliveries and final outcomes."""

# ruff: noqa: TC004 - what is public is looked up when it is first used

from __future__ import annotations

import sys
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smtplab.logs.check import check
    from smtplab.logs.evidence import LogEvidence
    from smtplab.logs.figures import (
        acceptance_over_time,
        address_by_provider,
        connection_reuse,
        deferrals_over_time,
        delay_stages,
        hours_by_provider,
        outcomes_by_provider,
        outcomes_over_time,
        reasons_by_address,
        replies_by_reason,
        signins_over_time,
        tls_share,
        undelivered,
    )
    from smtplab.logs.read import read, read_paths, sightings
    from smtplab.logs.summary import by_account, by_provider, by_stream, most_tried
    from smtplab.logs.trace import Trace, trace

__all__ = [
    "LogEvidence", "Trace", "acceptance_over_time", "address_by_provider", "by_account", "by_provider", "by_stream",
    "check", "connection_reuse", "deferrals_over_time", "delay_stages", "hours_by_provider", "most_tried",
    "outcomes_by_provider", "outcomes_over_time", "read", "read_paths", "reasons_by_address", "replies_by_reason",
    "sightings", "signins_over_time", "tls_share", "trace", "undelivered",
]  # fmt: skip
_HOMES = MappingProxyType(
    {
        **dict.fromkeys(__all__, "figures"),
        **dict.fromkeys(("read", "read_paths", "sightings"), "read"),
        **dict.fromkeys(("by_account", "by_provider", "by_stream", "most_tried"), "summary"),
        **dict.fromkeys(("trace", "Trace"), "trace"),
        "check": "check",
        "LogEvidence": "evidence",
    }
)
"""Where each public name lives: a command that only reads a log must not wait for the drawing library."""


class _Area(ModuleType):
    """Looks names up when they are first used; a function hides the module of its name (read, check, trace)."""

    def __getattr__(self, name: str) -> Any:
        if home := _HOMES.get(name):
            value = getattr(import_module(f"{__name__}.{home}"), name)
            self.__dict__[name] = value
            return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__(self) -> list[str]:
        return [*__all__, *(name for name in super().__dir__() if name.startswith("__"))]

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Area
