"""Every rule decides its own example and leaves its near miss alone; patterns stay within what RE2 and speed allow."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import re2

from smtplab import replies
from smtplab.replies.engine import patterns, probe
from smtplab.replies.rules import Rule, expanded, files, gappy, literals, marks, reasons, rules

ROWS = [(name, head, row) for name, head in files() for row in head.get("rule", ())]
BY_ID = {rule.id: rule for rule in rules()}


def decided(text: str, rule: Rule) -> Iterator[str]:
    """The rules that decide a text, and those that come second."""
    found = replies.classify(text, provider=rule.provider[0] if rule.provider else None)
    yield found.rule
    if found.runner_up:
        yield found.runner_up.rule


@pytest.mark.parametrize(("name", "head", "row"), ROWS, ids=[row["id"] for _, _, row in ROWS])
def test_a_rule_decides_its_example_and_not_its_near_miss(
    name: str, head: Mapping[str, Any], row: Mapping[str, Any]
) -> None:
    rule = BY_ID[row["id"]]
    assert next(decided(row["example"], rule)) == rule.id
    assert rule.id not in [*decided(row["miss"], rule)]
    assert row["miss"].strip()
    assert row["source"], name
    assert row["date"], name


def test_ids_are_unique_and_reasons_known() -> None:
    assert [i for i, n in Counter(r.id for r in rules()).items() if n > 1] == []
    assert {r.reason for r in rules()} <= set(reasons())
    assert 300 <= len(rules()) <= 600


@pytest.mark.parametrize("pattern", [p for p in patterns() if p])
def test_a_pattern_is_lower_case_safe_for_re2_and_bounded(pattern: str) -> None:
    re2.compile(pattern)
    re.compile(pattern)
    assert pattern == pattern.lower()
    # What differs between re and RE2 beyond ASCII, and what is not bounded.
    assert not re.search(r"\\[bswdBSWDAZz]|(?<!\\)\(\?|(?<!\\)\.[*+]|\][*+]|\{\d+,\}", pattern)
    assert "\n" not in pattern


def test_no_pattern_with_a_gap_stands_in_the_set() -> None:
    """A few of them cost the whole set a hundredfold; a plain text that they need stands there for them."""
    wide = [p for p in patterns() if gappy(p)]
    assert [p for p in wide if not literals(p)] == []
    assert [p for p in patterns() if p and gappy(probe(p))] == []


def test_what_an_address_may_contain_is_no_reply() -> None:
    for name in ("mailboxfull", "userunknown", "spam", "virus"):
        assert replies.classify(f"550 5.0.0 <{name}@example.org>").reason == "undefined"


def test_codes_are_written_out() -> None:
    assert [*expanded(["x.7.1", "5.1.1", ""])] == ["4.7.1", "5.7.1", "5.1.1", ""]


def test_a_mark_names_a_provider_of_some_rule_or_a_command() -> None:
    known = {name for r in rules() for name in r.provider}
    assert {m.says for m in marks() if m.kind == "provider"} <= known
    assert {m.says for m in marks() if m.kind == "command"} == {"connect", "helo", "mail", "rcpt", "data"}


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("user unknown", ("user unknown",)),
        ("mailbox (is )?full|over quota", ("mailbox ", "over quota")),
        ("blocked? by", ("blocke",)),
        ("(a|b)", ()),
        ("ab|cdef", ()),
        (r"support\.google\.com/[a-z]{1,3}", ("support.google.com/",)),
        ("[]x]abc", ("abc",)),
    ],
)
def test_literals_are_texts_of_which_one_must_be_there(pattern: str, found: tuple[str, ...]) -> None:
    assert literals(pattern) == found
