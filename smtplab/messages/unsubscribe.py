"""One-click unsubscribe, RFC 8058 on top of RFC 2369: what large providers demand of promotional mail."""

from __future__ import annotations

import re
from email.message import Message

from smtplab import mail

_URI = re.compile(r"<\s*([^<>]{1,1500})\s*>")
_BULK = ("List-Unsubscribe", "List-Id")


def bulk(message: Message) -> str:
    """By which header a message is promotional mail; "" if none says so, or if it is a discussion list's."""
    if message.get("List-Post") is not None:
        return ""
    return next((name for name in _BULK if mail.header(message, name)), "")


def lacks(message: Message) -> list[str]:
    """What a message lacks for one-click unsubscribe (RFC 8058 section 3.1); nothing if it is complete."""
    said = mail.header(message, "List-Unsubscribe")
    if not said:
        return ["List-Unsubscribe"]
    missing = []
    if not any(uri.strip().lower().startswith("https://") for uri in _URI.findall(said)):
        missing.append("an https address in List-Unsubscribe")
    post = (mail.header(message, "List-Unsubscribe-Post") or "").replace(" ", "").lower()
    if post != "list-unsubscribe=one-click":
        missing.append("List-Unsubscribe-Post")
    return missing


def signed(message: Message) -> bool:
    """Whether one DKIM-Signature covers both header fields, as RFC 8058 section 4 demands."""
    for value in mail.headers(message, "DKIM-Signature"):
        covered = {h.lower() for h in mail.tags(value).get("h", "").split(":")}
        if {"list-unsubscribe", "list-unsubscribe-post"} <= covered:
            return True
    return False
