"""One small file over HTTPS through the tape: what MTA-STS needs (RFC 8461 section 3.3).

No redirects, bounded in size and time, no address that the public cannot reach.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from smtplab.net import Network, Unknown
from smtplab.net.dns import addresses

MAX_BODY = 65_536


@dataclass(frozen=True)
class Fetched:
    """The answer; `why` says why it is unknown, `error` what failed for sure (certificate, no address)."""

    url: str
    status: int = 0
    body: str = ""
    media_type: str = ""
    error: str = ""
    why: str = ""


async def fetch(network: Network, url: str) -> Fetched:
    """Get a file; never raises for what the server does."""

    async def perform() -> dict[str, Any]:
        return await _get(network, url)

    entry = await network.ask("https", url, {}, perform)
    if entry.value is None:
        return Fetched(url, why=entry.unknown or "")
    value = entry.value
    return Fetched(
        url,
        int(value.get("status", 0)),
        str(value.get("body", "")),
        str(value.get("type", "")),
        str(value.get("error", "")),
    )


async def _get(network: Network, url: str) -> dict[str, Any]:
    host = urlsplit(url).hostname or ""
    ips, a, aaaa = await addresses(network, host)
    public = [ip for ip in ips if network.settings.is_public(ip)]
    if ips and not public:
        return {"error": f"{host} has only private addresses"}
    if not public:
        if a.absent and aaaa.absent:
            return {"error": f"{host} has no address"}
        raise Unknown(a.why or aaaa.why)
    trust = network.settings.trust
    context = ssl.create_default_context(cafile=str(trust) if trust else None)
    if network.settings.lab:
        # A lab's clock is the story's: its certificates are judged there, not by this machine's date.
        context.verify_flags |= ssl.VerifyFlags(0x200000)  # X509_V_FLAG_NO_CHECK_TIME
    address = f"[{public[0]}]" if ":" in public[0] else public[0]
    try:
        async with (
            network.slot(public[0], 443),
            httpx.AsyncClient(verify=context, trust_env=False, follow_redirects=False) as client,
            client.stream(
                "GET",
                url.replace(f"//{host}", f"//{address}", 1),
                headers={"Host": host},
                extensions={"sni_hostname": host},
                timeout=network.settings.timeout,
            ) as response,
        ):
            body = b""
            async for chunk in response.aiter_raw(8192):
                body += chunk
                if len(body) > MAX_BODY:
                    return {"error": f"larger than {MAX_BODY:,} bytes", "status": response.status_code}
    except httpx.TimeoutException as e:
        raise Unknown("timeout") from e
    except httpx.HTTPError as e:
        if "CERTIFICATE" in str(e):
            return {"error": f"certificate: {e}"[:300]}
        raise Unknown(f"{type(e).__name__}: {e}"[:200]) from e
    text = body.decode("utf-8", "replace")
    return {"status": response.status_code, "body": text, "type": response.headers.get("content-type", "")[:100]}
