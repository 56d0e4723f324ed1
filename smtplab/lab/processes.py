"""Starting a server and stopping it again: by the process we started, never by its name."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from smtplab.errors import LabError

PACKAGES = {
    "nsd": "nsd",
    "unbound": "unbound",
    "postfix": "postfix",
    "dovecot": "dovecot-core dovecot-imapd dovecot-pop3d",
    "doveconf": "dovecot-core dovecot-imapd dovecot-pop3d",
    "postqueue": "postfix",
    "postconf": "postfix",
    "ldns-signzone": "ldnsutils",
    "ip": "iproute2",
    "mount": "mount",
}
SEARCH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"


def require(*names: str) -> None:
    """Raise `LabError` naming the Debian packages of all missing programs in one line."""
    missing = [name for name in names if shutil.which(name, path=SEARCH) is None]
    if missing:
        packages = " ".join(dict.fromkeys(PACKAGES[name] for name in missing))
        raise LabError(f"{', '.join(missing)} not installed", where="lab", do=f"Install: apt-get install {packages}")


def program(name: str) -> str:
    """Where a program lies; servers are often not on a user's PATH."""
    found = shutil.which(name, path=SEARCH)
    if found is None:
        require(name)
    return str(found)


def run(*command: str | Path, input: bytes | None = None) -> str:
    """Run a helper to its end and return what it said; raises `LabError` with its last words when it fails."""
    words = [program(str(command[0])), *map(str, command[1:])]
    done = subprocess.run(words, input=input, capture_output=True, timeout=60)
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()[-400:]
        raise LabError(f"{command[0]} failed: {said}", where="lab")
    return done.stdout.decode()


@dataclass
class Processes:
    """The servers that run in the foreground as our children."""

    started: list[tuple[str, subprocess.Popen[bytes], Path]] = field(default_factory=list)

    def start(self, name: str, *command: str | Path, output: Path) -> None:
        """Start one; what it says goes to `output`."""
        words = [program(str(command[0])), *map(str, command[1:])]
        with output.open("ab") as sink:
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)
        self.started.append((name, process, output))

    def ended(self) -> str | None:
        """Name and last words of a server that is no longer there."""
        for name, process, output in self.started:
            if process.poll() is not None:
                return f"{name} ended with {process.returncode}: {output.read_text(errors='replace').strip()[-400:]}"
        return None

    def stop(self) -> None:
        """Stop them in reverse order; one that does not go within five seconds is killed."""
        for _, process, _ in reversed(self.started):
            if process.poll() is None:
                process.terminate()
        for _, process, _ in reversed(self.started):
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.started.clear()


def until(what: str, holds: Callable[[], bool], *, timeout: float = 20.0, processes: Processes | None = None) -> None:
    """Wait until a condition holds; raises `LabError` when time is up or one of the servers has ended."""
    end = time.monotonic() + timeout
    while not holds():
        if processes is not None and (words := processes.ended()):
            raise LabError(words, where="lab")
        if time.monotonic() > end:
            raise LabError(f"{what} within {timeout:g} s", where="lab")
        time.sleep(0.03)


def greets(address: str, port: int, expect: bytes = b"") -> bool:
    """Whether a server at this address and port accepts a connection and says what it should."""
    try:
        with socket.create_connection((address, port), timeout=3) as connection:
            return not expect or connection.recv(512).startswith(expect)
    except OSError:
        return False
