"""`smtplab lab`: up, run and record."""

from __future__ import annotations


def main(args: list[str]) -> int:
    """`up`, `run -- COMMAND…` or `record CASE`: outside the namespace, re-executes itself inside."""
