"""A recording is atomic, resumable, sorted, and says which line is damaged."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from smtplab.errors import TapeError
from smtplab.tape import Entry, Question, Recorder, Tape, recordings, unfinished

AT = datetime(2026, 11, 16, 6, tzinfo=UTC)


def entry(target: str, value: dict[str, object] | None = None, unknown: str | None = None) -> Entry:
    return Entry(Question.of("dns", target, {"rtype": "TXT"}), AT, 1.5, value, unknown)


def record(folder: Path, *targets: str) -> Path:
    with Recorder(folder, started=AT, vantage="test") as tape:
        for target in targets:
            tape.put(entry(target, {"rcode": "NOERROR"}))
    return tape.target


def test_a_finished_tape_is_sorted_by_question_whatever_the_order_of_asking(tmp_path: Path) -> None:
    one = record(tmp_path / "a", "b.example", "a.example").read_bytes()
    two = record(tmp_path / "b", "a.example", "b.example").read_bytes()
    assert one == two
    assert not unfinished(tmp_path / "a")


def test_what_is_recorded_is_replayed_with_unknowns_and_their_reasons(tmp_path: Path) -> None:
    with Recorder(tmp_path, started=AT, vantage="test") as tape:
        tape.put(entry("a.example", {"records": ["x"]}))
        tape.put(entry("b.example", unknown="timeout"))
    read = Tape.load(recordings(tmp_path)[0])
    assert read.entries[Question.of("dns", "a.example", {"rtype": "TXT"})].value == {"records": ["x"]}
    assert read.entries[Question.of("dns", "b.example", {"rtype": "TXT"})].unknown == "timeout"
    assert (read.name, read.vantage, read.started, read.kinds()) == ("20261116T060000Z-test", "test", AT, {"dns": 2})


@pytest.mark.parametrize(
    ("damage", "says", "usable"),
    [
        (lambda lines: lines[:-1], "cut short after line 4", 3),
        (lambda lines: [*lines[:2], lines[2][:20] + "\n", *lines[3:]], "line 3 is damaged", 1),
        (lambda lines: [*lines[:3], "[]\n", *lines[4:]], "line 4 is damaged", 2),
        (lambda lines: [*lines[:2], *lines[3:]], "line 4 is damaged", 2),
        (lambda lines: [lines[0].replace('"tape": 1', '"tape": 2'), *lines[1:]], "has version 2", 0),
        (lambda lines: ["\n", *lines], "line 1 is damaged", 0),
        (lambda lines: [], "empty", 0),
        (lambda lines: [lines[0], "\udcff\n", *lines[2:]], "line 2 is damaged", 0),
    ],
)
def test_damage_names_the_line_and_what_can_still_be_used(tmp_path, damage, says, usable) -> None:
    path = record(tmp_path, "a.example", "b.example", "c.example")
    lines = path.read_text().splitlines(keepends=True)
    path.write_bytes("".join(damage(lines)).encode("utf-8", "surrogateescape"))
    with pytest.raises(TapeError, match=says) as caught:
        Tape.load(path)
    assert caught.value.usable == usable


def test_what_stands_before_the_damage_can_be_read(tmp_path: Path) -> None:
    path = record(tmp_path, "a.example", "b.example", "c.example")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:3], lines[3][:10]]))
    assert len(Tape.load(path, partial=True).entries) == 2


def test_an_interrupted_recording_is_resumed_and_asks_unknowns_again(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Recorder(tmp_path, started=AT, vantage="test") as tape:
        tape.put(entry("a.example", {"rcode": "NOERROR"}))
        tape.put(entry("b.example", unknown="timeout"))
        raise KeyboardInterrupt
    assert not recordings(tmp_path)
    part = unfinished(tmp_path)[0]
    with part.open("a") as file:
        file.write('{"ask": ["dns", "cut')
    with Recorder(tmp_path, started=AT, vantage="test") as again:
        assert [q.target for q in again.entries] == ["a.example"]
        again.put(entry("b.example", {"rcode": "NOERROR"}))
    assert len(Tape.load(recordings(tmp_path)[0]).entries) == 2


def test_every_line_of_a_tape_is_json(tmp_path: Path) -> None:
    with Recorder(tmp_path, started=AT, vantage="test") as tape:
        tape.put(entry("a.example", {"text": "line\nbreak \u2028 and \x00"}))
    assert [json.loads(line) for line in tape.target.read_text().splitlines()]
