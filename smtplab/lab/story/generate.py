"""From what was recorded and the story's numbers to the sources of the case: the same bytes each time."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from smtplab.lab.story import background, dmarc, events, files, mailbox, received, tlsrpt
from smtplab.lab.story.plan import Mail, Story, load_story, plan
from smtplab.lab.story.recorder import Recorded, scenarios
from smtplab.lab.story.render import OUR_HOSTS, Writer, syslog
from smtplab.lab.story.templates import Template, compile_template

RECORDED = "recorded.json.gz"
TRUTH = "truth.json"
SWAPS = {
    "staff": {"anna.berg@meridian.example": "S", "anna.berg": "U", "office.meridian.example[192.0.2.100]": "C"},
    "inbound": {"anna@gmail.com": "S", "gmail-smtp-in.l.google.com[203.0.113.10]": "C", "mail.example": "H"},
    "inbound2": {"anna@goodpost.example": "S", "mx.goodpost.example[203.0.113.40]": "C"},
    "guess": {"unknown[203.0.113.66]": "C", "203.0.113.66": "I"},
    "imap": {"anna.berg": "U", "192.0.2.100": "I"},
    "turned": {"gmail-smtp-in.l.google.com[203.0.113.10]": "C"},
}
ORIGINS = {"guess submission": "mail", "turned away mx1": "mx1", "turned away mx2": "mx2"}


def store(case: Path, recorded: list[Recorded]) -> None:
    """Keep what the servers wrote in the case, so that its sources can be made again without them."""
    text = json.dumps([one.as_json() for one in recorded], indent=0) + "\n"
    (case / RECORDED).write_bytes(files.pack(text))


def load(case: Path) -> list[Recorded]:
    """What `store` kept."""
    data: list[dict[str, Any]] = json.loads(gzip.decompress((case / RECORDED).read_bytes()))
    return [Recorded(**one | {"lines": tuple((host, line) for host, line in one["lines"])}) for one in data]


def templates(recorded: list[Recorded]) -> dict[str, Template]:
    """A pattern for each recorded scenario."""
    instances = {one.name: one.instance for one in scenarios()}
    made = {}
    for one in recorded:
        origin = instances.get(one.scenario) or ORIGINS.get(one.scenario, "dovecot")
        made[one.scenario] = compile_template(one, origin, SWAPS.get(one.scenario.split()[0], {}))
    return made


def generate(case: Path, keys: dict[str, bytes]) -> dict[str, Any]:
    """Write logs, events, bounces, reports and sample messages of a case from its recording, and count the truth."""
    story = load_story()
    known = templates(load(case))
    mails, sessions = plan(story), background.plan(story)
    writer = Writer(known, Random(story["seed"] + 5), story["certificate_expired"])
    writer.write([m for m in [*mails, *sessions] if m.stream != "newsletter" and (m.stream != "crm" or m.cause)])
    sources = case / "sources"
    files.write(sources / "logs", {f"{host}.log": syslog(host, writer.lines[host]) for host in OUR_HOSTS})
    files.write(sources / "events", events.files(mails, known, story))
    files.write(sources / "bounces", mailbox.files(writer.returned, mails, story))
    files.write(sources / "dmarc", dmarc.files(mails, story))
    files.write(sources / "tlsrpt", tlsrpt.files(sessions, story["end"]))
    files.write(sources / "messages", received.files(keys), packed="")
    told = truth(mails, story)
    (case / TRUTH).write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    return told


def truth(mails: list[Mail], story: Story) -> dict[str, Any]:
    """Recipients, and those lost or late by cause: a fault's number, "1+2" jointly, "none" unexplained."""
    lost = Counter(m.cause for m in mails if m.fate != "accepted")
    # Of the CRM's mail only what came back is seen.
    seen = [m for m in mails if m.stream != "crm" or m.cause]
    complaints = story["newsletter"]["complaints"]
    return {
        "recipients": len(seen),
        "recipients_by_stream": dict(sorted(Counter(m.stream for m in seen).items())),
        "lost_or_late": sum(lost.values()),
        "late": sum(m.fate == "late" for m in seen),
        "by_cause": dict(sorted(lost.items())),
        "complaint_rate": complaints,
    }
