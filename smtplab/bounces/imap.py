"""A bounce mailbox that lies on a server: an IMAP folder (RFC 9051) fetched into a file, which is then the evidence.

Nothing is changed on the server: the folder is opened for reading, and no message becomes "seen". The password comes
from the environment or the system's keyring, never from a case or a command line.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from smtplab import mail
from smtplab.errors import SourceError
from smtplab.tape import beside

PASSWORD = "SMTPLAB_IMAP_PASSWORD"
"""The environment variable that holds the password."""
PORTS = {"imaps": 993, "imap": 143}
TIMEOUT = 30
Problem = Callable[[str, str], None]
"""Takes where, and what was left out."""
_BATCH = 200
_TOGETHER = 4 * mail.MAX_MESSAGE
"""Bytes of messages that are asked for at once."""
_QUOTED = re.compile(rb"^(>*From )", re.M)
_DO = "Write imaps://USER@HOST/FOLDER; the folder is INBOX without one"


@dataclass(frozen=True)
class Folder:
    """A folder on a server: imaps://USER@HOST[:PORT]/FOLDER; imap:// starts TLS on the plain port."""

    scheme: str
    host: str
    port: int
    user: str
    name: str

    @classmethod
    def of(cls, url: str) -> Folder:
        """Read a URL; raises SourceError for one that is none, or that holds a password."""
        try:
            parts = urlsplit(url)
            port = parts.port or PORTS.get(parts.scheme, 0)
        except ValueError:
            # What cannot be taken apart may hold a password.
            raise SourceError("not an IMAP address", where=shown(url), do=_DO) from None
        if parts.password is not None:
            raise SourceError(
                "a password does not belong into an address", where=f"{parts.scheme}://…@{parts.hostname}",
                do=f"Put it into the environment variable {PASSWORD} or into the keyring",
            )  # fmt: skip
        if not (parts.scheme in PORTS and port and parts.hostname and parts.username):
            raise SourceError("not an IMAP address", where=shown(url), do=_DO)
        return cls(parts.scheme, parts.hostname, port, unquote(parts.username), unquote(parts.path[1:]) or "INBOX")


def shown(url: str) -> str:
    """As much of an address as may be printed: none of what stands before its host, where a password may be."""
    scheme, _, rest = url.partition("://")
    return f"{scheme[:10]}://…@{rest.rpartition('@')[2][:200]}" if "@" in rest else url[:200]


def fetch(url: str, into: Path, *, tls: Any = None, problem: Problem | None = None) -> int:
    """Write every message of a folder into the mbox file `into` and return how many there were.

    `tls` is an ssl.SSLContext; without one certificates are verified against the system's. `problem` takes the address
    and what was left out: the end of a message over mail.MAX_MESSAGE. Raises SourceError where the server, the sign-in
    or the folder fails. The file appears only when all of it is there.
    """
    folder = Folder.of(url)
    client = _connect(folder, tls)
    count = 0
    try:
        with beside(into) as made, made.open("wb") as file:
            for data, cut in _messages(client, folder):
                if cut and problem:
                    most = mail.MAX_MESSAGE // 1024 // 1024
                    problem(shown(url), f"message {count + 1} is longer than {most} MiB; its end was left out")
                file.write(b"From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n" + _QUOTED.sub(rb">\1", data) + b"\n\n")
                count += 1
    finally:
        _leave(client)
    return count


def _connect(folder: Folder, tls: Any) -> Any:
    try:
        import imapclient
    except ImportError as e:
        raise SourceError("reading an IMAP folder needs imapclient", do="pip install 'smtplab[imap]'") from e
    where = f"{folder.host}:{folder.port}"
    try:
        client = imapclient.IMAPClient(
            folder.host, folder.port, ssl=folder.scheme == "imaps", ssl_context=tls, timeout=TIMEOUT, use_uid=True
        )
        if folder.scheme == "imap":
            client.starttls(tls)
        client.login(folder.user, password(folder))
    except (OSError, imapclient.exceptions.IMAPClientError) as e:
        raise SourceError(f"cannot sign in: {str(e)[:200]}", where=where) from e
    except UnicodeEncodeError:
        raise SourceError("a password or user that is not ASCII cannot be sent by LOGIN", where=where) from None
    return client


def password(folder: Folder) -> str:
    """The password from the environment, else from the keyring (service: the host); raises SourceError without one."""
    if told := os.environ.get(PASSWORD):
        return told
    try:
        told = str(import_module("keyring").get_password(folder.host, folder.user) or "")
    except Exception:
        # No keyring, or none that opens here: both mean that there is no password.
        told = ""
    if not told:
        raise SourceError(
            f"no password for {folder.user}", where=folder.host, do=f"Set {PASSWORD}, or store it in the keyring"
        )
    return told


def _messages(client: Any, folder: Folder) -> Iterator[tuple[bytes, bool]]:
    """Each message, and whether its end is missing."""
    import imapclient

    try:
        _bound(client)
        client.select_folder(folder.name, readonly=True)
        for uids, sizes in _batches(client):
            # A part of each message bounds what is sent; PEEK leaves the flag "seen" alone.
            found = client.fetch(uids, [f"BODY.PEEK[]<0.{mail.MAX_MESSAGE}>"])
            for uid in uids:
                if (data := _body(found.get(uid, {}))) is not None:
                    cut = max(len(data), sizes.get(uid, 0)) > mail.MAX_MESSAGE
                    yield data[: mail.MAX_MESSAGE].replace(b"\r\n", b"\n").rstrip(b"\n") + b"\n", cut
    except (OSError, imapclient.exceptions.IMAPClientError) as e:
        raise SourceError(f"cannot be read: {str(e)[:200]}", where=f"{folder.host}, folder {folder.name}") from e


def _batches(client: Any) -> Iterator[tuple[list[int], dict[int, int]]]:
    """Numbers of messages that are not too much together, with the sizes that the server tells."""
    uids = client.search("ALL")
    for start in range(0, len(uids), _BATCH):
        told = client.fetch(uids[start : start + _BATCH], ["RFC822.SIZE"])
        sizes = {u: int(row.get(b"RFC822.SIZE", 0)) for u, row in told.items()}
        some: list[int] = []
        much = 0
        for uid in uids[start : start + _BATCH]:
            size = min(sizes.get(uid, 0), mail.MAX_MESSAGE)
            if some and much + size > _TOGETHER:
                yield some, sizes
                some, much = [], 0
            some.append(uid)
            much += size
        yield some, sizes


def _bound(client: Any) -> None:
    """Let no server send more in one piece than was asked for (RFC 9051 section 4.3, literals)."""
    import imapclient

    read = client._imap.read

    def bounded(size: int) -> bytes:
        if size > mail.MAX_MESSAGE:
            raise imapclient.exceptions.ProtocolError(f"the server sends {size:,} bytes where fewer were asked for")
        data: bytes = read(size)
        return data

    client._imap.read = bounded


def _body(answer: Any) -> bytes | None:
    return next((v for k, v in answer.items() if isinstance(v, bytes) and k.startswith(b"BODY[")), None)


def _leave(client: Any) -> None:
    try:
        client.logout()
    except Exception:
        # All is read by now, or nothing will be; a server that hangs up first has cost nothing.
        with suppress(OSError):
            client.shutdown()
