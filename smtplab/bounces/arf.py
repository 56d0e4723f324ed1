"""Complaints in the Abuse Reporting Format, RFC 5965: a reader pressed "this is spam".

Large providers redact: the recipient is then taken from the returned message, where that still names one.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message

from smtplab import mail

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


def read(parts: list[Message]) -> Feedback | None:
    """The feedback report of a message's parts; None where there is none."""
    part = next((p for p in parts if mail.kind(p) == "message/feedback-report"), None)
    if part is None:
        return None
    payload = mail.payload(part)
    inner = payload[0] if isinstance(payload, list) and payload else mail.parse(mail.content(part).lstrip() + b"\n\n")
    if not isinstance(inner, Message):
        return None
    named = [mail.address(v) for v in mail.headers(inner, "Original-Rcpt-To")]
    ip = mail.header(inner, "Source-IP")
    return Feedback(
        type=(mail.header(inner, "Feedback-Type") or "abuse").lower()[:40],
        recipients=tuple(dict.fromkeys(a for a in named if a)),
        sender=mail.address(mail.header(inner, "Original-Mail-From")),
        source_ip=ip.strip("[]") if ip else None,
        arrival=mail.header(inner, "Arrival-Date") or mail.header(inner, "Received-Date"),
        agent=mail.header(inner, "User-Agent"),
    )
