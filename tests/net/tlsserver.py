"""A real TLS server with the newest OpenSSL at hand: pyOpenSSL's own, which speaks post-quantum groups."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from OpenSSL import SSL

REPLIES = {b"EHLO": b"250-mx.test.example\r\n250 8BITMIME\r\n", b"QUIT": b"221 bye\r\n"}


@contextmanager
def serve(
    chain: Path, key: Path, *, low: int = SSL.TLS1_2_VERSION, high: int = SSL.TLS1_3_VERSION, ciphers: bytes = b""
) -> Iterator[tuple[int, list[str]]]:
    """SMTP inside TLS from the first byte; gives the port, and the group of each handshake that was completed."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    if ciphers:
        # First: what they say of the security level decides which keys may be loaded.
        context.set_cipher_list(ciphers)
    context.use_certificate_chain_file(str(chain))
    context.use_privatekey_file(str(key))
    context.set_min_proto_version(low)
    context.set_max_proto_version(high)
    groups: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_accept, args=(listener, context, groups), daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1], groups
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def _accept(listener: socket.socket, context: SSL.Context, groups: list[str]) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        with client, suppress(SSL.Error, OSError):
            tls = SSL.Connection(context, client)
            tls.set_accept_state()
            tls.do_handshake()
            groups.append(tls.get_group_name() or "")
            _talk(tls)


def _talk(tls: SSL.Connection) -> None:
    tls.sendall(b"220 ready\r\n")
    while True:
        said = tls.recv(1000)[:4].upper()
        tls.sendall(REPLIES.get(said, b"500 what?\r\n"))
        if said == b"QUIT":
            tls.shutdown()
            return
