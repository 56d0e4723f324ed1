"""Recording a case from the lab: once with every fault planted, once with some of them mended."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from smtplab import authentication, inventory, names, servers, transport
from smtplab.case import Case
from smtplab.errors import CaseError
from smtplab.lab.laboratory import Lab
from smtplab.tables import Inventory

STORY = "smtplab.lab.story"
DUMPS = {"mx1": "postconf", "mx2": "postconf", "mail": "postconf", "out1": "postconf", "out2": "postconf"}


@dataclass(frozen=True)
class State:
    """One recording: its vantage, the faults mended before it, and the story's time at which it starts."""

    name: str
    without: frozenset[int]
    started: datetime


STATES = (
    State("before", frozenset(), datetime(2026, 11, 16, 6, tzinfo=UTC)),
    State("after", frozenset({1, 2, 6}), datetime(2026, 11, 17, 6, tzinfo=UTC)),
)


def record(case: Path, states: tuple[State, ...] = STATES) -> None:
    """Make the case's sources and recordings anew: bring each state up, let the story happen, ask every question.

    Only the first state writes sources. Raises `CaseError` when the folder holds no case.toml.
    """
    if not (case / "case.toml").is_file():
        raise CaseError("holds no case.toml", where=case, do="Name the folder of a case made for the lab")
    for state in states:
        with Lab("meridian", state.without) as lab:
            if state is states[0]:
                write_configuration(lab, case)
                story = importlib.import_module(STORY) if importlib.util.find_spec(STORY) else None
                if story is not None and hasattr(story, "record"):
                    story.record(lab, case, state.name)
            ask(case, state)


def write_configuration(lab: Lab, case: Path) -> None:
    """Write the authority's certificate and what `postconf -n` and `doveconf -n` say of each own server."""
    folder = case / "sources" / "configuration"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(lab.trust, case / "sources" / "lab-ca.pem")
    for instance in DUMPS:
        (folder / f"{instance}.{lab.world.domain}.postconf").write_text(lab.configuration(instance))
    (folder / f"mail.{lab.world.domain}.doveconf").write_text(lab.configuration("dovecot"))


def ask(case: Path, state: State) -> None:
    """Record every question that the areas have, under the state's name and time."""
    with Case.open(case, live=True, recording=state.name, started=state.started) as opened:
        try:
            from smtplab.examination import examine
        except ImportError:  # a reading area does not stand yet: then case.toml alone says what to ask
            collect(opened, inventory.gather(opened))
        else:
            len(examine(opened).findings)


def collect(case: Case, known: Inventory) -> None:
    """The network half of an examination alone."""
    authentication.collect(case, known)
    names.collect(case, known)
    servers.collect(case, known)
    transport.collect(case, known)
