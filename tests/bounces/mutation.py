"""Messages made of others: the changes that must mean nothing, and the damage that must break nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from random import Random

from tests.bounces.making import AWAY, LETTER, POSTFIX_TEXT, complaint, dsn, recipient
from tests.bounces.negatives import auto_replies, negatives

EXIM = """From: Mail Delivery System <Mailer-Daemon@mx.example>
To: a@b.example
Date: Mon, 2 Nov 2026 10:00:00 +0000
X-Failed-Recipients: one@x.example
Subject: Mail delivery failed: returning message to sender

This message was created automatically by mail delivery software.

  one@x.example
    SMTP error from remote mail server after RCPT TO:<one@x.example>:
    host mx.x.example [203.0.113.9]: 550 5.1.1 User unknown
"""
QMAIL = """From: MAILER-DAEMON@q.example
To: a@b.example
Date: Mon, 2 Nov 2026 10:00:00 +0000
Subject: failure notice

Hi. This is the qmail-send program at q.example.

<one@x.example>:
203.0.113.9 does not like recipient.
Remote host said: 550 user unknown

--- Below this line is a copy of the message.

Return-Path: <a@b.example>
From: a@b.example
To: other@y.example
"""
RECEIPT = """From: Anna <anna@goodpost.example>
To: tickets@meridian.example
Date: Mon, 2 Nov 2026 10:00:00 +0000
Subject: Read: Your ticket
MIME-Version: 1.0
Content-Type: multipart/report; report-type=disposition-notification; boundary="R"

--R
Content-Type: text/plain

Your message was read.
--R
Content-Type: message/disposition-notification

Reporting-UA: Mail 1.0
Final-Recipient: rfc822;anna@goodpost.example
Original-Message-ID: <t1@meridian.example>
Disposition: manual-action/MDN-sent-manually; displayed

--R--
"""
REPORTS = (dsn(), dsn(recipient("two@gmail.com", "delayed", "4.4.1")), POSTFIX_TEXT, EXIM, QMAIL, complaint(), RECEIPT)
ALL = (*REPORTS, AWAY, LETTER)


def folded(text: str) -> str:
    """The top header with every field folded at its first blanks."""
    head, gap, body = text.partition("\n\n")
    lines = [re.sub(r"(?<=[^:]) (?=\S)", "\n\t", line, count=2) for line in head.split("\n")]
    return "\n".join(lines) + gap + body


def shouted(text: str) -> str:
    """The names of the top header's fields in capitals."""
    head, gap, body = text.partition("\n\n")
    return re.sub(r"(?m)^[A-Za-z-]+(?=:)", lambda m: m[0].upper(), head) + gap + body


def layered(text: str) -> str:
    """The message's body one MIME layer deeper, with a footer beside it, as lists and scanners do."""
    head, _, body = text.partition("\n\n")
    fields = re.split(r"\n(?![ \t])", head)
    inner = [f for f in fields if f.lower().startswith("content-")]
    outer = [f for f in fields if not f.lower().startswith(("content-", "mime-version"))]
    top = "\n".join([*outer, "MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="=outer"'])
    part = "\n".join(inner) or "Content-Type: text/plain"
    footer = "Content-Type: text/plain\n\nScanned by a gateway.\n"
    return f"{top}\n\n--=outer\n{part}\n\n{body}\n--=outer\n{footer}\n--=outer--\n"


def forwarded(text: str) -> str:
    """The whole message attached to somebody's words."""
    return (
        "From: Tom <tom@meridian.example>\nTo: help@meridian.example\nSubject: Fwd: what is this?\n"
        "Date: Mon, 2 Nov 2026 10:00:00 +0000\nMIME-Version: 1.0\n"
        'Content-Type: multipart/mixed; boundary="=fwd"\n\n--=fwd\nContent-Type: text/plain\n\nSee below.\n\n'
        f"--=fwd\nContent-Type: message/rfc822\n\n{text}\n--=fwd--\n"
    )


def below(text: str) -> str:
    """The message below a forwarding mark, as mail programs write it into the text."""
    head, _, body = text.partition("\n\n")
    named = {m[1]: m[2] for m in re.finditer(r"(?m)^(From|Date|Subject|To): (.*)$", head)}
    repeated = "\n".join(f"{name}: {named[name]}" for name in ("From", "Date", "Subject", "To"))
    return (
        f"From: Tom <tom@meridian.example>\nTo: help@meridian.example\nSubject: Fwd: {named['Subject']}\n"
        f"Date: {named['Date']}\n\nHi,\n\nwhat is this?\n\n---------- Forwarded message ---------\n{repeated}\n\n{body}"
    )


def seeds() -> list[bytes]:
    """Messages of every kind to start from."""
    made = [*ALL, *(text for _, text in auto_replies()), *(text for _, text in negatives(each=2))]
    return [m.encode() for m in [*made, *map(layered, REPORTS), *map(forwarded, REPORTS)]]


def damaged(count: int, seed: int = 1, pool: Sequence[bytes] = ()) -> Iterator[bytes]:
    """So many messages with pieces cut, doubled, moved, overwritten or taken from others; of a pool, or of `seeds`."""
    random = Random(seed)
    pool = pool or seeds()
    spice = (
        b"\r", b"\r\n", b"\n\n", b"--B", b"\x00", b"\xff\xfe", b"=?utf-8?q?", b"?=", b"<", b">", b"@", b'"', b";", b":",
        b"Content-Type: message/rfc822\n\n", b"Content-Type: multipart/report; boundary=\n", b"charset=idna",
        b"Content-Transfer-Encoding: base64\n", b"Final-Recipient: rfc822;\n", b"\xe3\x81", b"\x1b$B", b"550 5.1.1 ", b"{",
    )  # fmt: skip
    for _ in range(count):
        data = bytearray(random.choice(pool))
        for _ in range(random.randint(1, 8)):
            at, to = sorted((random.randint(0, len(data)), random.randint(0, len(data))))
            match random.randint(0, 5):
                case 0:
                    del data[at : min(to, at + 200)]
                case 1:
                    data[at:at] = random.choice(spice) * random.choice((1, 1, 1, 50))
                case 2:
                    data[at:at] = data[at : min(to, at + 300)]
                case 3:
                    data[at : at + 8] = random.randbytes(8)
                case 4:
                    other = random.choice(pool)
                    data[at:at] = other[random.randint(0, len(other)) :][:400]
                case _:
                    data[at:to] = bytes(data[at:to]).swapcase()
        yield bytes(data)
