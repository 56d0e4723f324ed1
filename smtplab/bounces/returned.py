"""The message that came back within a report: whose it was, who signed it, and where it left from."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from smtplab import mail
from smtplab.bounces.message import EMBEDDED, Part
from smtplab.bounces.message import read as read_message
from smtplab.names.received import greetings

_IP = re.compile(r"\[(?:IPv6:)?([0-9a-fA-F.:]{3,45})\]")
_BRACKETED_HOST = re.compile(r"\bhost \S{1,255}?\[[0-9a-fA-F.:]{3,45}\]")
_CAMPAIGN = ("X-Campaign", "X-Campaign-Id", "X-CampaignID", "X-Mailing-Id")


class Returned(NamedTuple):
    """Headers of the returned message; `signatures` are domain and selector of each DKIM-Signature.

    `greetings` are address and HELO of who handed it over, as `names.received.greetings` tells them.
    """

    message_id: str | None = None
    sent: datetime | None = None
    sender: str | None = None
    author: str | None = None
    recipients: tuple[str, ...] = ()
    subject: str | None = None
    campaign: str | None = None
    list_id: str | None = None
    signatures: tuple[tuple[str, str], ...] = ()
    greetings: str | None = None

    @property
    def header_from(self) -> str | None:
        """Domain of the author."""
        return mail.domain_of(self.author)

    def signature(self) -> tuple[str | None, str | None]:
        """Domain and selector of the signature that counts most: the author's own, else the first."""
        domain = self.header_from or ""
        mine = [s for s in self.signatures if s[0] == domain or domain.endswith(f".{s[0]}")]
        return next(iter(mine or self.signatures), (None, None))


def read(parts: list[Part]) -> Returned | None:
    """The returned message that is a part of its own."""
    for part in parts[1:]:
        if part.kind in EMBEDDED and part.parts:
            return of(part.parts[0])
    return None


def copied(copy: str) -> Returned | None:
    """The returned message from its copy in a text."""
    return of(read_message(copy.encode("utf-8", "replace"))) if copy else None


def of(message: Part) -> Returned:
    """The headers that matter of a returned message."""
    identifier = message.first("Message-ID").strip("<>").strip()
    list_id = mail.list_id(message)
    return Returned(
        message_id=identifier or None,
        sent=mail.date(message),
        sender=mail.address(message.first("Return-Path")),
        author=next(iter(message.authors), None),
        recipients=tuple(mail.addresses(message, "To")),
        subject=message.first("Subject") or None,
        campaign=_campaign(message) or list_id,
        list_id=list_id,
        signatures=tuple(mail.signatures(message)[:10]),
        greetings=greetings(message),
    )


def _campaign(message: Part) -> str | None:
    """A campaign header, else the first field of Feedback-ID, where senders put it."""
    for name in _CAMPAIGN:
        if named := message.first(name):
            return named
    return message.first("Feedback-ID").partition(":")[0].strip() or None


def source_ip(report: Part, diagnostic: str | None, reporting_mta: str | None) -> str | None:
    """The address that the refused message left from, where the report lets it be known.

    The receiver often quotes it in its reply; else it is the reporting server's, known from the Received line
    of the report it sent us.
    """
    if diagnostic and "[" in diagnostic:
        quoted = _BRACKETED_HOST.sub("", diagnostic)
        if found := next(iter(_addresses(_IP.findall(quoted))), None):
            return found
    host = (reporting_mta or "").lower().rstrip(".")
    if not host or host not in "\n".join(report.get_all("Received") or ()).lower():
        return None
    for line in mail.headers(report, "Received", 3):
        head = line.partition(" by ")[0]
        if host in head.lower():
            return next(iter(_addresses(_IP.findall(head))), None)
    return None


def _addresses(found: Iterable[str]) -> Iterable[str]:
    for text in found:
        try:
            ip = ipaddress.ip_address(text)
        except ValueError:
            continue
        if not (ip.is_loopback or ip.is_unspecified or ip.is_link_local):
            yield str(ip)
