"""Dovecot's sign-ins, in the words of its versions."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.logs.daemons import dovecot
from smtplab.logs.event import COLUMNS, Line
from tests.logs.abuse import events, samples

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def one(text: str, program: str = "dovecot") -> dict[str, Any]:
    found = dovecot.events(Line(1, NOW, "mx1", program, "7", text))
    assert found is not None
    assert len(found) == 1
    return dict(found[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "imap-login: Login: user=<ann@meridian.example>, method=PLAIN, rip=203.0.113.5, lip=192.0.2.1, mpid=12, TLS, session=<aB1>",
            ("sign_in", "imap", "ann@meridian.example", "203.0.113.5", "PLAIN", True, None),
        ),
        (
            "submission-login: Info: Login: user=<ann>, method=XOAUTH2, rip=2001:db8::5, lip=::1, mpid=9, secured, session=<x>",
            ("sign_in", "submission", "ann", "2001:db8::5", "XOAUTH2", True, None),
        ),
        (
            "pop3-login: Disconnected: Inactivity (auth failed, 3 attempts in 178 secs): user=<bob>, method=LOGIN, rip=203.0.113.6, lip=192.0.2.1, TLS: Disconnected",
            ("sign_in", "pop3", "bob", "203.0.113.6", "LOGIN", False, 3),
        ),
        (
            "imap-login: Login aborted: Logged out (auth failed, 2 attempts in 10 secs) (auth_failed): user=<bob>, method=PLAIN, rip=203.0.113.6, lip=192.0.2.1",
            ("sign_in", "imap", "bob", "203.0.113.6", "PLAIN", False, 2),
        ),
        (
            "managesieve-login: Aborted login (no auth attempts in 0 secs): user=<>, rip=203.0.113.7, lip=192.0.2.1",
            ("session", "managesieve", None, "203.0.113.7", None, None, None),
        ),
        (
            "auth: passwd-file(carol@meridian.example,203.0.113.8,<s1>): Password mismatch",
            ("sign_in", "auth", "carol@meridian.example", "203.0.113.8", None, False, None),
        ),
        (
            "auth(dave@meridian.example,203.0.113.9,sasl:plain)<s2>: sql: unknown user",
            ("sign_in", "auth", "dave@meridian.example", "203.0.113.9", "PLAIN", False, None),
        ),
        (
            "imap-login: Disconnected (auth failed, 1 attempts): user=<rip=192.0.2.99>, method=PLAIN, rip=203.0.113.6",
            ("sign_in", "imap", "rip=192.0.2.99", "203.0.113.6", "PLAIN", False, 1),
        ),
    ],
)
def test_a_sign_in_has_service_account_client_and_outcome(text: str, expected: tuple[object, ...]) -> None:
    row = one(text)
    keys = ("kind", "service", "auth_user", "client_ip", "auth_method", "auth_ok", "attempt")
    assert tuple(row.get(k) for k in keys) == expected


def test_the_tls_of_a_sign_in_is_told_where_it_is_logged() -> None:
    text = "imap-login: Login: user=<a>, method=PLAIN, rip=203.0.113.5, lip=192.0.2.1, TLS, TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)"
    row = one(text)
    assert (row["tls_version"], row["tls_cipher"]) == ("TLSv1.3", "TLS_AES_256_GCM_SHA384")


@pytest.mark.parametrize(
    "text", ["imap(ann)<7><s>: Info: Logged out in=5 out=9", "master: Warning: Killed", "lmtp(a): saved mail"]
)
def test_what_is_no_sign_in_is_understood_and_tells_nothing(text: str) -> None:
    assert dovecot.events(Line(1, NOW, "mx1", "dovecot", "", text)) == ()


def test_what_no_rule_knows_is_not_understood() -> None:
    assert dovecot.events(Line(1, NOW, "mx1", "dovecot", "", "novelty: hello")) is None


def test_every_abuse_line_of_fail2ban_is_found_with_its_client(corpora: Path) -> None:
    told = list(samples(corpora / "logs" / "fail2ban" / "dovecot"))
    assert len(told) > 60
    for sample in told:
        made = events(sample.line) or []
        failed = {e.get("client_ip") for e in made if e["kind"] == "sign_in" and not e["auth_ok"]}
        if not sample.abuse:
            assert not failed, sample.line
        elif sample.mode == "normal":
            assert failed == {sample.host}, sample.line
        else:
            # "aggressive" also counts clients that left without trying; the normal mode says that those are none.
            assert {e.get("client_ip") for e in made} == {sample.host}, sample.line


@given(st.text(alphabet=st.sampled_from("imap-login: ()<>,=user rip1.[]auth failed\n\x00é"), max_size=300))
def test_nothing_raises(text: str) -> None:
    for head in ("", "imap-login: Disconnected (auth failed, 1 attempts): ", "auth: pam("):
        for event in dovecot.events(Line(1, NOW, "h", "dovecot", "", head + text)) or ():
            assert set(event) <= set(COLUMNS)
