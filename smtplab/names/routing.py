"""Where mail to a domain goes: its MX, the addresses behind each, and what makes one of them useless.

RFC 5321 section 5.1 (MX, and the address of the domain where there is none), RFC 7505 (null MX), RFC 2181 section
10.3 (an MX is no alias). Only what DNS tells: nothing is connected to.
"""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass

from smtplab.net import Network
from smtplab.net.dns import DnsAnswer, State, addresses

NULL_MX = ("0 .",)
"""RFC 7505: this domain takes no mail."""
MAX_MX = 50
"""MX hosts looked up, of each domain."""


@dataclass(frozen=True)
class MailHost:
    """One MX of a domain; `addresses` public ones only, `hidden` those nobody outside can reach.

    `missing` says that the name does not exist, `loop` that its aliases go round in a circle; `why` is the reason
    where one of its addresses is not known.
    """

    domain: str
    preference: int
    name: str
    addresses: tuple[str, ...]
    hidden: tuple[str, ...] = ()
    alias: str = ""
    why: str = ""
    missing: bool = False
    loop: bool = False

    @property
    def literal(self) -> bool:
        """An address stands where a name must."""
        return is_address(self.name)

    @property
    def ipv4(self) -> bool:
        """It has a public IPv4 address; most senders have nothing else."""
        return any(":" not in ip for ip in self.addresses)

    @property
    def fault(self) -> str:
        """Why no sender can use it, in words; empty for one that can be used or of which too little is known."""
        if self.literal:
            return "an address stands where a name must"
        if self.loop:
            return "its aliases go round in a circle"
        if self.addresses or self.why:
            return ""
        if self.hidden:
            return f"only private addresses: {', '.join(self.hidden)}"
        return "the name does not exist" if self.missing else "the name has no address"


def is_address(text: str) -> bool:
    """Whether a text is an IP address, with or without the brackets of an address literal."""
    try:
        ipaddress.ip_address(text.strip("[]").removeprefix("IPv6:"))
    except ValueError:
        return False
    return True


async def collect(network: Network, mx: DnsAnswer) -> list[MailHost]:
    """The hosts behind an MX answer, best first; a null MX is none."""
    named = [(int(preference), name) for preference, _, name in (r.partition(" ") for r in mx.records) if name != "."]
    return await asyncio.gather(*(_host(network, mx.name, *host) for host in sorted(named)[:MAX_MX]))


async def implicit(network: Network, mx: DnsAnswer) -> MailHost | None:
    """The domain itself as its own mail host, where it has no MX but an address."""
    if mx.present or mx.loop or not mx.exists:
        return None
    host = await _host(network, mx.name, 0, mx.name)
    return host if host.addresses else None


async def _host(network: Network, domain: str, preference: int, name: str) -> MailHost:
    ips, a, aaaa = await addresses(network, name)
    public = tuple(ip for ip in ips if network.settings.is_public(ip))
    hidden = tuple(ip for ip in ips if ip not in public)
    why = "; ".join(dict.fromkeys(x.why for x in (a, aaaa) if x.state is State.UNKNOWN))
    missing = "NXDOMAIN" in (a.rcode, aaaa.rcode)
    return MailHost(
        domain, preference, name, public, hidden, a.cname or aaaa.cname, why, missing, loop=a.loop or aaaa.loop
    )
