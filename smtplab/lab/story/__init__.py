"""The story of Meridian: real messages through the lab's servers, and the volume cloned from what those wrote.

`record` sends every kind of message of scenarios.toml through a running lab and stores what the servers wrote
(recorded.json.gz in the case); `regenerate` makes the case's sources from that store and story.toml, without a
server and byte for byte the same each time.
"""

from __future__ import annotations

from pathlib import Path

from smtplab.lab.keys import private_pem, rsa_key
from smtplab.lab.laboratory import Lab
from smtplab.lab.story.generate import generate, store
from smtplab.lab.story.recorder import record as send_everything

SELECTORS = ("mx2026", "pr1", "v1")

__all__ = ["record", "regenerate"]


def record(lab: Lab, case: Path, state: str) -> None:
    """Let the story happen in a running lab and write the case's sources; `state` is the recording's name.

    Raises `LabError` when a server refuses what the story needs.
    """
    store(case, send_everything(lab))
    regenerate(case)


def regenerate(case: Path) -> None:
    """Make the case's sources anew from what was recorded."""
    generate(case, {selector: private_pem(rsa_key(selector)) for selector in SELECTORS})
