"""Sample messages as their readers got them: one of each stream, with what the receiver noted on top."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import format_datetime

from smtplab.lab.story import samples

AT = datetime(2026, 11, 9, 10, 4, 12, tzinfo=UTC)
# kind, file, recipient, number, who received it from where, what the receiver's Authentication-Results say
CASES = (
    (
        "ticket", "ticket-gmail.eml", "clara.weber81@gmail.com", 51234,
        "out1.meridian.example (relay11.meridian.example [198.51.100.11])", "tickets@meridian.example",
        "mx.google.com;\n       dkim=pass header.i=@meridian.example header.s=mx2026 header.b={b};\n"
        "       spf=pass (google.com: domain of tickets@meridian.example designates 198.51.100.11 as permitted sender)"
        " smtp.mailfrom=tickets@meridian.example;\n"
        "       dmarc=pass (p=NONE sp=NONE dis=NONE) header.from=meridian.example",
    ),
    (
        "newsletter", "newsletter-gmail-spam.eml", "clara.weber81@gmail.com", 90417,
        "send.postrider.example (send.postrider.example [203.0.113.100])", "news@bounce.meridian.example",
        "mx.google.com;\n       dkim=temperror (no key for signature) header.i=@meridian.example header.s=pr1"
        " header.b={b};\n"
        "       spf=permerror (google.com: permanent error in processing during lookup of"
        " news@bounce.meridian.example: too many DNS lookups) smtp.mailfrom=news@bounce.meridian.example;\n"
        "       dmarc=fail (p=NONE sp=NONE dis=NONE) header.from=meridian.example",
    ),
    (
        "newsletter", "newsletter-outlook-junk.eml", "noah.lind@outlook.com", 90633,
        "send.postrider.example (203.0.113.100)", "news@bounce.meridian.example",
        "spf=permerror (sender IP is 203.0.113.100)\n smtp.mailfrom=bounce.meridian.example; dkim=fail (no key for\n"
        " signature) header.d=meridian.example;dmarc=fail action=none\n header.from=meridian.example;compauth=fail"
        " reason=001",
    ),
    (
        "billing", "billing-outlook.eml", "rosa.klein@outlook.com", 30118,
        "out2.meridian.example (198.51.100.12)", "billing@meridian.example",
        "spf=pass (sender IP is 198.51.100.12)\n smtp.mailfrom=meridian.example; dkim=none (message not signed)\n"
        " header.d=none;dmarc=pass action=none\n header.from=meridian.example;compauth=pass reason=100",
    ),
    (
        "crm", "crm-outlook.eml", "jan.faber@outlook.com", 70225,
        "out.crm-vendor.example (203.0.113.110)", "meridian@crm-vendor.example",
        "spf=pass (sender IP is 203.0.113.110)\n smtp.mailfrom=crm-vendor.example; dkim=pass (signature was\n"
        " verified) header.d=crm-vendor.example;dmarc=fail action=none\n"
        " header.from=meridian.example;compauth=fail reason=001",
    ),
    (
        "winback", "winback-yahoo.eml", "gina.horn74@yahoo.com", 60871,
        "out1.meridian.example (relay11.meridian.example [198.51.100.11])", "winback@meridian.example",
        "atlas301.mail.bf1.yahoo.com;\n dkim=pass header.i=@meridian.example header.s=mx2026;\n"
        " spf=pass smtp.mailfrom=meridian.example;\n dmarc=pass(p=NONE) header.from=meridian.example;",
    ),
)  # fmt: skip


def files(keys: dict[str, bytes]) -> dict[str, str]:
    """File name -> message; `keys` maps a selector to its private key in PEM."""
    made = {}
    for kind, name, recipient, number, client, sender, results in CASES:
        at = AT.replace(day=6) if kind == "billing" else AT
        ident = samples.message_id(kind, number, f"{int(at.timestamp()):x}")
        message = samples.compose(kind, recipient, number, at, ident, keys).decode()
        signature = found[1] if (found := re.search(r"\bb=(\S{8})", message)) else ""
        date = format_datetime(at)
        receiver = recipient.rpartition("@")[2]
        top = (
            f"Delivered-To: {recipient}\n"
            f"Return-Path: <{sender}>\n"
            f"Authentication-Results: {results.replace('{b}', signature)}\n"
            f"Received: from {client}\n        by mx.{receiver} with ESMTPS id {number:x}\n"
            f"        for <{recipient}>; {date}\n"
            f"Received: from app.meridian.example (app.meridian.example [192.0.2.30])\n"
            f"        by {client.split()[0]} (Postfix) with ESMTP id {number:x};\n        {date}\n"
        )
        made[name] = top.replace("\n", "\r\n") + message
    return made
