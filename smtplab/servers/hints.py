"""What a few more questions tell once a step has failed: other ports, the other TLS mode, the zone's own servers."""

from __future__ import annotations

from enum import StrEnum

from smtplab.net import Network
from smtplab.net.dns import addresses, query
from smtplab.net.session import Transcript, converse, knock, like_port
from smtplab.net.talk import PORTS

_NEIGHBOURS = {25: (587, 465), 587: (465, 25), 465: (587, 25), 2525: (587, 465)}
_MAILBOX = {143: (993,), 993: (143,), 110: (995,), 995: (110,), 4190: (993, 143)}
MAX_SERVERS = 3


class Hint(StrEnum):
    """An observation that makes a cause likelier, or certain."""

    AUTHORITATIVE_KNOWS = "the zone's own server has the record"
    HAS_MX = "the name has MX records"
    OTHER_PORTS = "other mail ports of the host answer"
    NO_OTHER_PORTS = "no other mail port of the host answers"
    EVERY_25_DEAD = "port 25 of every host is silent"
    EXPECTS_TLS = "the port speaks TLS from the first byte"
    EXPECTS_PLAIN = "the port greets in plain text"
    OTHER_MODE_FAILS = "the port does not answer in the other TLS mode either"
    IPV6 = "the address is IPv6"


async def about_name(network: Network, host: str) -> frozenset[Hint]:
    """Whether the zone's own servers know a name that the resolver does not, and whether it is a mail domain."""
    found = set()
    if (await query(network, host, "MX")).present:
        found.add(Hint.HAS_MX)
    for server in await _authorities(network, host):
        if (await query(network, host, "A", server=server)).present:
            found.add(Hint.AUTHORITATIVE_KNOWS)
            break
    return frozenset(found)


async def _authorities(network: Network, host: str) -> list[str]:
    labels = host.split(".")
    for cut in range(len(labels) - 1):
        if names := (await query(network, ".".join(labels[cut:]), "NS")).records:
            found = [(await addresses(network, n))[0] for n in names[:MAX_SERVERS]]
            return [ips[0] for ips in found if ips]
    return []


async def about_port(network: Network, host: str, address: str, port: int) -> frozenset[Hint]:
    """Whether other mail ports of the host answer, and whether the name is a domain whose mail goes elsewhere."""
    states = [await knock(network, address, p) for p in (_NEIGHBOURS | _MAILBOX).get(port, (25, 587))]
    found = {Hint.OTHER_PORTS if "open" in states else Hint.NO_OTHER_PORTS}
    exchangers = (await query(network, host, "MX")).records
    if exchangers and not any(r.endswith(f" {host}") for r in exchangers):
        found.add(Hint.HAS_MX)
    return frozenset(found)


async def about_tls(network: Network, session: Transcript) -> frozenset[Hint]:
    """Whether the port answers in the other mode: TLS from the first byte, or plain text."""
    modes = {(p, i) for p, i, _ in PORTS.values()}
    if (session.protocol, not session.implicit) not in modes:
        return frozenset()
    like = like_port(session.protocol, not session.implicit)
    again = await converse(network, session.host, session.address, session.port, like)
    if again.greeted and (again.tls is not None or session.implicit):
        return frozenset({Hint.EXPECTS_PLAIN if session.implicit else Hint.EXPECTS_TLS})
    return frozenset() if again.why else frozenset({Hint.OTHER_MODE_FAILS})
