"""What Exim's main and reject logs tell about clients: refusals, sign-ins and how connections ended.

https://www.exim.org/exim-html-current/doc/html/spec_html/ch-log_files.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from smtplab.logs.event import Event
from smtplab.logs.values import codes, ip, told

_HOST = r"(?:([^\s(\[]\S{0,254}) )?(?:\((\S{0,255})\) )?\[([0-9A-Fa-f.:]{2,45})\](?::\d{1,5})?"
_CLIENT = re.compile(rf"(?:H=|from |with |for )(?:H=)?{_HOST}", re.ASCII)
_REJECTED = re.compile(
    r"(?:^|\s)(temporarily )?rejected "
    r"(after DATA|after message reading|during MIME ACL checks|by non-SMTP ACL|by local_scan\(\)|connection|"
    r"(?:RCPT|MAIL|EHLO|HELO|VRFY|EXPN|ETRN|AUTH|DATA|STARTTLS|QUIT|DKIM|PRDR|from|header contents)(?![A-Za-z]))"
    r"(?: (?:TO:|FROM:)?<([^>]{0,320})>)?",
    re.ASCII,
)
_STAGES = {"connection": "CONNECT", "from": "MAIL", "after": "DATA", "during": "DATA", "by": "DATA", "header": "DATA"}
_SENDER = re.compile(r" F=<?([^>\s]{0,320})>?(?: |$)")
_SIGN_IN = re.compile(r"^(\w{1,60}) authenticator (?:failed|cancelled)")
_SET_ID = re.compile(r"\(set_id=(.{0,320}?)\)?$")
_REFUSED = re.compile(
    r"^(?:SMTP call|[Cc]onnection|SMTP connection) from .{0,700}?(?:dropped|refused)|^refused connection|"
    r"^SMTP protocol (?:synchronization error|violation)|^(?:temporarily )?refused relay"
)
_ENDED = re.compile(
    r"^(?:SMTP connection .{0,700}?(closed by QUIT|closed by DROP in ACL|closed after SIGTERM|lost[a-z (/)]{0,80})|"
    r"(SMTP command timeout|SMTP data timeout|unexpected disconnection|TLS error) |"
    r"(no MAIL in SMTP connection) )"
)
_COMMANDS = re.compile(r" C=([A-Z,./*]{1,2000})", re.ASCII)
_QUIET = (
    "cwd=", "incomplete transaction", "Process failed",
    "Start queue run", "End queue run", "exim ", "no host name found", "no IP address found", "Warning: ",
    "SMTP connection", "Frozen", "Unfrozen", "frozen by", "unfrozen by", "removed by", "cancelled by",
    "Spool file is locked",
    "no immediate delivery", "SMTP error from remote", "DKIM: ", "PDKIM: ", "Message is frozen", "message abandoned",
    "Connection ", "listening on", "retry ", "error message sent", "moved from spool", "DANE ", "sender verify",
    "pid ", "daemon ", "host name alias", "TLS session", "TLS error", "[", "Reporting MTA", "remote host address",
    "SMTP timeout", "Remote host", "ignoring AUTH", "configuration file", "skipped", "queue run", "SIGHUP",
    "using queue",
)  # fmt: skip


_HOST_NOTES = (" remote ", "onnection", " verify ", "Warning", "incomplete transaction", "SMTP timeout", "Network")


def events(text: str, base: dict[str, Any]) -> Sequence[Event] | None:
    """Events of a line that is no arrival, attempt or completion; `base` holds what is known of every line."""
    if "rejected " in text and (found := _REJECTED.search(text)):
        return [_rejection(text, found, base)]
    if found := _SIGN_IN.match(text):
        user = _SET_ID.search(text)
        tried = told(auth_method=found[1], auth_user=user[1][:320] if user else None, auth_ok=False)
        return [{**base, "kind": "sign_in", "service": "exim", **tried, **_client(text)}]
    if _REFUSED.match(text):
        return [{**base, "kind": "rejection", "service": "exim", "stage": "CONNECT", **_client(text), **_reply(text)}]
    if found := _ENDED.match(text):
        commands = _COMMANDS.search(text)
        ended = told(ended=(found[1] or found[2] or found[3]).strip(), commands=commands[1] if commands else None)
        return [{**base, "kind": "session", "service": "exim", **ended, **_client(text)}]
    if text.startswith(_QUIET) or text.endswith(": error ignored"):
        return ()
    if text.startswith(("H=", "U=")) and any(word in text for word in _HOST_NOTES):
        # A host that failed: what became of the recipients is told by lines of their own.
        return ()
    return None


def _client(text: str) -> dict[str, Any]:
    found = _CLIENT.search(text, 0, 2_000)
    return told(client_host=found[1], helo=found[2], client_ip=ip(found[3])) if found else {}


def _reply(response: str) -> dict[str, Any]:
    code, enhanced = codes(response)
    return told(smtp_code=code, enhanced_code=enhanced, response=response[:2_000])


def _rejection(text: str, found: re.Match[str], base: dict[str, Any]) -> Event:
    before, after = text[: found.start()], text[found.end() :]
    word = found[2].partition(" ")[0]
    stage = _STAGES.get(word, word)
    sender = _SENDER.search(f"{before} ")
    address = found[3]
    who = {"recipient": address} if stage == "RCPT" else {"sender": address} if stage == "MAIL" else {}
    response = after.partition(": ")[2] if ": " in after else after.strip(" :")
    reply = _reply(response or text[found.start() :].strip())
    # Exim logs its own reply's code only where the ACL gave one; the word tells which class it was.
    reply.setdefault("smtp_code", 451 if found[1] else 550)
    row = {**base, "kind": "rejection", "service": "exim", "stage": stage}
    if sender:
        row["sender"] = sender[1]
    return {**row, **(_client(before) or _client(text)), **reply, **{k: v for k, v in who.items() if v is not None}}
