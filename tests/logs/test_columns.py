"""Texts as views, numbers read off many lines at once, and what came last before: each beside its plain form."""

from __future__ import annotations

import math
import runpy
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.logs import heads, postfix, sorting, unusual
from smtplab.logs.arrays import strings
from smtplab.logs.asof import before, behind, nth
from smtplab.logs.columns import PAD, TYPES, Bytes, Columns, array, columns_of, hashed, joined, moved, rows, table
from smtplab.logs.cut import Cut, behind_last, find, fractions, whole
from smtplab.logs.duck import reader
from smtplab.logs.lines import Stamps

optional = st.lists(st.none() | st.text(alphabet="aé\U0001f4e7-", max_size=40), max_size=30)


def one_column(values: list[str | None], buffers: list[Bytes], first: int = 0) -> Columns:
    seq = pa.array(range(first, first + len(values)), pa.int64())
    return columns_of(pa.table({"seq": seq, "sender": strings(values)}), buffers)


@given(optional, optional)
def test_texts_come_back_as_they_went_in_also_where_buffers_stand_before_theirs(
    one: list[str | None], two: list[str | None]
) -> None:
    buffers: list[Bytes] = []
    first = one_column(one, buffers)
    own: list[Bytes] = []
    second = moved(one_column(two, own, len(one)), len(buffers))
    both = joined([first, second])
    if one or two:
        assert table(both, ["sender"], buffers + own)["sender"].to_pylist() == one + two


@given(optional, optional)
def test_equal_texts_have_equal_hashes_and_others_have_not(one: list[str | None], two: list[str | None]) -> None:
    found: dict[int, str | None] = {}
    for values in (one, two):
        buffers: list[Bytes] = []
        column = one_column(values, buffers)["sender"]
        for value, number in zip(values, hashed(column, buffers).tolist(), strict=True):
            assert found.setdefault(number, value) == value
    assert len(found) == len({*one, *two})


def spans(texts: list[str]) -> tuple[Bytes, tuple[Any, Any]]:
    """Texts behind one another with a comma behind each, and where each stands."""
    raw = [t.encode() for t in texts]
    start, at = [], 4
    for text in raw:
        start.append(at)
        at += len(text) + 1
    data = np.frombuffer(b"...." + b"".join(t + b"," for t in raw) + bytes(PAD), np.uint8)
    begin = np.array(start, np.int64)
    return data, (begin, begin + np.array([len(t) for t in raw], np.int64))


@given(st.lists(st.from_regex(r"[0-9]{1,12}(\.[0-9]{0,9})?", fullmatch=True) | st.text(max_size=12), min_size=1))
def test_numbers_are_those_that_python_reads(texts: list[str]) -> None:
    data, span = spans(texts)
    for text, number, fraction in zip(texts, whole(data, span).tolist(), fractions(data, span).tolist(), strict=True):
        plain = text.isascii() and text.isdigit()
        assert number == (int(text) if plain and len(text) <= 18 else np.iinfo(np.int64).min)
        left, _, right = text.partition(".")
        if left.isascii() and left.isdigit() and (not right or (right.isascii() and right.isdigit())):
            assert fraction == float(text)
        else:
            assert math.isnan(fraction)


@given(st.lists(st.text("ab", max_size=260), min_size=1, max_size=8), st.sampled_from([8, 32, 96]))
def test_a_letter_is_found_where_python_finds_it(texts: list[str], near: int) -> None:
    data, span = spans(texts)
    places, lasts = find(data, *span, "b", near).tolist(), behind_last(data, span, "b", near).tolist()
    for text, start, place, last in zip(texts, span[0].tolist(), places, lasts, strict=True):
        assert place - start == (text.find("b") if "b" in text else len(text))
        assert last - start == text.rfind("b") + 1


def test_a_text_of_several_letters_is_found_behind_others_that_begin_like_it() -> None:
    texts = ["a; b; from=<x", "; from=<", "none", ";;;;; from=<y", "; fro"]
    data, span = spans(texts)
    assert (Cut(data, *span).before("; from=<") - span[0]).tolist() == [4, 0, 4, 4, 5]


groups = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20)), max_size=30)


@given(groups, groups)
def test_the_nearest_of_the_same_group_is_found(some: list[tuple[int, int]], others: list[tuple[int, int]]) -> None:
    def columns(pairs: list[tuple[int, int]]) -> tuple[Any, Any]:
        return np.array([g for g, _ in pairs], np.uint64), np.array([s for _, s in pairs], np.int64)

    for (group, seq), last, first in zip(
        some, before(*columns(some), *columns(others)), behind(*columns(some), *columns(others)), strict=True
    ):
        earlier = [s for g, s in others if g == group and s <= seq]
        later = [s for g, s in others if g == group and s >= seq]
        assert (others[last] if last >= 0 else None) == ((group, max(earlier)) if earlier else None)
        assert (others[first] if first >= 0 else None) == ((group, min(later)) if later else None)


@given(st.lists(st.integers(0, 5)))
def test_rows_are_counted_within_their_group(group: list[int]) -> None:
    wanted = [group[: i + 1].count(g) for i, g in enumerate(group)]
    assert nth(np.array(group, np.int64)).tolist() == wanted


WANTED = "from=<a@x.example> to=<b@y.example> proto=ESMTP helo=<h>"
ODD = [
    # Postfix writes "unknown" where the client was gone before its address was asked for.
    "warning: unknown[unknown]: SASL LOGIN authentication failed: x",
    "warning: h[2001:db8::1]:4711: SASL LOGIN authentication failed: x",
    "lost connection after CONNECT from unknown[unknown]",
    "lost connection after DATA (12 bytes) from h[2001:db8::1]",
    f"NOQUEUE: reject: RCPT from unknown[unknown]: 554 5.7.1 Relay access denied; {WANTED}",
    f"NOQUEUE: reject: RCPT from h[2001:db8::1]:4711: 554 5.7.1 Relay access denied; {WANTED}",
    f"NOQUEUE: reject: RCPT from h[192.0.2.1]: 554 192.0.2.1 is blocked; {WANTED}",
    f"NOQUEUE: reject: RCPT from h[192.0.2.1]: 554 5.188.10.1 is blocked; {WANTED}",
    f"NOQUEUE: reject: RCPT from h[192.0.2.1]: 554 5.7 is blocked; {WANTED}",
    f"NOQUEUE: reject: RCPT from h[192.0.2.1]: 554 5.188.10; {WANTED}",
    f"NOQUEUE: reject: RCPT from h[192.0.2.1]: 554 10.188.10 is blocked; {WANTED}",
]


def lines(corpora: Path) -> bytes:
    """Lines of real Postfix servers, some of the benchmark, and odd ones."""
    made = [p.read_bytes() for p in sorted((corpora / "logs" / "postfix-lightmeter").iterdir())]
    made.append((corpora / "logs" / "fail2ban" / "postfix").read_bytes())
    run = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "logs.py"))["messages"]
    for message in islice(run(Random(5)), 300):
        for when, host, program, pid, text in message:
            made.append(f"{when:%b} {when.day:2d} {when:%H:%M:%S} {host} postfix/{program}[{pid}]: {text}".encode())
    made += [f"Oct  1 00:00:00 mx1 postfix/smtpd[7]: {text}".encode() for text in ODD]
    return b"\n".join(made) + b"\n"


def told(kind: str, columns: Columns, buffers: list[Bytes]) -> Iterator[tuple[tuple[str, int], dict[str, Any]]]:
    """Kind and number of each event, and what it tells."""
    plain = {n: array(c, TYPES[n], buffers).to_pylist() for n, c in columns.items() if n not in ("seq", "time")}
    for i in range(rows(columns)):
        seen = {n: v[i] for n, v in plain.items() if v[i] not in (None, "")}
        yield (kind, int(columns["seq"][i])), seen | {"time": int(columns["time"][i])}


@pytest.mark.parametrize("kind", [k for k in sorting.KINDS if k in postfix.COMMON and k != "removed"])
def test_common_lines_tell_the_same_when_they_are_read_as_unusual_ones(corpora: Path, kind: str) -> None:
    found = heads.stamped(0, lines(corpora), Stamps("UTC", datetime(2026, 11, 24, tzinfo=UTC)))
    of = sorting.sort(found, heads.heads(found))[0][kind]
    made, left = postfix.events(kind, of)
    common = {key: event for k, columns in made for key, event in told(k, columns, [found.data])}
    assert common
    if kind not in ("delivery", "rejection"):
        # The slower means read these lines too, where they are asked.
        of = of.of(np.flatnonzero(~np.isin(of.number, left.number)))
    buffers: list[Bytes] = []
    with ExitStack() as stack:
        slow = unusual.others(reader(stack), {kind: of}, buffers, lambda *_: None)
    other = {key: event for k, held in slow.items() for c in held for key, event in told(k, c, buffers)}
    assert {k: other[k] for k in common} == common
