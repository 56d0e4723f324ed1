"""`smtplab lab`: up, run and record."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType

from smtplab.errors import LabError, SmtplabError
from smtplab.lab.laboratory import PROGRAMS, Lab
from smtplab.lab.namespace import in_namespace, inside
from smtplab.lab.processes import require

USAGE = """usage: smtplab lab up [--without N,N…] [--directory DIR]
       smtplab lab run [--without N,N…] [--directory DIR] -- COMMAND…
       smtplab lab record [--questions] CASE"""


def main(args: list[str]) -> int:
    """`up`, `run -- COMMAND…` or `record CASE`: outside the namespace, re-executes itself inside.

    Returns the exit status: of COMMAND with `run`, 2 for wrong usage or a lab that cannot start.
    """
    try:
        if not args or args[0] not in ("up", "run", "record"):
            raise LabError(f"expected up, run or record\n{USAGE}", where="smtplab lab")
        if args[0] != "record":
            options, _ = _options(args[1:])
            _faults(options.get("--without", ""))
        require(*PROGRAMS)
        if not inside():
            return in_namespace(["smtplab.lab", *args])
        return _inside(args[0], args[1:])
    except SmtplabError as error:
        print(error, file=sys.stderr)
        return 2


def _inside(command: str, args: list[str]) -> int:
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    try:
        if command == "record":
            return _record(args)
        options, words = _options(args)
        if command == "up" and words:
            raise LabError(f"unexpected {words[0]!r}\n{USAGE}", where="smtplab lab")
        without = _faults(options.get("--without", ""))
        directory = Path(options["--directory"]) if "--directory" in options else None
        with Lab("meridian", without, directory) as lab:
            if command == "run":
                return _run(lab, words)
            print(table(lab), flush=True)
            threading.Event().wait()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 0 if command == "up" else 130
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _faults(text: str) -> frozenset[int]:
    words = [word for word in text.split(",") if word]
    if wrong := [word for word in words if not word.isdigit()]:
        raise LabError(f"--without takes numbers of faults, not {wrong[0]!r}\n{USAGE}", where="smtplab lab")
    return frozenset(map(int, words))


def _options(args: list[str]) -> tuple[dict[str, str], list[str]]:
    options: dict[str, str] = {}
    while args and args[0] in ("--without", "--directory"):
        if len(args) < 2:
            raise LabError(f"{args[0]} needs a value\n{USAGE}", where="smtplab lab")
        options[args[0]], args = args[1], args[2:]
    if args and args[0] == "--":
        return options, args[1:]
    if args and args[0].startswith("-"):
        raise LabError(f"unexpected {args[0]!r}\n{USAGE}", where="smtplab lab")
    return options, args


def _run(lab: Lab, words: list[str]) -> int:
    if not words:
        raise LabError(f"run needs a command\n{USAGE}", where="smtplab lab")
    told = {
        "SMTPLAB_LAB_ROOT": str(lab.root),
        "SMTPLAB_LAB_RESOLVER": lab.resolver,
        "SMTPLAB_LAB_TRUST": str(lab.trust),
    }
    with subprocess.Popen(words, env={**os.environ, **told}) as process:
        return process.wait()


def _record(args: list[str]) -> int:
    folders = [a for a in args if a != "--questions"]
    if len(folders) != 1 or folders[0].startswith("-"):
        raise LabError(f"record needs a case folder\n{USAGE}", where="smtplab lab")
    from smtplab.lab.recording import record  # the story reads every area; `up` and `run` need none

    # A program that asks more needs new recordings, not new logs.
    record(Path(folders[0]), story="--questions" not in args)
    return 0


def table(lab: Lab) -> str:
    """The services that stand, one a line: name, address, port; and where to look."""
    lines = [f"{name:<12} {address:<16} {port}" for name, address, port, _ in lab.services()]
    lines += [f"{server.name:<12} {server.address:<16} 53" for server in lab.world.name_servers]
    lines.append(f"{'resolver':<12} {lab.resolver:<16} 53")
    return "\n".join([*lines, "", f"logs and mail under {lab.root}; stop with Ctrl-C"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
