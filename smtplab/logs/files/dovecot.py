"""Dovecot's own log file (log_path), also under multilog: the stamp, no host, then the service.

https://doc.dovecot.org/ (Logging; log_path, log_timestamp)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from smtplab.logs.daemons import dovecot
from smtplab.logs.event import Event, Setting, Unknown
from smtplab.logs.lines import Stamps
from smtplab.logs.values import shape

NAME = "dovecot"
_SERVICE = (
    r"(?:dovecot: )?(?:(?:imap|pop3|submission|managesieve)-login|auth(?:-worker)?|dovecot-auth|imap|pop3|lmtp|lda|"
    r"master|log|ssl-params|config|anvil|stats)(?:[(<\[][^ ]{0,700})?: "
)
_LINE = re.compile(
    r"(?:([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d)|(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?)|"
    rf"@([0-9a-f]{{16}})[0-9a-f]{{8}}) (?={_SERVICE})",
    re.ASCII,
)
_TAI = 0x4000000000000000
_TAI_AHEAD = timedelta(seconds=37)
"""TAI has been this far ahead of UTC since 2017; for older stamps the error is a few seconds."""


def looks(head: Sequence[str]) -> bool:
    """Whether a line has a stamp and right behind it a service of Dovecot."""
    return any(_LINE.match(line) for line in head)


def events(lines: Iterator[tuple[int, str]], setting: Setting) -> Iterator[tuple[int, Event] | Unknown]:
    """Sign-ins and ended connections."""
    stamps, zone = Stamps(setting.zone, setting.as_of), ZoneInfo(setting.zone)
    for number, line in lines:
        if not line.strip():
            continue
        found = _LINE.match(line)
        time = _time(found, stamps, zone) if found else None
        text = line[found.end() :] if found else line
        base = {"time": time, "host": setting.host, "mta": NAME}
        made = dovecot.read(text.removeprefix("dovecot: "), base) if time else None
        if made is None:
            yield Unknown(number, f"dovecot: {shape(text)}")
        else:
            for event in made:
                yield number, event


def _time(found: re.Match[str], stamps: Stamps, zone: ZoneInfo) -> datetime | None:
    try:
        if found[1]:
            split = stamps.split(f"{found[1]} - ")
            return split[0] if split else None
        if found[2]:
            return datetime.fromisoformat(found[2]).replace(tzinfo=zone).astimezone(UTC)
        return datetime.fromtimestamp(int(found[3], 16) - _TAI, UTC) - _TAI_AHEAD
    except (ValueError, OverflowError, OSError):
        return None
