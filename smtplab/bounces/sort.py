"""What one message of a bounce mailbox is, and why: bounce, complaint, auto-reply, delay, receipt, success or none."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from smtplab import mail, providers, replies
from smtplab.bounces import arf, autoreply, dsn, formats, forward, lifetime, recognisers, returned, signs
from smtplab.bounces.dsn import Recipient, Status
from smtplab.bounces.letter import REPLY, Letter
from smtplab.bounces.message import Part, outside
from smtplab.bounces.message import read as read_message
from smtplab.bounces.recognisers import notification
from smtplab.bounces.returned import Returned

MAX_HEAD = 4_000
SHORT = 40
"""Characters below which words that no rule knows say nothing by themselves."""
_WORST = ("bounce", "delay", "success")
_FIXED = {"complaint": "feedback", "auto-reply": "vacation", "success": "delivered"}
_SES = Status((), agent="amazon-ses")
_RECEIPTS = ("message/disposition-notification", "message/global-disposition-notification")


class Sorted(NamedTuple):
    """One message: what it is, why, its rows of the table bounces, and the headers of the returned message."""

    kind: str
    why: str
    time: datetime | None
    author: str | None
    subject: str | None
    rows: tuple[dict[str, Any], ...]
    returned: Returned | None


class _Answer(NamedTuple):
    kind: str
    why: str
    rows: list[dict[str, Any]]
    returned: Returned | None
    vague: bool = False
    """A report whose own words name no recipient."""


def sort(data: bytes) -> Sorted:
    """Judge one message; whatever it holds, the answer is one of the kinds.

    A bounce that somebody forwarded, attached or below his words, is judged as that bounce. A reply that quotes one,
    and a digest that carries one, are none.
    """
    message = read_message(data)
    answer = _judge(message)
    if answer is None or answer.vague:
        answer = _forwarded(message, answer is not None) or answer or _none(message)
    time = mail.date(message)
    author, subject = _author(message), message.first("Subject") or None
    rows = answer.rows or [_row(answer.kind, answer.returned, recipient=None, diagnostic=answer.why)]
    rows = [{"time": time, **r} for r in rows]
    return Sorted(answer.kind, answer.why, time, author, subject, tuple(rows), answer.returned)


def _forwarded(message: Part, report: bool) -> _Answer | None:
    for inner in forward.within(message, report):
        found = _judge(inner)
        if found and found.kind != "auto-reply" and not found.vague:
            return found._replace(why=f"{found.why}, forwarded")
    return None


def _none(message: Part) -> _Answer:
    why = autoreply.doubt(message) or "no report, complaint or auto-reply is recognised"
    return _Answer("none", why, [], None)


def _judge(message: Part) -> _Answer | None:
    """What a message is by itself; None for one that is no report."""
    letter = Letter(message, outside(message))
    if feedback := arf.read(letter):
        return _complaint(feedback, letter.back)
    status = None if letter.kinds.isdisjoint(dsn.TYPES) else dsn.read(letter.parts)
    if status and any(r.address for r in status.recipients):
        return _report(letter, status)
    if not letter.kinds.isdisjoint(_RECEIPTS):
        return _receipt(letter)
    if event := notification.event_of(letter.text):
        return _notified(letter, event)
    if (kind := signs.report(message, letter.words)) and (found := _prose(letter, status, kind)):
        return found
    if answer := autoreply.why(message, letter.words):
        return _Answer("auto-reply", answer, [_row("auto-reply", letter.back, recipient=_author(message))], letter.back)
    return None


def _author(message: Part) -> str | None:
    return next(iter(message.authors), None)


def _complaint(feedback: arf.Feedback, back: Returned | None) -> _Answer:
    other = arf.NO_COMPLAINT.get(feedback.type)
    kind = "none" if other else "complaint"
    rows = [
        _row(
            kind,
            back,
            reason="feedback",
            recipient=address,
            sender=feedback.sender or (back.sender if back else None),
            feedback_type=feedback.type,
            source_ip=feedback.source_ip,
            agent=feedback.agent,
            rule=feedback.rule,
            diagnostic=other,
        )
        for address in feedback.recipients or (None,)
    ]
    derived = "; its recipient is taken from the returned message" if feedback.derived else ""
    return _Answer(kind, (other or f"{feedback.form} of type {feedback.type}") + derived, rows, back)


def _receipt(letter: Letter) -> _Answer:
    """A disposition notification: what somebody's program did with a message that arrived."""
    block = next((b for p in letter.parts if p.kind in _RECEIPTS for b in dsn.blocks(p.text)), {})
    disposition = block.get("disposition", "").partition(";")[2].strip() or None
    who = dsn.address(block.get("final-recipient")) or _author(letter.message)
    row = _row(
        "disposition",
        letter.back,
        recipient=who,
        original_recipient=dsn.address(block.get("original-recipient")),
        diagnostic=disposition,
        agent=block.get("reporting-ua"),
    )
    why = f"a disposition notification (RFC 8098): {disposition or 'no disposition'}"
    return _Answer("disposition", why, [row], letter.back)


def _report(letter: Letter, status: Status) -> _Answer:
    said: dict[str | None, Recipient] = {}
    if any(not r.diagnostic for r in status.recipients):
        _, found = recognisers.read(letter, "bounce")
        said = {a: r for r in found for a in (r.address, r.original)}
    rows = []
    for recipient in status.recipients:
        told = said.get(recipient.address)
        words = recipient.diagnostic or (told.diagnostic if told else None) or letter.plain
        rows.append(_judged(letter, recipient._replace(diagnostic=words or None), status, len(status.recipients) == 1))
    kind = min((r.kind for r in status.recipients), key=_WORST.index)
    return _Answer(kind, "a delivery status notification (RFC 3464)", rows, letter.back)


def _notified(letter: Letter, event: dict[str, Any]) -> _Answer | None:
    """An event that a sending service mails as JSON."""
    if absent := notification.away(event):
        rows = [_row("auto-reply", letter.back, recipient=a, agent=_SES.agent) for a in absent]
        why = "a notification of Amazon SES, Transient and General without a reply: an automatic reply, nothing is lost"
        return _Answer("auto-reply", why, rows, letter.back)
    if found := notification.read(letter, "bounce"):
        return _Answer("bounce", "a notification of Amazon SES", [_judged(letter, r, _SES) for r in found], letter.back)
    if (said := notification.complaint(event)) is None:
        return None
    rows = [_row("complaint", letter.back, recipient=a, feedback_type=said[0], agent=_SES.agent) for a in said[1]]
    return _Answer("complaint", "a notification of Amazon SES", rows, letter.back)


def _prose(letter: Letter, status: Status | None, kind: str) -> _Answer | None:
    """A report whose recipients stand in its text, or nowhere but in the message that came back."""
    _, found = recognisers.read(letter, kind)
    vague = not found
    why = "a report in prose, without RFC 3464 parts"
    if not found:
        named = letter.echoed or list(letter.back.recipients if letter.back else ())
        named = named if len(named) == 1 else []
        if not named and not signs.is_certain(letter.message):
            return None
        why += "; its recipient is taken from the returned message" if named else "; it names no recipient"
        words = letter.plain or None
        found = [Recipient(kind, a, diagnostic=words) for a in named or [None]]  # type: ignore[list-item]
    if status and status.recipients:
        # The status part is there and lacks only the address.
        one = status.recipients[0]
        found = [r._replace(kind=one.kind, action=one.action, status=one.status or r.status) for r in found]
        why = "a delivery status notification (RFC 3464) that names no address"
    rows = [_judged(letter, r, status or Status((), agent="text"), len(found) == 1) for r in found]
    return _Answer(found[0].kind, why, rows, letter.back, vague)


def _judged(letter: Letter, recipient: Recipient, status: Status, alone: bool = False) -> dict[str, Any]:
    message, back = letter.message, letter.back
    domain = mail.domain_of(recipient.address) or ""
    known = (recipient.smtp_code, recipient.status, providers.provider(domain, recipient.remote_mta or ""))
    said = recipient.diagnostic or ""
    reply = replies.classify(said, *known, place=False)
    if alone and not reply.settled and (command := replies.command(letter.plain)):
        reply = replies.classify(said, *known, command, place=False)
    weak = reply.evidence in replies.WEAK
    if alone and (weak or not REPLY.search(said)) and (words := letter.plain):
        # Without a server's reply the report may say less than the notice; of several recipients that tells nothing.
        wider = replies.classify(words, *known, place=False)
        if reply.reason == "undefined" and (wider.reason != "undefined" or len(said) < SHORT):
            recipient = recipient._replace(diagnostic=words)
        if weak or wider.field == "text":
            reply = max(reply, wider, key=_telling)
    if recipient.kind == "bounce" and reply.reason == lifetime.WAY:
        words = f"{recipient.diagnostic} {letter.plain if alone else ''}"
        reply = lifetime.judged(reply, words, mail.moment(status.arrival or ""), mail.date(message))
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
        reason=(reply.reason or "undefined") if failed else _FIXED["success"],
        permanent=reply.permanent if failed else None,
        rule=reply.rule if failed else None,
        confidence=reply.confidence if failed else None,
        diagnostic=recipient.diagnostic,
        agent=_agent(letter, status),
        queue_id=status.queue_id,
        source_ip=returned.source_ip(message, recipient.diagnostic, status.reporting_mta),
    )


def _telling(reply: replies.Reply) -> tuple[bool, bool, float]:
    """What a reply says beats what a notice says, unless its words are known to be a provider's or tell more."""
    return reply.evidence is replies.Evidence.PROVIDER_TEXT, reply.evidence not in replies.WEAK, reply.confidence


def _head(letter: Letter) -> bytes | str:
    """The words of a report, as far as they tell how it came about: decoding all would cost more than the rest."""
    return letter.message.body[:MAX_HEAD] if letter.message.kind.startswith("multipart/") else letter.words


def _agent(letter: Letter, status: Status) -> str:
    if status.agent not in ("rfc3464", "text"):
        return status.agent
    message = letter.message
    if known := formats.agent(_head(letter)) or formats.agent(f"{message.first('From')} {message.first('Subject')}"):
        return known
    return "postfix" if any("(Postfix)" in r for r in message.get_all("Received") or ()) else status.agent


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
