"""Recording a case from the lab: once with every fault planted, once with some of them mended."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from smtplab import servers
from smtplab.case import Case
from smtplab.errors import CaseError
from smtplab.examination import examine
from smtplab.lab.laboratory import Lab
from smtplab.lab.story import record as happen
from smtplab.net import Network

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


def record(case: Path, states: tuple[State, ...] = STATES, story: bool = True) -> None:
    """Make the case's sources and recordings anew: bring each state up, let the story happen, ask every question.

    Only the first state writes sources; without `story` none does, and the questions alone are asked again. Raises
    `CaseError` when the folder holds no case.toml.
    """
    if not (case / "case.toml").is_file():
        raise CaseError("holds no case.toml", where=case, do="Name the folder of a case made for the lab")
    for state in states:
        with Lab("meridian", state.without) as lab:
            if story and state is states[0]:
                write_configuration(lab, case)
                happen(lab, case, state.name)
            ask(lab, case, state)


def write_configuration(lab: Lab, case: Path) -> None:
    """Write the authority's certificate and what `postconf -n` and `doveconf -n` say of each own server."""
    folder = case / "sources" / "configuration"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(lab.trust, case / "sources" / "lab-ca.pem")
    for instance in DUMPS:
        (folder / f"{instance}.{lab.world.domain}.postconf").write_text(lab.configuration(instance))
    (folder / f"mail.{lab.world.domain}.doveconf").write_text(lab.configuration("dovecot"))


def ask(lab: Lab, case: Path, state: State) -> None:
    """Record every question that the areas have, under the state's name and time."""
    with Case.open(case, live=True, recording=state.name, started=state.started) as opened:
        len(examine(opened).findings)
        demonstrate(lab, opened)


def demonstrate(lab: Lab, case: Case) -> None:
    """Record what chapters show beyond an examination: one message over three protocols, and the usual mistakes.

    With connections of its own: those of an examination count towards the politeness that strangers are owed.
    """
    network = Network(case.network.settings, recorder=case.network.recorder, live=True)
    host, domain = f"mail.{lab.world.domain}", lab.world.domain
    user, secret = next(reversed(lab.world.users.items()))
    address = f"{user}@{domain}"
    # POP3 fetches the first message: the story's own mail must not stand before this one.
    shutil.rmtree(lab.maildir(user), ignore_errors=True)
    servers.side_by_side(network, host, user=user, secret=secret, sender=address, recipient=address, pause=6)
    servers.diagnose_all(servers.mistakes(domain, host), network=network)
