"""Received lines as servers write them, and the name in HELO that each tells of (RFC 5321 section 4.4)."""

from __future__ import annotations

import time
from email import message_from_string

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.names.received import greeting, greetings, sightings
from smtplab.tables import Sighting

IP, HELO = "198.51.100.12", "out2.corp.example"
BY = "by mx.example.org with ESMTPS id 1; Mon, 2 Nov 2026 10:00:00 +0000"
TOLD = [
    # Postfix, Sendmail, Gmail: HELO, then what DNS says.
    f"from {HELO} (ptr.example [{IP}]) {BY}",
    f"from {HELO} (unknown [{IP}]) (using TLSv1.3) {BY}",
    f"from OUT2.corp.example. (ptr.example. [{IP}]) {BY}",
    f"from {HELO} (ptr.example [{IP}] (may be forged)) {BY}",
    # Exchange; Exim where HELO is what DNS says, where it differs, and where DNS says nothing.
    f"from {HELO} ({IP}) {BY}",
    f"from {HELO} ([{IP}]) {BY}",
    f"from ptr.example ([{IP}] helo={HELO}) {BY}",
    f"from [{IP}] (helo={HELO}) {BY}",
    # qmail.
    f"from ptr.example (HELO {HELO}) ({IP}) {BY}",
    f"from unknown (EHLO {HELO}) ({IP}) {BY}",
]
SILENT = [
    "",
    "from",
    f"by mx.example.org from {HELO}",
    f"from {HELO} {BY}",
    f"from {HELO} ([999.1.1.1]) {BY}",
    f"from [{IP}] (ptr.example [{IP}]) {BY}",
    f"from {IP} ({IP}) {BY}",
    f"from unknown ({IP}) {BY}",
    f"from <script>.example (ptr.example [{IP}]) {BY}",
    f"from ptr.example ([{IP}] helo=a..b) {BY}",
    # Somebody signed in (RFC 3848): a mail program, not the server.
    f"from laptop.lan (nat.example [{IP}]) by mx.example.org with ESMTPSA id 1",
    f"from laptop.lan (nat.example [{IP}]) by mx.example.org with esmtpa (Exim) id 1",
]


@pytest.mark.parametrize("line", TOLD)
def test_the_greeting_and_the_address_are_told(line: str) -> None:
    assert greeting(line) == (IP, HELO)


def test_a_greeting_that_exists_only_inside_and_an_ipv6_address_are_told_too() -> None:
    assert greeting(f"from MAILSERVER (ptr.example [{IP}]) {BY}") == (IP, "mailserver")
    assert greeting(f"from {HELO} (ptr.example [IPv6:2001:DB8:0::1]) {BY}") == ("2001:db8::1", HELO)


@pytest.mark.parametrize("line", SILENT)
def test_other_lines_tell_of_no_greeting(line: str) -> None:
    assert greeting(line) is None


def test_the_topmost_line_counts_for_each_address() -> None:
    lines = ["by 2002:a05::1 with SMTP id 1", f"from {HELO} ([{IP}]) {BY}", f"from old.corp.example ([{IP}]) {BY}"]
    message = message_from_string("".join(f"Received: {line}\n" for line in [*lines, f"from a.b ([192.0.2.1]) {BY}"]))
    assert set((greetings(message) or "").split()) == {f"{IP}/{HELO}", "192.0.2.1/a.b"}
    assert greetings(message_from_string("Received: by mx\n\n")) is None


def test_greetings_are_sighted_with_their_address_once_enough_messages_tell_them() -> None:
    joined = pd.Series([f"{IP}/{HELO}", f"{IP}/{HELO} 2001:db8::1/a.b", None], dtype="str")
    assert sightings(joined, "bounces", 2) == [Sighting("helo", HELO, IP, "bounces", 2)]
    assert {s.of for s in sightings(joined, "bounces")} == {IP, "2001:db8::1"}
    assert sightings(pd.Series([], dtype="str"), "bounces") == []


@given(st.text(max_size=300))
def test_no_line_crashes(text: str) -> None:
    greeting(f"from {text}")
    greeting(text)


@pytest.mark.parametrize("text", ["[" * 200_000, "helo=" * 40_000, "(1" * 100_000, "from a " + " with" * 40_000])
def test_hostile_lines_cost_linear_time(text: str) -> None:
    start = time.perf_counter()
    greeting(f"from x {text}")
    assert time.perf_counter() - start < 2
