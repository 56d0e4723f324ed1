"""RFC 3464 and 6533 in full, RFC 5965 with what providers make of it, RFC 8098, notifications as JSON, zips."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from smtplab import bounces
from tests.bounces.making import ORIGINAL, dsn, recipient

HEAD = "From: MAILER-DAEMON@mx.example\nTo: a@b.example\nDate: Mon, 2 Nov 2026 10:00:00 +0000\nSubject: Undelivered\n"
GLOBAL = (
    HEAD
    + """MIME-Version: 1.0
Content-Type: multipart/report; report-type=global-delivery-status; boundary="B"

--B
Content-Type: text/plain; charset=utf-8

Die Nachricht an пример@пример.example kam nicht an.
--B
Content-Type: message/global-delivery-status
Content-Transfer-Encoding: 8bit

Reporting-MTA: dns; mx.example

{fields}
--B
Content-Type: message/global-headers

From: a@b.example
Subject: привет
Message-ID: <g1@b.example>

--B--
"""
)


def fields(final: str, action: str = "failed", status: str = "5.1.1", more: str = "") -> str:
    return f"Final-Recipient: {final}\nAction: {action}\nStatus: {status}\n{more}"


@pytest.mark.parametrize(
    ("final", "address"),
    [
        ("utf-8; пример@пример.example", "пример@пример.example"),
        # RFC 6533 section 3: where the way is not clean of 8 bits.
        (r"utf-8; \x{43F}\x{440}@xn--e1afmkfd.example", "пр@xn--e1afmkfd.example"),
        ("rfc822;lost@EXAMPLE.net", "lost@example.net"),
        ("RFC822; <lost@example.net>", "lost@example.net"),
        ("lost@example.net", "lost@example.net"),
        ('rfc822; "lost soul"@example.net', '"lost soul"@example.net'),
        ("rfc822; @relay.example:lost@example.net", "lost@example.net"),
    ],
)
def test_a_recipient_in_every_form_of_address(final: str, address: str) -> None:
    answer = bounces.sort(GLOBAL.format(fields=fields(final)).encode())
    assert (answer.kind, [r["recipient"] for r in answer.rows]) == ("bounce", [address])
    assert answer.rows[0]["message_id"] == "g1@b.example"


def test_each_recipient_has_its_own_kind_and_the_worst_is_the_messages() -> None:
    text = dsn(
        recipient("one@x.example", "relayed", "2.0.0", "250 ok"),
        recipient("two@x.example", "delayed", "4.4.1", "connection timed out"),
        recipient("three@x.example", "expanded", "2.0.0", ""),
        recipient("four@x.example", "failed", "5.2.2", "552 5.2.2 over quota"),
    )
    answer = bounces.sort(text.encode())
    assert [r["kind"] for r in answer.rows] == ["success", "delay", "success", "bounce"]
    assert (answer.kind, answer.rows[3]["reason"]) == ("bounce", "mailboxfull")


def test_blocks_without_empty_lines_between_them_and_fields_folded() -> None:
    block = (
        "Final-Recipient: rfc822; one@x.example\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1\n"
        "  no such user\nFinal-Recipient: rfc822; two@x.example\nAction: failed\nStatus: 5.2.2\n"
    )
    answer = bounces.sort(dsn(block).encode())
    assert [r["recipient"] for r in answer.rows] == ["one@x.example", "two@x.example"]
    assert answer.rows[0]["diagnostic"] == "550 5.1.1 no such user"


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable"])
def test_a_status_part_in_a_transfer_encoding(encoding: str) -> None:
    import base64
    import quopri

    raw = b"Reporting-MTA: dns; mx.example\n\n" + fields("rfc822; lost@example.net").encode()
    coded = base64.encodebytes(raw) if encoding == "base64" else quopri.encodestring(raw)
    part = f"Content-Type: message/delivery-status\nContent-Transfer-Encoding: {encoding}\n\n{coded.decode()}"
    text = f'{HEAD}Content-Type: multipart/report; boundary="B"\n\n--B\n\nfailed\n--B\n{part}\n--B--\n'
    assert [r["recipient"] for r in bounces.sort(text.encode()).rows] == ["lost@example.net"]


def test_a_report_whose_boundary_was_lost_or_whose_end_is_missing() -> None:
    whole = dsn()
    for broken in (
        whole.replace('; boundary="B"', ""),
        whole.partition("\n--B--")[0],
        whole.replace("--B\n", "--B \n"),
    ):
        answer = bounces.sort(broken.encode())
        assert (answer.kind, [r["recipient"] for r in answer.rows]) == ("bounce", ["lost@gmail.com"])


def test_a_status_without_an_address_takes_it_from_the_text_or_from_what_came_back() -> None:
    nameless = "Action: failed\nStatus: 5.1.1\nFinal-Recipient: rfc822;/var/mail/lost\n"
    answer = bounces.sort(dsn(nameless).encode())
    assert (answer.kind, [r["recipient"] for r in answer.rows]) == ("bounce", ["lost@gmail.com"])


JMRP = f"""From: staff@hotmail.example
To: abuse@meridian.example
Date: Mon, 2 Nov 2026 10:00:00 +0000
Subject: complaint about message from 203.0.113.100
Content-Type: multipart/mixed; boundary="J"

--J
Content-Type: message/rfc822
Content-Disposition: inline

X-HmXmrOriginalRecipient: reader@hotmail.example
{ORIGINAL}
Hello
--J--
"""
CFL = """From: feedback@arf.mail.example
To: fbl@meridian.example
Date: Mon, 2 Nov 2026 10:00:00 +0000
Subject: FW: News
Content-Type: multipart/report; report-type=feedback-report; boundary="C"

--C
Content-Type: text/plain

This is an email abuse report.
--C
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: Yahoo!-Mail-Feedback/2.0
Version: 0.1
Original-Mail-From: <news@meridian.example>
Original-Rcpt-To: reader@yahoo.example
Received-Date: Mon, 2 Nov 2026 09:00:00 -0000
Reported-Domain: meridian.example

--C
Content-Type: message/rfc822

From: news@meridian.example
To: reader@yahoo.example
Message-ID: <n7@meridian.example>

--C--
"""
OPT_OUT = (
    "From: Reader <reader@icloud.example>\nTo: stop-77@meridian.example\nSubject: unsubscribe\nAuto-Submitted: auto-replied\n"
    "\nApple Mail sent this email to unsubscribe from the message “News”.\n"
)


@pytest.mark.parametrize(
    ("text", "kind", "type_", "who", "rule"),
    [
        (JMRP, "complaint", "abuse", "reader@hotmail.example", "jmrp-derived"),
        (CFL, "complaint", "abuse", "reader@yahoo.example", "rfc5965"),
        (CFL.replace("Original-Rcpt-To: reader@yahoo.example\n", ""), "complaint", "abuse", "reader@yahoo.example", "rfc5965-derived"),
        (CFL.replace(": abuse\n", ": opt-out\n"), "complaint", "opt-out", "reader@yahoo.example", "rfc5965"),
        (CFL.replace(": abuse\n", ": not-spam\n"), "none", "not-spam", "reader@yahoo.example", "rfc5965"),
        (CFL.replace(": abuse\n", ": auth-failure\n"), "none", "auth-failure", "reader@yahoo.example", "rfc5965"),
        (OPT_OUT, "complaint", "opt-out", "reader@icloud.example", "unsubscribe"),
    ],
)  # fmt: skip
def test_complaints_in_every_form(text: str, kind: str, type_: str, who: str, rule: str) -> None:
    answer = bounces.sort(text.encode())
    (row,) = answer.rows
    assert (answer.kind, row["feedback_type"], row["recipient"], row["rule"]) == (kind, type_, who, rule)
    assert ("taken from the returned message" in answer.why) == rule.endswith("-derived")


RECEIPT = """From: reader@x.example
To: a@b.example
Subject: Read: Offer
Content-Type: multipart/report; report-type=disposition-notification; boundary="M"

--M
Content-Type: text/plain

Read.
--M
Content-Type: message/disposition-notification

Reporting-UA: x.example; Mail 1.0
Final-Recipient: rfc822;reader@x.example
Original-Message-ID: <o1@b.example>
Disposition: automatic-action/MDN-sent-automatically; deleted

--M--
"""


@pytest.mark.parametrize("sign", ["\x1b[2J", "\x07", "\x9b", "\x00"])
def test_what_drives_a_terminal_is_in_no_address(sign: str) -> None:
    answer = bounces.sort(dsn(recipient(f"lost{sign}@x.example")).encode())
    assert not any(sign in (row["recipient"] or "") for row in answer.rows)
    assert answer.kind == "bounce"


def test_a_disposition_notification_says_who_did_what() -> None:
    answer = bounces.sort(RECEIPT.encode())
    (row,) = answer.rows
    assert (answer.kind, row["recipient"], row["diagnostic"]) == ("disposition", "reader@x.example", "deleted")
    assert answer.why == "a disposition notification (RFC 8098): deleted"


def test_notifications_of_a_sending_service_as_json() -> None:
    bounced = {"emailAddress": "lost@example.net", "status": "5.1.1", "diagnosticCode": "smtp; 550 5.1.1 user unknown"}
    event = {"notificationType": "Bounce", "bounce": {"bounceType": "Permanent", "bouncedRecipients": [bounced]}}
    for body in (event, {"Type": "Notification", "Message": json.dumps(event)}):
        answer = bounces.sort(f"From: no-reply@sns.example\nSubject: AWS\n\n{json.dumps(body)}\n".encode())
        row = answer.rows[0]
        assert (answer.kind, row["recipient"], row["reason"]) == ("bounce", "lost@example.net", "userunknown")
    away = {
        "bounceType": "Transient",
        "bounceSubType": "General",
        "bouncedRecipients": [{"emailAddress": "away@x.example"}],
    }
    answer = bounces.sort(f"From: no-reply@sns.example\nSubject: AWS\n\n{json.dumps({'bounce': away})}\n".encode())
    assert (answer.kind, answer.rows[0]["recipient"], answer.rows[0]["reason"]) == (
        "auto-reply",
        "away@x.example",
        "vacation",
    )
    told = {"bounce": {**away, "bouncedRecipients": [bounced]}}
    assert bounces.sort(f"From: no-reply@sns.example\nSubject: AWS\n\n{json.dumps(told)}\n".encode()).kind == "bounce"
    event = {
        "complaint": {"complainedRecipients": [{"emailAddress": "reader@x.example"}], "complaintFeedbackType": "abuse"}
    }
    answer = bounces.sort(f"From: no-reply@sns.example\nSubject: AWS\n\n{json.dumps(event)}\n".encode())
    assert (answer.kind, answer.rows[0]["recipient"]) == ("complaint", "reader@x.example")
    odd = [{"bounce": {**away, "bouncedRecipients": 5}}, {"bounce": {"bouncedRecipients": 5}}, {"complaint": 5}]
    for body in (
        "{",
        *map(json.dumps, odd),
        '{"bounce": 1}',
        '{"bounce": {"bouncedRecipients": [1, {}]}}',
        "[" * 5_000,
        '{"Message": "{"}',
    ):
        assert bounces.sort(f"Subject: AWS\n\n{body}\n".encode()).kind == "none"
    event = {"complaint": {"complainedRecipients": 5}}
    assert bounces.sort(f"Subject: AWS\n\n{json.dumps(event)}\n".encode()).kind == "complaint"


def test_a_zip_of_messages_is_read_and_what_is_no_mail_in_it_is_told(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "box.zip", "w") as packed:
        for number in range(300):
            packed.writestr(f"inbox/{number}.eml", dsn(recipient(f"u{number}@gmail.com")))
        packed.writestr("inbox/picture.png", b"\x89PNG\r\n\x1a\n")
    found = bounces.read_paths([tmp_path / "box.zip"])
    assert found.bounces["recipient"].nunique() == 300
    assert found.problems["what"].tolist() == ["an image, not mail; expected mbox, maildir or a message (.eml)"]


@pytest.mark.parametrize(
    ("charset", "data"),
    [
        ("iso-2022-jp", "宛先 <lost@example.net> が見つかりません".encode("iso-2022-jp")),
        ("us-ascii", "宛先 <lost@example.net> が見つかりません".encode("iso-2022-jp")),
        ("utf-8", "Der Empfänger <lost@example.net> ist unbekannt und unzustellbar".encode("latin-1")),
        ("x-unknown", "收件人 <lost@example.net> 不存在，退信".encode("gb18030")),
        ("shift_jis", "宛先 <lost@example.net> が見つかりません 550".encode("cp932")),
    ],
)
def test_words_in_a_charset_that_the_label_does_not_tell(charset: str, data: bytes) -> None:
    head = f"From: MAILER-DAEMON@mx.example\nTo: a@b.example\nSubject: Undelivered mail\nContent-Type: text/plain; charset={charset}\n\n"
    answer = bounces.sort(head.encode() + data)
    assert (answer.kind, [r["recipient"] for r in answer.rows]) == ("bounce", ["lost@example.net"])


@pytest.mark.parametrize("subject", ["=?utf-7?Q?+2AA-?= x", "=?unicode_escape?Q?=5Cud800?= x"])
@pytest.mark.parametrize("charset", ["utf-7", "unicode_escape"])
def test_half_a_character_costs_only_itself(subject: str, charset: str) -> None:
    head = f"From: MAILER-DAEMON@mx.example\nTo: a@b.example\nSubject: {subject}\nContent-Type: text/plain; charset={charset}\n\n"
    found = bounces.sort(f"{head}+2AA-\\ud800\n<lost@example.net>: 550 5.1.1 user unknown\n".encode())
    assert [(found.kind, r["recipient"]) for r in found.rows] == [("bounce", "lost@example.net")]
    assert (found.subject or "").encode()
