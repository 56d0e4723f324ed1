"""What one message of a bounce mailbox is, and why: bounce, complaint, auto-reply, delay, success or none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from smtplab import mail, providers, replies
from smtplab.bounces import arf, autoreply, dsn, returned, text
from smtplab.bounces.dsn import Recipient
from smtplab.bounces.message import EMBEDDED, Part, outside
from smtplab.bounces.message import read as read_message
from smtplab.bounces.returned import Returned

_WORST = ("bounce", "delay", "success")
_FIXED = {"complaint": "feedback", "auto-reply": "vacation", "success": "delivered"}


@dataclass(frozen=True)
class Sorted:
    """One message: what it is, why, its rows of the table bounces, and the headers of the returned message."""

    kind: str
    why: str
    time: datetime | None
    author: str | None
    subject: str | None
    rows: tuple[dict[str, Any], ...]
    returned: Returned | None


def sort(data: bytes) -> Sorted:
    """Judge one message; whatever it holds, the answer is one of the six kinds."""
    message = read_message(data)
    parts = outside(message)
    notice, copy = returned.split(_notice(parts))
    back = returned.read(parts, copy)
    if feedback := arf.read(parts):
        kind, why, rows = _complaint(feedback, back)
    elif (status := dsn.read(parts)) and status.recipients:
        kind, why, rows = _report(message, status, notice, back)
    elif answer := autoreply.why(message):
        kind, why, rows = "auto-reply", answer, [_row("auto-reply", back, recipient=_author(message))]
    elif any(p.kind == "message/disposition-notification" for p in parts):
        kind, why, rows = "none", "a read receipt (RFC 8098)", []
    elif text.looks_like_report(message, parts) and (found := text.read(message, notice)):
        kind, why, rows = _prose(message, found, status, back)
    else:
        kind, why, rows = "none", "no report, complaint or auto-reply is recognised", []
    time = mail.date(message)
    author, subject = _author(message), mail.header(message, "Subject")
    rows = rows or [_row(kind, back, recipient=None, diagnostic=why)]
    return Sorted(kind, why, time, author, subject, tuple({"time": time, **r} for r in rows), back)


def _author(message: Part) -> str | None:
    return next(iter(mail.addresses(message, "From")), None)


def _notice(parts: list[Part]) -> str:
    """The text that a person reads: the first text part outside the returned message."""
    for part in parts:
        if part.kind in EMBEDDED:
            break
        if part.kind == "text/plain":
            return part.text
    html = next((p for p in parts if p.kind == "text/html"), None)
    return _strip(html.text) if html is not None else ""


def _strip(html: str) -> str:
    """HTML as rough text; tags become line ends."""
    made, at = [], 0
    while (start := html.find("<", at)) >= 0:
        made.append(html[at:start])
        # An address in angle brackets is text that someone forgot to escape.
        end = html.find(">", start)
        at = end + 1 if end >= 0 else len(html)
        made.append("\n")
    made.append(html[at:])
    plain = "".join(made).replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", " ").replace("&amp;", "&")
    return "\n".join(" ".join(line.split()) for line in plain.split("\n"))


def _complaint(feedback: arf.Feedback, back: Returned | None) -> tuple[str, str, list[dict[str, Any]]]:
    other = arf.NO_COMPLAINT.get(feedback.type)
    kind = "none" if other else "complaint"
    named = feedback.recipients or (back.recipients[:1] if back else ()) or (None,)
    rows = [
        _row(
            kind,
            back,
            recipient=address,
            sender=feedback.sender or (back.sender if back else None),
            feedback_type=feedback.type,
            source_ip=feedback.source_ip,
            agent=feedback.agent,
            diagnostic=other,
        )
        for address in named
    ]
    return kind, other or f"a feedback report (RFC 5965) of type {feedback.type}", rows


def _report(
    message: Part, status: dsn.Status, notice: str, back: Returned | None
) -> tuple[str, str, list[dict[str, Any]]]:
    said = {r.address: r for r in text.read(message, notice)} if _needs_text(status.recipients) else {}
    rows = []
    for recipient in status.recipients:
        words = recipient.diagnostic
        if not words and (told := said.get(recipient.address)):
            words = told.diagnostic
        rows.append(_judged(message, recipient, words or notice[:2_000], status, back))
    kind = min((r.kind for r in status.recipients), key=_WORST.index)
    return kind, "a delivery status notification (RFC 3464)", rows


def _needs_text(recipients: Iterable[Recipient]) -> bool:
    return any(not r.diagnostic for r in recipients)


def _prose(
    message: Part, found: list[Recipient], status: dsn.Status | None, back: Returned | None
) -> tuple[str, str, list[dict[str, Any]]]:
    about = status or dsn.Status((), agent="postfix" if _is_postfix(message) else "text")
    rows = [_judged(message, r, r.diagnostic or "", about, back) for r in found]
    return found[0].kind, "a report in prose, without RFC 3464 parts", rows


def _is_postfix(message: Part) -> bool:
    return "(Postfix)" in " ".join(mail.headers(message, "Received")[:3])


def _judged(
    message: Part, recipient: Recipient, words: str, status: dsn.Status, back: Returned | None
) -> dict[str, Any]:
    domain = mail.domain_of(recipient.address) or ""
    reply = replies.classify(
        words, recipient.smtp_code, recipient.status, providers.provider(domain, recipient.remote_mta or "")
    )
    failed = recipient.kind in ("bounce", "delay")
    return _row(
        recipient.kind,
        back,
        recipient=recipient.address,
        original_recipient=recipient.original,
        sender=status.sender or (back.sender if back else None) or next(iter(mail.addresses(message, "To")), None),
        reporting_mta=status.reporting_mta,
        remote_mta=recipient.remote_mta,
        action=recipient.action,
        smtp_code=reply.smtp_code,
        enhanced_code=reply.enhanced_code,
        reason=reply.reason if failed else _FIXED["success"],
        permanent=reply.permanent if failed else None,
        rule=reply.rule if failed else None,
        diagnostic=recipient.diagnostic,
        agent=status.agent,
        queue_id=status.queue_id,
        source_ip=returned.source_ip(message, recipient.diagnostic, status.reporting_mta),
    )


def _row(kind: str, back: Returned | None, **known: Any) -> dict[str, Any]:
    domain, selector = back.signature() if back else (None, None)
    return {
        "kind": kind,
        "reason": _FIXED.get(kind),
        "message_id": back.message_id if back else None,
        "subject": back.subject if back else None,
        "header_from": back.header_from if back else None,
        "dkim_domain": domain,
        "dkim_selector": selector,
        "campaign": back.campaign if back else None,
        **known,
    }
