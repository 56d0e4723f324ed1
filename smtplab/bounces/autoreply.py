"""Auto-replies, RFC 3834: a person is away, a ticket was opened.

`Auto-Submitted` alone never decides: every good server sets it on bounces too. Two signs are wanted.
"""

from __future__ import annotations

import re

from smtplab import mail
from smtplab.bounces.message import Part

_SUBJECT = re.compile(
    r"(?i)^\s*(auto(mati(c|sche))?[ -]?(reply|response|responder|antwort|:)|out[ -]of[ -](the )?office|ooo:"
    r"|abwesen|vacation|away from|on (leave|holiday)|r[ée]ponse automatique|respuesta autom|risposta automatica"
    r"|absence|自動応答|不在)"
)
_HEADERS = ("X-Autoreply", "X-Autorespond", "X-Auto-Reply-From", "X-Mail-Autoreply", "Delivered-By-The-Graces-Of")
DAEMON = re.compile(r"(?i)^(mailer-?daemon|postmaster|mdaemon|mail-?daemon)@")


def signs(message: Part) -> list[str]:
    """The signs of an automatic reply that a message carries."""
    found = []
    submitted = (mail.header(message, "Auto-Submitted") or "").lower()
    if submitted.startswith("auto-replied"):
        found.append("Auto-Submitted: auto-replied")
    found += [name for name in _HEADERS if message.has(name)]
    if (precedence := (mail.header(message, "Precedence") or "").lower()) in ("auto_reply", "auto-reply"):
        found.append(f"Precedence: {precedence}")
    if mail.header(message, "X-Auto-Response-Suppress"):
        found.append("X-Auto-Response-Suppress")
    if _SUBJECT.search(mail.header(message, "Subject") or ""):
        found.append("its subject")
    if message.has("In-Reply-To"):
        found.append("In-Reply-To")
    return found


def why(message: Part) -> str:
    """Why a message is an auto-reply; "" if it is none."""
    sender = next(iter(mail.addresses(message, "From")), "")
    found = signs(message)
    # A reply to a person also has In-Reply-To: it supports, but two such weak signs are needed beside it.
    strong = [s for s in found if s not in ("In-Reply-To", "X-Auto-Response-Suppress")]
    if DAEMON.match(sender) or not strong or len(found) < 2:
        return ""
    return f"auto-reply by {' and '.join(found[:3])}"
