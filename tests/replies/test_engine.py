"""The set of RE2 and plain Python give the same answers, and nothing that a stranger writes raises."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from smtplab import replies
from smtplab.replies.engine import finder, plain
from smtplab.replies.rules import files

FAST, SLOW = finder(), plain()
EXAMPLES = [row[key] for _, head in files() for row in head.get("rule", ()) for key in ("example", "miss")]
WORDS = sorted({word for text in EXAMPLES for word in text.lower().split()})


def test_the_examples_are_found_alike() -> None:
    for text in EXAMPLES:
        assert FAST(text.lower()) == SLOW(text.lower()), text


def test_public_replies_are_found_alike(corpora: Path) -> None:
    lines = (corpora / "bounces" / "expected.jsonl").read_text("utf-8").splitlines()
    texts = {json.loads(line).get("diagnosticcode") or "" for line in lines}
    assert len(texts) > 300
    for text in texts:
        low = text.lower().encode("utf-8", "replace").decode()
        assert FAST(low) == SLOW(low), text


def test_texts_made_of_the_words_of_the_rules_are_found_alike() -> None:
    dice = random.Random(6)
    for _ in range(3_000):
        text = " ".join(dice.choices(WORDS, k=dice.randint(1, 25)))
        assert FAST(text) == SLOW(text), text


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(max_size=200).map(str.lower).map(lambda t: t.encode("utf-8", "replace").decode()))
def test_any_text_is_found_alike(text: str) -> None:
    assert FAST(text) == SLOW(text)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(
    st.text(max_size=400) | st.lists(st.sampled_from(WORDS), max_size=20).map(" ".join),
    st.none() | st.integers(-5, 999),
    st.none() | st.text(max_size=9),
    st.none() | st.sampled_from(["gmail", "microsoft", "x.example", ""]),
)
@example("\ud800 550 5.1.1 User unknown", None, None, None)
@example("İ" * 90 + " 550 User unknown", None, None, None)
def test_classifying_never_raises_and_explains_itself(
    text: str, smtp: int | None, enhanced: str | None, provider: str | None
) -> None:
    found = replies.classify(text, smtp, enhanced, provider)
    assert 0 <= found.confidence <= 1
    assert bool(found.rule) == (found.reason not in ("", "undefined"))
    assert not (found.ours and (found.permanent or found.suppress))
    if found.span:
        assert text[slice(*found.span)] == found.matched
    if found.runner_up:
        assert found.runner_up.reason != found.reason


MANY_LINES = [
    ("550-5.7.1 [192.0.2.1] Messages with multiple 550 5.7.1 addresses in From: header", "gmail-not-rfc"),
    ("550-5.7.1 [192.0.2.1] Messages with multiple\r\n550 5.7.1 addresses in From: header", "gmail-not-rfc"),
    ("552-5.2.2 The mailbox 552 5.2.2 is full", "full-mailbox"),
    ("550-User 550 unknown", "text-user"),
]


@pytest.mark.parametrize(("text", "rule"), MANY_LINES)
def test_a_reply_of_several_lines_is_read_as_one(text: str, rule: str) -> None:
    found = replies.classify(text, provider="gmail")
    assert found.rule == rule
    assert found.span
    assert found.matched == text[slice(*found.span)]


def test_what_was_cut_is_in_the_match_again() -> None:
    found = replies.classify("550-5.1.1 <x@example.org>: User 550 5.1.1 unknown in virtual 550 5.1.1 table")
    assert (found.rule, found.matched) == ("text-user", "User 550 5.1.1 unknown")


@pytest.mark.parametrize("text", ["550 user unknown" * 10_000, "(" * 100_000, "listed in " * 50_000, "\x00" * 5_000])
def test_long_texts_cost_no_more_than_their_beginning(text: str) -> None:
    assert replies.classify(text) == replies.classify(text[:4_000])
