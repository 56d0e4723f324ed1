"""Rspamd's summary of a message: which domain and selector signed it, by its queue id.

https://docs.rspamd.com/configuration/logging and https://docs.rspamd.com/modules/dkim_signing (DKIM_SIGNED)
What it refused is told by the server that asked it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from smtplab.logs.event import Event, Line

NAME = "rspamd"
PROGRAMS: tuple[str, ...] = ("rspamd",)
HEAD = re.compile(r"(?:\([a-z_]{2,20}\) )?<[0-9a-z]{0,10}>; [a-z_0-9]{2,30}; ", re.ASCII)
_SUMMARY = re.compile(r"rspamd_task_write_log: id: <([^>]{0,998})>(?:, qid: <([0-9A-Za-z-]{5,30})>)?", re.ASCII)
_SIGNED = re.compile(r"[\[,]DKIM_SIGNED\(-?[\d.]{1,8}\)\{([^:;}\s]{1,255}):s=([^:;}\s]{1,255});", re.ASCII)


def events(line: Line) -> Sequence[Event] | None:
    """A signature that was added; () for every other line of its form."""
    return read(line.text, {"time": line.time, "host": line.host, "mta": NAME, "pid": line.pid})


def read(text: str, base: dict[str, Any]) -> Sequence[Event] | None:
    """The same of a text behind the process; `base` holds time, host, mta and pid."""
    head = HEAD.match(text)
    if not head:
        return None
    found = _SUMMARY.match(text, head.end())
    signed = _SIGNED.search(text, found.end()) if found and found[2] else None
    if not found or not signed:
        return ()
    row = {"queue_id": found[2], "dkim_domain": signed[1].lower(), "dkim_selector": signed[2]}
    return [{**base, "kind": "signature", **row, "provenance": "Rspamd's log"}]
