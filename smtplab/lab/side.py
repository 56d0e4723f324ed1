"""The two small servers beside the real ones: how receivers decide, and the HTTPS file of MTA-STS.

`python -m smtplab.lab.side policy REPLIES LISTEN PORT NAMES` answers Postfix's policy protocol
(SMTPD_POLICY_README); `... https FILE CERT KEY LISTEN` serves one file on port 443.
"""

from __future__ import annotations

import json
import re
import ssl
import sys
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any


def policy(replies: str, listen: str, port: int, names: dict[str, str]) -> None:
    """Answer each recipient by the rules of replies.toml; `names` maps an address to its receiver."""
    rules: list[dict[str, Any]] = tomllib.loads(Path(replies).read_text("utf-8"))["reply"]
    seen: set[tuple[str, str, str]] = set()

    def decide(asked: dict[str, str]) -> str:
        receiver = names.get(asked.get("server_address", ""), "")
        for rule in rules:
            if rule.get("receiver", receiver) != receiver or rule.get("client", asked["client_address"]) != asked["client_address"]:
                continue
            if not re.search(rule.get("recipient", ""), asked["recipient"]):
                continue
            if rule["action"] != "greylist":
                return str(rule["action"])
            triple = (asked["client_address"], asked["sender"], asked["recipient"])
            if triple not in seen:
                seen.add(triple)
                return "450 4.2.0 Greylisted, please try again in a minute"
        return "DUNNO"

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            asked: dict[str, str] = {}
            for raw in self.rfile:
                line = raw.decode("utf-8", "replace").rstrip("\n")
                if line:
                    key, _, value = line.partition("=")
                    asked[key] = value
                    continue
                self.wfile.write(f"action={decide(asked)}\n\n".encode())
                asked = {}

    class Server(ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    Server((listen, port), Handler).serve_forever()


def https(file: str, certificate: str, key: str, listen: str) -> None:
    """Serve one text file over HTTPS, whatever is asked for under /.well-known/."""
    body = Path(file).read_bytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """The file, or 404."""
            found = self.path == "/.well-known/mta-sts.txt"
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/plain")
            self.end_headers()
            self.wfile.write(body if found else b"")

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Keep quiet."""

    server = ThreadingHTTPServer((listen, 443), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    if what == "policy":
        policy(rest[0], rest[1], int(rest[2]), json.loads(rest[3]))
    else:
        https(*rest[:4])
