"""Postfix log lines (postconf(5), DSN_README): deliveries, sign-ins and refusals, joined by host and queue id.

A queue id may be used again once its message was removed, so `removed` ends a message, and so does a long silence.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

_PROGRAM = re.compile(r"^(?:postfix[^/ ]*/)?(?:[a-z0-9-]{1,30}/)?([a-z0-9-]{1,30})\[(\d{1,10})\]: (.*)$")
_DELIVERY = re.compile(
    r"^([0-9A-Za-z]{5,20}): to=<([^>]{0,320})>,(?: orig_to=<[^>]{0,320}>,)? relay=([^, ]{1,300}),"
    r"(?: conn_use=(\d{1,6}),)? delay=([\d.]{1,12}), delays=([\d.]{1,12})/([\d.]{1,12})/([\d.]{1,12})/([\d.]{1,12}),"
    r" dsn=(\d\.\d{1,3}\.\d{1,3}), status=([A-Za-z]{1,20}) \((.*)$"
)
_RELAY = re.compile(r"^(.{1,255})\[([0-9a-fA-F.:]{2,45})\]:(\d{1,5})$")
_FROM = re.compile(r"^([0-9A-Za-z]{5,20}): from=<([^>]{0,320})>, size=(\d{1,12}), nrcpt=(\d{1,9})")
_EXPIRED = re.compile(r"^([0-9A-Za-z]{5,20}): from=<[^>]{0,320}>, status=(?:expired|force-expired), returned to sender")
_MESSAGE_ID = re.compile(r"^([0-9A-Za-z]{5,20}): message-id=<?([^>]{1,998}?)>?$")
_CLIENT = re.compile(
    r"^([0-9A-Za-z]{5,20}): client=([^\[]{1,255})\[([0-9a-fA-F.:]{2,45})\](?:, sasl_method=([^,]{1,30}), sasl_username=([^,]{1,320}))?"  # noqa: E501
)
_FAILED = re.compile(
    r"^warning: ([^\[]{1,255})\[([0-9a-fA-F.:]{2,45})\]: SASL ([A-Z0-9-]{1,20}) authentication failed:?(.{0,200}?)(?:, sasl_username=(.{1,320}))?$"  # noqa: E501
)
_TLS = re.compile(
    r"^(\w{1,12}) TLS connection established to ([^\[]{1,255})\[([0-9a-fA-F.:]{2,45})\]:\d{1,5}: (TLSv[\d.]{1,4}) with cipher (\S{1,60})"  # noqa: E501
)
_REJECT = re.compile(
    r"^(?:[0-9A-Za-z]{5,20}): (?:milter-)?reject: ([A-Z-]{2,20}) from "
    r"([^\[]{1,255})\[([0-9a-fA-F.:]{2,45})\](?::\d{1,5})?: "
    r"(?:(\d{3}) )?(?:(\d\.\d{1,3}\.\d{1,3}) )?(.{0,2000})$"
)
_ENVELOPE = re.compile(r"(?:^|;| )(from|to|helo)=<([^>]{0,320})>")
_REMOVED = re.compile(r"^([0-9A-Za-z]{5,20}): removed$")
_STATUS = {"sent": "sent", "deferred": "deferred", "SOFTBOUNCE": "deferred", "bounced": "bounced", "expired": "expired"}
"""Others (deliverable, undeliverable) are probes of addresses: nothing was sent."""
_REUSED_AFTER = timedelta(days=5)
"""Postfix keeps no message longer by default, so an id silent for longer names another message."""
_DELIVERERS = frozenset({"smtp", "lmtp", "local", "virtual", "pipe", "error", "discard", "relay", "retry"})
_QUIET = re.compile(
    r"^(?:connect from|disconnect from|lost connection|statistics:|starting|daemon started|terminating|using |"
    r"[0-9A-Za-z]{5,20}: (?:sender (?:non-)?delivery|uid=|host .{1,255} said|enabling|Greylist|skipped|lost connection)|"  # noqa: E501
    r"Anonymous TLS|Untrusted TLS|Trusted TLS|Verified TLS|warning:|refreshing|reload|table .{1,200} has changed|"
    r"connect to |setting up TLS|SSL_|improper|timeout after|too many errors|certificate)"
)


@dataclass
class Message:
    """What is known of one queued message."""

    host: str
    queue_id: str
    time: datetime
    seen: datetime
    sender: str | None = None
    message_id: str | None = None
    size: int | None = None
    recipients: int | None = None
    client_host: str | None = None
    client_ip: str | None = None
    sasl_user: str | None = None
    expired: bool = False
    removed: datetime | None = None
    deliveries: list[dict[str, Any]] = field(default_factory=list)


class Postfix:
    """Takes lines of any host in time order; leaves messages, connections and counts of lines not understood."""

    def __init__(self) -> None:
        self.open: dict[tuple[str, str], Message] = {}
        self.messages: list[Message] = []
        self.connections: list[dict[str, Any]] = []
        self.rejections: list[dict[str, Any]] = []
        self.unknown: Counter[str] = Counter()
        self.tls: dict[tuple[str, str, str], tuple[str, str, str]] = {}
        self.understood = 0

    def line(self, time: datetime, host: str, text: str) -> bool:
        """Read one line behind its stamp; False if it is not Postfix's."""
        found = _PROGRAM.match(text)
        if not found or not text.startswith("postfix"):
            return False
        program, pid, rest = found[1], found[2], found[3]
        if program in _DELIVERERS and (m := _DELIVERY.match(rest)):
            self._delivery(time, host, pid, m)
        elif program == "qmgr" and (m := _EXPIRED.match(rest)):
            self._message(time, host, m[1]).expired = True
        elif program == "qmgr" and (m := _FROM.match(rest)):
            message = self._message(time, host, m[1])
            message.sender, message.size, message.recipients = m[2], int(m[3]), int(m[4])
        elif program == "qmgr" and (m := _REMOVED.match(rest)):
            message = self._message(time, host, m[1])
            message.removed = time
            self.open.pop((host, m[1]), None)
        elif program == "cleanup" and (m := _MESSAGE_ID.match(rest)):
            self._message(time, host, m[1]).message_id = m[2]
        elif m := _CLIENT.match(rest):
            self._client(time, host, program, m)
        elif m := _REJECT.match(rest):
            self._rejection(time, host, program, m)
        elif m := _FAILED.match(rest):
            self._sign_in(time, host, program, m[1], m[2], m[3], m[5], False)
        elif m := _TLS.match(rest):
            self.tls[host, pid, m[3]] = (m[1], m[4], m[5])
        elif not _QUIET.match(rest):
            shape = re.sub(r"[0-9A-F]{6,}|\d+", "#", rest)[:80]
            self.unknown[f"postfix/{program}: {shape}"] += 1
            return True
        self.understood += 1
        return True

    def _message(self, time: datetime, host: str, queue_id: str) -> Message:
        message = self.open.get((host, queue_id))
        if message is None or time - message.seen > _REUSED_AFTER:
            message = Message(host, queue_id, time, time)
            self.open[host, queue_id] = message
            self.messages.append(message)
        message.seen = time
        return message

    def _rejection(self, time: datetime, host: str, service: str, m: re.Match[str]) -> None:
        envelope = dict(_ENVELOPE.findall(m[6]))
        self.rejections.append(
            {
                "time": time,
                "host": host,
                "service": service,
                "stage": m[1],
                "client_host": m[2],
                "client_ip": m[3],
                "helo": envelope.get("helo") or None,
                "sender": envelope.get("from") or None,
                "recipient": envelope.get("to") or None,
                "smtp_code": int(m[4]) if m[4] else None,
                "enhanced_code": m[5],
                "response": m[6].split("; from=<")[0],
            }
        )

    def _client(self, time: datetime, host: str, program: str, m: re.Match[str]) -> None:
        message = self._message(time, host, m[1])
        message.client_host, message.client_ip, message.sasl_user = m[2], m[3], m[5]
        if m[5]:
            self._sign_in(time, host, program, m[2], m[3], m[4], m[5], True)

    def _sign_in(
        self, time: datetime, host: str, service: str, name: str, ip: str, method: str, user: str | None, ok: bool
    ) -> None:
        self.connections.append(
            {
                "time": time,
                "host": host,
                "service": service,
                "client_host": name,
                "client_ip": ip,
                "auth_method": method,
                "auth_user": user,
                "auth_ok": ok,
            }
        )

    def _delivery(self, time: datetime, host: str, pid: str, m: re.Match[str]) -> None:
        status = _STATUS.get(m[11])
        if status is None:
            return
        relay = _RELAY.match(m[3])
        name, ip, port = (
            (relay[1], relay[2], int(relay[3])) if relay else (None if m[3] == "none" else m[3], None, None)
        )
        tls = self.tls.get((host, pid, ip or ""))
        self._message(time, host, m[1]).deliveries.append(
            {
                "time": time,
                "recipient": m[2],
                "relay_host": name,
                "relay_ip": ip,
                "relay_port": port,
                "connection_uses": int(m[4]) if m[4] else (1 if ip else None),
                "delay": _seconds(m[5]),
                "delay_before_queue": _seconds(m[6]),
                "delay_in_queue": _seconds(m[7]),
                "delay_connection": _seconds(m[8]),
                "delay_transmission": _seconds(m[9]),
                "enhanced_code": m[10],
                "status": status,
                # syslog cuts long lines, so the closing parenthesis may be missing.
                "response": m[12].removesuffix(")"),
                "tls_verified": tls[0] if tls else None,
                "tls_version": tls[1] if tls else None,
                "tls_cipher": tls[2] if tls else None,
            }
        )


def _seconds(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
