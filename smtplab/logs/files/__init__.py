"""Log and event formats with lines of their own; each module is a `FileFormat` of event.py."""

from __future__ import annotations

from collections.abc import Sequence

from smtplab.logs.event import FileFormat
from smtplab.logs.files import (
    dovecot,
    exchange,
    exim,
    haraka,
    kumomta,
    mailgun,
    postmark,
    powermta,
    rspamd,
    sendgrid,
    ses,
    sparkpost,
)

ALL: tuple[FileFormat, ...] = (
    exim,
    dovecot,
    rspamd,
    haraka,
    exchange,
    powermta,
    kumomta,
    ses,
    sparkpost,
    postmark,
    mailgun,
    sendgrid,
)
"""In the order in which they are asked."""


def recognise(head: Sequence[str]) -> FileFormat | None:
    """Whose format the first lines of a file are."""
    return next((f for f in ALL if f.looks(head)), None)
