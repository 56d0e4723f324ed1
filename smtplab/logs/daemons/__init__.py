"""Mail programs whose lines syslog carries; each module is a `Daemon` of event.py."""

from __future__ import annotations

from smtplab.logs.daemons import courier, dovecot, exim, opendkim, opensmtpd, rspamd, sendmail
from smtplab.logs.event import Daemon

ALL: tuple[Daemon, ...] = (exim, dovecot, opendkim, rspamd, sendmail, opensmtpd, courier)
"""In the order in which they are asked."""


def recognise(program: str) -> Daemon | None:
    """Who understands the lines of a program, by the name before its pid."""
    for daemon in ALL:
        if any(program.startswith(p) if p.endswith("/") else program == p for p in daemon.PROGRAMS):
            return daemon
    return None
