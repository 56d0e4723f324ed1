"""Is a message a server's report at all, and does it tell of a failure or of a delay?

No single sign decides: people quote bounces, newsletters speak of delivery. Signs of a machine are weighed against
signs of a person or a list.
"""

from __future__ import annotations

import re

from smtplab.bounces import vocabulary
from smtplab.bounces.letter import DAEMON, REPLY
from smtplab.bounces.message import Part

ENOUGH = 3
MAX_WORDS = 4_000
QUOTED = 3
"""Quoted lines that make a quotation."""
_KINDS = ("delay", "gave_up")
_PROGRAM = re.compile(r"(?i)this is|i'm|your|the ")


def report(message: Part, words: str) -> str:
    """What a server's report tells of, "bounce" or "delay"; "" for a message that is none.

    A report has enough signs of a machine, and few of a person or a list.
    """
    head = words[:MAX_WORDS]
    found = vocabulary.found(head, "said", "quoting", *_KINDS)
    if _weight(message, head, found) < ENOUGH:
        return ""
    if len(words) > MAX_WORDS:
        found = vocabulary.found(words, *_KINDS)
    return "delay" if "delay" in found and "gave_up" not in found else "bounce"


def is_certain(message: Part) -> bool:
    """Whether form or header alone say that a message is a report."""
    return _formal(message) or (_is_daemon(message) and vocabulary.has("subject", message.first("Subject")))


def _weight(message: Part, words: str, of_text: set[str]) -> int:
    """Signs for a report less those against it."""
    of_subject = vocabulary.found(message.first("Subject"), "subject", "robot", "replying")
    null, daemon, formal = _null_sender(message), _is_daemon(message), _formal(message)
    named = vocabulary.has("from", message.first("From"))
    total = 4 * formal + (4 if daemon else 3 * named) + 2 * null
    total += 2 * ("subject" in of_subject) + ("robot" in of_subject) + ("said" in of_text)
    total += bool(REPLY.search(words)) + _submitted(message)
    told = "said" in of_text or "subject" in of_subject or formal
    # What a log says in an alert is said by nobody who delivers mail.
    known = bool(of_subject & {"subject", "robot"}) or formal or null or daemon or named
    if not (told and known):
        total -= 2
    if not (formal or null or daemon or named or vocabulary.has("unattended", message.first("From"))):
        total -= 1
    return total - _against(message, words, null or daemon, of_subject | of_text)


def _against(message: Part, words: str, machine: bool, found: set[str]) -> int:
    """Signs of a person or a list; the address that takes the bounces of a list may be a list itself."""
    lists = message.has("List-Unsubscribe") or message.has("List-Post")
    # Some servers and list managers answer in the thread of what they return.
    written = machine or "robot" in found
    threaded = (message.has("In-Reply-To") or message.has("References")) and not written
    quoted = words.startswith(">") + words.count("\n>") >= QUOTED
    total = (2 if machine else 3) * ("replying" in found) + (1 if machine else 3) * bool(lists) + threaded
    return total + 3 * ("quoting" in found) + 2 * quoted + 2 * _greets(words[:400])


def _formal(message: Part) -> bool:
    return message.has("X-Failed-Recipients") or message.parameter("report-type").lower() == "delivery-status"


def _is_daemon(message: Part) -> bool:
    return "mailer-daemon" in message.first("From").lower() or any(DAEMON.match(a) for a in message.authors)


def _null_sender(message: Part) -> bool:
    raw = message.first("Return-Path").strip().lower()
    return raw == "<>" or raw.startswith(("<mailer-daemon", "mailer-daemon", "<postmaster@", "<double-bounce"))


def _submitted(message: Part) -> bool:
    return message.first("Auto-Submitted").lower().startswith("auto-")


def _greets(words: str) -> bool:
    """A greeting as a line of its own; programs that say hello go on in the line."""
    found = vocabulary.pattern("greeting").search(words) if vocabulary.has("greeting", words) else None
    return found is not None and not _PROGRAM.search(found[0])
