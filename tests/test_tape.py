"""A recording is atomic, resumable, sorted, and says which line is damaged."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from smtplab.errors import TapeError
from smtplab.tape import Entry, Question, Recorder, Tape, beside, recordings, unfinished

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


SOUND: dict[str, tuple[dict[str, str], dict[str, object]]] = {
    "dns": ({"rtype": "MX"}, {"rcode": "NOERROR", "records": ["10 mx.example"], "ttl": 300, "ad": True}),
    "session": (
        {},
        {
            "steps": [{"phase": "greeting", "sent": "", "reply": ["220 x"], "ms": 1.5}],
            "tls": {"version": "TLSv1.3", "cipher": "c", "group": "", "chain": ["MAA="]},
            "ended": "",
        },
    ),
    "tls": ({}, {"accepted": True, "cipher": "c", "group": ""}),
    "port": ({}, {"state": "open"}),
    "https": ({}, {"status": 200, "body": "", "type": "", "tls": None}),
    "probe": ({}, {"rows": [{"variant": "", "verdict": "closed", "said": ""}]}),
    "dnssec": ({}, {"message": "MAA="}),
}
WRONG = [
    ("dns", "records", "10 mx.example"),
    ("dns", "records", [None]),
    ("dns", "records", ["mx.example"]),
    ("dns", "records", ["\u00b2 mx.example"]),
    ("dns", "strings", ["text"]),
    ("dns", "ttl", "300"),
    ("dns", "ttl", -1),
    ("dns", "ttl", 10**30),
    ("dns", "ttl", True),
    ("session", "steps", [{}]),
    ("session", "steps", [{"phase": "greeting", "sent": "", "reply": "220", "ms": 1}]),
    ("session", "steps", [{"phase": "greeting", "sent": "", "reply": [], "ms": float("nan")}]),
    ("session", "steps", [{"phase": "greeting", "sent": "", "reply": [], "ms": 1, "bytes_in": -1}]),
    ("session", "steps", [{"phase": "greeting", "sent": "", "reply": [], "ms": 1, "bytes_out": "12"}]),
    ("session", "tls", {"version": "TLSv1.3"}),
    ("session", "tls", {"version": "", "cipher": "", "group": "", "chain": ["\u00e9"]}),
    ("tls", "accepted", None),
    ("port", "state", 1),
    ("https", "status", [200]),
    ("https", "tls", [1]),
    ("probe", "rows", [[]]),
    ("dnssec", "message", 5),
]


def taped(folder: Path, kind: str, value: dict[str, object]) -> Path:
    params, _ = SOUND[kind]
    with Recorder(folder, started=AT, vantage="test") as tape:
        tape.put(Entry(Question.of(kind, "a.example", params), AT, 1.5, value))
    return tape.target


@pytest.mark.parametrize("kind", SOUND)
def test_an_answer_of_each_kind_is_read(tmp_path: Path, kind: str) -> None:
    (entry,) = Tape.load(taped(tmp_path, kind, SOUND[kind][1])).entries.values()
    assert entry.value == SOUND[kind][1]


@pytest.mark.parametrize(("kind", "key", "value"), WRONG)
def test_an_answer_that_has_not_its_shape_is_damage(tmp_path: Path, kind: str, key: str, value: object) -> None:
    with pytest.raises(TapeError, match="line 2 is damaged"):
        Tape.load(taped(tmp_path, kind, {**SOUND[kind][1], key: value}))


def test_an_address_record_holds_an_address(tmp_path: Path) -> None:
    with Recorder(tmp_path, started=AT, vantage="test") as tape:
        tape.put(Entry(Question.of("dns", "a.example", {"rtype": "A"}), AT, 1.5, {"records": ["nan"]}))
    with pytest.raises(TapeError, match="'nan' is no A record"):
        Tape.load(tape.target)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('"ms": 1.5', '"ms": 1e999', 2),
        ('"ms": 1.5', f'"ms": 1{"0" * 400}', 2),
        ('"value": {', f'"x": {"[" * 100_000}{"]" * 100_000}, "value": {{', 2),
        ('"at": "2026', '"at": "9999', 2),
        ('"started": "2026', '"started": "0001', 1),
    ],
)
def test_numbers_times_and_depths_that_nobody_can_reckon_with_are_damage(
    tmp_path: Path, old: str, new: str, line: int
) -> None:
    path = record(tmp_path, "a.example")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(TapeError, match=f"line {line} is damaged"):
        Tape.load(path)


def test_two_that_write_one_file_at_once_do_not_write_into_one_another(tmp_path: Path) -> None:
    target = tmp_path / "told.csv"
    with beside(target) as one, beside(target) as other:
        one.write_bytes(b"one" * 9)
        other.write_bytes(b"two")
        assert not target.exists()
    assert target.read_bytes() == b"one" * 9
    with pytest.raises(OSError, match="disk"), beside(target) as half:
        half.write_bytes(b"ha")
        raise OSError("disk full")
    assert [p.name for p in tmp_path.iterdir()] == ["told.csv"]
    assert target.read_bytes() == b"one" * 9
