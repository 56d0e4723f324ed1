"""An IMAP folder of a real Dovecot becomes a file; what an address may not hold, and where the password comes from."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from smtplab import bounces, mail
from smtplab.bounces import imap
from smtplab.cli import app
from smtplab.errors import SourceError
from smtplab.lab.processes import Processes, greets, until
from tests.bounces.making import AWAY, LETTER, complaint, dsn
from tests.mailservers import DOVECOT_TLS, start_dovecot
from tests.net.certs import DAY, Authority

DOVECOT = (
    DOVECOT_TLS
    + """service imap-login {{
  inet_listener imap {{
    port = {plain}
  }}
  inet_listener imaps {{
    port = {tls}
  }}
}}
"""
)
MESSAGES = (dsn(), complaint(), AWAY, LETTER, "Subject: From\n\nFrom the start\n")


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture(scope="module")
def dovecot() -> Iterator[tuple[int, int, ssl.SSLContext, Path]]:
    # The folders of pytest are closed to Dovecot's own users.
    root = Path(tempfile.mkdtemp(prefix="smtplab-imap-"))
    root.chmod(0o755)
    authority = Authority()
    now = datetime.now(UTC)
    authority.issue("localhost", begin=now - DAY, end=now + DAY).write(root)
    for folder in ("new", "cur", "tmp"):
        (root / "mail" / "jo" / ".Bounced" / folder).mkdir(parents=True)
    for number, text in enumerate(MESSAGES):
        (root / "mail" / "jo" / ".Bounced" / "new" / f"{number}.x").write_bytes(text.encode())
    plain, tls = free_port(), free_port()
    processes = Processes()
    start_dovecot(root, processes, DOVECOT.format(root=root, plain=plain, tls=tls), "imap")
    try:
        until("Dovecot answers", lambda: greets("127.0.0.1", tls), processes=processes)
        context = ssl.create_default_context(cafile=str(authority.pem(root / "ca.pem")))
        yield plain, tls, context, root
    finally:
        processes.stop()
        shutil.rmtree(root, ignore_errors=True)


@pytest.mark.servers
@pytest.mark.parametrize("scheme", ["imap", "imaps"])
def test_a_folder_becomes_a_file_and_nothing_changes_on_the_server(
    scheme: str,
    dovecot: tuple[int, int, ssl.SSLContext, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain, tls, context, root = dovecot
    monkeypatch.setenv(imap.PASSWORD, "right")
    url = f"{scheme}://jo@localhost:{plain if scheme == 'imap' else tls}/Bounced"
    assert bounces.fetch(url, tmp_path / "box.mbox", tls=context) == len(MESSAGES)
    found = bounces.read_paths([tmp_path / "box.mbox"])
    assert sorted(found.messages["kind"]) == ["auto-reply", "bounce", "complaint", "none", "none"]
    assert not [p for p in (root / "mail" / "jo" / ".Bounced").rglob("*.x*") if "S" in p.name.partition(":2,")[2]]
    assert [p.name for p in tmp_path.iterdir()] == ["box.mbox"]


@pytest.mark.servers
def test_the_end_of_a_very_long_message_is_left_out_and_told(
    dovecot: tuple[int, int, ssl.SSLContext, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, tls, context, root = dovecot
    monkeypatch.setenv(imap.PASSWORD, "right")
    folder = root / "mail" / "jo" / ".Long"
    for part in ("new", "cur", "tmp"):
        (folder / part).mkdir(parents=True)
    (folder / "new" / "1.x").write_text("Subject: long\n\n" + ("x" * 99 + "\n") * (mail.MAX_MESSAGE // 100 + 1))
    (folder / "new" / "2.x").write_text("Subject: short\n\nshort\n")
    for path in [folder, *folder.rglob("*")]:
        shutil.chown(path, 65534, 65534)
    told: list[str] = []
    url = f"imaps://jo@localhost:{tls}/Long"
    assert bounces.fetch(url, tmp_path / "box", tls=context, problem=lambda where, what: told.append(what)) == 2
    assert told == ["message 1 is longer than 8 MiB; its end was left out"]
    assert mail.MAX_MESSAGE * 0.98 < (tmp_path / "box").stat().st_size < mail.MAX_MESSAGE + 1_000


def test_a_server_that_sends_more_than_was_asked_for_is_not_listened_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A literal of many gigabytes is announced, and its bytes would fill the memory."""
    authority, now = Authority(), datetime.now(UTC)
    authority.issue("localhost", begin=now - DAY, end=now + DAY).write(tmp_path)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(tmp_path / "chain.pem", tmp_path / "key.pem")
    answers = {"SEARCH": "* SEARCH 1", "EXAMINE": "* 1 EXISTS", "RFC822.SIZE": "* 1 FETCH (UID 1 RFC822.SIZE 5)",
               "BODY": "* 1 FETCH (UID 1 BODY[]<0> {99999999999}", "CAPABILITY": "* CAPABILITY IMAP4rev1"}  # fmt: skip
    monkeypatch.setenv(imap.PASSWORD, "right")
    with socket.create_server(("localhost", 0)) as listener:
        thread = threading.Thread(target=_speak, args=(listener, server, answers), daemon=True)
        thread.start()
        url = f"imaps://jo@localhost:{listener.getsockname()[1]}/Bounced"
        with pytest.raises(SourceError, match="99,999,999,999 bytes where fewer"):
            bounces.fetch(
                url, tmp_path / "box", tls=ssl.create_default_context(cafile=authority.pem(tmp_path / "ca.pem"))
            )
        thread.join(10)
    assert not (tmp_path / "box").exists()


def _speak(listener: socket.socket, context: ssl.SSLContext, answers: dict[str, str]) -> None:
    """A client's commands answered from a table, until it leaves."""
    plain, _ = listener.accept()
    with context.wrap_socket(plain, server_side=True) as link, link.makefile("rb") as commands:
        link.sendall(b"* OK ready\r\n")
        for line in commands:
            tag, _, rest = line.decode().strip().partition(" ")
            told = next((a for word, a in answers.items() if word in rest), "")
            with contextlib.suppress(OSError):
                link.sendall(
                    f"{told}\r\n".lstrip().encode() + (b"" if told.endswith("}") else f"{tag} OK done\r\n".encode())
                )


@pytest.mark.servers
def test_the_command_reads_a_folder_on_a_server(
    dovecot: tuple[int, int, ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, tls, _, root = dovecot
    monkeypatch.setenv(imap.PASSWORD, "right")
    monkeypatch.setenv("SSL_CERT_FILE", str(root / "ca.pem"))
    done = CliRunner().invoke(app, ["bounces", f"imaps://jo@localhost:{tls}/Bounced", "--json"])
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {r["kind"] for r in rows} == {"auto-reply", "bounce", "complaint", "none"}
    assert rows[0]["file"].startswith(f"imaps://jo@localhost:{tls}/Bounced")


@pytest.mark.servers
def test_what_fails_says_where_and_leaves_no_file(
    dovecot: tuple[int, int, ssl.SSLContext, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, tls, context, _ = dovecot
    monkeypatch.setenv(imap.PASSWORD, "right")
    with pytest.raises(SourceError, match="cannot be read"):
        bounces.fetch(f"imaps://jo@localhost:{tls}/Nothing", tmp_path / "box", tls=context)
    with pytest.raises(SourceError, match="cannot sign in"):
        bounces.fetch(f"imaps://jo@localhost:{tls}/Bounced", tmp_path / "box")
    monkeypatch.setenv(imap.PASSWORD, "wrong")
    with pytest.raises(SourceError, match="cannot sign in") as told:
        bounces.fetch(f"imaps://jo@localhost:{tls}/Bounced", tmp_path / "box", tls=context)
    assert "wrong" not in str(told.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("imaps://jo:secret@mail.example/Bounced", "a password does not belong"),
        ("https://jo@mail.example/", "not an IMAP address"),
        ("imaps://mail.example/", "not an IMAP address"),
        ("imaps://jo@mail.example:port/", "not an IMAP address"),
        ("imaps://jo:secret@mail.example:port/", "not an IMAP address"),
        ("imaps://jo:sec/secret@mail.example/", "not an IMAP address"),
        ("imaps://jo:1/secret@mail.example/", "not an IMAP address"),
        ("imaps://jo:secret@[mail.example/", "not an IMAP address"),
        ("smtp://jo@mail.example:143/", "not an IMAP address"),
        ("box.mbox", "not an IMAP address"),
    ],
)
def test_an_address_is_checked_and_a_password_in_it_is_never_repeated(url: str, what: str) -> None:
    with pytest.raises(SourceError, match=what) as told:
        imap.Folder.of(url)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("scheme", ["IMAPS", "imapss"])
def test_the_command_repeats_no_password_of_a_mistyped_address(scheme: str) -> None:
    done = CliRunner().invoke(app, ["bounces", f"{scheme}://jo:secret@mail.example/"])
    assert isinstance(done.exception, SourceError)
    assert "secret" not in f"{done.output}{done.exception}"


def test_an_address_names_user_host_port_and_folder() -> None:
    assert imap.Folder.of("imaps://jo%40mail.example@mx.example/Bounces%2FOld") == imap.Folder(
        "imaps", "mx.example", 993, "jo@mail.example", "Bounces/Old"
    )
    assert imap.Folder.of("imap://jo@mx.example").name == "INBOX"


def test_without_a_password_the_way_to_give_one_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(imap.PASSWORD, raising=False)
    with pytest.raises(SourceError, match="no password for jo"):
        imap.password(imap.Folder.of("imaps://jo@nowhere.example/"))
