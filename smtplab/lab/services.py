"""The two small services of the lab that are ours: the MTA-STS policy over HTTPS, and the providers' refusals.

Both run on one event loop in a thread of the lab's own process, so they end with it.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

from smtplab.lab.replies import Refusals
from smtplab.lab.world import World

POLICY_PATH = "/.well-known/mta-sts.txt"
MAX_REQUEST = 8192


class Services:
    """`start` returns when both listen; `stop` closes them and ends the thread."""

    def __init__(self, world: World, certificates: Path) -> None:
        self.world, self.certificates = world, certificates
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="smtplab-lab", daemon=True)
        self.servers: list[asyncio.Server] = []

    def start(self) -> None:
        """Listen; raises OSError when an address is taken."""
        self.thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self.loop).result(10)

    def stop(self) -> None:
        """Hang up on everyone and end the thread."""
        if self.thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._stop(), self.loop).result(10)
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join(10)
        self.loop.close()

    async def _start(self) -> None:
        self.servers.append(await Refusals(self.world).start())
        for host, file in self.world.policy_hosts.items():
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificates / f"{host}.pem", self.certificates / f"{host}.key")
            body = self.world.read(f"policy/{file}").replace("\n", "\r\n").encode()
            address = self.world.addresses[host]
            self.servers.append(await asyncio.start_server(serve(body), address, 443, ssl=context))

    async def _stop(self) -> None:
        for server in self.servers:
            server.close()
        waiting = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


def serve(body: bytes) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """A handler that serves one policy file (RFC 8461 section 3.3) and 404 elsewhere."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            found = len(head) < MAX_REQUEST and head.split(b" ")[:2] == [b"GET", POLICY_PATH.encode()]
            status, content = (b"200 OK", body) if found else (b"404 Not Found", b"not here\r\n")
            writer.write(
                b"HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
                % (status, len(content), content)
            )
            await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    return handle
