"""Whether only time made a failure final: the sender's queue gave up (RFC 5321 section 4.5.4.1, RFC 3463 x.4.7)."""

from __future__ import annotations

from datetime import datetime, timedelta

from smtplab import replies
from smtplab.bounces import vocabulary
from smtplab.replies import Reply

LEAST = timedelta(days=1)
"""A server that gives up earlier had another reason."""
WAY = "networkerror"
"""The only answer that time changes."""
_EXPIRED = "4.4.7"
"""Delivery time expired."""


def judged(reply: Reply, words: str, arrival: datetime | None, reported: datetime | None) -> Reply:
    """The answer to a final failure; it is "expired" where no receiver spoke, and the words or the dates tell why.

    Whoever got a reply until the end keeps its reason (a full mailbox); who lost a connection had one.
    """
    if reply.reason != WAY or (reply.enhanced_code or "4").startswith("5"):
        return reply
    waited = bool(arrival and reported and reported - arrival >= LEAST)
    if not (vocabulary.has("late", words) or (waited and vocabulary.has("silent", words))):
        return reply
    late = replies.classify("", None, _EXPIRED)
    return late._replace(
        smtp_code=reply.smtp_code,
        enhanced_code=reply.enhanced_code,
        matched=reply.matched,
        span=reply.span,
        field=reply.field,
        confidence=min(reply.confidence, late.confidence),
        provider=reply.provider,
        command=reply.command,
    )
