"""Servers that answer by a script on loopback: polite ones, and ones that no real program would be."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Self

from smtplab.net import Network, NetworkSettings

Handler = Callable[["Line"], Awaitable[None]]


class Line:
    """The server's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tls: ssl.SSLContext | None) -> None:
        self.reader, self.writer, self.tls = reader, writer, tls
        self.heard: list[str] = []

    async def say(self, text: str | bytes) -> None:
        if self.writer.is_closing():
            raise EOFError
        self.writer.write(text if isinstance(text, bytes) else text.encode())
        await self.writer.drain()
        # An endless server must let its own loop see that the client has gone.
        await asyncio.sleep(0)

    async def hear(self) -> str:
        line = (await self.reader.readline()).decode("latin-1").strip()
        self.heard.append(line)
        if not line:
            raise EOFError
        return line

    async def start_tls(self) -> None:
        assert self.tls is not None
        await self.writer.start_tls(self.tls)


class Scripted:
    """A server on a free port of 127.0.0.1 in a thread of its own; `lines` are its connections so far."""

    def __init__(self, handler: Handler, tls: ssl.SSLContext | None = None, *, implicit: bool = False) -> None:
        self.handler, self.tls, self.implicit = handler, tls, implicit
        self.lines: list[Line] = []
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        start = asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls if self.implicit else None)
        self.server = asyncio.run_coroutine_threadsafe(start, self.loop).result(5)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self.loop).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        self.loop.close()

    async def _stop(self) -> None:
        self.server.close()
        tasks = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = Line(reader, writer, self.tls)
        self.lines.append(line)
        ends = (EOFError, OSError, asyncio.LimitOverrunError, ValueError, asyncio.CancelledError)
        with contextlib.suppress(*ends):
            await self.handler(line)
        writer.close()


def context(chain: Path, key: Path) -> ssl.SSLContext:
    """TLS of a server; old versions too where this machine's library still can."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(chain, key)
    return made


def dialogue(greeting: str, replies: Mapping[str, str], then: Mapping[str, str] | None = None) -> Handler:
    """Greets, and answers each command by its first matching beginning; `then` holds the answers inside TLS."""

    async def handle(line: Line) -> None:
        await line.say(greeting)
        known = replies
        while True:
            said = await line.hear()
            found = next((a for start, a in known.items() if start and said.upper().startswith(start)), "500 what?\r\n")
            await line.say(found)
            if found.startswith("221") or "BYE" in found:
                return
            if "STARTTLS" in said or said == "STLS":
                if not line.tls:
                    return
                await line.start_tls()
                known = then or replies
                # ManageSieve lists its capabilities unasked once TLS stands.
                await line.say(known.get("", ""))

    return handle


EHLO = "250-mx.test.example\r\n250-PIPELINING\r\n250-SIZE 1000\r\n{more}250 8BITMIME\r\n"
SMTP = {
    "EHLO": EHLO.format(more="250-STARTTLS\r\n"),
    "STARTTLS": "220 go\r\n",
    "QUIT": "221 bye\r\n",
}
SMTP_INSIDE = {"EHLO": EHLO.format(more="250-AUTH PLAIN LOGIN\r\n"), "QUIT": "221 bye\r\n"}
IMAP = {
    "A1 CAPABILITY": "* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\na1 OK\r\n",
    "A2 STARTTLS": "a2 OK go\r\n",
    "A9": "* BYE\r\na9 OK\r\n",
}
IMAP_INSIDE = {"A1 CAPABILITY": "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\na1 OK\r\n", "A9": "* BYE\r\na9 OK\r\n"}
POP3 = {"CAPA": "+OK\r\nTOP\r\nSTLS\r\n.\r\n", "STLS": "+OK go\r\n", "QUIT": "+OK\r\n"}
POP3_INSIDE = {"CAPA": "+OK\r\nTOP\r\nUSER\r\nSASL PLAIN\r\n.\r\n", "QUIT": "+OK\r\n"}
SIEVE_GREETING = '"IMPLEMENTATION" "Test"\r\n"SIEVE" "fileinto"\r\n"SASL" ""\r\n"STARTTLS"\r\nOK "ready"\r\n'
SIEVE = {"CAPABILITY": SIEVE_GREETING, "STARTTLS": 'OK "go"\r\n', "LOGOUT": 'OK "bye"\r\n'}
SIEVE_TOLD = '"IMPLEMENTATION" "Test"\r\n"SASL" "PLAIN LOGIN"\r\nOK "inside"\r\n'
SIEVE_INSIDE = {"": SIEVE_TOLD, "LOGOUT": 'OK "bye"\r\n'}


def live(timeout: float = 0.5, **settings: object) -> Network:
    """A live network that may talk to loopback and keeps no tape."""
    return Network(NetworkSettings(timeout=timeout, public=("127.0.0.0/8",), **settings), live=True)  # type: ignore[arg-type]
