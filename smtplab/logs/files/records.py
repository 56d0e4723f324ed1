"""Records of event files: JSON as one object, arrays or lines, also over several lines, each read within bounds.

RFC 8259. A record that is broken costs itself: the next line that is a whole record starts anew.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from smtplab.logs.event import Event, Unknown

LONGEST = 8 * 1024 * 1024
"""Bytes of a line or record: a webhook posts its events as one array on one line."""
STRANGE = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, IndexError, OSError)
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[{}]')
"""A string or a brace. A string that the line does not end takes the rest of it, so that none is read twice."""
_BETWEEN = frozenset("[], \t\r\ufeff")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS = 100_000_000_000
"""A greater number of seconds lies in the year 5138: it counts milliseconds."""

Reader = Callable[[dict[str, Any]], Iterable[Event]]


def starts(head: Sequence[str]) -> bool:
    """Whether a file may hold JSON objects."""
    first = "".join(head[:3]).lstrip("\ufeff \t[\r\n")
    return first[:1] == "{"


def events(lines: Iterator[tuple[int, str]], name: str, read: Reader) -> Iterator[tuple[int, Event] | Unknown]:
    """Events of every record, by the reader of a format; what it cannot read comes as Unknown."""
    for number, record in objects(lines):
        try:
            # Wholly or not at all: a record must not leave half of its recipients.
            made = list(read(record)) if record is not None else None
        except STRANGE as e:
            yield Unknown(number, f"{name}: a record without what it must have ({type(e).__name__})")
            continue
        if made is None:
            yield Unknown(number, f"{name}: not JSON")
        else:
            for event in made:
                yield number, event


def objects(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """The line on which an object of the top level ends, and the object; None for what is none."""
    parts: list[str] = []
    depth = size = 0
    for number, line in lines:
        if line[:1] in "{[" and (whole := _whole(line)) is not None:
            if depth:
                yield number - 1, None
            parts, depth, size = [], 0, 0
            yield from ((number, o) for o in whole)
            continue
        begin = 0
        for token in _TOKEN.finditer(line):
            if token[0] == "{":
                begin = token.start() if depth == 0 else begin
                depth += 1
            elif token[0] == "}" and depth:
                depth -= 1
                if depth == 0:
                    found = _whole("".join([*parts, line[begin : token.end()]]))
                    parts, size, begin = [], 0, token.end()
                    yield number, found[0] if found else None
        if depth:
            parts.append(line[begin:])
            size += len(line) - begin
            if size > LONGEST:
                parts, depth, size = [], 0, 0
                yield number, None
        elif not set(line[begin:]) <= _BETWEEN:
            yield number, None
    if depth:
        yield number, None


def _whole(text: str) -> list[dict[str, Any] | None] | None:
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return [o if isinstance(o, dict) else None for o in (raw if isinstance(raw, list) else [raw])]


def text(value: Any, longest: int = 320) -> str | None:
    """A text that can be stored; None for what is none or empty."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value:
        return None
    # JSON may hold half of a surrogate pair, which is no text.
    return value[:longest] if value.isascii() else value[:longest].encode("utf-8", "replace").decode("utf-8")


def must(value: Any, longest: int = 320) -> str:
    """A text that must be there; raises ValueError."""
    found = text(value, longest)
    if found is None:
        raise ValueError("no text")
    return found


def whole(value: Any, most: int = 1_000_000_000_000) -> int | None:
    """A whole number from 0 to `most`, also written as text; None for anything else."""
    try:
        number = int(value) if not isinstance(value, bool) else -1
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 <= number <= most else None


def seconds(value: Any, unit: float = 1.0) -> float | None:
    """A duration in seconds, given in `unit` seconds; None for what is none."""
    try:
        number = float(value) * unit if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 <= number < 1e9 else None


def moment(value: Any) -> datetime:
    """A time as seconds or milliseconds since 1970 or as ISO 8601 (UTC where it names no zone); raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("no time")
    try:
        number = float(value)
    except ValueError:
        found = datetime.fromisoformat(str(value).strip())
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    number = number / 1000 if number > _MILLISECONDS else number
    if not 0 < number < _MILLISECONDS:
        raise ValueError("no time")
    return _EPOCH + timedelta(seconds=number)


def message_id(value: Any) -> str | None:
    """A Message-ID without its brackets."""
    return (text(value, 1_000) or "").strip().strip("<>") or None


def first(value: Any) -> Any:
    """The first of a list, or the value itself."""
    return (value[0] if value else None) if isinstance(value, list) else value


def part(value: Any) -> dict[str, Any]:
    """An object inside a record, empty where there is none."""
    return value if isinstance(value, dict) else {}
