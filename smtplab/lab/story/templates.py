"""Recorded groups of log lines made into patterns that can be written again for another message.

What names one message (queue ids, addresses, Message-ID, sizes, tokens, process ids) becomes a placeholder;
everything else stays as the server wrote it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from smtplab.lab.story.recorder import Recorded

QUEUE_ID = re.compile(r"\b4[0-9A-Za-z]{9}z[0-9A-Za-z]{3,6}\b")
TOKEN = re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{12}\b")
SIZE = re.compile(r"\bsize=(\d+)")
DELAYS = re.compile(r"\bdelay=[\d.]+, delays=[\d./]+")
LINE = re.compile(r"^(\S+?)\[(\d+)\]: (.*)$")
DATE = re.compile(r"[A-Z][a-z]{2}, +\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0000(?: \(UTC\))?")
BOUNDARY = re.compile(r"(?<=\.)\d{10}(?=/)")
PLACE = re.compile(r"\x01(\w+)\x02")


@dataclass(frozen=True)
class Line:
    """One log line: the host that wrote it, its program, the process in the recording, its text with placeholders."""

    host: str
    program: str
    process: str
    text: str
    queue: str
    status: bool
    handshake: bool


@dataclass(frozen=True)
class Template:
    """One recorded message.

    `arrival` is what the first host wrote before the queue manager took it up; `attempts` one part for each
    time it did; `elsewhere` what other hosts wrote in the end; `returned` the bounce; `reply` the last reply.
    """

    name: str
    arrival: tuple[Line, ...]
    attempts: tuple[tuple[Line, ...], ...]
    elsewhere: tuple[Line, ...]
    returned: str
    reply: str


def compile_template(recorded: Recorded, origin: str, swaps: dict[str, str]) -> Template:
    """The pattern of a recorded group; `origin` is the host it began on, `swaps` maps literal text to a placeholder."""
    ordered = sorted(recorded.lines, key=lambda line: line[0] != origin)
    ids: dict[str, str] = {}
    literal = {recorded.recipient: "R", recorded.message_id: "M", **swaps}
    if number := recorded.message_id.partition(".")[2].partition("@")[0]:
        literal[number] = "K"
    literal = {k: v for k, v in sorted(literal.items(), key=lambda kv: -len(kv[0])) if k}
    lines = [_line(host, text, ids, literal) for host, text in ordered]
    ours = [line for line in lines if line.host == origin]
    arrival, attempts = _parts(ours)
    return Template(
        recorded.scenario,
        tuple(arrival),
        tuple(tuple(part) for part in attempts),
        tuple(line for line in lines if line.host != origin),
        _returned(recorded.returned, ids, literal),
        _reply(recorded),
    )


def _line(host: str, raw: str, ids: dict[str, str], literal: dict[str, str]) -> Line:
    match = LINE.match(raw)
    if match is not None:
        program, process, text = match.groups()
    else:  # Dovecot, which syslog would name first and whose level it would not show
        program, process, text = "dovecot", "", raw.replace(": Info: ", ": ", 1)
    text = _places(text, ids, literal)
    queue = PLACE.match(text)
    text = SIZE.sub(lambda m: f"size=\x01Z{m[1]}\x02", text)
    text = DELAYS.sub("\x01DELAY\x02", text)
    name = queue[1] if queue else ""
    status = "status=" in text and "\x01DELAY\x02" in text
    return Line(host, program, process, text, name, status, "TLS connection established to" in text)


def _places(text: str, ids: dict[str, str], literal: dict[str, str]) -> str:
    for value, name in literal.items():
        text = text.replace(value, f"\x01{name}\x02")
    text = QUEUE_ID.sub(lambda m: f"\x01{ids.setdefault(m[0], f'Q{len(ids)}')}\x02", text)
    return TOKEN.sub("\x01T\x02", text)


def _parts(lines: list[Line]) -> tuple[list[Line], list[list[Line]]]:
    arrival: list[Line] = []
    attempts: list[list[Line]] = []
    for line in lines:
        if line.queue == "Q0" and line.text.endswith("(queue active)"):
            attempts.append([])
        if attempts and not line.program.endswith("smtpd"):
            attempts[-1].append(line)
        else:
            arrival.append(line)
    return arrival, attempts


def _returned(text: str, ids: dict[str, str], literal: dict[str, str]) -> str:
    """The bounce with placeholders: D the time of the bounce, A that of the message's arrival, E for the boundary."""
    head, mark, rest = text.partition("Content-Description: Delivery report")
    head = DATE.sub("\x01D\x02", BOUNDARY.sub("\x01E\x02", _places(head, ids, literal)))
    rest = DATE.sub("\x01A\x02", BOUNDARY.sub("\x01E\x02", _places(rest, ids, literal)))
    return head + mark + rest


def _reply(recorded: Recorded) -> str:
    """The last reply of the receiver, as a sending provider quotes it in its events."""
    said = [
        m[1]
        for _, line in recorded.lines
        if (m := re.search(r"\) said: | said: (.*?)(?: \(in reply to [^)]*\))?\)$", line))
    ]
    sent = [m[1] for _, line in recorded.lines if (m := re.search(r"status=sent \((250 .*)\)$", line))]
    return (said or sent or [""])[-1]
