"""One small file over HTTPS through the tape: what MTA-STS needs (RFC 8461 section 3.3), BIMI, and mail programs.

No redirect is followed here, only told; bounded in size and time, no address that the public cannot reach. The
certificate is recorded, not verified: whoever uses the answer judges it at the case's time.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpcore
from OpenSSL import SSL

from smtplab.net import Network, Unknown
from smtplab.net.certificates import read_leaf, verify
from smtplab.net.channel import Channel, reason
from smtplab.net.dns import addresses
from smtplab.net.session import TlsFacts

MAX_BODY = 65_536
"""RFC 8461 section 3.3 suggests this limit."""
MAX_URL = 2_000


@dataclass(frozen=True)
class Fetched:
    """The answer; `why` says why it is unknown, `error` what failed for sure (no address, no TLS, too large).

    `location` is where a redirect leads, as the server writes it.
    """

    url: str
    status: int = 0
    body: str = ""
    media_type: str = ""
    tls: TlsFacts | None = None
    error: str = ""
    why: str = ""
    location: str = ""

    def refused(self, at: datetime, trust: Path | None) -> str:
        """Why nobody should use the answer: no address, no TLS, no certificate valid for the host at that time."""
        if self.error:
            return self.error
        host, chain = urlsplit(self.url).hostname or "", self.tls.chain if self.tls else ()
        verdict = verify(chain, host, at, trust)
        leaf = read_leaf(chain[0]) if chain else None
        if verdict.code:
            return f"the certificate of {host}: {verdict.text}"
        return "" if leaf and leaf.covers(host) else f"the certificate does not name {host}"


async def fetch(network: Network, url: str, post: str = "") -> Fetched:
    """Get a file, or what a server answers to an XML text that is posted; never raises for what the server does."""

    async def perform() -> dict[str, Any]:
        return await _get(network, url, post)

    entry = await network.ask("https", url, {"post": post}, perform)
    if entry.value is None:
        return Fetched(url, why=entry.unknown or "")
    value = entry.value
    return Fetched(
        url,
        int(value.get("status", 0)),
        str(value.get("body", "")),
        str(value.get("type", "")),
        TlsFacts.parse(value["tls"]) if value.get("tls") else None,
        str(value.get("error", "")),
        location=str(value.get("location", "")),
    )


async def _get(network: Network, url: str, post: str) -> dict[str, Any]:
    host, port = urlsplit(url).hostname or "", urlsplit(url).port or 443
    ips, a, aaaa = await addresses(network, host)
    public = [ip for ip in ips if network.settings.is_public(ip)]
    if ips and not public:
        return {"error": f"{host} has only private addresses"}
    if not public:
        if a.absent and aaaa.absent:
            return {"error": f"{host} has no address"}
        raise Unknown(a.why or aaaa.why)
    line = _Line(public[0], host, network.settings.timeout)
    # The context goes unused: our own line does the handshake, so that the chain can be recorded.
    pool = httpcore.AsyncConnectionPool(ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), network_backend=line)
    seconds = dict.fromkeys(("connect", "read", "write", "pool"), network.settings.timeout)
    try:
        async with network.slot(public[0], port), pool:
            answer = await _read(pool, url, post.encode(), {"timeout": seconds})
    except (httpcore.TimeoutException, TimeoutError) as e:
        raise Unknown("timeout") from e
    except ConnectionRefusedError:
        return {"error": f"{host} refuses connections to port {port}"}
    except SSL.Error as e:
        return {"error": f"the TLS handshake failed: {reason(e)}"}
    except (EOFError, OSError, httpcore.ProtocolError, httpcore.NetworkError) as e:
        raise Unknown(f"{type(e).__name__}: {e}"[:200]) from e
    return answer | {"tls": line.tls}


async def _read(
    pool: httpcore.AsyncConnectionPool, url: str, post: bytes, extensions: dict[str, Any]
) -> dict[str, Any]:
    headers = [("Host", urlsplit(url).netloc), ("User-Agent", "smtplab"), ("Accept-Encoding", "identity")]
    if post:
        headers += [("Content-Type", "text/xml; charset=utf-8"), ("Content-Length", str(len(post)))]
    body, method = b"", "POST" if post else "GET"
    async with pool.stream(method, url, headers=headers, content=post or None, extensions=extensions) as response:
        async for chunk in response.aiter_stream():
            body += chunk
            if len(body) > MAX_BODY:
                return {"error": f"larger than {MAX_BODY:,} bytes", "status": response.status}
    told = {name.lower(): value.decode("latin-1") for name, value in reversed(response.headers)}
    found = {"status": response.status, "body": body.decode("utf-8", "replace")}
    found["type"] = told.get(b"content-type", "")[:100]
    return found | ({"location": told[b"location"][:MAX_URL]} if b"location" in told else {})


class _Line(httpcore.AsyncNetworkBackend, httpcore.AsyncNetworkStream):
    """The way to one host: httpcore's network, led to the address we chose and over our own TLS."""

    def __init__(self, address: str, host: str, timeout: float) -> None:
        self.address, self.host, self.timeout = address, host, timeout
        self.tls: dict[str, Any] | None = None
        self.channel: Channel | None = None

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.channel = await Channel.connect(self.address, port, self.timeout)
        return self

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        self.tls = await self._open.start_tls(self.host, self.timeout)
        return self

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._open.read(self.timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._open.write(buffer, self.timeout)

    async def aclose(self) -> None:
        if self.channel:
            self.channel.close()

    @property
    def _open(self) -> Channel:
        if self.channel is None:
            raise EOFError
        return self.channel
