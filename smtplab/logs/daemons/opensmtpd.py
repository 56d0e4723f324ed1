"""OpenSMTPD's lines (6.x, 7.x): a session id, what happened, and `name=value` pairs.

https://man.openbsd.org/smtpd; the lines are written by mta.c, mda.c and smtp_session.c of
https://github.com/OpenSMTPD/OpenSMTPD/tree/master/usr.sbin/smtpd
An envelope id (evpid) starts with the id of its message: that is the queue id.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from smtplab.logs.event import Event, Line
from smtplab.logs.values import codes, ip, told

NAME = "opensmtpd"
PROGRAMS: tuple[str, ...] = ("smtpd",)
_HEAD = re.compile(r"(?:[0-9a-f]{16} )?(smtp|mta|mda) (?:event=)?([a-z-]{2,20})(?= |$)", re.ASCII)
_FIELD = re.compile(r' ([a-z-]{2,12})=(?:"([^"]{0,2000})"|<([^>]{0,320})>|(\S{0,320}))', re.ASCII)
_RELAY = re.compile(r"\[?([0-9A-Fa-f.:]{2,45})\]?(?: \(([^)\s]{1,255})\))?", re.ASCII)
_STATUS = {"Ok": "sent", "TempFail": "deferred", "PermFail": "bounced", "Expired": "expired", "Delivered": "sent"}
_PART = re.compile(r"(\d{1,6})([dhms])", re.ASCII)
_UNIT = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_QUIET = (
    "info:", "smtp-in:", "smtp-out:", "queue:", "scheduler:", "warn:", "debug:", "setup_", "lookup:", "filter",
    "expand:",
)  # fmt: skip


def events(line: Line) -> Sequence[Event] | None:
    """What the line tells; () where it is understood and tells nothing, None where it is not understood."""
    base = {"time": line.time, "host": line.host, "mta": NAME, "pid": line.pid}
    head = _HEAD.match(line.text)
    if not head:
        return () if line.text.startswith(_QUIET) else None
    fields: dict[str, str] = {}
    for m in _FIELD.finditer(line.text, head.end()):
        fields.setdefault(m[1], next((x for x in m.groups()[1:] if x is not None), ""))
    return _smtp(head[2], fields, base) if head[1] == "smtp" else _delivery(head[2], head[1], fields, base)


def _delivery(what: str, agent: str, f: dict[str, str], base: dict[str, Any]) -> Sequence[Event]:
    status = _STATUS.get(f.get("result", ""))
    if what != "delivery" or not status:
        return ()
    relay = _RELAY.match(f.get("relay", ""))
    code, enhanced = codes(f.get("stat", "").replace(": ", " ", 1))
    source = ip(f.get("source"))
    known = told(
        sender=f.get("from"),
        relay_host=(relay[2] if relay else None) if agent == "mta" else "local",
        relay_ip=ip(relay[1]) if relay else None,
        source_ip=source,
        provenance="source in the log" if source else None,
        smtp_code=code,
        enhanced_code=enhanced,
        delay=float(sum(int(n) * _UNIT[u] for n, u in _PART.findall(f.get("delay", ""))[:4])) if "delay" in f else None,
    )
    row = {
        "queue_id": f.get("evpid", "")[:8],
        "recipient": f.get("to", ""),
        "status": status,
        "response": f.get("stat", ""),
    }
    return [{**base, "kind": "delivery", **row, **known}]


def _smtp(what: str, f: dict[str, str], base: dict[str, Any]) -> Sequence[Event]:
    if what == "message" and "msgid" in f:
        size, count = f.get("size", ""), f.get("nrcpt", "")
        known = told(
            size=int(size) if size.isdecimal() and len(size) < 16 else None,
            recipients=int(count) if count.isdecimal() and len(count) < 10 else None,
        )
        return [{**base, "kind": "message", "queue_id": f["msgid"][:8], **known}]
    if what == "envelope" and "evpid" in f:
        return [{**base, "kind": "message", "queue_id": f["evpid"][:8], "sender": f.get("from", "")}]
    if what == "authentication":
        tried = {"auth_ok": f.get("result") == "ok", **told(auth_user=f.get("user") or None)}
        return [{**base, "kind": "sign_in", "service": NAME, **tried}]
    if what in ("failed-command", "bad-input"):
        command = f.get("command", "")
        stage = command.partition(" ")[0].upper()[:20]
        code, enhanced = codes(f.get("result", ""))
        address = command.partition("<")[2].partition(">")[0] if "<" in command else None
        who = {"RCPT": told(recipient=address), "MAIL": told(sender=address)}.get(stage, {})
        reply = {"response": f.get("result", ""), **told(smtp_code=code, enhanced_code=enhanced)}
        return [{**base, "kind": "rejection", "service": NAME, "stage": stage or "CONNECT", **reply, **who}]
    if what == "connected" and f.get("address") != "local":
        name = f.get("host")
        client = told(client_ip=ip(f.get("address", "").strip("[]")), client_host=None if name == "unknown" else name)
        return [{**base, "kind": "session", "service": NAME, **client}]
    return ()
