"""OpenDKIM's lines: which domain and selector signed a message, by its queue id.

http://www.opendkim.org/opendkim.conf.5.html (SyslogSuccess, LogWhy)
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from smtplab.logs.event import Event, Line

NAME = "opendkim"
PROGRAMS: tuple[str, ...] = ("opendkim",)
_ADDED = re.compile(
    r"([0-9A-Za-z-]{5,30}): DKIM-Signature (?:field|header) added "
    r"\(s=([^,\s]{1,255}), d=([^,)\s]{1,255})(?:, a=[^)\s]{1,30})?\)",
    re.ASCII,
)
_NOTED = re.compile(r"[0-9A-Za-z-]{5,30}: ")


def events(line: Line) -> Sequence[Event] | None:
    """A signature that was added; every other line of OpenDKIM is about mail of others or about itself."""
    if found := _ADDED.match(line.text):
        return [
            {
                "kind": "signature",
                "time": line.time,
                "host": line.host,
                "mta": NAME,
                "pid": line.pid,
                "queue_id": found[1],
                "dkim_domain": found[3].lower(),
                "dkim_selector": found[2],
                "provenance": "OpenDKIM's log",
            }
        ]
    return () if _NOTED.match(line.text) or line.text.startswith(_QUIET) else None


_QUIET = ("OpenDKIM Filter", "configuration reloaded", "mi_stop", "terminating", "exiting", "ignoring header field")
