"""The application that every module of commands adds to."""

from __future__ import annotations

import typer

app = typer.Typer(
    help="Why does our mail not arrive, what should we change first, and how do we know?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
