"""What every command that goes out without a case shares: which resolver to ask."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Annotated

import typer

from smtplab.errors import SmtplabError

if TYPE_CHECKING:
    from smtplab.net import Network


def _checked(text: str) -> str:
    """Refuse what is no address, before a question is sent into the void."""
    if not text:
        return text
    from smtplab.net import endpoint

    try:
        address, port = endpoint(text)
        ipaddress.ip_address(address)
    except ValueError:
        address, port = "", 0
    if not address or not 0 < port < 65536:
        raise SmtplabError(
            f"{text!r} is no resolver", where="--resolver", do="Write 192.0.2.53:53 or [2001:db8::53]:53"
        )
    return text


Resolver = Annotated[
    str,
    typer.Option(
        "--resolver",
        metavar="ADDRESS:PORT",
        help="Resolver to ask; default: the case's or this machine's",
        callback=_checked,
    ),
]


def outside(resolver: str = "", timeout: float = 5.0) -> Network:
    """A network that asks live and keeps no tape."""
    from smtplab.net import Network, NetworkSettings

    return Network.without_case(NetworkSettings(resolver=resolver, timeout=timeout))


def alive(network: Network) -> None:
    """Raise SmtplabError where nothing at all was answered and the resolver does not know the root either."""
    from smtplab.net.dns import query, resolvers

    if network.heard:
        return
    root = network.run(query(network, ".", "SOA"))
    # A code that says no is an answer too: the resolver lives.
    if not network.heard and not root.rcode:
        asked = ", ".join(f"{host} port {port}" for host, port in resolvers(network)) or "none is configured"
        raise SmtplabError(f"no resolver answers: {root.why}", where=asked, do="Name another with --resolver")
