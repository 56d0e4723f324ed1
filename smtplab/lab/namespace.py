"""A network namespace with nothing but loopback, so that standard ports are free and nothing can leave.

`unshare` also gives the lab a mount table of its own (its resolv.conf hides the machine's) and a process
table of its own: when the first process in it ends, the kernel ends the rest, so no server can be left over.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from smtplab.errors import LabError

MARK = "SMTPLAB_LAB_NAMESPACE"


def inside() -> bool:
    """Whether this process runs in a namespace made by `in_namespace`: marked, and loopback is all there is."""
    return os.environ.get(MARK) == "1" and interfaces() == ["lo"]


def interfaces() -> list[str]:
    """Names of this namespace's network interfaces."""
    lines = Path("/proc/net/dev").read_text().splitlines()[2:]
    return sorted(line.split(":")[0].strip() for line in lines)


def in_namespace(argv: list[str]) -> int:
    """Run `python -m ARGV…` in new network, mount and process namespaces and return its exit status.

    Ctrl-C reaches the module itself; SIGTERM is passed on to it; if this process is killed, it gets SIGTERM.
    Raises `LabError` when not root or when util-linux is not there.
    """
    if os.geteuid() != 0:
        raise LabError("a network namespace needs root", where="lab", do="Run it as root, for example with sudo")
    for tool in ("unshare", "setpriv"):
        if shutil.which(tool) is None:
            raise LabError(f"{tool} is not installed", where="lab", do="Install it: apt-get install util-linux")
    command = ["setpriv", "--pdeathsig", "KILL"]
    command += ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child=TERM", "--mount-proc", "--"]
    command += [sys.executable, "-m", *argv]
    with subprocess.Popen(command, env={**os.environ, MARK: "1"}) as process:

        def pass_on(number: int, frame: FrameType | None) -> None:
            for child in _children(process.pid):
                os.kill(child, number)

        before = signal.signal(signal.SIGTERM, pass_on)
        try:
            while True:
                try:
                    return process.wait()
                except KeyboardInterrupt:
                    continue
        finally:
            signal.signal(signal.SIGTERM, before)


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def raise_networks(networks: list[str], resolv_conf: Path) -> None:
    """Bring up `lo` with these networks (every address of each is then ours) and hide the machine's resolver.

    The address in `192.0.2.100/24` is the one that connections to that network come from.
    """
    if not inside():
        raise LabError("the lab runs only in its own network namespace", where="lab", do="Use `smtplab lab`")
    _ip("link", "set", "lo", "up")
    present = subprocess.run(["ip", "-o", "address", "show", "lo"], capture_output=True, text=True).stdout
    for network in networks:
        if f" {network} " not in present:
            _ip("address", "add", network, "dev", "lo")
    target = Path("/etc/resolv.conf").resolve()
    subprocess.run(["mount", "--bind", str(resolv_conf), str(target)], check=True, capture_output=True)


def lower_networks() -> None:
    """Show the machine's resolv.conf again; the addresses go with the namespace."""
    subprocess.run(["umount", str(Path("/etc/resolv.conf").resolve())], check=False, capture_output=True)


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode:
        raise LabError(f"ip {' '.join(words)}: {done.stderr.strip()}", where="lab")
