"""Servers of today still write what the case holds, so the command that made it still makes it."""

import json
from pathlib import Path

import pytest

from smtplab.lab.story.generate import load, templates
from smtplab.lab.story.recorder import Recorded, scenarios
from smtplab.lab.story.templates import Template
from tests.mailservers import inside

REPOSITORY = Path(__file__).parents[3]


def said(template: Template) -> list[str]:
    lines = [*template.arrival, *template.attempts[0], *template.attempts[-1], *template.elsewhere]
    return sorted(f"{x.host} {x.program} {x.text.partition('size=')[0]}" for x in lines)


@pytest.mark.servers
@pytest.mark.xdist_group("lab")
def test_messages_sent_anew_leave_the_lines_and_bounces_that_the_case_was_made_of(tmp_path: Path) -> None:
    out = tmp_path / "recorded.json"
    inside("tests.lab.story.inside", str(out), timeout=300)
    data = json.loads(out.read_text())
    fresh = templates([Recorded(**one | {"lines": tuple(map(tuple, one["lines"]))}) for one in data])
    shipped = templates(load(REPOSITORY / "data" / "cases" / "meridian"))
    assert len(fresh) == 5
    for name, template in fresh.items():
        assert said(template) == said(shipped[name]), name
        assert len(template.returned.splitlines()) == len(shipped[name].returned.splitlines()), name


def test_every_scenario_of_the_file_is_in_the_case() -> None:
    recorded = {one.scenario for one in load(REPOSITORY / "data" / "cases" / "meridian")}
    assert {one.name for one in scenarios()} <= recorded
