"""A network namespace with nothing but loopback, so that standard ports are free and nothing can leave."""

from __future__ import annotations


def inside() -> bool:
    """Whether this process runs in a namespace made by `in_namespace`."""


def in_namespace(argv: list[str]) -> int:
    """Run `python -m ARGV…` in a new network, mount and process namespace and return its exit status."""
