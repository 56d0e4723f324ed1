"""A TCP channel that can turn to TLS in mid-session, over pyOpenSSL's memory BIO.

pyOpenSSL brings its own OpenSSL: it names the key-exchange group and shows the whole chain, which the standard
library does not on every machine.
"""

from __future__ import annotations

import asyncio
import base64
from typing import Any, Self

from OpenSSL import SSL, crypto

_CHUNK = 16_384
BUSY = b"421 "
"""How SMTP begins the refusal of a server that has too many clients (RFC 5321 section 4.2.3)."""


class Channel:
    """Reads lines and writes bytes, in plain or through TLS; every wait is bounded.

    `sent` and `received` count what went over the wire, TLS included.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.tls: SSL.Connection | None = None
        self.buffer = b""
        self.refusal = b""
        self.sent = self.received = 0

    @classmethod
    async def connect(cls, address: str, port: int, timeout: float) -> Self:
        """Open a TCP connection; raises TimeoutError or OSError."""
        reader, writer = await asyncio.wait_for(asyncio.open_connection(address, port, limit=_CHUNK), timeout)
        return cls(reader, writer)

    async def line(self, limit: int, timeout: float) -> bytes:
        """The next line with its ending, or `limit` bytes of one that has none; raises EOFError, TimeoutError.

        What stands before the end of the stream counts as a line too.
        """
        try:
            async with asyncio.timeout(timeout):
                while b"\n" not in self.buffer and len(self.buffer) < limit:
                    self.buffer += await self._some()
        except EOFError:
            if not self.buffer:
                raise
        end = self.buffer.find(b"\n") + 1 or limit
        made, self.buffer = self.buffer[:end], self.buffer[end:]
        return made

    async def write(self, data: bytes, timeout: float) -> None:
        """Send bytes; raises TimeoutError or OSError."""
        if self.tls is None:
            self._put(data)
        elif data:
            try:
                self.tls.sendall(data)
            except SSL.Error as e:
                raise ConnectionAbortedError(reason(e)) from e
            self._flush()
        await asyncio.wait_for(self.writer.drain(), timeout)

    async def read(self, timeout: float) -> bytes:
        """What comes next, b"" at the end of the stream; raises TimeoutError."""
        if self.buffer:
            made, self.buffer = self.buffer, b""
            return made
        try:
            return await asyncio.wait_for(self._some(), timeout)
        except EOFError:
            return b""

    async def start_tls(self, host: str, timeout: float) -> dict[str, Any]:
        """Handshake without verification (that is judged later, at the case's time) and return its facts.

        Raises SSL.Error, EOFError or TimeoutError. Plain bytes that came before it are dropped, as RFC 3207
        section 4.2 demands. `refusal` holds the plain words of a server that is too busy for a handshake.
        """
        self.buffer = b""
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_verify(SSL.VERIFY_NONE)
        context.set_cipher_list(b"ALL:@SECLEVEL=0")
        context.set_min_proto_version(SSL.TLS1_VERSION)
        tls = SSL.Connection(context, None)
        tls.set_tlsext_host_name(host.encode("ascii", "ignore") or b"invalid")
        tls.set_connect_state()
        self.tls = tls
        async with asyncio.timeout(timeout):
            while True:
                try:
                    tls.do_handshake()
                    break
                except SSL.WantReadError:
                    self._flush()
                    data = await self._raw()
                    self.refusal = self.refusal or (data if data.startswith(BUSY) else b"")
                    tls.bio_write(data)
        self._flush()
        chain = tls.get_peer_cert_chain() or []
        group = getattr(tls, "get_group_name", lambda: "")() or ""
        return {
            "version": tls.get_protocol_version_name(),
            "cipher": tls.get_cipher_name() or "",
            "group": group,
            "chain": [base64.b64encode(crypto.dump_certificate(crypto.FILETYPE_ASN1, c)).decode() for c in chain[:10]],
        }

    def close(self) -> None:
        """Drop the connection."""
        self.writer.close()

    async def _some(self) -> bytes:
        if self.tls is None:
            return await self._raw()
        while True:
            try:
                return bytes(self.tls.recv(_CHUNK))
            except SSL.WantReadError:
                self._flush()
                self.tls.bio_write(await self._raw())
            except (SSL.ZeroReturnError, SSL.SysCallError) as e:
                raise EOFError from e
            except SSL.Error as e:
                raise ConnectionAbortedError(reason(e)) from e

    async def _raw(self) -> bytes:
        data = await self.reader.read(_CHUNK)
        if not data:
            raise EOFError
        self.received += len(data)
        return data

    def _put(self, data: bytes) -> None:
        self.sent += len(data)
        self.writer.write(data)

    def _flush(self) -> None:
        if self.tls is None:
            return
        while True:
            try:
                self._put(self.tls.bio_read(_CHUNK))
            except SSL.WantReadError:
                return


def reason(error: SSL.Error) -> str:
    """What OpenSSL says of an error, in its words."""
    parts = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return "; ".join(str(p[-1]) for p in parts)[:200] or "the connection ended"
