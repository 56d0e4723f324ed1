"""Courier's lines: refusals and failed sign-ins of its SMTP service, and what became of each recipient.

https://www.courier-mta.org/courier.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from smtplab.logs.event import Event, Line
from smtplab.logs.values import codes, ip, told

NAME = "courier"
PROGRAMS: tuple[str, ...] = (
    "courieresmtpd", "courieresmtp", "courierlocal", "courierd", "imapd", "imapd-ssl", "pop3d", "pop3d-ssl",
)  # fmt: skip
_ERROR = re.compile(
    r"error,relay=([0-9A-Fa-f.:]{2,45})(?:,port=\d{1,5})?(?:,ident=[^,]{0,100})?"
    r'(?:,from=<([^>]{0,320})>)?(?:,to=<([^>]{0,320})>)?(?:,msg="([^"]{0,500})",cmd)?: (.{0,2000})',
    re.ASCII,
)
_STATUS = re.compile(
    r"id=([0-9A-F.]{5,60}),from=<([^>]{0,320})>,addr=<([^>]{0,320})>.{0,80}?,status: (\w{1,20})", re.ASCII
)
_LOGIN = re.compile(
    r"LOGIN(?: FAILED)?, (?:user=([^,]{0,320}), )?(?:method=([A-Z0-9-]{1,30}), )?ip=\[([0-9A-Fa-f.:]{2,45})\]"
)
_OUTCOME = {"success": "sent", "deferred": "deferred", "failure": "bounced"}
_QUIET = (
    "started,", "newmsg,", "id=", "Connection,", "LOGOUT,", "DISCONNECTED,", "Waiting", "Purging", "Loading",
    "Disconnected,",
)  # fmt: skip


def events(line: Line) -> Sequence[Event] | None:
    """What the line tells; () where it is understood and tells nothing, None where it is not understood."""
    base = {"time": line.time, "host": line.host, "mta": NAME, "pid": line.pid}
    service = line.program.removeprefix("courier")
    if found := _ERROR.match(line.text):
        client, sender, recipient, message, rest = found.groups()
        if message and "uthentication failed" in message:
            user = rest.split(" ")[2:] if rest.startswith("AUTH ") else []
            tried = told(client_ip=ip(client), auth_user=user[-1][:320] if user and "@" in user[-1] else None)
            return [{**base, "kind": "sign_in", "service": service, "auth_ok": False, **tried}]
        code, enhanced = codes(message or rest)
        known = told(client_ip=ip(client), sender=sender, recipient=recipient, smtp_code=code, enhanced_code=enhanced)
        stage = "RCPT" if recipient is not None else "MAIL"
        return [{**base, "kind": "rejection", "service": service, "stage": stage, "response": message or rest, **known}]
    if (found := _STATUS.match(line.text)) and found[4] in _OUTCOME:
        row = {"queue_id": found[1], "recipient": found[3], "status": _OUTCOME[found[4]]}
        return [{**base, "kind": "delivery", **row, **({"relay_host": "local"} if service == "local" else {})}]
    if found := _LOGIN.match(line.text):
        tried = told(auth_user=found[1] or None, auth_method=found[2], client_ip=ip(found[3]))
        return [{**base, "kind": "sign_in", "service": service, "auth_ok": "FAILED" not in found[0], **tried}]
    return () if line.text.startswith(_QUIET) else None
