"""Replies that no rule knows, gathered by wording, and the rule that would know them."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from datetime import UTC, date, datetime
from json import loads
from pathlib import Path
from time import perf_counter

import pandas as pd
import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from smtplab.replies import shapes

TODAY = date(2026, 11, 26)


@pytest.mark.parametrize(
    ("reply", "shape"),
    [
        ("599 Zorble 4711 for <anna@gmail.com>", "599 Zorble # for <<address>>"),
        (
            "host mx.x.example[203.0.113.9] said: 550 5.7.1 Zorble from 192.0.2.1; ticket 48213-AB12cd (in reply to RCPT TO command)",
            "550 5.7.1 Zorble from <ip>; ticket <id>",
        ),
        (
            "451 4.7.500 busy [203.0.113.5]. (S77719) [BN1NAM.prod.outlook.com]",
            "451 4.7.500 busy [<ip>]. (<id>) [<host>]",
        ),
        ("550 zorble\r\n 550 see\thttps://x.example/a?b=1.", "550 zorble 550 see <url>"),
        ("550 via 2001:db8::25 or ::1 at 10:20:30", "550 via <ip> or <ip> at #:#:#"),
        ("smtp; 550 Nope", "550 Nope"),
        ("550 IPv6 or mp3 or no-such-user", "550 IPv6 or mp3 or no-such-user"),
        ("", ""),
    ],
)
def test_what_changes_from_reply_to_reply_is_masked(reply: str, shape: str) -> None:
    assert shapes.shape(reply) == shape


def test_one_wording_is_one_row_with_its_count_and_the_known_are_left_out() -> None:
    lines = [f"599 Zorble {n} for <u{n}@x.example>" for n in range(3)] + [
        "599 Frobnicated",
        "",
        "550 5.1.1 user unknown",
    ]
    made = shapes.unknown(lines)
    assert made[["shape", "count"]].to_numpy().tolist() == [["599 Zorble # for <<address>>", 3], ["599 Frobnicated", 1]]
    assert made["example"][0] == "599 Zorble 0 for <u0@x.example>"


@pytest.mark.parametrize("column", ["response", "diagnostic"])
def test_a_table_gives_dates_and_who_said_it(column: str) -> None:
    days = [datetime(2026, 11, d, tzinfo=UTC) for d in (3, 1, 2)]
    rows = pd.DataFrame(
        {
            "time": days,
            "reason": ["undefined", "undefined", "userunknown"],
            "provider": ["gmail", "gmail", "yahoo"],
            column: ["599 Zorble 1", "599 Zorble 2", "550 5.1.1 gone"],
        }
    )
    (row,) = shapes.unknown(rows).to_dict("records")
    assert (row["count"], row["first"], row["last"], row["provider"]) == (2, days[1], days[0], "gmail")
    assert shapes.unknown(rows[rows["reason"].ne("undefined")]).empty
    assert shapes.unknown([]).empty


def test_the_rule_that_is_proposed_knows_its_example() -> None:
    lines = ["599 Zorble (really?) of 'anna' 17 [x] for <a@x.example>", '599 \x1b[2J \x7f Zorble\\d of "this" kind']
    for row in shapes.unknown(lines).to_dict("records"):
        text = shapes.skeleton(row, TODAY)
        (rule,) = tomllib.loads(text)["rule"]
        assert rule["date"] == TODAY
        assert rule["text"]
        assert re2.compile(rule["text"]).search(rule["example"].lower())
        assert "\x1b" not in text


def test_a_known_provider_is_named_in_the_rule_and_a_small_domain_is_not() -> None:
    row = {"shape": "599 Zorble", "count": 3, "provider": "gmail", "example": "599 Zorble"}
    assert tomllib.loads(shapes.skeleton(row, TODAY))["rule"][0]["provider"] == ["gmail"]
    assert "provider =" not in shapes.skeleton({**row, "provider": "goodpost.example"}, TODAY)


@pytest.mark.parametrize("json", [True, False])
def test_the_command_shows_wordings_and_proposes_rules(tmp_path: Path, json: bool) -> None:
    (tmp_path / "replies.txt").write_text("599 Zorble 1\n599 Zorble 2\n550 5.1.1 User unknown\n599 \x1b[2J Frob\n")
    words = ["replies", str(tmp_path / "replies.txt"), "--unknown", *(["--json"] if json else [])]
    done = subprocess.run(
        [sys.executable, "-m", "smtplab", *words], capture_output=True, text=True, timeout=60, check=True
    )
    assert "\x1b" not in done.stdout
    if json:
        rows = [loads(line) for line in done.stdout.splitlines()]
        assert [(row["count"], row["shape"]) for row in rows] == [(2, "599 Zorble #"), (1, "599 \x1b[2J Frob")]
        assert 'text = "zorble"' in rows[0]["rule"]
    else:
        assert done.stdout.count("[[rule]]") == 2


@given(st.text(max_size=300))
def test_any_text_has_a_shape_and_a_rule_that_is_toml(text: str) -> None:
    row = {"shape": shapes.shape(text), "count": 1, "provider": None, "example": text}
    (rule,) = tomllib.loads(shapes.skeleton(row, TODAY))["rule"]
    re2.compile(rule["text"])


@pytest.mark.parametrize("piece", ["a@", "1.", "a.", "ab1:", "://", "=", "\u0130"])
def test_the_work_is_bounded(piece: str) -> None:
    start = perf_counter()
    shapes.shape(piece * 1_000_000)
    assert perf_counter() - start < 1
