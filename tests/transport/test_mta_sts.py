"""MTA-STS policies as RFC 8461 reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.transport.mta_sts import PolicyFile, parse

GOOD = "version: STSv1\r\nmode: enforce\r\nmx: MX1.Test.Example.\r\nmx: *.backup.example\r\nmax_age: 604800\r\n"


def test_a_policy_is_read() -> None:
    file = parse(GOOD)
    assert file == PolicyFile("enforce", ("mx1.test.example", "*.backup.example"), 604800, ())
    assert parse(GOOD.replace("\r\n", "\n")) == file
    assert parse(GOOD.replace(": ", ":")) == file
    assert parse(GOOD + "future: field\r\n") == file


MATCHES = [
    ("mx1.test.example", True),
    ("mx2.test.example", False),
    ("a.backup.example", True),
    ("backup.example", False),
    ("a.b.backup.example", False),
]


@pytest.mark.parametrize(("host", "named"), MATCHES)
def test_a_star_stands_for_exactly_one_label(host: str, named: bool) -> None:
    assert parse(GOOD).names(host) is named


BAD = [
    ("version: STSv2\nmode: enforce\nmx: a\nmax_age: 1", "version"),
    ("mode: enforce\nmx: a\nmax_age: 1", "version"),
    ("version: STSv1\nmx: a\nmax_age: 1", "mode"),
    ("version: STSv1\nmode: strict\nmx: a\nmax_age: 1", "mode"),
    ("version: STSv1\nmode: enforce\nmax_age: 1", "names no mx"),
    ("version: STSv1\nmode: enforce\nmx: a", "max_age"),
    ("version: STSv1\nmode: enforce\nmx: a\nmax_age: 31557601", "max_age"),
    ("version: STSv1\nmode: enforce\nmx: a\nmax_age: ²", "max_age"),
    ("<html>Not found</html>", "version"),
    ("", "version"),
]


@pytest.mark.parametrize(("body", "problem"), BAD)
def test_a_broken_policy_says_what_is_wrong(body: str, problem: str) -> None:
    assert problem in "; ".join(parse(body).problems)


def test_mode_none_needs_no_mx() -> None:
    assert parse("version: STSv1\nmode: none\nmax_age: 86400").problems == ()


def test_of_a_key_that_stands_twice_the_first_counts() -> None:
    assert parse(GOOD + "mode: none\r\n").mode == "enforce"


@given(st.text(max_size=300))
def test_reading_a_policy_never_raises(body: str) -> None:
    file = parse(body)
    assert file.problems or file.mode in ("enforce", "testing", "none")


@given(
    st.sampled_from(["enforce", "testing"]),
    st.lists(st.from_regex(r"[a-z]{1,9}\.example", fullmatch=True), min_size=1),
    st.integers(0, 31_557_600),
)
def test_what_is_written_is_read_back(mode: str, mx: list[str], age: int) -> None:
    body = "".join([f"mx: {m}\n" for m in mx]) + f"max_age: {age}\nmode: {mode}\nversion: STSv1\n"
    assert parse(body) == PolicyFile(mode, tuple(mx), age, ())
