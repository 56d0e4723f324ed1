"""Complaints in the Abuse Reporting Format, RFC 5965: a reader pressed "this is spam".

Large providers redact: the recipient is then taken from the returned message, where that still names one, and is
marked as derived. Failure reports (RFC 6591) and messages that a reader took out of the junk folder are no complaint.
"""

from __future__ import annotations

from dataclasses import dataclass

from smtplab import mail
from smtplab.bounces import dsn
from smtplab.bounces.message import Part
from smtplab.bounces.message import read as read_message

NO_COMPLAINT = {"not-spam": "a report that a message is no spam", "auth-failure": "a DMARC failure report (RFC 9991)"}
"""Feedback types that are no complaint, and what they are."""


@dataclass(frozen=True)
class Feedback:
    """A feedback report."""

    type: str
    recipients: tuple[str, ...]
    sender: str | None
    source_ip: str | None
    arrival: str | None
    agent: str | None


def read(parts: list[Part]) -> Feedback | None:
    """The feedback report of a message's parts; None where there is none."""
    part = next((p for p in parts if p.kind == "message/feedback-report"), None)
    if part is None:
        return None
    fields = read_message(part.text.lstrip().encode() + b"\n\n")
    named = [dsn.address(v) for n in ("Original-Rcpt-To", "Removal-Recipient") for v in mail.headers(fields, n)]
    ip = mail.header(fields, "Source-IP")
    return Feedback(
        type=(mail.header(fields, "Feedback-Type") or "abuse").lower()[:40],
        recipients=tuple(dict.fromkeys(a for a in named if a))[: dsn.MAX_RECIPIENTS],
        sender=mail.address(mail.header(fields, "Original-Mail-From")),
        source_ip=ip.strip("[]") if ip else None,
        arrival=mail.header(fields, "Arrival-Date") or mail.header(fields, "Received-Date"),
        agent=mail.header(fields, "User-Agent"),
    )
