"""Runs inside the namespace: a real Exim with every log selector, and a server that takes, puts off and refuses."""

from __future__ import annotations

import os
import shutil
import smtplib
import socketserver
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

from smtplab.lab.processes import Processes, greets, run, until
from tests.mailservers import EXIM_SIGN_IN, forget_exim, start_exim

CONFIGURATION = """primary_hostname = out1.meridian.example
log_selector = {selector}
daemon_smtp_ports = 2525
local_interfaces = 127.0.0.1
acl_smtp_rcpt = acl_rcpt
queue_run_in_order
begin acl
acl_rcpt:
  accept authenticated = *
  deny message = relay not permitted
begin routers
nowhere:
  driver = redirect
  domains = nowhere.example
  allow_fail
  data = :fail: no such domain
out:
  driver = manualroute
  route_list = * 127.0.0.1 byname
  self = send
  transport = smtp
begin transports
smtp:
  driver = smtp
  port = 2526
  hosts_try_fastopen =
begin retry
* * F,1h,1h
"""


class Receiver(socketserver.StreamRequestHandler):
    """Takes mail, puts off who is called "later", refuses who is called "never"."""

    def handle(self) -> None:
        said = self.wfile.write
        said(b"220 mx.x.example ESMTP\r\n")
        for line in self.rfile:
            verb = line[:4].upper()
            if verb == b"RCPT" and b"later" in line:
                said(b"451 4.7.1 try again later\r\n")
            elif verb == b"RCPT" and b"never" in line:
                said(b"550 5.1.1 no such user H=evil [192.0.2.9]\r\n")
            elif verb == b"DATA":
                said(b"354 go on\r\n")
                while self.rfile.readline() != b".\r\n":
                    pass
                said(b"250 2.0.0 queued as A1\r\n")
            elif verb == b"QUIT":
                said(b"221 bye\r\n")
                return
            else:
                said(b"250 ok\r\n")


def _client() -> smtplib.SMTP:
    return smtplib.SMTP("127.0.0.1", 2525, local_hostname="pc.meridian.example", timeout=20)


def _talk() -> None:
    with suppress(smtplib.SMTPException), _client() as client:
        client.login("jo", "wrong")
    with suppress(smtplib.SMTPException), _client() as client:
        client.sendmail("jo@meridian.example", ["stranger@x.example"], "Subject: x\r\n\r\nx")
    with _client() as client:
        client.login("jo", "right")
        text = 'Message-ID: <a1@meridian.example>\r\nSubject: H=x [192.0.2.1] for "you" S=7\r\n\r\nHello\r\n'
        client.sendmail(
            "jo@meridian.example",
            ["good@x.example", "later@x.example", "never@x.example", "lost@nowhere.example"],
            text,
        )
        client.sendmail("jo@meridian.example", ["good@x.example"], text)


def main() -> None:
    run("ip", "link", "set", "lo", "up")
    root, binary = Path(tempfile.mkdtemp(prefix="smtplab-logs-")), Path(os.environ["SMTPLAB_EXIM"]).resolve()
    root.chmod(0o755)
    processes = Processes()
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 2526), Receiver)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        settings = CONFIGURATION.replace("{selector}", sys.argv[2]) + EXIM_SIGN_IN
        start_exim(root, binary, processes, settings)
        until("exim answers", lambda: greets("127.0.0.1", 2525), processes=processes)
        _talk()
        log = root / "exim" / "mainlog"
        for word in (" Completed", " == later@", " ** never@"):
            until(f"{word} is logged", lambda word=word: word in log.read_text(), processes=processes)
        shutil.copy(log, sys.argv[1])
    finally:
        processes.stop()
        server.shutdown()
        forget_exim()
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
