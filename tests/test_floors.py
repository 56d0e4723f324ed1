"""Imports only go down: areas know what lies below them, and not each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import smtplab

PACKAGE = Path(smtplab.__file__).parent
AREAS = {"authentication", "servers", "transport", "logs", "bounces", "reports", "messages"}
FLOORS: tuple[set[str], ...] = (
    {"errors", "markup", "visible", "answers", "datafiles"},
    {"net", "findings", "tables", "theme", "tape", "casefile", "archives", "rates", "workers"},
    {"case", "replies", "providers", "names", "mail"},
    AREAS,
    {"inventory", "sources", "differences"},
    {"causes", "domains", "submitters", "examination"},
    {"portfolio", "comparison"},
    {"cli", "publish", "lab"},
)
RANK = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
NEIGHBOURS = {("messages", "authentication"), ("transport", "servers")}
"""The subject itself has these two: a message carries signatures, and TLS is asked for within a session."""


def imports() -> Iterator[tuple[str, str, str]]:
    """File, its room, and the room that it imports."""
    for file in sorted(PACKAGE.rglob("*.py")):
        room = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "smtplab":
                names = [node.module or ""] if node.module != "smtplab" else [f"smtplab.{a.name}" for a in node.names]
            elif isinstance(node, ast.Import):
                names = [a.name for a in node.names if a.name.startswith("smtplab.")]
            else:
                continue
            for other in {name.split(".")[1] for name in names} - {room}:
                if not other.startswith("__") and not room.startswith("__"):
                    yield f"{file.relative_to(PACKAGE)}:{node.lineno}", room, other


def test_imports_only_go_down() -> None:
    rooms = {path.name.removesuffix(".py") for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    unplaced = {r for r in rooms if not r.startswith("__")} - RANK.keys() - {"data", "catalogue"}
    assert not unplaced, "a new room needs a floor"
    wrong = [
        f"{where} imports {other}"
        for where, room, other in imports()
        if RANK[other] > RANK[room] or (other in AREAS and room in AREAS and (room, other) not in NEIGHBOURS)
    ]
    assert not wrong, "\n".join(wrong)
