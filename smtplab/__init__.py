"""smtplab: why does our mail not arrive, what should we change first, and how do we know?

import smtplab
case = smtplab.open("data/cases/meridian")
smtplab.examine(case).findings
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Case", "Finding", "Findings", "SmtplabError", "compare", "examine", "inventory", "open", "show"]

if TYPE_CHECKING:
    from smtplab import inventory
    from smtplab.case import Case
    from smtplab.comparison import compare
    from smtplab.errors import SmtplabError
    from smtplab.examination import examine
    from smtplab.findings import Finding, Findings
    from smtplab.markup import show

_HOMES = {
    "Case": "case",
    "Finding": "findings",
    "Findings": "findings",
    "SmtplabError": "errors",
    "compare": "comparison",
    "examine": "examination",
    "show": "markup",
}


def open(path: str | os.PathLike[str], **options: Any) -> Case:
    """Open a case for replay; the options are those of `Case.open`."""
    from smtplab.case import Case

    return Case.open(path, **options)


def __getattr__(name: str) -> Any:
    # Loaded on first use, so that `smtplab --help` does not wait for pandas.
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(f"smtplab.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'smtplab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
