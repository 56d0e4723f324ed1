"""Dovecot's sign-ins: what the login processes and the password databases say, in the words of 1.x to 2.4.

https://doc.dovecot.org/ (Logging; auth_verbose)
With auth_verbose one failed attempt comes twice: from "auth" at once, from the login service when the client
leaves; the latter bears the number of tries in `attempt`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from smtplab.logs.event import Event, Line
from smtplab.logs.values import ip, told

NAME = "dovecot"
PROGRAMS: tuple[str, ...] = (
    "dovecot", "auth", "auth-worker", "dovecot-auth",
    "imap-login", "pop3-login", "submission-login", "managesieve-login",
)  # fmt: skip
_LOGIN = re.compile(
    r"(imap|pop3|submission|managesieve)-login(?:\[\d{1,10}\]|\(\d{1,10}\))?: (?:(?:Info|Error): )?", re.ASCII
)
_AUTH = re.compile(r"auth(?:-worker)?(?:\([^)]{0,700}\))?(?:<[^>]{0,80}>)?(?:\[\d{1,10}\])?: ", re.ASCII)
_INFO = ("Info: ", "Warning: ", "Error: ")
_USER = re.compile(r"[:,] user=<([^>]{0,320})>", re.ASCII)
_METHOD = re.compile(r"[:,] method=([A-Za-z0-9-]{1,30})(?:,|$)", re.ASCII)
_CLIENT = re.compile(r"[:,] rip=([0-9A-Fa-f.:]{2,45})(?:,|$)", re.ASCII)
_TLS = re.compile(r", (TLSv[\d.]{1,4}) with cipher (\S{1,60})", re.ASCII)
_FAILED = re.compile(
    r"\((?:auth failed, (\d{1,9}) attempts[^)]{0,40}|proxy dest auth failed|"
    r"tried to use disabled [^)]{0,40}auth|tried to use disallowed [^)]{0,40}auth|auth failed[^)]{0,40})\)",
    re.ASCII,
)
_ENDED = re.compile(r"\(((?:no auth attempts|disconnected |client didn't |cert required|auth process )[^)]{0,80})\)")
_DATABASE = re.compile(
    r"(?:conn unix:auth-worker \([^)]{0,80}\): auth-worker<\d{1,10}>: )?"
    r"([a-z][a-z-]{1,29})\(([^,]{0,320}),([^,)]{0,60})(?:,[^)]{0,200})?\): ",
    re.ASCII,
)
_CONTEXT = re.compile(
    r"auth(?:-worker)?\(([^,]{0,320}),([0-9A-Fa-f.:]{2,45})(?:,(?:sasl:)?([^,)]{0,60}))?[^)]{0,60}\)", re.ASCII
)
_WRONG = re.compile(
    r"(?:[a-z-]{2,30}: )?(?:unknown user|password mismatch|invalid credentials|"
    r"pam_authenticate\(\) failed: |passdb disallowed|user is disabled|login not permitted)",
    re.IGNORECASE | re.ASCII,
)
_PAM = re.compile(
    r"pam_unix\(dovecot:auth\): authentication failure; .{0,2000}? ruser=(.{0,320}) rhost=([0-9A-Fa-f.:]{2,45})(?: |$)"
)


def events(line: Line) -> Sequence[Event] | None:
    """A sign-in that worked or failed, or a connection that ended without one."""
    base = {"time": line.time, "host": line.host, "mta": NAME, "pid": line.pid}
    text = line.text.removeprefix("dovecot: ")
    if line.program != "dovecot":
        text = f"{line.program}: {text}"
    return read(text, base)


def read(text: str, base: dict[str, Any]) -> Sequence[Event] | None:
    """The same of a text that starts with its service; `base` holds time, host, mta and pid."""
    if found := _LOGIN.match(text):
        return _login(text[found.end() :], {**base, "service": found[1]})
    if "rhost=" in text and (found := _PAM.search(text)):
        return [_tried(base, found[1].strip(), found[2], None)]
    if found := _AUTH.match(text):
        return _auth(text, found.end(), base)
    return () if text.startswith(_QUIET) else None


_QUIET = (
    "imap(", "pop3(", "lmtp(", "lda(", "lmtp-", "lmtp:", "master:", "config:", "stats:", "anvil:", "log:", "imap:",
    "pop3:", "ssl-params:", "indexer", "imap-hibernate", "managesieve(", "submission(", "doveadm", "replicator",
    "dict", "imap-urlauth", "lda:", "dovecot-auth:", "Warning: ", "Info: ", "Error: ",
    "quota-status", "old-stats", "script-login", "dsync",
)  # fmt: skip


def _login(text: str, base: dict[str, Any]) -> Sequence[Event] | None:
    client = _CLIENT.search(text)
    if not client:
        return None if text.startswith(("Login", "Disconnected", "Aborted")) else ()
    user, method = _USER.search(text), _METHOD.search(text)
    cipher = _TLS.search(text)
    known = told(
        client_ip=ip(client[1]),
        auth_user=user[1] or None if user else None,
        auth_method=method[1] if method else None,
        tls_version=cipher[1] if cipher else None,
        tls_cipher=cipher[2] if cipher else None,
    )
    if text.startswith("Login: "):
        return [{**base, "kind": "sign_in", "auth_ok": True, **known}]
    head = text[: client.start()]
    if failed := _FAILED.search(head):
        tries = {"attempt": int(failed[1])} if failed[1] else {}
        return [{**base, "kind": "sign_in", "auth_ok": False, "ended": failed[0].strip("()"), **tries, **known}]
    ended = _ENDED.search(head)
    return [{**base, "kind": "session", "ended": ended[1] if ended else head.partition(": user=")[0][:80], **known}]


def _auth(text: str, at: int, base: dict[str, Any]) -> Sequence[Event]:
    context = _CONTEXT.match(text)
    rest = text[at:]
    for word in _INFO:
        rest = rest.removeprefix(word)
    if found := _DATABASE.match(rest):
        rest, user, client, method = rest[found.end() :], found[2], found[3], None
    elif context:
        user, client, method = context[1], context[2], context[3]
    else:
        return ()
    return [_tried(base, user, client, method)] if _WRONG.match(rest) else ()


def _tried(base: dict[str, Any], user: str, client: str, method: str | None) -> Event:
    known = told(auth_user=user or None, client_ip=ip(client), auth_method=method.upper() if method else None)
    return {**base, "kind": "sign_in", "service": "auth", "auth_ok": False, **known}
