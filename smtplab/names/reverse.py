"""Addresses our mail leaves from: their reverse names, whether these lead back, and the name each greets with.

RFC 1912 section 2.1 (PTR and address agree: forward-confirmed reverse DNS), RFC 5321 section 4.1.4 (HELO), RFC 8601
section 3 (iprev).
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from dataclasses import dataclass
from functools import cache

from smtplab import datafiles
from smtplab.names.routing import is_address
from smtplab.net import Network
from smtplab.net.dns import DnsAnswer, State, addresses, reverse

MAX_PTR = 10
_WORDS = re.compile(r"[a-z]+")
_LOCAL = ("localhost", "localdomain", "local", "lan", "internal", "home", "corp", "intranet", "private", "invalid")


@dataclass(frozen=True)
class OutboundAddress:
    """An address our mail leaves from: its PTR names and what each resolves to; `ptr` may be unknown.

    `helo` is the name it greets with, `greets` the addresses that name has (None: not known or not asked), `seen`
    where the address comes from, `unclear` the PTR names of which one of the two address questions has no answer.
    """

    address: str
    ptr: DnsAnswer
    forward: tuple[tuple[str, tuple[str, ...]], ...]
    unknown: str = ""
    helo: str = ""
    greets: tuple[str, ...] | None = None
    seen: str = ""
    unclear: tuple[str, ...] = ()
    permitted: bool = False
    """Only an a or mx term of our SPF record names it: a server of ours that may never send."""

    @property
    def confirmed(self) -> bool:
        """One of its names leads back to it (forward-confirmed reverse DNS)."""
        return any(_among(self.address, ips) for _, ips in self.forward)

    @property
    def names(self) -> list[str]:
        """Its reverse names."""
        return [name for name, _ in self.forward]

    @property
    def stray(self) -> list[str]:
        """Reverse names that do not lead back to it, for certain."""
        return [name for name, ips in self.forward if name not in self.unclear and not _among(self.address, ips)]

    @property
    def generic(self) -> str:
        """The reverse name that looks like one nobody chose, if every name of it does."""
        return self.names[0] if self.names and all(is_generic(self.address, n) for n in self.names) else ""

    @property
    def helo_fault(self) -> str:
        """Why no receiver can make anything of the name it greets with; empty where nothing is wrong or known."""
        if not self.helo:
            return ""
        if is_address(self.helo):
            return "an address, not a name"
        if "." not in self.helo.strip(".") or self.helo.strip(".").rpartition(".")[2] in _LOCAL:
            return "a name that exists only inside"
        return "a name without an address" if self.greets == () else ""

    @property
    def helo_elsewhere(self) -> bool:
        """The name it greets with belongs to other addresses only."""
        return bool(self.greets) and not _among(self.address, self.greets or ())


def _among(address: str, ips: tuple[str, ...]) -> bool:
    """IPv6 has many spellings of one address."""
    return ipaddress.ip_address(address) in map(ipaddress.ip_address, ips)


@cache
def _generic_words() -> frozenset[str]:
    return frozenset(w for entry in datafiles.load("generic_names")["words"] for w in entry["names"])


def is_generic(address: str, name: str) -> bool:
    """Whether a reverse name looks as if a provider's programme made it from the address.

    It holds the whole address (any order of its parts, or as hexadecimal), or two neighbouring parts of an IPv4
    address beside a word such as `static` or `pool`.
    """
    ip = ipaddress.ip_address(address)
    text = name.lower()
    if isinstance(ip, ipaddress.IPv6Address):
        packed = re.sub(r"[^0-9a-f]", "", text)
        nibbles = ip.exploded.replace(":", "")
        return nibbles in packed or nibbles[::-1] in packed or str(ip).replace(":", "-") in text
    if ip.packed.hex() in text:
        return True
    numbers = [int(n) for n in re.findall(r"[0-9]{1,12}", text)]
    parts = list(ip.packed)
    if any(numbers[i : i + 4] in (parts, parts[::-1]) for i in range(len(numbers))):
        return True
    if "".join(f"{p:03d}" for p in parts) in text:
        return True
    pairs = [parts[i : i + 2] for i in range(3)]
    held = any(numbers[i : i + 2] in [*pairs, *(p[::-1] for p in pairs)] for i in range(len(numbers) - 1))
    return held and not _generic_words().isdisjoint(_WORDS.findall(text))


async def collect(network: Network, address: str, helo: str = "", seen: str = "") -> OutboundAddress:
    """Ask for the PTR of an address, what its names lead to, and the addresses of the name it greets with."""
    ptr = await reverse(network, address)
    names = ptr.records[:MAX_PTR]
    answers = await asyncio.gather(*(addresses(network, name) for name in names))
    unknown = ptr.why if ptr.state is State.UNKNOWN else ""
    for _, a, aaaa in answers:
        unknown = unknown or "; ".join(dict.fromkeys(x.why for x in (a, aaaa) if x.state is State.UNKNOWN))
    forward = tuple((name, tuple(ips)) for name, (ips, _, _) in zip(names, answers, strict=True))
    unclear = tuple(n for n, (_, *both) in zip(names, answers, strict=True) if _silent(*both))
    return OutboundAddress(address, ptr, forward, unknown, helo, await _greets(network, address, helo), seen, unclear)


async def _greets(network: Network, address: str, helo: str) -> tuple[str, ...] | None:
    """All addresses of the name, or as many as show that ours is among them."""
    if not helo or is_address(helo):
        return None
    ips, *both = await addresses(network, helo)
    return tuple(ips) if _among(address, tuple(ips)) or not _silent(*both) else None


def _silent(*answers: DnsAnswer) -> bool:
    return any(a.state is State.UNKNOWN for a in answers)
