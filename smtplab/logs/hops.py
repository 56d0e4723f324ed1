"""Inner hops: mail that one of our own servers hands to another (RFC 5321 section 3.9 and 2.3.10) ends there for
nobody; only what the last of them says is a recipient's outcome.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from smtplab.casefile import Host
from smtplab.logs.postfix import Message


class InnerHops:
    """Knows which deliveries lead on to another message of the logs, and when their mail was first queued."""

    def __init__(self, hosts: tuple[Host, ...], messages: Iterable[Message]) -> None:
        self._own = {a: _label(h.name) for h in hosts for a in (h.name, *h.addresses)}
        messages = list(messages)
        self._queued = Counter((_label(m.host), m.message_id) for m in messages if m.message_id)
        self._began: dict[tuple[str, str], datetime] = {}
        for message in messages:
            for delivery in message.deliveries:
                if message.message_id and self.leads_on({**delivery, "host": message.host}, message.message_id):
                    key = (message.message_id, delivery["recipient"].lower())
                    self._began[key] = min(message.time, self._began.get(key, message.time))

    def leads_on(self, delivery: Mapping[str, Any], message_id: str | None) -> bool:
        """Whether the logs tell how it went on; a server of ours whose log is not here ends the trail."""
        if delivery["status"] != "sent" or not message_id:
            return False
        if _loopback(delivery["relay_ip"]):
            # A content filter hands the message back to the same server under another queue id.
            return self._queued[_label(delivery["host"]), message_id] > 1
        relay = self._own.get(delivery["relay_ip"] or "") or self._own.get(delivery["relay_host"] or "")
        return relay is not None and self._queued[relay, message_id] > 0

    def began(self, message_id: str | None, recipient: str, queued: datetime) -> datetime:
        """When the mail of a recipient was first queued on any of our servers."""
        return min(queued, self._began.get((message_id or "", recipient.lower()), queued))


def _label(host: str) -> str:
    """Syslog writes a host's name with or without its domain."""
    return host.partition(".")[0].lower()


def _loopback(address: str | None) -> bool:
    try:
        return bool(address) and ipaddress.ip_address(str(address)).is_loopback
    except ValueError:
        return False
