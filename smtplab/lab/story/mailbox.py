"""The bounce mailbox: returned mail as mbox files, with the complaints and automatic replies that land there too."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

from smtplab.lab.story import rhythm
from smtplab.lab.story.plan import Mail, Story
from smtplab.lab.story.render import Returned

EMPTIED = datetime(2026, 11, 9, tzinfo=UTC)
"""Until then the bounces of tickets and win-back were deleted unread; those of the CRM were filed apart."""

AUTO_REPLY = """\
Return-Path: <{recipient}>
Delivered-To: bounces@meridian.example
Received: from {client} by mx1.meridian.example (Postfix) with ESMTPS
\tfor <tickets@meridian.example>; {date}
Date: {date}
From: {recipient}
To: tickets@meridian.example
Subject: Out of office: Your ticket {number}
Message-ID: <{number}.auto@{domain}>
In-Reply-To: <{number}@shop.meridian.example>
Auto-Submitted: auto-replied
X-Auto-Response-Suppress: All
Precedence: auto_reply
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

I am away until Monday and read no mail until then.
"""
COMPLAINT = """\
Return-Path: <feedback@arf.mail.yahoo.com>
Delivered-To: bounces@meridian.example
Received: from mta5.am0.yahoodns.net (mta5.am0.yahoodns.net [203.0.113.30])
\tby mx1.meridian.example (Postfix) with ESMTPS
\tfor <bounces@meridian.example>; {date}
Date: {date}
From: Yahoo Mail AntiSpam Feedback <feedback@arf.mail.yahoo.com>
To: bounces@meridian.example
Subject: FW: We miss you on board
Message-ID: <{number}.arf@mail.yahoo.com>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report;
\tboundary="arf{number}"

--arf{number}
Content-Type: text/plain; charset=us-ascii

This is an email abuse report for an email message from meridian.example.

--arf{number}
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: Yahoo!-Mail-Feedback/2.0
Version: 1
Original-Mail-From: <winback@meridian.example>
Original-Rcpt-To: <{recipient}>
Received-Date: {date}
Reported-Domain: meridian.example
Source-IP: 198.51.100.11

--arf{number}
Content-Type: message/rfc822

DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=meridian.example; s=mx2026;
\th=from:to:subject:date:message-id; bh=; b=
From: Meridian <winback@meridian.example>
To: {recipient}
Subject: We miss you on board
Date: {date}
Message-ID: <{number}@winback.meridian.example>
Feedback-ID: winback-2019:meridian:out1
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

It has been a while since your last journey with Meridian.

--arf{number}--
"""


def files(returned: list[Returned], mails: list[Mail], story: Story) -> dict[str, str]:
    """File name -> mbox: the CRM's bounces of the whole time, and what the inbox still holds."""
    rng, since = Random(story["seed"] + 3), EMPTIED.timestamp()
    crm = [(r.at, r.text) for r in returned if r.mail.stream == "crm"]
    inbox = [(r.at, r.text) for r in returned if r.mail.stream != "crm" and r.at >= since]
    blast = [m for m in mails if m.kind == "winback" and m.group == "yahoo" and m.fate == "accepted" and m.at >= since]
    inbox += [_letter(COMPLAINT, rng, m, 7200) for m in rng.sample(blast, 6)]
    served = [m for m in mails if m.kind == "ticket" and m.group == "companies" and m.reply == "sent" and m.at >= since]
    inbox += [_letter(AUTO_REPLY, rng, m, 30) for m in rng.sample(served, 8)]
    return {"crm-returned.mbox": mbox(crm), "inbox.mbox": mbox(inbox)}


def _letter(text: str, rng: Random, mail: Mail, after: float) -> tuple[float, str]:
    at = mail.at + after
    date = f"{rhythm.utc(at):%a, %d %b %Y %H:%M:%S} +0000 (UTC)"
    domain = mail.recipient.rpartition("@")[2]
    number = rng.randrange(48_000, 70_000)
    client = "mail.corporate-post.example (mail.corporate-post.example [203.0.113.70])"
    return at, text.format(recipient=mail.recipient, date=date, number=number, domain=domain, client=client)


def mbox(letters: list[tuple[float, str]]) -> str:
    """Messages in order of time in mboxrd format."""
    made = []
    for at, text in sorted(letters):
        lines = [f">{line}" if line.lstrip(">").startswith("From ") else line for line in text.rstrip("\n").split("\n")]
        made.append(f"From MAILER-DAEMON {rhythm.utc(at):%a %b %e %H:%M:%S %Y}\n" + "\n".join(lines) + "\n\n")
    return "".join(made)
