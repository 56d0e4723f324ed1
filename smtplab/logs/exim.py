"""What a line of Exim's main log tells, behind its time stamp: arrivals, attempts and the end of messages.

https://www.exim.org/exim-html-current/doc/html/spec_html/ch-log_files.html
Fields are looked for in the order in which Exim writes them and the first wins: what a stranger chose
(subject, Message-ID, reply) stands behind what Exim knows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from smtplab.logs import exim_smtp
from smtplab.logs.event import Event
from smtplab.logs.values import codes, ip, shape, tls

_ID = re.compile(r"[0-9A-Za-z]{6}-(?:[0-9A-Za-z]{6}-[0-9A-Za-z]{2}|[0-9A-Za-z]{11}-[0-9A-Za-z]{4})", re.ASCII)
_HOST = re.compile(
    r" H=(?:([^\s(\[]\S{0,254}) ?)?(?:\((\S{0,255})\) )?\[([^\]\s]{2,45})\](?::(\d{1,5})(?!\d))?", re.ASCII
)
_DEFER = re.compile(r" defer \((-?\w{1,6})\):?")
_SMTP_ERROR = re.compile(
    r"(?:SMTP|LMTP|PRDR) error from remote mail server after [^:]{1,80}(?::<[^>]{0,320}>[^:]{0,80})?: "
)
_TIME = re.compile(
    r"(?:(\d{1,4})w)?(?:(\d{1,5})d)?(?:(\d{1,6})h)?(?:(\d{1,7})m)?(?:(\d{1,9}(?:\.\d{1,9})?)s)?", re.ASCII
)
_TIMES = re.compile(r"(?: (?:DT|QT)=[0-9a-z.]{1,20}){1,2}$", re.ASCII)
_VERIFIED = {"yes": "Trusted", "dane": "Verified", "no": "Untrusted"}
_WAITING = "retry time not reached"
"""Exim logs that it looked at a message and did not try it: a deferral, and no attempt."""
_LONGEST = 2_000


def events(text: str, base: dict[str, Any]) -> Sequence[Event] | None:
    """Events of a line without its stamp; `base` holds time, host, mta and pid. None where no rule understands it.

    `base` becomes part of what is returned.
    """
    cut = 23 if text[18:19] == "-" else 16
    # Most lines are told by their flag alone: no pattern is tried before.
    read = _FLAGS.get(text[cut : cut + 4])
    if read and text[6:7] == "-":
        base["queue_id"] = text[:cut]
        return read(text[cut + 4 :], base)
    if text[cut : cut + 1] != " " or not _ID.fullmatch(text, 0, cut):
        return exim_smtp.events(text, base)
    base["queue_id"] = text[:cut]
    return exim_smtp.events(text[cut + 1 :], base)


def unknown(text: str) -> str:
    """The shape of a line that no rule understands, without its message's id."""
    return f"exim: {shape(_ID.sub('', text[:200], count=1).lstrip())}"


def _value(text: str, key: str) -> str | None:
    """What stands behind " key=", up to the next blank."""
    at = text.find(key)
    if at < 0:
        return None
    at += len(key)
    end = text.find(" ", at)
    return text[at:] if end < 0 else text[at:end]


def _seconds(text: str | None) -> float | None:
    found = _TIME.fullmatch(text) if text else None
    if not found:
        return None
    weeks, days, hours, minutes, seconds = (float(x or 0) for x in found.groups())
    return (((weeks * 7 + days) * 24 + hours) * 60 + minutes) * 60 + seconds


def _address(text: str) -> tuple[str, str]:
    """The first address and the rest, which starts with a blank; a quoted local part may hold blanks."""
    at = text.find(" ") if text[:1] != '"' else text.find(" ", max(text.find('"@', 1, 320), 0))
    return (text, "") if at < 0 else (text[:at], text[at:])


def _arrival(text: str, base: dict[str, Any]) -> list[Event]:
    sender, rest = _address(text)
    at = rest.rfind(" for ")
    recipients = len(rest[at + 5 :].split()) if at >= 0 and '"' not in rest[at:] else None
    # Message-ID and subject are the sender's words.
    known = rest.partition(" id=")[0].partition(' T="')[0]
    size = _value(known, " S=")
    message = {**base, "kind": "message", "sender": "" if sender == "<>" else sender[:320]}
    if size and size.isdecimal() and len(size) < 16:
        message["size"] = int(size)
    if recipients:
        message["recipients"] = recipients
    made: list[Event] = [message]
    if host := _HOST.search(known):
        client = {**base, "kind": "client", "service": "exim", "client_host": host[1], "helo": host[2] or host[1]}
        client["client_ip"] = ip(host[3])
        if cipher := _value(known, " X="):
            client["tls_version"] = tls(cipher.partition(":")[0])
        if signed := _value(known, " A="):
            client["auth_method"], _, user = signed.partition(":")
            client["sasl_user"] = user[:320] or None
        made.append(client)
    if (found := _value(rest, " id=")) is not None:
        made.append({**base, "kind": "message_id", "message_id": found.strip("<>")[:998]})
    return made


def _recipient(text: str) -> tuple[str, str]:
    """The address an attempt was for: the one delivered to, or for files, pipes and local users the one in <>."""
    first, rest = _address(text)
    if first.startswith(("/", "|", ":")) or "@" not in first:
        at = rest.find("<", 0, 700)
        end = rest.find(">", at + 1) if at >= 0 else -1
        if 0 <= at < end:
            return rest[at + 1 : end][:320] or first, rest[end + 1 :]
    return first.removesuffix(":")[:320], rest


def _attempt(text: str, base: dict[str, Any]) -> tuple[dict[str, Any], str]:
    row = base
    row["kind"] = "delivery"
    row["recipient"], rest = _recipient(text)
    if host := _HOST.search(rest):
        row["relay_host"], row["relay_ip"] = host[1] or host[2], ip(host[3])
        if host[4]:
            row["relay_port"] = int(host[4])
        if cipher := _value(rest, " X="):
            version, _, name = cipher.partition(":")
            row["tls_version"], row["tls_cipher"] = tls(version), name.partition(":")[0]
            row["tls_verified"] = _VERIFIED.get(_value(rest, " CV=") or "")
        if (own := _value(rest, " I=[")) and (source := ip(own.partition("]")[0])):
            row["source_ip"], row["provenance"] = source, "interface in the log"
    elif (transport := _value(rest, " T=")) and "smtp" not in transport.lower():
        # Without a transport no host was found to ask: that is no delivery on this machine.
        row["relay_host"] = "local"
    return row, rest


def _delivered(text: str, base: dict[str, Any]) -> list[Event]:
    before, confirmed, reply = text.partition(' C="')
    row, rest = _attempt(before, base)
    row["status"] = "sent"
    row.setdefault("relay_host", "local")
    if text.startswith((":blackhole:", "blackhole ")):
        row["status"] = "discarded"
    if confirmed:
        row["response"] = reply.rpartition('"')[0][:_LONGEST] or reply[:_LONGEST]
        row["smtp_code"], row["enhanced_code"] = codes(row["response"])
        after = reply[reply.rfind('"') :]
    else:
        after = rest
    if "T=" in after:
        row["delay"], row["delay_transmission"] = _seconds(_value(after, " QT=")), _seconds(_value(after, " DT="))
    if signed := _value(rest, " DKIM="):
        row["dkim_domain"], _, selector = signed.partition(":")
        row["dkim_selector"] = selector or None
    return [row]


def _refused(row: dict[str, Any], response: str) -> list[Event]:
    if "T=" in response[-60:] and (times := _TIMES.search(response)):
        response = response[: times.start()]
    row["response"] = response[:_LONGEST]
    if said := _SMTP_ERROR.search(response):
        row["smtp_code"], row["enhanced_code"] = codes(response[said.end() :])
    return [row]


def _deferred(text: str, base: dict[str, Any]) -> list[Event]:
    found = _DEFER.search(text)
    row, _ = _attempt(text, base)
    row["status"] = "deferred"
    response = text[found.end() :] if found else text.partition(" ")[2]
    if response.startswith(" H="):
        # The server, and where all selectors are on our interface and the time taken, stand before the reply.
        fields, _, response = response.partition(": ")
        if taken := _seconds(_value(fields, " DT=")):
            row["delay_transmission"] = taken
    if _WAITING in response and "relay_ip" not in row:
        row["attempt"] = 0
    return _refused(row, response.strip())


def _failed(text: str, base: dict[str, Any]) -> list[Event]:
    # Behind " : " is what the other server said, and it may look like our fields.
    before, _, response = text.partition(": ")
    row, _ = _attempt(before, base)
    row["status"] = "expired" if response.endswith("retry timeout exceeded") else "bounced"
    return _refused(row, response)


_FLAGS: dict[str, Callable[[str, dict[str, Any]], Sequence[Event]]] = {
    " <= ": _arrival,
    " => ": _delivered,
    " -> ": _delivered,
    " >> ": _delivered,
    " *> ": lambda text, base: (),
    " Com": lambda text, base: ({**base, "kind": "removed"},),
    " == ": _deferred,
    " ** ": _failed,
}
