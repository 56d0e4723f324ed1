"""fail2ban's samples: the log lines that are abuse, with the client's address, and those that are not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from smtplab.logs import daemons, files
from smtplab.logs.event import Event, Line, Setting, Unknown
from smtplab.logs.lines import Stamps

AS_OF = datetime(2026, 11, 24, tzinfo=UTC)
SETTING = Setting("maillog", "UTC", AS_OF, "mx.example")
_SPLIT = re.compile(r"([^\s\[:(]+)(?:\[(\d+)\])?(?=[:(])")


@dataclass(frozen=True)
class Sample:
    mode: str
    abuse: bool
    host: str
    line: str


def samples(path: Path) -> Iterator[Sample]:
    mode, told = "normal", None
    for line in path.read_text("utf-8", "replace").splitlines():
        if found := re.match(r"# filterOptions: .*\"mode\": \"(\w+)\"", line):
            mode = found[1]
        elif found := re.match(r"# ?failJSON: (.*)", line):
            told = json.loads(found[1])
        elif told and line and not line.startswith("#"):
            yield Sample(mode, told["match"], told.get("host", ""), line)
            told = None


def events(line: str) -> list[Event] | None:
    """Events of one line, None where it is not understood."""
    if form := files.recognise([line]):
        found = list(form.events(iter([(1, line)]), SETTING))
        return (
            None if any(isinstance(f, Unknown) for f in found) else [f[1] for f in found if not isinstance(f, Unknown)]
        )
    split = Stamps("UTC", AS_OF).split(line)
    assert split, line
    time, host, rest = split
    if host.startswith("<"):
        # Some syslog servers write facility and severity before the host.
        host, _, rest = rest.partition(" ")
    program = _SPLIT.match(rest)
    assert program, line
    daemon = daemons.recognise(program[1])
    assert daemon, line
    text = rest[program.end() :].removeprefix(":").strip()
    made = daemon.events(Line(1, time, host, program[1], program[2] or "", text))
    return None if made is None else list(made)
