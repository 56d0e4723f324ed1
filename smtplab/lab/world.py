"""A world: which servers a lab starts, on which addresses, and which faults are planted in their files.

A world is a folder with world.toml, zones/, postfix/, dovecot/, policy/ and replies.toml. Any line of these
files may end in a comment of conditions, and stands only while all of them hold:

    fault=12     fault 12 is planted        fixed=12     fault 12 is mended        at=ns2    read for ns2
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from smtplab.errors import LabError
from smtplab.lab.certificates import Wanted

CONDITIONS = re.compile(r"\s*[;#]\s*((?:(?:fault|fixed|at)=\w+\s*)+)$")


def standing(text: str, without: frozenset[int], at: str = "") -> str:
    """The lines that stand when the faults `without` are mended, their conditions taken off."""
    kept = []
    for line in text.splitlines():
        match = CONDITIONS.search(line)
        if match is None:
            kept.append(line)
        elif all(_holds(condition, without, at) for condition in match[1].split()):
            kept.append(line[: match.start()])
    return "\n".join(kept) + "\n"


def _holds(condition: str, without: frozenset[int], at: str) -> bool:
    word, value = condition.split("=")
    if word == "at":
        return value == at
    return (int(value) in without) == (word == "fixed")


@dataclass(frozen=True)
class NameServer:
    """One NSD: its zones by file of zones/, all of them authoritative."""

    name: str
    address: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class World:
    """world.toml, typed; `read` gives the other files with their conditions applied."""

    folder: Path
    without: frozenset[int]
    clock: datetime
    domain: str
    signed: tuple[str, ...]
    networks: tuple[str, ...]
    addresses: dict[str, str]
    name_servers: tuple[NameServer, ...]
    instances: tuple[str, ...]
    certificates: tuple[Wanted, ...]
    users: dict[str, str]
    policy_hosts: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, world: str | Path, without: frozenset[int] = frozenset()) -> World:
        """The world of this name or folder; raises `LabError` when there is none or its world.toml is damaged."""
        folder = world if isinstance(world, Path) else Path(__file__).parent / world
        path = folder / "world.toml"
        if not path.is_file():
            raise LabError("no such world", where=folder, do="Name a folder that holds a world.toml")
        try:
            data: dict[str, Any] = tomllib.loads(standing(path.read_text(encoding="utf-8"), without))
            return cls(
                folder=folder,
                without=without,
                clock=data["clock"],
                domain=data["domain"],
                signed=tuple(data["signed"]),
                networks=tuple(data["networks"]),
                addresses=data["addresses"],
                name_servers=tuple(
                    NameServer(name, data["addresses"][name], tuple(files))
                    for name, files in data["name_servers"].items()
                ),
                instances=tuple(data["instances"]),
                certificates=tuple(
                    Wanted(name, tuple(one["hosts"]), one["not_before"], one["not_after"])
                    for name, one in data["certificates"].items()
                ),
                users=data["users"],
                policy_hosts=data.get("policy_hosts", {}),
            )
        except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
            raise LabError(f"cannot be read: {error}", where=path) from error

    def read(self, name: str, at: str = "") -> str:
        """A file of the world as it stands in this run, read for one server."""
        return standing((self.folder / name).read_text(encoding="utf-8"), self.without, at)
