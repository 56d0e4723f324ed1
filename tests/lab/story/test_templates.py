"""Cloned lines must have exactly the form of recorded ones."""

from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from smtplab.lab.story.generate import ORIGINS, SWAPS, load, templates
from smtplab.lab.story.plan import Mail, Step
from smtplab.lab.story.recorder import Recorded, scenarios
from smtplab.lab.story.render import Writer
from smtplab.lab.story.templates import Template, compile_template

AT = datetime(2026, 11, 3, 9, tzinfo=UTC).timestamp()
VALID = datetime(2026, 10, 29, tzinfo=UTC)
CASE = Path(__file__).parents[3] / "data" / "cases" / "meridian"
RECORDED = {one.scenario: one for one in load(CASE)}
SWAPPED = {
    "S": "zoe.ott@gmail.com",
    "U": "zoe.ott",
    "C": "relay.example[203.0.113.9]",
    "H": "relay.example",
    "I": "203.0.113.9",
}
OURS = ("out1", "out2", "mail", "mx1", "mx2", "dovecot")


@pytest.fixture(scope="module")
def known() -> dict[str, Template]:
    return templates(list(RECORDED.values()))


def form(template: Template) -> list[tuple[str, str, str]]:
    lines = [*template.arrival, *(x for part in template.attempts for x in part), *template.elsewhere]
    return [(x.host, x.program, x.text.partition("size=")[0]) for x in lines]


@pytest.mark.parametrize("name", [n for n, r in RECORDED.items() if all(h in OURS[:5] for h, _ in r.lines)])
def test_a_clone_read_again_gives_the_pattern_it_was_made_from(name: str, known: dict[str, Template]) -> None:
    template, kind = known[name], name.split()[0]
    swaps = {place: value for place, value in SWAPPED.items() if place in SWAPS.get(kind, {}).values()}
    parts = ["whole"] if len(template.attempts) < 2 else ["start", *["retry"] * (len(template.attempts) - 2), "end"]
    mail = Mail(kind, "", "", "clara.weber@example.org", AT, swaps=swaps)
    mail.steps = [Step(AT + 600 * n, name, part) for n, part in enumerate(parts)]
    writer = Writer({name: template}, Random(3), VALID)
    writer.write([mail])
    origin = next((s.instance for s in scenarios() if s.name == name), ORIGINS.get(name, ""))
    order = list(dict.fromkeys(host for host, _ in RECORDED[name].lines))
    lines = tuple((host, text) for host in order for _, text in writer.lines[host])
    ident = next(
        (t.partition("message-id=<")[2].rstrip(">") for h, t in lines if h == origin and "message-id=" in t), ""
    )
    again = Recorded(name, "", mail.recipient, ident, lines)
    assert form(compile_template(again, origin, {v: k for k, v in swaps.items()})) == form(template)


def test_nothing_of_the_recorded_messages_is_left_in_a_pattern(known: dict[str, Template]) -> None:
    for name, template in known.items():
        kept = [RECORDED[name].recipient, RECORDED[name].message_id]
        text = template.returned + "".join(x.text for part in (template.arrival, *template.attempts) for x in part)
        assert not [value for value in kept if value and value in text], name


def test_delays_add_up_and_start_where_the_message_arrived(known: dict[str, Template]) -> None:
    name = "ticket limited gmail.com"
    mail = Mail("ticket", "tickets", "gmail", "clara@gmail.com", AT)
    mail.steps = [
        Step(AT, name, "start"),
        Step(AT + 900, name, "retry"),
        Step(AT + 1800, "ticket sent gmail.com", "end"),
    ]
    writer = Writer(known, Random(5), VALID)
    writer.write([mail])
    delays = [x.partition("delay=")[2].partition(",")[0] for _, x in writer.lines["out1"] if "to=<clara" in x]
    assert [round(float(d), -2) for d in delays] == [0, 900, 1800]
    ids = {x.partition("]: ")[2].partition(":")[0] for _, x in writer.lines["out1"] if "to=<clara" in x}
    assert len(ids) == 1


def test_the_certificate_of_mx1_was_trusted_while_it_was_valid(known: dict[str, Template]) -> None:
    name = "ticket unknown goodpost.example"
    for day, word in ((1, " Trusted"), (31, " Untrusted")):
        at = datetime(2026, 10, day, 9, tzinfo=UTC).timestamp()
        mail = Mail("ticket", "tickets", "goodpost", "x@goodpost.example", at, steps=[Step(at, name, "whole")])
        writer = Writer(known, Random(5), VALID)
        writer.write([mail])
        told = [x for _, x in writer.lines["out1"] if "established to mx1.meridian.example" in x]
        assert [word in x for x in told] == [True]
