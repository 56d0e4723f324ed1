"""What a log line or a provider's event tells, before anything is joined: one vocabulary for every mail program.

A format turns lines into events; the engine joins events by host and queue id into the tables of DESIGN.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

import pyarrow as pa

Kind = Literal[
    "client",  # a message arrives: client_host, client_ip, sasl_user, auth_method (a sign-in that worked)
    "message",  # a message is queued: sender, size, recipients
    "message_id",  # its Message-ID: message_id, and header_from where the program logs it
    "signature",  # a signer tells: dkim_domain, dkim_selector
    "delivery",  # an attempt for one recipient: recipient, status, relay_*, its reply, delay_*, tls_*, source_ip
    "expired",  # the whole message was given up: every recipient still held is lost
    "removed",  # the message left the queue: what comes under this queue id later is another message
    "rejection",  # an inbound command was refused: stage, client_*, helo, sender, recipient, smtp_code, response
    "session",  # an inbound connection ended: client_*, commands, ended, tls_version; auth_* where it signed in
    "ending",  # how an inbound connection is about to end: client_*, ended; its session goes with it
    "sign_in",  # a sign-in was tried: client_*, auth_method, auth_user, auth_ok
    "tls",  # TLS of a connection: pid, relay_* (outbound) or client_* (inbound), tls_version, tls_cipher, tls_verified
    "complaint",  # a recipient called it spam: recipient, campaign, feedback by a provider's event
]  # fmt: skip

COLUMNS: Mapping[str, pa.DataType] = {
    "seq": pa.int64(),  # the engine's: order of files and lines
    "kind": pa.string(),
    "time": pa.timestamp("us", "UTC"),
    "host": pa.string(),
    "mta": pa.string(),
    "service": pa.string(),
    "pid": pa.string(),
    "queue_id": pa.string(),
    "message_id": pa.string(),
    "sender": pa.string(),  # "" is the null sender, NA is unknown
    "size": pa.int64(),
    "recipients": pa.int64(),
    "client_host": pa.string(),
    "client_ip": pa.string(),
    "sasl_user": pa.string(),
    "recipient": pa.string(),
    "relay_host": pa.string(),
    "relay_ip": pa.string(),
    "relay_port": pa.int64(),
    "status": pa.string(),
    "smtp_code": pa.int64(),
    "enhanced_code": pa.string(),
    "response": pa.string(),
    "delay": pa.float64(),
    "delay_before_queue": pa.float64(),
    "delay_in_queue": pa.float64(),
    "delay_connection": pa.float64(),
    "delay_transmission": pa.float64(),
    "tls_version": pa.string(),
    "tls_cipher": pa.string(),
    "tls_verified": pa.string(),
    "connection_uses": pa.int64(),
    "attempt": pa.int64(),  # where the program counts it itself; 0 where it tells that it did not try
    "stage": pa.string(),
    "helo": pa.string(),
    "commands": pa.string(),
    "auth_method": pa.string(),
    "auth_user": pa.string(),
    "auth_ok": pa.bool_(),
    "ended": pa.string(),
    "source_ip": pa.string(),
    "stream": pa.string(),
    "campaign": pa.string(),
    "header_from": pa.string(),
    "dkim_domain": pa.string(),
    "dkim_selector": pa.string(),
    "provenance": pa.string(),
}
"""Every column an event may carry; what a format does not set is NA."""

Event = Mapping[str, Any]
"""`kind` and any of COLUMNS but `seq`; `time` is aware."""


@dataclass(frozen=True)
class Line:
    """A syslog line taken apart by its carrier (BSD, RFC 5424, ISO 8601 or journald JSON)."""

    number: int
    time: datetime
    host: str
    program: str
    pid: str
    text: str


@dataclass(frozen=True)
class Unknown:
    """A line of a known program that no rule understands: counted by its shape and shown."""

    number: int
    shape: str


class Daemon(Protocol):
    """A mail program that logs through syslog; a module each."""

    NAME: str
    PROGRAMS: tuple[str, ...]
    """Names before the pid; one that ends in "/" is a prefix ("postfix/")."""

    def events(self, line: Line) -> Sequence[Event] | None:
        """What the line tells; () where it is understood and tells nothing, None where it is not understood."""


@dataclass(frozen=True)
class Setting:
    """What a file format must know that does not stand in the file."""

    name: str
    zone: str
    as_of: datetime
    host: str = ""
    """The host of logs that name none."""


class FileFormat(Protocol):
    """A format with lines of its own (Exim's main log, CSV, JSON); a module each."""

    NAME: str

    def looks(self, head: Sequence[str]) -> bool:
        """Whether the first lines (up to 64 KiB, not blank) are of this format."""

    def events(self, lines: Iterator[tuple[int, str]], setting: Setting) -> Iterator[tuple[int, Event] | Unknown]:
        """Line number and event; a record that cannot be read comes as Unknown and costs only itself."""
