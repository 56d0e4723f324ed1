"""What else Meridian's servers saw: customers' mail, passwords guessed, mail programs signing in."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from smtplab.lab.story import rhythm
from smtplab.lab.story.plan import Mail, Step, Story

CLIENTS = {
    "gmail": "gmail-smtp-in.l.google.com[203.0.113.10]",
    "microsoft": "outlook-com.olc.protection.outlook.com[203.0.113.20]",
    "yahoo": "mta5.am0.yahoodns.net[203.0.113.30]",
    "goodpost": "mx.goodpost.example[203.0.113.40]",
    "companies": "mail.corporate-post.example[203.0.113.70]",
}
MIX = {"gmail": 44, "microsoft": 26, "yahoo": 8, "goodpost": 10, "companies": 12}
STRANGERS = ("unknown[203.0.113.231]", "unknown[203.0.113.236]", "unknown[203.0.113.240]")
OFFICE = {"I": "192.0.2.100"}


def plan(story: Story) -> list[Mail]:
    """Sessions and messages at mx1, mx2 and mail, as messages of the stream "inbound" or "sessions"."""
    rng = Random(story["seed"] + 1)
    return _customers(rng, story) + _strangers(rng, story) + _guesses(rng, story) + _programs(rng, story)


def _one(kind: str, scenario: str, at: float, swaps: dict[str, str], recipient: str = "") -> Mail:
    stream = "inbound" if kind.startswith("inbound") else "sessions"
    return Mail(kind, stream, "", recipient, at, steps=[Step(at, scenario, "whole")], swaps=swaps)


def _customers(rng: Random, story: Story) -> list[Mail]:
    """Customers write; since the certificate ended, senders that honour MTA-STS turn away from mx1 and from mx2."""
    start, end = story["start"], story["end"]
    count = round(story["inbound"]["daily"] * (end - start).total_seconds() / 86400)
    expired, strict = story["certificate_expired"].timestamp(), story["inbound"]["strict"]
    made = []
    groups = rhythm.mix(rng, MIX, count)
    for at, group in zip(
        rhythm.moments(rng, start, end, count, rhythm.SHOP_HOURS, rhythm.EVERY_DAY), groups, strict=True
    ):
        sender = rhythm.address(rng, group)
        to = rng.choices(["support", "anna.berg", "jonas.keller", "postmaster"], weights=[12, 3, 3, 1])[0]
        swaps = {"C": CLIENTS[group], "S": sender, "H": CLIENTS[group].partition("[")[0]}
        recipient = f"{to}@meridian.example"
        if at >= expired and group in strict:
            made += _turned_away(rng, at, end.timestamp(), group)
        elif group not in strict and rng.random() < 0.05:
            made.append(_one("inbound2", "inbound2 sent meridian.example", at, swaps, recipient))
        else:
            made.append(_one("inbound", "inbound sent meridian.example", at, swaps, recipient))
            if group in strict and rng.random() < 0.03:
                # A sender that finds mx1 busy tries mx2, which its policy does not name.
                made.append(_session("turned away mx2", at + 1, group))
    return made


def _turned_away(rng: Random, at: float, end: float, group: str) -> list[Mail]:
    """A strict sender comes back for a day: each time to mx1, then to mx2."""
    times = [at] + [at + hours * 3600 + rng.uniform(0, 600) for hours in (0.5, 2, 6, 14, 23)]
    kept = [t for t in times if t < end - 5]
    return [_session(f"turned away {mx}", t + shift, group) for t in kept for mx, shift in (("mx1", 0.0), ("mx2", 1.2))]


def _session(name: str, at: float, group: str) -> Mail:
    return _one(group, name, at, {"C": CLIENTS[group]})


def _strangers(rng: Random, story: Story) -> list[Mail]:
    made = []
    for at in rhythm.moments(rng, story["start"], story["end"], 420, rhythm.SHOP_HOURS, rhythm.EVERY_DAY):
        unknown = rng.random() < 0.7
        name = "inbound unknown meridian.example" if unknown else "inbound relay goodpost.example"
        to = f"{rng.choice(['info', 'sales', 'jobs', 'admin', 'marketing'])}@meridian.example"
        swaps = {"C": rng.choice(STRANGERS), "S": rhythm.address(rng, "yahoo"), "H": "win-7ab3"}
        made.append(_one("inbound", name, at, swaps, to if unknown else rhythm.address(rng, "goodpost")))
    return made


def _guesses(rng: Random, story: Story) -> list[Mail]:
    """Passwords tried in the night before the account is stolen, from several networks, some by IMAP."""
    spam, stolen = story["spam"], story["stolen"]
    times = rhythm.moments(rng, stolen - timedelta(hours=9), stolen, spam["guesses"], (1,) * 24, rhythm.EVERY_DAY)
    made = []
    for at in times:
        where = rng.choice(spam["networks"])
        name = "guess submission" if rng.random() < 0.8 else "guess imap"
        made.append(_one("sessions", name, at, {"C": f"unknown[{where}]", "I": where}))
    return made


def _programs(rng: Random, story: Story) -> list[Mail]:
    made = []
    for at in rhythm.moments(rng, story["start"], story["end"], 1300, rhythm.OFFICE_HOURS, rhythm.WORKDAYS):
        name = "imap office" if rng.random() < 0.3 else "imap office tls"
        made.append(_one("sessions", name, at, OFFICE | {"U": rng.choice(["anna.berg", "jonas.keller", "support"])}))
    return made
