"""Messages as they lie in a bounce mailbox, small, for tests."""

from __future__ import annotations

import re

ORIGINAL = """Received: from app.meridian.example (unknown [192.0.2.30]) by out2.meridian.example; Mon, 2 Nov 2026 09:59:00 +0000
DKIM-Signature: v=1; a=rsa-sha256; d=crm-vendor.example; s=v1; h=from:subject; b=abc
Message-ID: <m1@crm.example>
From: Meridian Service <crm@meridian.example>
To: lost@gmail.com
Subject: =?utf-8?q?Your_journey_=E2=9C=93?=
Date: Mon, 2 Nov 2026 09:59:30 +0000
List-Id: Survey <survey.meridian.example>
X-Campaign: survey-2026
"""

DSN = """From: MAILER-DAEMON@out.crm-vendor.example (Mail Delivery System)
To: bounce@crm-vendor.example
Received: from out.crm-vendor.example (out.crm-vendor.example [203.0.113.110]) by mx1.meridian.example; Mon, 2 Nov 2026 10:00:01 +0000
Date: Mon, 2 Nov 2026 10:00:00 +0000
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="B"

--B
Content-Type: text/plain

This is the mail system at host out.crm-vendor.example.

                   The mail system

<lost@gmail.com>: host gmail-smtp-in.l.google.com[203.0.113.10] said: {reply} (in reply to end of DATA command)

--B
Content-Type: message/delivery-status

Reporting-MTA: dns; out.crm-vendor.example
X-Postfix-Queue-ID: 4F1XYZ
X-Postfix-Sender: rfc822; bounce@crm-vendor.example
Arrival-Date: Mon,  2 Nov 2026 09:59:30 +0000

{recipients}
--B
Content-Type: message/rfc822

{original}
Hello.

--B--
"""

RECIPIENT = """Final-Recipient: rfc822; {address}
Original-Recipient: rfc822;{original}
Action: {action}
Status: {status}
Remote-MTA: dns; {remote}
Diagnostic-Code: smtp; {diagnostic}
"""

UNALIGNED = "550 5.7.32 Your email has been blocked because its From: header is not aligned"


def recipient(
    address: str = "lost@gmail.com",
    action: str = "failed",
    status: str = "5.7.32",
    diagnostic: str = UNALIGNED,
    remote: str = "gmail-smtp-in.l.google.com",
    original: str = "",
) -> str:
    return RECIPIENT.format(
        address=address,
        original=original or address,
        action=action,
        status=status,
        diagnostic=diagnostic,
        remote=remote,
    )


def dsn(*recipients: str, original: str = ORIGINAL, reply: str = UNALIGNED) -> str:
    return DSN.format(recipients="\n".join(recipients or (recipient(),)), original=original, reply=reply)


POSTFIX_TEXT = """From: MAILER-DAEMON@out1.meridian.example (Mail Delivery System)
To: tickets@meridian.example
Date: Mon, 2 Nov 2026 10:00:00 +0000
Subject: Undelivered Mail Returned to Sender

This is the mail system at host out1.meridian.example.

I'm sorry to have to inform you that your message could not
be delivered to one or more recipients.

                   The mail system

<gone@goodpost.example> (expanded from <old@goodpost.example>): host
    mx.goodpost.example[203.0.113.40] said: 550 5.1.1 <gone@goodpost.example>: no such
    user here (in reply to RCPT TO command)

<full@goodpost.example>: host mx.goodpost.example[203.0.113.40] said: 452 4.2.2
    mailbox full, try later (in reply to RCPT TO command)

------ This is a copy of the message, including all the headers. ------

Message-ID: <t1@meridian.example>
From: tickets@meridian.example
Subject: Your ticket
Date: Mon, 2 Nov 2026 09:00:00 +0000
"""

COMPLAINT = """From: feedback@yahoo.example
To: abuse@meridian.example
Date: Tue, 3 Nov 2026 08:00:00 +0000
Subject: complaint
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="B"

--B
Content-Type: text/plain

This is an email abuse report.

--B
Content-Type: message/feedback-report

Feedback-Type: {type}
User-Agent: Yahoo-CFL/1.0
Version: 1
Original-Mail-From: <news@bounce.meridian.example>
Source-IP: 203.0.113.100
{rcpt}
--B
Content-Type: message/rfc822

Message-ID: <n1@postrider.example>
From: news@meridian.example
To: reader@yahoo.com
Subject: News
List-Id: <news.meridian.example>

--B--
"""


def complaint(kind: str = "abuse", rcpt: str = "") -> str:
    return COMPLAINT.format(type=kind, rcpt=rcpt)


AWAY = """From: Anna <anna@goodpost.example>
To: tickets@meridian.example
Date: Tue, 3 Nov 2026 09:00:00 +0000
Subject: Automatic reply: Your ticket
Auto-Submitted: auto-replied
In-Reply-To: <t1@meridian.example>

I am away until Monday.
"""

LETTER = """From: Anna <anna@goodpost.example>
To: tickets@meridian.example
Date: Tue, 3 Nov 2026 09:00:00 +0000
Subject: Re: Your ticket
In-Reply-To: <t1@meridian.example>

Where is my ticket? The last one never arrived.
"""


def mbox(*messages: str) -> str:
    return "".join(
        "From MAILER-DAEMON Mon Nov  2 10:00:00 2026\n" + re.sub(r"(?m)^(>*From )", r">\1", m) + "\n" for m in messages
    )
