"""DuckDB as the log engine uses it: bounded, and without the user's settings."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smtplab.errors import SmtplabError

if TYPE_CHECKING:
    import duckdb

THREADS = 2
MEMORY = "400MB"
"""What SQL may hold before it spills to disk."""

Sql = Callable[[], "duckdb.DuckDBPyConnection"]
"""Gives a connection when it is needed: most lines need none."""


@contextmanager
def duck(config: dict[str, Any]) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB that reads no settings of the user; a full disk is one line for a person."""
    # Most logs are read without it.
    import duckdb

    try:
        with duckdb.connect(config={"autoinstall_known_extensions": False, **config}) as con:
            con.execute("set preserve_insertion_order = false")
            # In a notebook without widgets there is no bar, and DuckDB refuses to hear of one.
            with suppress(duckdb.InvalidInputException):
                con.execute("set enable_progress_bar = false")
            yield con
    except duckdb.IOException as e:
        raise full_disk(e) from e


@contextmanager
def connection(folder: Path, threads: int = THREADS) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB that spills into `folder`."""
    with duck({"threads": threads, "memory_limit": MEMORY, "temp_directory": str(folder / "spill")}) as con:
        yield con


def reader(stack: ExitStack) -> Sql:
    """What reads lines by SQL: a connection that is made when it is first needed and closed with the stack."""
    made: list[duckdb.DuckDBPyConnection] = []

    def connected() -> duckdb.DuckDBPyConnection:
        if not made:
            made.append(stack.enter_context(duck({"threads": 1})))
        return made[0]

    return connected


@cache
def sql_of(name: str) -> str:
    """The statements of a file of this area."""
    return (resources.files("smtplab.logs") / f"{name}.sql").read_text("utf-8")


def full_disk(e: Exception) -> SmtplabError:
    """One line for a person."""
    if isinstance(e, OSError) and e.errno not in (None, errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return SmtplabError(f"cannot be written: {e.strerror or e}"[:400], where=e.filename or "")
    do = "Free space there, or name another folder in TMPDIR"
    return SmtplabError(f"a table cannot be kept: {str(e)[:400]}", do=do)
