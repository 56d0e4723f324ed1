"""Who may? Questions that could be taken for an attack, for hosts of one's own and loopback alone.

Each goes through the tape as kind "probe". None sends a message to anyone else, and only the smuggling test sends
messages at all, to the host's own postmaster.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from smtplab.errors import NotAllowed
from smtplab.net import Network, NetworkSettings
from smtplab.servers.probes import injection, relay, smuggling
from smtplab.servers.probes.session import Probe, Target

__all__ = ["Probe", "Target", "may", "permit", "probe"]


def may(settings: NetworkSettings, host: str, address: str) -> bool:
    """Whether a host may be probed so: it is loopback, or case.toml lists its name or address as the analyst's own."""
    try:
        loopback = ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
    return loopback or host.lower() in settings.own or address in settings.own


def permit(settings: NetworkSettings, host: str, addresses: Sequence[str]) -> None:
    """Raise NotAllowed, before any packet, unless a host may be probed so at every address."""
    named = host.lower() in settings.own
    if not named and not (addresses and all(may(settings, host, ip) for ip in addresses)):
        raise NotAllowed(
            f"{host} is not listed as your own",
            where="intrusive probes",
            do="Set own = true for it under [[hosts]] in case.toml, and name the case with --case",
        )


async def probe(network: Network, target: Target, *, domain: str = "") -> tuple[Probe, ...]:
    """Every intrusive question that fits the protocol; raises NotAllowed for the host of somebody else.

    `domain` is one that the host takes mail for (default: the host's own name); its postmaster gets the messages of
    the smuggling test.
    """
    permit(network.settings, target.host, [target.address])
    found = list(await injection.run(network, target))
    if target.protocol == "smtp":
        found += await relay.ask_all(network, target)
        found += await smuggling.run(network, target, domain or target.host)
    return tuple(found)
