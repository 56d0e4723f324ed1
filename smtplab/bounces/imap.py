"""A bounce mailbox that lies on a server: an IMAP folder (RFC 9051) fetched into a file, which is then the evidence.

Nothing is changed on the server: the folder is opened for reading, and no message becomes "seen". The password comes
from the environment or the system's keyring, never from a case or a command line.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
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
_BATCH = 50
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


def fetch(url: str, into: Path, *, tls: Any = None) -> int:
    """Write every message of a folder into the mbox file `into` and return how many there were.

    `tls` is an ssl.SSLContext; without one certificates are verified against the system's. Raises SourceError where
    the server, the sign-in or the folder fails. The file appears only when all of it is there.
    """
    folder = Folder.of(url)
    client = _connect(folder, tls)
    count = 0
    try:
        with beside(into) as made, made.open("wb") as file:
            for data in _messages(client, folder):
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


def _messages(client: Any, folder: Folder) -> Iterator[bytes]:
    import imapclient

    try:
        client.select_folder(folder.name, readonly=True)
        uids = client.search("ALL")
        for start in range(0, len(uids), _BATCH):
            # A part of each message bounds what a server can send; PEEK leaves the flag "seen" alone.
            found = client.fetch(uids[start : start + _BATCH], [f"BODY.PEEK[]<0.{mail.MAX_MESSAGE}>"])
            for uid in uids[start : start + _BATCH]:
                if (data := _body(found.get(uid, {}))) is not None:
                    yield data.replace(b"\r\n", b"\n").rstrip(b"\n") + b"\n"
    except (OSError, imapclient.exceptions.IMAPClientError) as e:
        raise SourceError(f"cannot be read: {str(e)[:200]}", where=f"{folder.host}, folder {folder.name}") from e


def _body(answer: Any) -> bytes | None:
    return next((v for k, v in answer.items() if isinstance(v, bytes) and k.startswith(b"BODY[")), None)


def _leave(client: Any) -> None:
    try:
        client.logout()
    except Exception:
        # All is read by now; a server that hangs up first has cost nothing.
        client.shutdown()
