"""Who is written to, when, and what becomes of it: the volume of the story, message by message, from story.toml.

Each message has one fate and at most one cause (a fault's number as text; "1+2" jointly; "none" for the
unexplained), so the ground truth is counted while the story is made.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from smtplab.lab.story import rhythm
from smtplab.lab.story.queueids import LIFETIME, retries

SAMPLE = {
    "gmail": "gmail.com",
    "microsoft": "outlook.com",
    "yahoo": "yahoo.com",
    "goodpost": "goodpost.example",
    "grey": "grey.example",
    "strictmail": "strictmail.example",
    "companies": "acme-travel.example",
    "partner-rail": "partner-rail.example",
    "typo": "gmial.example",
}
HALF_HOUR = 1800.0


@dataclass(frozen=True)
class Step:
    """Something that happened to a message: which part (whole, start, retry, end) of which recorded scenario."""

    at: float
    scenario: str
    part: str


@dataclass
class Mail:
    """One message to one recipient; `fate` is accepted, late or lost."""

    kind: str
    stream: str
    group: str
    recipient: str
    at: float
    fate: str = "accepted"
    cause: str = ""
    reply: str = "sent"
    steps: list[Step] = field(default_factory=list)
    swaps: dict[str, str] = field(default_factory=dict)


Story = dict[str, Any]


def load_story() -> Story:
    """story.toml."""
    return tomllib.loads((Path(__file__).parent / "story.toml").read_text("utf-8"))


def plan(story: Story) -> list[Mail]:
    """Every message of the story, by stream; times in epoch seconds."""
    rng = Random(story["seed"])
    tickets, second = _tickets(rng, story)
    mails = tickets + second + _winback(rng, story)
    staff = _staff(rng, story)
    billing = _billing(rng, story, taken=_count(second + staff, "gmail"))
    _list(story, second + billing + staff)
    refused = sum(m.cause == "7" for m in second + billing + staff)
    spam = _spam(rng, story, story["out2"]["microsoft_listed"] - refused)
    mails += billing + staff + spam + _newsletter(rng, story) + _crm(rng, story)
    for mail in mails:
        _schedule(rng, mail)
    return mails


def _new(rng: Random, kind: str, stream: str, at: float, group: str) -> Mail:
    mail = Mail(kind, stream, group, rhythm.address(rng, group), at)
    mail.reply = "grey" if group == "grey" else "sent"
    return mail


def _spread(
    rng: Random, story: Story, kind: str, stream: str, count: int, mix: dict[str, int], hours: Any, days: Any
) -> list[Mail]:
    times = rhythm.moments(rng, story["start"], story["end"], count, hours, days)
    return [_new(rng, kind, stream, at, group) for at, group in zip(times, rhythm.mix(rng, mix, count), strict=True)]


def _strike(
    rng: Random, mails: list[Mail], count: int, fits: Callable[[Mail], bool], reply: str, fate: str, cause: str
) -> None:
    """Give `count` of the messages that fit, and have no fate yet, this one."""
    able = [m for m in mails if m.reply == "sent" and fits(m)]
    for mail in rng.sample(able, count):
        mail.reply, mail.fate, mail.cause = reply, fate, cause


def _in(*groups: str) -> Callable[[Mail], bool]:
    return lambda mail: mail.group in groups


def _tickets(rng: Random, story: Story) -> tuple[list[Mail], list[Mail]]:
    t, since = story["tickets"], story["blast_since"].timestamp()
    until = story["end"].timestamp()
    mails = _spread(rng, story, "ticket", "tickets", t["recipients"], t["mix"], rhythm.SHOP_HOURS, rhythm.EVERY_DAY)

    def old(mail: Mail) -> bool:
        return bool(mail.at < until - LIFETIME - 86400)

    def blasted(mail: Mail) -> bool:
        when = rhythm.utc(mail.at)
        return mail.group == "gmail" and since < mail.at < until - 43200 and when.weekday() < 5 and 8 <= when.hour < 18

    _strike(rng, mails, t["limited_expired"], lambda m: blasted(m) and old(m), "limited", "lost", "4")
    _strike(rng, mails, t["limited_late"], blasted, "limited", "late", "4")
    _strike(rng, mails, t["limited_soon"], blasted, "limited", "accepted", "")
    _strike(rng, mails, t["busy_late"], lambda m: m.group == "yahoo" and m.at < until - 43200, "limited", "late", "5")
    _strike(rng, mails, t["busy_soon"], _in("yahoo"), "limited", "accepted", "")
    boxes = ("microsoft", "goodpost", "companies", "yahoo")
    _strike(rng, mails, t["full"], lambda m: m.group in boxes and old(m), "full", "lost", "10")
    _strike(rng, mails, t["unknown"], _in("microsoft", "goodpost", "companies"), "unknown", "lost", "none")
    _strike(rng, mails, t["refused"], _in("companies"), "refused", "lost", "none")
    _strike(rng, mails, t["typo"], _in("goodpost"), "typo", "lost", "none")
    for mail in mails:
        if mail.reply == "typo":
            mail.group, mail.recipient = "typo", rhythm.address(rng, "typo")
    count = t["second_host"]
    second = _spread(rng, story, "ticket2", "tickets", count, t["mix"], rhythm.SHOP_HOURS, rhythm.EVERY_DAY)
    _refuse_for_ptr(second)
    return mails, second


def _refuse_for_ptr(mails: list[Mail]) -> None:
    for mail in mails:
        if mail.group == "gmail":
            mail.reply, mail.fate, mail.cause = "ptr", "lost", "6"


def _winback(rng: Random, story: Story) -> list[Mail]:
    """Three times the tickets that out1 sent since the mailing began; the first week is the heaviest."""
    w, since, end = story["winback"], story["blast_since"], story["end"]
    t = story["tickets"]
    days = (end - story["start"]).total_seconds()
    count = round(3 * t["recipients"] * (end - since).total_seconds() / days)
    burst = count * 2 // 5
    week = since.replace(day=since.day + 4, hour=12)
    stop = end.replace(day=13, hour=12)
    times = rhythm.moments(rng, since, week, burst, rhythm.MORNING_HOURS, rhythm.WORKDAYS)
    times += rhythm.moments(rng, week, stop, count - burst, rhythm.MORNING_HOURS, rhythm.WORKDAYS)
    mails = [
        _new(rng, "winback", "winback", at, g) for at, g in zip(times, rhythm.mix(rng, w["mix"], count), strict=True)
    ]

    def old(mail: Mail) -> bool:
        return bool(mail.at < end.timestamp() - LIFETIME - 86400)

    known = ("gmail", "microsoft", "yahoo", "goodpost", "companies")
    early = [m for m in mails if m.at < week.timestamp()]
    _strike(rng, early, w["unknown"] * 3 // 5, _in(*known), "unknown", "lost", "3")
    _strike(rng, mails[len(early) :], w["unknown"] - w["unknown"] * 3 // 5, _in(*known), "unknown", "lost", "3")
    _strike(rng, mails, w["limited_expired"], lambda m: m.group == "gmail" and old(m), "limited", "lost", "4")
    _strike(rng, mails, w["limited_soon"], _in("gmail"), "limited", "accepted", "")
    _strike(rng, mails, w["busy_soon"], _in("yahoo"), "limited", "accepted", "")
    _strike(rng, mails, w["full"], lambda m: m.group in known and old(m), "full", "lost", "10")
    return mails


def _billing(rng: Random, story: Story, taken: int) -> list[Mail]:
    b, end = story["billing"], story["end"].timestamp()
    hours, days = rhythm.OFFICE_HOURS, rhythm.WORKDAYS
    gmail = story["out2"]["gmail"] - taken
    special = {"gmail": gmail, "strictmail": b["strictmail"], "partner-rail": b["partner-rail"]}
    mails = _spread(rng, story, "billing", "billing", b["recipients"] - sum(special.values()), b["mix"], hours, days)
    for group, count in special.items():
        mails += _spread(rng, story, "billing", "billing", count, {group: 1}, hours, days)
    _refuse_for_ptr(mails)
    stale = _stale_hours(rng, [m.at for m in mails if m.group == "strictmail"], b["strictmail"] // 2)
    for mail in mails:
        if mail.group == "partner-rail":
            mail.reply, mail.fate, mail.cause = "null_mx", "lost", "11"
        elif mail.group == "strictmail" and mail.at // 3600 in stale:
            mail.reply, mail.fate, mail.cause = "spf", "lost", "9"
    able = _in("companies", "goodpost")
    _strike(rng, mails, b["full"], lambda m: able(m) and m.at < end - LIFETIME - 86400, "full", "lost", "10")
    _strike(rng, mails, b["refused"], _in("companies"), "refused", "lost", "none")
    return mails


def _stale_hours(rng: Random, times: list[float], wanted: int) -> set[float]:
    """Hours in which the receiver's resolver held what ns2 says: it asks again when the record's hour is over."""
    hours = sorted({at // 3600 for at in times})
    rng.shuffle(hours)
    stale: set[float] = set()
    while sum(at // 3600 in stale for at in times) < wanted:
        stale.add(hours.pop())
    return stale


def _staff(rng: Random, story: Story) -> list[Mail]:
    s = story["staff"]
    mails = _spread(
        rng, story, "staff", "staff", s["recipients"] - s["gmail"], s["mix"], rhythm.OFFICE_HOURS, rhythm.WORKDAYS
    )
    mails += _spread(rng, story, "staff", "staff", s["gmail"], {"gmail": 1}, rhythm.OFFICE_HOURS, rhythm.WORKDAYS)
    _refuse_for_ptr(mails)
    for mail in mails:
        user = rng.choices(["anna.berg", "jonas.keller", "support"], weights=[5, 3, 4])[0]
        mail.swaps = {"U": user, "S": f"{user}@meridian.example", "C": "office.meridian.example[192.0.2.100]"}
    return mails


def _list(story: Story, mails: list[Mail]) -> None:
    """Since the listing Microsoft refuses what comes from out2."""
    since = story["listed"].timestamp()
    for mail in mails:
        if mail.group == "microsoft" and mail.at >= since:
            mail.reply, mail.fate, mail.cause = "listed", "lost", "7"


def _spam(rng: Random, story: Story, refused: int) -> list[Mail]:
    """What the thief sent by night; the last of it to Microsoft is already refused."""
    s, listed, stolen = story["spam"], story["listed"], story["stolen"]
    stop = stolen.replace(day=stolen.day + 5, hour=6)
    days = rhythm.EVERY_DAY
    after = rhythm.moments(rng, listed, stop, refused, rhythm.NIGHT_HOURS, days)
    made = [_new(rng, "staff", "staff", at, "microsoft") for at in after]
    rest = s["recipients"] - refused
    before = rhythm.moments(rng, stolen, listed, rest, rhythm.NIGHT_HOURS, days)
    made += [_new(rng, "staff", "staff", at, g) for at, g in zip(before, rhythm.mix(rng, s["mix"], rest), strict=True)]
    _list(story, made)
    for mail in made:
        where = rng.choice(s["networks"])
        mail.swaps = {"U": "jonas.keller", "S": "jonas.keller@meridian.example", "C": f"unknown[{where}]"}
    return made


def _newsletter(rng: Random, story: Story) -> list[Mail]:
    n, made = story["newsletter"], []
    for issue in n["issues"]:
        start, count = issue["at"].timestamp(), issue["recipients"]
        times = sorted(start + rng.random() * count * 0.4 for _ in range(count))
        mails = [
            _new(rng, "newsletter", "newsletter", at, g)
            for at, g in zip(times, rhythm.mix(rng, n["mix"], count), strict=True)
        ]
        for group in ("gmail", "microsoft"):
            _strike(rng, mails, issue[group], _in(group), "unauthenticated", "lost", "1+2")
        for mail in mails:
            mail.swaps = {"issue": f"{issue['at']:%Y-%m-%d}"}
        made += mails
    return made


def _crm(rng: Random, story: Story) -> list[Mail]:
    c, hours, days = story["crm"], rhythm.OFFICE_HOURS, rhythm.WORKDAYS
    refused = _spread(rng, story, "crm", "crm", c["refused"], {"gmail": 1}, hours, days)
    for mail in refused:
        mail.reply, mail.fate, mail.cause = "unaligned", "lost", "8"
    return refused + _spread(rng, story, "crm", "crm", c["accepted"], {"microsoft": 3, "yahoo": 1}, hours, days)


def _schedule(rng: Random, mail: Mail) -> None:
    name = f"{mail.kind} {mail.reply} {SAMPLE[mail.group]}"
    if mail.reply == "grey":
        after = mail.at + rng.uniform(310, 620)
        mail.steps = [Step(mail.at, name, "start"), Step(after, name, "end")]
    elif mail.reply in ("limited", "full"):
        sent = f"{mail.kind} sent {SAMPLE[mail.group]}"
        if mail.fate == "lost":
            times = retries(rng, LIFETIME)
            last = [Step(mail.at + LIFETIME + rng.uniform(60, 3600), name, "end")]
        else:
            times = retries(rng, 6 * 3600)
            soon = sum(t < HALF_HOUR for t in times)
            surely = max(1, sum(t < HALF_HOUR - 120 for t in times))
            keep = rng.randint(soon + 1, len(times)) if mail.fate == "late" else rng.randint(1, surely)
            times = times[:keep]
            last = [Step(mail.at + times.pop(), sent, "end")]
        mail.steps = [Step(mail.at, name, "start"), *(Step(mail.at + t, name, "retry") for t in times), *last]
    else:
        mail.steps = [Step(mail.at, name, "whole")]


def _count(mails: list[Mail], group: str) -> int:
    return sum(m.group == group for m in mails)
