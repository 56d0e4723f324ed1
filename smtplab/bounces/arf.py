"""Complaints in the Abuse Reporting Format, RFC 5965: a reader pressed "this is spam".

Large providers redact: the recipient is then taken from the returned message, where that still names one, and is
marked as derived. Failure reports (RFC 6591) and messages that a reader took out of the junk folder are no complaint.
"""

from __future__ import annotations

from dataclasses import dataclass

from smtplab import mail
from smtplab.bounces import dsn
from smtplab.bounces.letter import Letter
from smtplab.bounces.message import EMBEDDED
from smtplab.bounces.message import read as read_message

NO_COMPLAINT = {
    "not-spam": "a report that a message is no spam",
    "auth-failure": "a DMARC failure report (RFC 9991)",
    "dmarc": "a DMARC failure report (RFC 9991)",
}
"""Feedback types that are no complaint, and what they are."""
_TYPE = "message/feedback-report"
_REPORT = "a feedback report (RFC 5965)"
_JMRP = "a complaint from Microsoft's junk mail reporting programme"
_UNSUBSCRIBED = "a request to unsubscribe that a mail program sent"
_DERIVED = ("X-HmXmrOriginalRecipient", "X-Original-To", "Delivered-To", "X-MS-Exchange-CrossTenant-OriginalRecipient")
"""Headers of the returned message that name its recipient where the report does not."""


@dataclass(frozen=True)
class Feedback:
    """A feedback report; `derived`: the recipient comes from the returned message, not from the report."""

    type: str
    recipients: tuple[str, ...] = ()
    sender: str | None = None
    source_ip: str | None = None
    arrival: str | None = None
    agent: str | None = None
    derived: bool = False
    form: str = _REPORT

    @property
    def rule(self) -> str:
        """The column rule: which standard the row rests on, and whether its recipient is derived."""
        return ("rfc5965" if self.form == _REPORT else "jmrp" if self.form == _JMRP else "unsubscribe") + (
            "-derived" if self.derived else ""
        )


def read(letter: Letter) -> Feedback | None:
    """The feedback report that a message is; None where it is none."""
    if _TYPE not in letter.kinds:
        return _jmrp(letter) or _unsubscribed(letter)
    part = next(p for p in letter.parts if p.kind == _TYPE)
    fields = read_message(part.text.lstrip().encode("utf-8", "replace") + b"\n\n")
    named = [dsn.address(v) for n in ("Original-Rcpt-To", "Removal-Recipient") for v in mail.headers(fields, n)]
    ip = mail.header(fields, "Source-IP")
    told = tuple(dict.fromkeys(a for a in named if a))[: dsn.MAX_RECIPIENTS]
    return Feedback(
        type=(mail.header(fields, "Feedback-Type") or "abuse").lower().strip()[:40],
        recipients=told or _derived(letter),
        sender=mail.address(mail.header(fields, "Original-Mail-From")),
        source_ip=ip.strip("[]") if ip else None,
        arrival=mail.header(fields, "Arrival-Date") or mail.header(fields, "Received-Date"),
        agent=mail.header(fields, "User-Agent"),
        derived=not told,
    )


def _derived(letter: Letter) -> tuple[str, ...]:
    """The recipient by the headers of the returned message."""
    inner = next((p.parts[0] for p in letter.parts[1:] if p.kind in EMBEDDED and p.parts), None)
    for name in _DERIVED if inner else ():
        if found := mail.addresses(inner, name):  # type: ignore[arg-type]
            return tuple(found[:1])
    return letter.back.recipients[:1] if letter.back else ()


def _jmrp(letter: Letter) -> Feedback | None:
    """Microsoft sends the message itself, with the subject "complaint about message from" and no report part."""
    subject = letter.message.first("Subject").lower()
    if not subject.startswith("complaint about message from"):
        return None
    if not any(p.kind in EMBEDDED for p in letter.parts[1:]):
        return None
    ip = subject.removeprefix("complaint about message from").strip().strip("[]")
    return Feedback(
        "abuse",
        _derived(letter),
        letter.back.sender if letter.back else None,
        ip[:45] or None,
        agent="Microsoft JMRP",
        derived=True,
        form=_JMRP,
    )


def _unsubscribed(letter: Letter) -> Feedback | None:
    """Apple Mail and its kind mail the address of List-Unsubscribe: no words but that it was they."""
    subject = letter.message.first("Subject").strip().lower()
    if "unsubscribe" not in subject or not letter.message.first("Auto-Submitted").lower().startswith("auto-"):
        return None
    if "sent this email to unsubscribe" not in letter.text[:400].lower():
        return None
    who = letter.message.authors[:1]
    return Feedback("opt-out", tuple(who), agent=None, form=_UNSUBSCRIBED)
