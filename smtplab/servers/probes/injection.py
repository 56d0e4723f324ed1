"""Are commands that came in plain text obeyed inside TLS? CVE-2011-0411, CVE-2021-33515; RFC 3207 section 4.2.

STARTTLS and a harmless command travel in one packet. A server that answers the second one inside TLS would let an
attacker on the way put words into a session that the client believes to be protected.
"""

from __future__ import annotations

from smtplab.net import Network
from smtplab.net.talk import Talk
from smtplab.servers.probes.session import CLOSED, OPEN, Probe, Target, ask, row

_BOTH = {"smtp": ("STARTTLS", "NOOP"), "imap": ("a2 STARTTLS", "a3 NOOP"), "pop3": ("STLS", "CAPA")}
"""ManageSieve speaks first inside TLS, so nothing could be told apart there."""


async def inject(talk: Talk) -> list[dict[str, str]]:
    """One row: what came inside TLS before the client had said anything there."""
    first, second = _BOTH[talk.protocol]
    words = {c.upper() for c in talk.offered()}
    if not words & {"STARTTLS", "STLS"}:
        return [row("STARTTLS", "unknown (no STARTTLS)")]
    reply = await talk.ask("starttls", f"{first}\r\n{second}")
    if not talk.positive(reply[-1]):
        return [row("STARTTLS", CLOSED, reply[-1])]
    try:
        await talk.handshake()
        said = await talk.channel.read(min(1.0, talk.timeout / 2))
    except (TimeoutError, EOFError, ConnectionError):
        return [row("STARTTLS", CLOSED)]
    told = said.decode("utf-8", "backslashreplace").splitlines()
    return [row("STARTTLS", OPEN if told else CLOSED, told[0] if told else "")]


async def run(network: Network, target: Target) -> tuple[Probe, ...]:
    """Ask a service that can turn to TLS."""
    if target.protocol not in _BOTH or target.like in (465, 993, 995):
        return ()
    return await ask(network, target, "injection", inject, tls=False)
