"""Sets of IP addresses: what a list of networks covers together, what it lacks and what it has twice.

RFC 4632 (IPv4 prefixes) and RFC 4291 (IPv6 prefixes). All operations take time linear in the number of networks.
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Span = tuple[int, int]

# Both families on one number line: IPv6 begins where no IPv4 network can touch it.
_V6 = 1 << 129


def span(network: str) -> Span:
    """First and last address of a network as numbers of one line; raises ValueError for what is no network."""
    net = ipaddress.ip_network(network, strict=False)
    base = _V6 if net.version == 6 else 0
    return base + int(net.network_address), base + int(net.broadcast_address)


@dataclass(frozen=True)
class Ranges:
    """A set of addresses as sorted spans that neither overlap nor touch."""

    spans: tuple[Span, ...] = ()

    @classmethod
    def of(cls, networks: Iterable[str]) -> Ranges:
        """All addresses of some networks."""
        return cls(tuple(_merged(map(span, networks))))

    def __or__(self, other: Ranges) -> Ranges:
        return Ranges(tuple(_merged((*self.spans, *other.spans))))

    def __sub__(self, other: Ranges) -> Ranges:
        return Ranges(tuple(_without(self.spans, other.spans)))

    def __and__(self, other: Ranges) -> Ranges:
        return self - (self - other)

    def __le__(self, other: Ranges) -> bool:
        return not self - other

    def __bool__(self) -> bool:
        return bool(self.spans)

    def holds(self, network: str) -> bool:
        """Whether a network or address lies wholly inside; False for what is neither."""
        try:
            first, last = span(network)
        except ValueError:
            return False
        at = bisect_right(self.spans, (first, _V6 * 2)) - 1
        return at >= 0 and last <= self.spans[at][1]

    def count(self, version: int) -> int:
        """How many IPv4 (4) or IPv6 (6) addresses."""
        return sum(last - first + 1 for first, last in self.spans if (first >= _V6) == (version == 6))

    def networks(self) -> list[str]:
        """The fewest networks that hold exactly these addresses, IPv4 first."""
        return [str(n) for s in self.spans for n in ipaddress.summarize_address_range(*map(_address, s))]


EVERYONE = Ranges(((0, 2**32 - 1), (_V6, _V6 + 2**128 - 1)))


def _address(number: int) -> Address:
    return ipaddress.IPv6Address(number - _V6) if number >= _V6 else ipaddress.IPv4Address(number)


def _merged(spans: Iterable[Span]) -> Iterator[Span]:
    held: Span | None = None
    for first, last in sorted(spans):
        if held is None:
            held = first, last
        elif first <= held[1] + 1:
            held = held[0], max(held[1], last)
        else:
            yield held
            held = first, last
    if held:
        yield held


def _without(spans: tuple[Span, ...], holes: tuple[Span, ...]) -> Iterator[Span]:
    at = 0
    for start, last in spans:
        first = start
        while at < len(holes) and holes[at][1] < first:
            at += 1
        look = at
        while look < len(holes) and holes[look][0] <= last:
            if holes[look][0] > first:
                yield first, holes[look][0] - 1
            first = holes[look][1] + 1
            look += 1
        # The last hole may reach into the next span.
        at = max(at, look - 1)
        if first <= last:
            yield first, last
