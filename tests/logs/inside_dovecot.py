"""Runs inside the namespace: a real Dovecot, signed in to rightly, wrongly, by nobody, and left without a word."""

from __future__ import annotations

import imaplib
import poplib
import shutil
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from smtplab.lab.processes import Processes, run, until
from tests.mailservers import start_dovecot


def _talk() -> None:
    right = imaplib.IMAP4("127.0.0.1", timeout=20)
    right.login("jo", "right")
    right.logout()
    for user in ("jo", "nobody"):
        wrong = imaplib.IMAP4("127.0.0.1", timeout=20)
        with suppress(imaplib.IMAP4.error):
            wrong.login(user, "wrong")
        wrong.logout()
    pop = poplib.POP3("127.0.0.1", timeout=20)
    pop.user("jo")
    with suppress(poplib.error_proto):
        pop.pass_("wrong")
    pop.quit()
    with socket.create_connection(("127.0.0.1", 143), timeout=20) as silent:
        # Who leaves before the greeting may leave before Dovecot's auth service is ready, which it logs otherwise.
        silent.recv(100)


def _answers() -> bool:
    """Whether POP3 is served: waits for the greeting, for the same reason; a refused connection leaves no line."""
    try:
        poplib.POP3("127.0.0.1", timeout=60).quit()
    except ConnectionRefusedError:
        return False
    return True


def main() -> None:
    run("ip", "link", "set", "lo", "up")
    root = Path(tempfile.mkdtemp(prefix="smtplab-logs-"))
    root.chmod(0o755)
    processes = Processes()
    try:
        start_dovecot(root, processes, "auth_verbose = yes\nssl = no\ndisable_plaintext_auth = no\n")
        until("dovecot answers", _answers, processes=processes)
        _talk()
        log = root / "dovecot.log"
        until("all is logged", lambda: log.read_text().count("-login: Info: ") >= 5, processes=processes)
        shutil.copy(log, sys.argv[1])
    finally:
        processes.stop()
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
