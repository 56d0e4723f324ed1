"""How far an answer can be trusted: the share of right answers that was measured with such evidence.

The figures are data/replies_confidence.toml, made by benchmarks/reliability.py on replies of program families that the
figures were not taken from.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from smtplab import datafiles

if TYPE_CHECKING:
    import pandas as pd


class Evidence(StrEnum):
    """What an answer rests on."""

    PROVIDER_TEXT = "provider and text"
    PROVIDER_CODE = "provider and code"
    TEXT = "text"
    CODE = "code"
    STRAY_TEXT = "text outside of the reply"
    VAGUE_TEXT = "text that says little"
    GIST = "words together"
    GENERIC_CODE = "code that says little"
    SMTP_CODE = "reply code alone"
    NONE = "nothing"


TEXTS = frozenset({Evidence.PROVIDER_TEXT, Evidence.TEXT, Evidence.STRAY_TEXT, Evidence.VAGUE_TEXT, Evidence.GIST})
"""Where the words decided, not a code."""

WEAK = frozenset({Evidence.VAGUE_TEXT, Evidence.GIST, Evidence.GENERIC_CODE, Evidence.SMTP_CODE, Evidence.NONE})
"""What hardly tells a cause: another text about the same refusal may tell more."""


@cache
def measured() -> Mapping[str, Any]:
    """The table as it was made, with the command and the date."""
    return datafiles.load("replies_confidence")


class Standing(StrEnum):
    """How the other things in a reply stand to the answer."""

    ALONE = "alone"
    BARE = "without a code"
    """A text with no code at all: prose, hardly a server's reply."""
    CONFIRMED = "confirmed"
    """Text and enhanced code say the same."""
    CONTESTED = "contested"
    """Another rule would give another reason."""
    CONTRADICTED = "contradicted"
    """The enhanced code has a plain meaning of its own, and another one."""


@cache
def of(evidence: Evidence, standing: Standing) -> float:
    """The confidence (0 to 1) of an answer."""
    return 0.0 if evidence is Evidence.NONE else float(measured()["confidence"][key(evidence, standing)])


def key(evidence: Evidence, standing: Standing) -> str:
    """The row of the table."""
    return f"{evidence}, {standing}"


def reliability() -> pd.DataFrame:
    """Stated against observed: a row a bin of confidence, with stated and observed (shares) and n (replies)."""
    import pandas as pd

    return pd.DataFrame(measured()["bin"], columns=["stated", "observed", "n"])
