"""Sample messages: one-click unsubscribe (RFC 8058), Authentication-Results as written by real servers, selectors."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from smtplab import messages
from smtplab.messages import authres

SIGNED = "DKIM-Signature: v=1; d=meridian.example; s=pr1; h=From:List-Unsubscribe:List-Unsubscribe-Post; b=x\n"
UNSIGNED = "DKIM-Signature: v=1; d=meridian.example; s=pr1; h=From:Subject; b=x\n"
HTTPS = "List-Unsubscribe: <mailto:u@x.example>,\n <https://x.example/u/1>\n"
POST = "List-Unsubscribe-Post: List-Unsubscribe=One-Click\n"
LIST = "List-Id: News <news.meridian.example>\n"
BASE = "From: News <news@meridian.example>\nSubject: News\nDate: Mon, 2 Nov 2026 10:00:00 +0000\n"


def read(folder: Path, head: str) -> messages.MessageEvidence:
    (folder / "one.eml").write_text(f"{BASE}{head}\nHello\n", "utf-8")
    return messages.read_paths([folder], domains=("meridian.example",))


@pytest.mark.parametrize(
    ("head", "code", "lacks"),
    [
        (LIST + SIGNED + HTTPS + POST, "ok", None),
        (LIST + UNSIGNED + HTTPS + POST, "not_signed", None),
        (LIST + SIGNED, "one_click_missing", "List-Unsubscribe"),
        (LIST + SIGNED + HTTPS, "one_click_missing", "List-Unsubscribe-Post"),
        (
            "List-Unsubscribe: <mailto:u@x.example>\n",
            "one_click_missing",
            "an https address in List-Unsubscribe and List-Unsubscribe-Post",
        ),
        (HTTPS + "List-Unsubscribe-Post: List-Unsubscribe = one-click\n" + SIGNED, "ok", None),
        ("", "", None),
        (LIST + "List-Post: <mailto:all@meridian.example>\n", "", None),
        (LIST + "From: x@elsewhere.example\n", "one_click_missing", "List-Unsubscribe"),
    ],
)
def test_one_click_needs_both_fields_and_a_signature_over_them(
    tmp_path: Path, head: str, code: str, lacks: str | None
) -> None:
    found = messages.check(read(tmp_path, head)).of("messages.unsubscribe")
    assert [f.code for f in found] == ([f"messages.unsubscribe.{code}"] if code else [])
    if lacks:
        assert found[0].facts["missing"] == [lacks]


def test_mail_of_others_is_not_judged(tmp_path: Path) -> None:
    (tmp_path / "one.eml").write_text(f"From: a@other.example\n{LIST}\nHi\n", "utf-8")
    assert not messages.check(messages.read_paths([tmp_path], domains=("meridian.example",)))


def test_selectors_and_author_domains_of_samples_are_sighted(tmp_path: Path) -> None:
    seen = messages.sightings(read(tmp_path, SIGNED))
    assert {(s.kind, s.value, s.of) for s in seen} == {
        ("selector", "pr1", "meridian.example"),
        ("author", "meridian.example", ""),
    }
    assert [s.last for s in seen if s.kind == "selector"] == [datetime(2026, 11, 2, 10, tzinfo=UTC)]


def test_the_name_in_helo_is_sighted_with_the_address_that_handed_over(tmp_path: Path) -> None:
    received = "Received: from out2.meridian.example (ptr.example [198.51.100.12])\n\tby mx.example; x\n"
    seen = [s for s in messages.sightings(read(tmp_path, received)) if s.kind == "helo"]
    assert [(s.value, s.of, s.where) for s in seen] == [("out2.meridian.example", "198.51.100.12", "sample messages")]


def test_no_sample_and_an_unreadable_one_are_told(tmp_path: Path) -> None:
    assert [f.code for f in messages.check(messages.read_paths([]))] == ["messages.missing"]
    (tmp_path / "x.eml").write_bytes(b"%PDF-1.4")
    assert messages.check(messages.read_paths([tmp_path]))[0].code in ("messages.missing", "messages.unreadable")
    assert len(messages.check(messages.read_paths([tmp_path])).of("messages.unreadable")) == 1


@pytest.mark.parametrize(
    ("value", "server", "said"),
    [
        ("mx.google.com; dkim=pass header.i=@a.example header.s=s1; spf=fail (google.com: no) smtp.mailfrom=b.example",
         "mx.google.com", "dkim=pass, spf=fail (b.example)"),
        ("spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=a.example; dkim=pass (signature was verified) header.d=a.example;dmarc=pass action=none header.from=a.example;compauth=pass reason=100",
         "", "spf=pass (a.example), dkim=pass (a.example), dmarc=pass (a.example), compauth=pass"),
        ("atlas.yahoo.com; dkim=pass header.d=a.example; spf=none;", "atlas.yahoo.com", "dkim=pass (a.example), spf=none"),
        ("mx.example 1; none", "mx.example", "none"),
        ("x.example; dkim=fail reason=\"bad; very\" header.d=a.example", "x.example", "dkim=fail (a.example)"),
        ("", "", "none"),
        ("((((;;;", "", "none"),
    ],
)  # fmt: skip
def test_results_are_read_as_servers_write_them(value: str, server: str, said: str) -> None:
    got = authres.parse(value)
    assert (got.server, str(got)) == (server, said)
