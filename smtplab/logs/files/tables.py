"""Logs that are tables: comma-separated lines below a line of names, read line by line (RFC 4180).

A line is a record: a quotation mark that is never closed must not swallow the lines behind it.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator

from smtplab.logs.event import Event, Unknown
from smtplab.logs.files.records import STRANGE
from smtplab.logs.values import shape

Row = dict[str, str]


def cells(line: str) -> list[str]:
    """The cells of a line; raises ValueError for one that is no CSV."""
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error as e:
        raise ValueError(str(e)) from e


def events(
    lines: Iterator[tuple[int, str]],
    name: str,
    names: Callable[[str], list[str] | None],
    read: Callable[[Row], Iterable[Event]],
) -> Iterator[tuple[int, Event] | Unknown]:
    """Events of every row; `names` tells a line of names from a row: its names, [] for a remark, None for a row."""
    columns: list[str] = []
    for number, line in lines:
        line = line.lstrip("\ufeff")
        if not line.strip():
            continue
        if (found := names(line)) is not None:
            columns = found or columns
            continue
        try:
            row = cells(line)
            if not columns or len(row) < len(columns) // 2:
                raise ValueError("not a row")
            made = list(read(dict(zip(columns, row, strict=False))))
        except STRANGE:
            yield Unknown(number, f"{name}: {shape(line)}")
            continue
        for event in made:
            yield number, event
