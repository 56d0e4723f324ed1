"""Sendmail's lines: arrivals, one line an attempt, refusals, TLS and sign-ins, as `name=value` behind the queue id.

https://www.ibm.com/docs/en/aix/7.2?topic=management-mail-logging (the words of Sendmail's operation guide)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from smtplab.logs.event import Event, Line
from smtplab.logs.values import codes, ip, tls, told

NAME = "sendmail"
PROGRAMS: tuple[str, ...] = (
    "sendmail", "sm-mta", "sm-acceptingconnections", "sm-msp-queue", "sm-msp", "sm-que", "sendmail-client",
)  # fmt: skip
_ID = re.compile(r"([0-9A-Za-z]{8,20}): ", re.ASCII)
_FIELD = re.compile(r"(?:^|(?<=, ))([A-Za-z_0-9]{1,20})=((?:<[^>]{0,998}>,?){1,200}|[^,]{0,2000})(?=, |$)", re.ASCII)
_LAST = re.compile(r"(?:^|, )(stat|reject)=")
"""What a server or rule said stands last and holds commas."""
_RELAY = re.compile(r"([^\s\[\]]{0,255})\.? ?(?:\[([0-9A-Fa-f.:IPv]{2,50})\])?", re.ASCII)
_CLIENT = re.compile(r"(?:^| )([^\s\[\]]{1,255} )?\[([0-9A-Fa-f.:IPv]{2,50})\]", re.ASCII)
_REFUSED = re.compile(
    r"^(?:rejecting commands from .{0,400} due to pre-greeting traffic|"
    r".{0,400}\]: (EXPN|VRFY|expn|vrfy) .{0,320}\[rejected\]$|"
    r"<([^>]{0,320})>\.\.\. (?:No such user|User unknown))"
)
_ENDED = re.compile(
    r"(did not issue MAIL/EXPN/VRFY/ETRN|lost input channel|possible SMTP attack|timeout waiting for input)"
)
_DELAY = re.compile(r"(?:(\d{1,4})\+)?(\d{1,4}):(\d\d):(\d\d)", re.ASCII)
_GIVEN_UP = re.compile(r"[0-9A-Za-z]{8,20}: return to sender: Cannot send (?:message|within)", re.ASCII)
_AUTH_FAILED = re.compile(r"AUTH failure \(([A-Za-z0-9-]{1,30})\)")
_QUIET = (
    "STARTTLS", "starting daemon", "alias database", "Milter", "milter", "--", "clone:", "NOQUEUE:", "ruleset=", "DSN",
)  # fmt: skip


def events(line: Line) -> Sequence[Event] | None:
    """What the line tells; () where it is understood and tells nothing, None where it is not understood."""
    base = {"time": line.time, "host": line.host, "mta": NAME, "pid": line.pid}
    text = line.text
    if (found := _ID.match(text)) and found[1] != "NOQUEUE":
        text, base["queue_id"] = text[found.end() :], found[1]
    if _GIVEN_UP.match(text):
        return [{**base, "kind": "expired"}]
    if text.startswith("done; delay="):
        return [{**base, "kind": "removed"}]
    fields, last, said = _fields(text)
    if last == "stat":
        return _attempts(fields, said, base)
    if last == "reject":
        return [_rejected(fields, said, base)]
    if text.startswith("from="):
        return _arrival(fields, base)
    if text.startswith(("STARTTLS=client", "AUTH=server")):
        return _session(text, fields, base)
    return _refused(text, base)


def _fields(text: str) -> tuple[dict[str, str], str, str]:
    found = _LAST.search(text)
    fields: dict[str, str] = {}
    for m in _FIELD.finditer(text, 0, found.start() if found else len(text)):
        fields.setdefault(m[1], m[2])
    return (fields, found[1], text[found.end() :]) if found else (fields, "", "")


def _relay(value: str | None) -> tuple[str | None, str | None]:
    found = _RELAY.match(value or "")
    return (found[1].removesuffix(".") or None, ip(found[2])) if found else (None, None)


def _bare(address: str) -> str:
    return address.strip().removeprefix("<").removesuffix(">")[:320]


def _whole(value: str | None) -> int | None:
    return int(value) if value and value.isdecimal() and len(value) < 16 else None


def _seconds(value: str | None) -> float | None:
    found = _DELAY.fullmatch(value or "")
    if not found:
        return None
    days, hours, minutes, seconds = (int(x or 0) for x in found.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def _arrival(fields: dict[str, str], base: dict[str, Any]) -> list[Event]:
    known = told(size=_whole(fields.get("size")), recipients=_whole(fields.get("nrcpts")))
    made: list[Event] = [{**base, "kind": "message", "sender": _bare(fields.get("from", "")), **known}]
    name, address = _relay(fields.get("relay"))
    if name or address:
        made.append({**base, "kind": "client", "service": NAME, **told(client_host=name, client_ip=address)})
    if fields.get("msgid"):
        made.append({**base, "kind": "message_id", "message_id": fields["msgid"].strip("<>,")[:998]})
    return made


def _attempts(fields: dict[str, str], said: str, base: dict[str, Any]) -> Sequence[Event]:
    dsn, relay = fields.get("dsn", ""), _relay(fields.get("relay"))
    if said.startswith("queued") or "to" not in fields:
        return ()
    status = {"2": "sent", "4": "deferred", "5": "bounced"}.get(dsn[:1])
    status = status or ("sent" if said.startswith("Sent") else "deferred" if said.startswith("Deferred") else "bounced")
    reply = said.partition(" (")[2].removesuffix(")") if said.startswith("Sent (") else said.partition(": ")[2] or said
    code, enhanced = codes(reply)
    row = {
        **base,
        "kind": "delivery",
        "status": status,
        "response": (reply or said)[:2_000],
        **told(
            relay_host="local" if fields.get("mailer") in ("local", "prog", "*file*") else relay[0],
            relay_ip=relay[1],
            smtp_code=code,
            enhanced_code=dsn or enhanced,
            delay=_seconds(fields.get("delay")),
            delay_transmission=_seconds(fields.get("xdelay")),
        ),
    }
    return [{**row, "recipient": _bare(to)} for to in fields["to"].split(",") if to.strip()]


def _rejected(fields: dict[str, str], said: str, base: dict[str, Any]) -> Event:
    stage = {"check_relay": "CONNECT", "check_mail": "MAIL", "check_rcpt": "RCPT", "check_data": "DATA"}
    name, address = _relay(fields.get("relay"))
    code, enhanced = codes(said)
    rule = fields.get("ruleset", "")
    known = told(client_host=name, client_ip=address, smtp_code=code, enhanced_code=enhanced)
    if argument := _bare(fields.get("arg1", fields.get("to", ""))):
        known |= {"check_rcpt": {"recipient": argument}, "check_mail": {"sender": argument}}.get(rule, {})
    return {
        **base,
        "kind": "rejection",
        "service": NAME,
        "stage": stage.get(rule, rule),
        "response": said[:2_000],
        **known,
    }


def _session(text: str, fields: dict[str, str], base: dict[str, Any]) -> list[Event]:
    name, address = _relay(fields.get("relay"))
    if text.startswith("AUTH"):
        known = told(
            client_host=name, client_ip=address, auth_user=fields.get("authid"), auth_method=fields.get("mech")
        )
        return [{**base, "kind": "sign_in", "service": NAME, "auth_ok": True, **known}]
    known = told(
        relay_host=name, relay_ip=address, tls_cipher=fields.get("cipher"), tls_version=tls(fields.get("version", ""))
    )
    return [
        {**base, "kind": "tls", "tls_verified": "Trusted" if fields.get("verify") == "OK" else "Untrusted", **known}
    ]


def _refused(text: str, base: dict[str, Any]) -> Sequence[Event] | None:
    found = _CLIENT.search(text)
    client = told(client_host=(found[1] or "").strip() or None, client_ip=ip(found[2])) if found else {}
    if refused := _REFUSED.match(text):
        known = told(
            stage=refused[1].upper() if refused[1] else "RCPT" if refused[2] is not None else "CONNECT",
            recipient=refused[2],
        )
        return [{**base, "kind": "rejection", "service": NAME, "response": text[:2_000], **known, **client}]
    if failed := _AUTH_FAILED.search(text):
        return [{**base, "kind": "sign_in", "service": NAME, "auth_ok": False, "auth_method": failed[1], **client}]
    if ended := _ENDED.search(text):
        return [{**base, "kind": "session", "service": NAME, "ended": ended[1], **client}]
    return () if text.startswith(_QUIET) else None
