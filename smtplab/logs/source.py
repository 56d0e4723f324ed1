"""A file of a log before it is read: what is known of it by its first lines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from smtplab.logs.event import FileFormat, Setting


@dataclass(frozen=True)
class Source:
    """A file to read, its name for people, and the format found in it; None is syslog."""

    path: Path
    name: str
    setting: Setting
    format: FileFormat | None
    first: int
    """When its first line was written, in microseconds: files are read in this order."""
    begin: int
    telling: frozenset[int]
    """By which a file is known again: see copies.py."""
    yearless: bool
    """Its stamps tell no year."""
    by_begin: bool
    """The year in which it begins is known, not the moment behind which nothing was written."""
    pieces: tuple[tuple[int, datetime], ...] = ()
    """Where it is longer than a year: where each piece ends, and the moment behind which nothing of it was written."""
