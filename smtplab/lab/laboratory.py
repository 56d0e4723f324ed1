"""One running lab: which servers stand, how to send through them, and where their logs and maildirs lie."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self


class Lab:
    """The servers of one world, up between `__enter__` and `__exit__`.

    Parameters
    ----------
    world
        Name of a folder beside this module ("meridian"), or a path of such a folder.
    without
        Numbers of planted faults that are mended in this run: lines tagged `fault=N` fall away and
        lines tagged `fixed=N` stand (zones, main.cf, dovecot.conf, policies and world.toml alike).
    directory
        Where configuration, queues, logs and maildirs are written; default a temporary folder that is
        removed at the end. A folder given here is kept.
    retry, lifetime
        Seconds until a deferred message is tried again, and until it is returned: days in the
        configuration files (and so in `postconf -n`), seconds here (only in master.cf).

    Instances of Meridian (all Postfix): mx1, mx2, mail (submission; users in world.toml), out1, out2,
    postrider, crmvendor, forwarder (senders), and `providers`, which answers on the addresses of gmail,
    microsoft, yahoo, goodpost, grey, strictmail and corporate as replies.toml says.

    Raises `LabError` when not root, not inside the namespace, a binary is missing or a server does not answer.
    """

    resolver: str
    """Address of Unbound, "192.0.2.53"."""
    addresses: dict[str, str]
    """Name of each service and client (mx1, out2, gmail, app, ...) -> its address."""
    root: Path
    """Scratch folder of this run."""

    def __init__(
        self,
        world: str | Path = "meridian",
        without: frozenset[int] = frozenset(),
        directory: Path | None = None,
        *,
        retry: float = 1.0,
        lifetime: float = 6.0,
    ) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...

    def log(self, instance: str) -> Path:
        """The mail log of one Postfix instance, or of "dovecot"."""

    def maildir(self, name: str) -> Path:
        """Where mail for NAME@meridian.example lands (new messages in its `new` folder)."""

    def send(
        self,
        instance: str,
        sender: str,
        recipient: str | list[str],
        message: bytes,
        *,
        user: str | None = None,
        source: str | None = None,
    ) -> str:
        """Inject one message by SMTP and return the queue id that the instance gave it.

        Goes to port 25 of a sender instance from the application server's address (`addresses["app"]`), or,
        with `user` (a local part in world.toml), to port 587 of `mail` after STARTTLS and AUTH PLAIN.
        `source` is the client address instead: any address of the three documentation networks.
        Raises `LabError` with the reply when the server refuses.
        """

    def flush(self, instance: str) -> None:
        """Ask the instance to try its deferred mail at once."""

    def wait_idle(self, timeout: float = 60.0, *, deferred: bool = False) -> None:
        """Wait until no instance has mail in motion; with `deferred`, until every queue is empty."""

    def configuration(self, instance: str) -> str:
        """`postconf -n` of an instance (or `doveconf -n` for "dovecot"), this machine's paths replaced."""
