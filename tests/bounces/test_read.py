"""What came back: every message ends as one of six kinds, whatever it holds and however it lies in its file."""

from __future__ import annotations

import gzip
import json
import re
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtplab import bounces
from smtplab.errors import SourceError
from tests.bounces.making import (
    AWAY,
    LETTER,
    POSTFIX_TEXT,
    complaint,
    dsn,
    mbox,
    recipient,
)


def read(folder: Path, text: str | bytes, name: str = "one.eml") -> bounces.BounceEvidence:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return bounces.read_paths([folder / name], domains=("meridian.example",))


def test_a_delivery_status_gives_a_row_a_recipient_with_all_it_says(tmp_path: Path) -> None:
    found = read(
        tmp_path, dsn(recipient(), recipient("two@gmail.com", "delayed", "4.2.2", "452 4.2.2 full", original="b@x.org"))
    )
    one, two = (found.bounces.iloc[i] for i in (0, 1))
    assert (one["recipient"], one["kind"], one["action"]) == ("lost@gmail.com", "bounce", "failed")
    assert (one["smtp_code"], one["enhanced_code"]) == (550, "5.7.32")
    assert (one["reporting_mta"], one["remote_mta"]) == ("out.crm-vendor.example", "gmail-smtp-in.l.google.com")
    assert (one["queue_id"], one["sender"], one["agent"]) == ("4F1XYZ", "bounce@crm-vendor.example", "postfix")
    assert (one["message_id"], one["subject"], one["header_from"]) == (
        "m1@crm.example",
        "Your journey ✓",
        "meridian.example",
    )
    assert (one["dkim_domain"], one["dkim_selector"]) == ("crm-vendor.example", "v1")
    assert (one["campaign"], one["source_ip"]) == ("survey-2026", "203.0.113.110")
    assert (one["reason"], one["rule"]) == ("authfailure", "gmail-5.7.30")
    assert not one["permanent"]
    assert (two["kind"], two["original_recipient"]) == ("delay", "b@x.org")
    assert found.messages["kind"].tolist() == ["bounce"]
    assert found.returned["list_id"].tolist() == ["survey.meridian.example"]


def test_the_address_that_a_reply_quotes_is_where_the_mail_left_from(tmp_path: Path) -> None:
    quoted = recipient(diagnostic="550-5.7.25 [198.51.100.12] The IP address has no PTR", status="5.7.25")
    assert read(tmp_path, dsn(quoted)).bounces["source_ip"].tolist() == ["198.51.100.12"]


def test_the_authors_own_signature_counts_before_anothers(tmp_path: Path) -> None:
    own = "DKIM-Signature: v=1; d=other.example; s=x; b=a\nDKIM-Signature: v=1; d=Meridian.example; s=MX2026; b=a\n"
    found = read(tmp_path, dsn(original=own + "From: a@meridian.example\nMessage-ID: <x@y>\n"))
    assert found.bounces[["dkim_domain", "dkim_selector"]].to_numpy().tolist() == [["meridian.example", "mx2026"]]
    assert found.returned["signatures"].tolist() == ["other.example/x meridian.example/mx2026"]


def test_postfixs_text_alone_is_enough(tmp_path: Path) -> None:
    found = read(tmp_path, POSTFIX_TEXT)
    assert found.bounces["recipient"].tolist() == ["full@goodpost.example", "gone@goodpost.example"]
    gone = found.bounces.iloc[1]
    assert (gone["reason"], gone["enhanced_code"], gone["original_recipient"]) == (
        "userunknown",
        "5.1.1",
        "old@goodpost.example",
    )
    assert (gone["message_id"], gone["remote_mta"]) == ("t1@meridian.example", "mx.goodpost.example")
    assert found.messages["why"].tolist() == ["a report in prose, without RFC 3464 parts"]


EXIM = (
    "From: Mail Delivery System <Mailer-Daemon@mx.example>\nTo: a@b.example\nX-Failed-Recipients: one@x.example\n"
    "Subject: Mail delivery failed: returning message to sender\n\nA message could not be delivered:\n\n"
    "  one@x.example\n    SMTP error from remote mail server after RCPT TO:<one@x.example>:\n"
    "    host mx.x.example [203.0.113.9]: 550 5.1.1 User unknown\n"
)
QMAIL = (
    "From: MAILER-DAEMON@q.example\nTo: a@b.example\nSubject: failure notice\n\nHi. This is the qmail-send program.\n\n"
    "<one@x.example>:\n203.0.113.9 does not like recipient.\nRemote host said: 550 user unknown\n\n"
    "--- Below this line is a copy of the message.\n\nFrom: a@b.example\nTo: other@y.example\n"
)
WARNING = (
    "From: MAILER-DAEMON@q.example\nTo: a@b.example\nSubject: Delayed Mail (still being retried)\n\n"
    "THIS IS A WARNING MESSAGE ONLY. Delivery has not yet been delivered; will be retried.\n\n"
    "<one@x.example>: connect to mx.x.example[203.0.113.9]:25: Connection timed out\n"
)
ALERT = (
    "From: watch@b.example\nTo: a@b.example\nSubject: disk 81 % used\nAuto-Submitted: auto-replied\n\nhost db2, /var\n"
)
RECEIPT = (
    'From: a@b.example\nSubject: Read: hi\nContent-Type: multipart/report; report-type=disposition-notification; boundary="B"\n\n'
    "--B\nContent-Type: text/plain\n\nread\n--B\nContent-Type: message/disposition-notification\n\nFinal-Recipient: rfc822;a@b.example\n\n--B--\n"
)


@pytest.mark.parametrize(
    ("text", "kind", "recipients"),
    [
        (dsn(), "bounce", ["lost@gmail.com"]),
        (dsn(recipient(action="delayed", status="4.4.1")), "delay", ["lost@gmail.com"]),
        (dsn(recipient(action="delivered", status="2.0.0")), "success", ["lost@gmail.com"]),
        (dsn(recipient(action="Relayed (to x)", status="2.0.0")), "success", ["lost@gmail.com"]),
        (dsn(recipient(action="strange", status="4.2.2")), "delay", ["lost@gmail.com"]),
        (dsn(recipient(action="", status="")), "bounce", ["lost@gmail.com"]),
        (dsn("Status: 5.1.1\nAction: failed\nFinal-Recipient: <A.B@GMAIL.com>\n"), "bounce", ["A.B@gmail.com"]),
        (POSTFIX_TEXT, "bounce", ["full@goodpost.example", "gone@goodpost.example"]),
        (EXIM, "bounce", ["one@x.example"]),
        (QMAIL, "bounce", ["one@x.example"]),
        (WARNING, "delay", ["one@x.example"]),
        (complaint(), "complaint", ["reader@yahoo.com"]),
        (complaint(rcpt="Original-Rcpt-To: <r2@yahoo.com>\n"), "complaint", ["r2@yahoo.com"]),
        (complaint("not-spam"), "none", ["reader@yahoo.com"]),
        (complaint("auth-failure"), "none", ["reader@yahoo.com"]),
        (AWAY, "auto-reply", ["anna@goodpost.example"]),
        (ALERT, "none", []),
        (LETTER, "none", []),
        (RECEIPT, "disposition", ["a@b.example"]),
    ],
)
def test_each_message_is_one_of_seven_kinds(tmp_path: Path, text: str, kind: str, recipients: list[str]) -> None:
    found = read(tmp_path, text)
    assert found.messages["kind"].tolist() == [kind]
    assert found.messages["why"].str.len().gt(10).all()
    assert found.bounces["recipient"].dropna().tolist() == recipients


ALL = (dsn(), POSTFIX_TEXT, complaint(), AWAY, LETTER, "Subject: From here on\n\nFrom here on in 2026\n\nFrom me\n")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_the_form_of_the_mailbox_changes_nothing(tmp_path: Path, end: str, pack: type[bytes]) -> None:
    (tmp_path / "eml").mkdir()
    (tmp_path / "maildir" / "new").mkdir(parents=True)
    for number, text in enumerate(ALL):
        for folder in ("eml", "maildir/new"):
            (tmp_path / folder / f"{number}").write_bytes(pack(text.replace("\n", end).encode()))
    (tmp_path / "box").write_bytes(pack(mbox(*ALL).replace("\n", end).encode()))
    tables = []
    for name in ("eml", "maildir", "box"):
        found = bounces.read_paths([tmp_path / name])
        assert len(found.messages) == len(ALL)
        tables.append(found.bounces.drop(columns="file").sort_values(["kind", "recipient"], ignore_index=True))
    assert tables[0].equals(tables[1])
    assert tables[0].equals(tables[2])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"%PDF-1.4\n%\xe2\xe3\n1 0 obj", "a PDF document, not mail"),
        (b"", "empty"),
        (b"\x00\x01\x02" * 500, "binary data, not mail"),
        (b"col1,col2\n1,2\n", "text without a mail header, not mail"),
        (gzip.compress(mbox(*ALL).encode())[:-30], "ends before its time"),
        (gzip.compress(b"From a Mon Nov  2 10:00:00 2026\n" + b" " * 40_000_000), "-fold"),
    ],
)
def test_what_is_no_mailbox_is_one_clear_line_beside_what_is(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "box.mbox").write_bytes(data)
    (tmp_path / "good.eml").write_text(dsn(), "utf-8")
    found = bounces.read_paths([tmp_path / "box.mbox", tmp_path / "good.eml"])
    assert "lost@gmail.com" in found.bounces["recipient"].tolist()
    assert said in found.problems["what"].iloc[0]
    assert found.problems["file"].tolist() == ["box.mbox"]


def test_where_nothing_at_all_is_mail_the_analyst_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="a PDF document, not mail"):
        read(tmp_path, b"%PDF-1.4", "box.mbox")
    assert read(tmp_path, b"").messages.empty


def test_a_message_nested_too_deeply_or_too_long_costs_only_itself(tmp_path: Path) -> None:
    deep = "".join(f'Content-Type: multipart/mixed; boundary="{n}"\n\n--{n}\n' for n in range(3_000))
    long = "From: a@b.example\nSubject: long\n\n" + ("x" * 79 + "\n") * 120_000
    found = read(tmp_path, mbox(deep, long, dsn()))
    assert found.messages["kind"].tolist() == ["none", "none", "bounce"]
    assert "longer than 8 MiB" in " ".join(found.problems["what"])


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.binary(max_size=600), st.integers(0, 3_000))
def test_no_bytes_raise(noise: bytes, at: int) -> None:
    text = dsn().encode()
    assert bounces.sort(text[: at % len(text)] + noise + text[at % len(text) :]).kind in bounces.KINDS
    assert bounces.sort(noise).kind in bounces.KINDS


def test_public_bounces_are_recognised(corpora: Path) -> None:
    """Measured on 501 messages; the thresholds are what this version reaches, a little below."""
    folder = corpora / "bounces"
    wanted = defaultdict(list)
    for line in (folder / "expected.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        wanted[row["file"]].append(row)
    found = bounces.read_paths([folder / "eml"])
    assert len(found.messages) >= len([f for f in (folder / "eml").rglob("*") if f.is_file()])
    kinds = dict(zip(found.messages["file"].str.removeprefix("eml/"), found.messages["kind"], strict=True))
    told = found.bounces.dropna(subset=["recipient"])
    have = told["recipient"].str.lower().groupby(told["file"].str.removeprefix("eml/")).agg(lambda r: sorted(set(r)))
    score: dict[str, list[bool]] = defaultdict(list)
    for file, rows in wanted.items():
        reasons = {r.get("reason") for r in rows}
        if reasons == {"vacation"}:
            score["auto-replies found"].append(kinds[file] == "auto-reply")
        elif rows[0].get("is_bounce") and reasons != {"feedback"}:
            corpus = rows[0]["corpus"]
            score[f"{corpus} found"].append(kinds[file] in ("bounce", "delay", "success"))
            names = sorted({r["recipient"].lower() for r in rows if r.get("recipient")})
            score[f"{corpus} recipients"].append(have.get(file) == names)
    share = {name: sum(hits) / len(hits) for name, hits in score.items()}
    for name, least in {
        "sisimai found": 0.96,
        "sisimai recipients": 0.91,
        "flufl found": 0.98,
        "flufl recipients": 0.85,
        "auto-replies found": 0.99,
    }.items():
        assert share[name] >= least, f"{name}: {share[name]:.1%}"


@pytest.mark.parametrize(
    "nasty",
    [
        b"Subject: =?\x00?q?x?=\n\nhi",
        b'Content-Type: text/plain; charset="\x00"\n\n\xff\xfe',
        b"Content-Type: text/plain; charset=idna\n\n\xff",
        b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n!!!",
        b"From: <@\nTo: ((((\nDate: Mon, 99 Foo 99999 99:99:99\n\n",
        b'Content-Type: multipart/report; boundary=""\n\n--\n--\n',
        b"\xff" * 4_000,
        b"Received: from " + b"[" * 50_000,
        b"Subject: failure notice\n\n" + b"<a@" * 40_000,
    ],
)
def test_what_broke_parsers_before_is_just_mail(nasty: bytes) -> None:
    assert bounces.sort(nasty).kind in bounces.KINDS


def test_a_word_of_the_notice_does_not_outdo_what_the_reply_says() -> None:
    told = recipient("gone@goodpost.example", status="", diagnostic="550: <gone@goodpost.example>: User unknown")
    text = re.sub(r"(?m)^<lost@.* said: .*$", "Received-SPF: none (nobody knows the name)", dsn(told))
    (row,) = bounces.sort(text.encode()).rows
    assert (row["reason"], row["smtp_code"], row["permanent"]) == ("userunknown", 550, True)
