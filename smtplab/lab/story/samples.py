"""The messages that Meridian sends: one body for each kind of mail, signed with DKIM where the story signs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Any

import dkim


@dataclass(frozen=True)
class Kind:
    """One kind of mail: its author, subject and text, and who signs it (domain, selector; none without)."""

    author: str
    subject: str
    text: str
    headers: tuple[tuple[str, str], ...] = ()
    signed: tuple[str, str] | None = None


TICKET = """\
Thank you for travelling with Meridian.

Your ticket {number} is valid on the day printed on it. Please show the code to
the conductor, on paper or on a screen:

    {number}-{number}-MERIDIAN

Have a pleasant journey.
"""
NEWS = """\
Autumn by rail: five journeys from 19 euro

The leaves turn, the trains run. This month's five journeys, and a voucher for
your next ticket, are waiting at https://www.meridian.example/autumn

You get this letter because you asked for it in our shop. If you no longer want
it: https://news.meridian.example/u/{number}
"""
WINBACK = """\
It has been a while since your last journey with Meridian.

Come back, and the first ticket is on us: https://www.meridian.example/welcome-back
Enter the code COMEBACK{number} when you pay.
"""
BILLING = """\
Dear customer,

your invoice {number} is ready. Amount due: 418.20 euro, payable within 14 days.
Please quote the invoice number with your payment.

Meridian Billing
"""
CRM = """\
Hello,

you called us about booking {number}. We have added our answer to your case; you
may also reply to this message.

Meridian customer care
"""
STAFF = """\
Hello,

as promised on the phone, here are the figures for group booking {number}. Call
me when something is unclear.

Kind regards
Anna Berg, Meridian
"""
SPAM = """\
Your parcel {number} could not be handed over. Confirm your address within 24
hours or it goes back to the sender: http://parcel-redelivery.example/{number}
"""
INBOUND = """\
Hello Meridian,

my ticket {number} has not arrived and the train leaves tomorrow. Could you
please send it again?
"""

MERIDIAN = ("meridian.example", "mx2026")
KINDS = {
    "ticket": Kind("Meridian Tickets <tickets@meridian.example>", "Your ticket {number}", TICKET, (), MERIDIAN),
    "ticket2": Kind("Meridian Tickets <tickets@meridian.example>", "Your ticket {number}", TICKET),
    "winback": Kind(
        "Meridian <winback@meridian.example>",
        "We miss you on board",
        WINBACK,
        (("Feedback-ID", "winback-2019:meridian:out1"), ("Precedence", "bulk")),
        MERIDIAN,
    ),
    "billing": Kind("Meridian Billing <billing@meridian.example>", "Invoice {number}", BILLING),
    "staff": Kind("Anna Berg <anna.berg@meridian.example>", "Group booking {number}", STAFF),
    "spam": Kind("Parcel Service <jonas.keller@meridian.example>", "Your parcel {number}", SPAM),
    "newsletter": Kind(
        "Meridian <news@meridian.example>",
        "Autumn by rail: five journeys from 19 euro",
        NEWS,
        (
            ("List-Id", "Meridian news <news.meridian.example>"),
            ("List-Unsubscribe", "<https://news.meridian.example/u/{number}>, <mailto:unsubscribe@meridian.example>"),
            ("Precedence", "bulk"),
        ),
        ("meridian.example", "pr1"),
    ),
    "crm": Kind(
        "Meridian customer care <crm@meridian.example>", "Your case {number}", CRM, (), ("crm-vendor.example", "v1")
    ),
    "inbound": Kind("Anna Lind <anna@gmail.com>", "Ticket {number} has not arrived", INBOUND),
    "inbound2": Kind("Anna Lind <anna@goodpost.example>", "Ticket {number} has not arrived", INBOUND),
}
SIGNED_HEADERS = [b"from", b"to", b"subject", b"date", b"message-id", b"mime-version", b"content-type", b"list-id"]


def message_id(kind: str, number: int, postmark: str) -> str:
    """Message-ID without brackets: the makers of each kind of mail have their own pattern."""
    domain = {
        "ticket": "shop.meridian.example",
        "ticket2": "shop.meridian.example",
        "winback": "winback.meridian.example",
        "billing": "erp.meridian.example",
        "newsletter": "send.postrider.example",
        "crm": "out.crm-vendor.example",
        "inbound": "mail.gmail.com",
        "inbound2": "goodpost.example",
    }.get(kind, "mail.meridian.example")
    return f"{postmark}.{number}@{domain}"


def compose(kind: str, recipient: str, number: int, moment: datetime, ident: str, keys: dict[str, bytes]) -> bytes:
    """A message with CRLF line ends; `keys` maps a selector to its private key in PEM."""
    what = KINDS[kind]
    fields = [
        ("From", what.author),
        ("To", recipient),
        ("Subject", what.subject),
        ("Date", format_datetime(moment)),
        ("Message-ID", f"<{ident}>"),
        ("MIME-Version", "1.0"),
        ("Content-Type", "text/plain; charset=utf-8"),
        *what.headers,
    ]
    head = "".join(f"{name}: {value.replace('{number}', str(number))}\n" for name, value in fields)
    raw = f"{head}\n{what.text.replace('{number}', str(number))}".replace("\n", "\r\n").encode()
    if what.signed is None:
        return raw
    domain, selector = what.signed
    return sign(raw, domain, selector, keys[selector], moment) + raw


class _Signer(dkim.DKIM):  # type: ignore[misc]
    """Signs as of a given time, where dkimpy takes the time of day."""

    def __init__(self, raw: bytes, moment: datetime) -> None:
        super().__init__(raw)
        self.moment = str(int(moment.timestamp())).encode()

    def gen_header(self, fields: list[tuple[bytes, bytes]], *rest: Any, **more: Any) -> Any:
        return super().gen_header([(k, self.moment if k == b"t" else v) for k, v in fields], *rest, **more)


def sign(raw: bytes, domain: str, selector: str, key: bytes, moment: datetime) -> bytes:
    """The DKIM-Signature header field of a message (RFC 6376), signed as of `moment`."""
    signer = _Signer(raw, moment)
    present = {name.lower() for name, _ in signer.headers}
    headers = [name for name in SIGNED_HEADERS if name in present]
    made: bytes = signer.sign(selector.encode(), domain.encode(), key, None, None, (b"relaxed", b"relaxed"), headers)
    return made
