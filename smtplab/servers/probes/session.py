"""What every intrusive probe shares: its target, its result, and a session that is ready for its question."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from OpenSSL import SSL

from smtplab.net import Network, Unknown
from smtplab.net.channel import Channel, reason
from smtplab.net.session import PORTS, Errand, endpoint
from smtplab.net.talk import Flood, Talk

OPEN, CLOSED = "open", "closed"


@dataclass(frozen=True)
class Target:
    """One service; `like` is the well-known port whose protocol it speaks."""

    host: str
    address: str
    port: int
    like: int

    @property
    def protocol(self) -> str:
        """Of smtp, imap, pop3 or sieve."""
        return PORTS[self.like][0]


@dataclass(frozen=True)
class Probe:
    """One answer: `verdict` is "open" (it can be abused), "closed" or "unknown (REASON)"; `said` what decided it."""

    host: str
    port: int
    what: str
    variant: str
    verdict: str
    said: str = ""


Ask = Callable[[Talk], Awaitable[list[dict[str, str]]]]


async def ask(network: Network, target: Target, what: str, question: Ask, *, tls: bool = True) -> tuple[Probe, ...]:
    """Ask in a session that has read its capabilities (inside TLS if `tls`): rows of variant, verdict, said."""

    async def perform() -> dict[str, Any]:
        async with network.slot(target.address, target.port):
            errand = Errand(upgrade=tls)
            talk = Talk(target.host, target.address, target.port, network.settings.timeout, target.like, errand)
            talk.channel = await Channel.connect(target.address, target.port, network.settings.timeout)
            try:
                if not await talk.open():
                    raise Unknown(talk.ended)
                return {"rows": await question(talk)}
            except Flood as e:
                raise Unknown(str(e)) from e
            except SSL.Error as e:
                raise Unknown(f"TLS handshake failed: {reason(e)}") from e
            finally:
                talk.channel.close()

    target_text = endpoint(target.address, target.port)
    params = {"name": target.host, "what": what, "like": str(target.like)}
    entry = await network.ask("probe", target_text, params, perform)
    if entry.value is None:
        return (Probe(target.host, target.port, what, "", f"unknown ({entry.unknown})"),)
    rows = entry.value["rows"]
    return tuple(Probe(target.host, target.port, what, r["variant"], r["verdict"], r.get("said", "")) for r in rows)


def row(variant: str, verdict: str, said: str = "") -> dict[str, str]:
    """A row as it stands on the tape."""
    return {"variant": variant, "verdict": verdict, "said": said[:300]}
