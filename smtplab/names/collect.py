"""Collect names: MX hosts with their addresses, PTR of every outbound address, answers of authoritative servers."""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass

import pandas as pd

from smtplab.case import Case
from smtplab.casefile import Host
from smtplab.names.propagation import Zone, literal_networks
from smtplab.names.propagation import collect as collect_zone
from smtplab.net import Network
from smtplab.net.dns import DnsAnswer, State, addresses, query, reverse
from smtplab.tables import Inventory

NULL_MX = ("0 .",)
"""RFC 7505: this domain takes no mail."""
MAX_RECIPIENT_DOMAINS = 200
MAX_PTR = 10
MAX_ADDRESSES = 200


@dataclass(frozen=True)
class MailHost:
    """One MX of a domain; `addresses` public ones only, `hidden` those nobody outside can reach."""

    domain: str
    preference: int
    name: str
    addresses: tuple[str, ...]
    hidden: tuple[str, ...] = ()
    alias: str = ""
    why: str = ""

    @property
    def literal(self) -> bool:
        """An address stands where a name must."""
        try:
            ipaddress.ip_address(self.name)
        except ValueError:
            return False
        return True


@dataclass(frozen=True)
class OutboundAddress:
    """An address our mail leaves from: its PTR names and what each resolves to; `ptr` may be unknown."""

    address: str
    ptr: DnsAnswer
    forward: tuple[tuple[str, tuple[str, ...]], ...]
    unknown: str = ""
    helo: str = ""

    @property
    def confirmed(self) -> bool:
        """One of its names leads back to it (forward-confirmed reverse DNS)."""
        return any(_same(self.address, ip) for _, ips in self.forward for ip in ips)


def _same(one: str, other: str) -> bool:
    """IPv6 has many spellings of one address."""
    return ipaddress.ip_address(one) == ipaddress.ip_address(other)


@dataclass(frozen=True)
class NamesEvidence:
    """MX answers by domain, their hosts, outbound addresses, and zones as each server tells them.

    `recipients` are the MX answers of the domains we send to most.
    """

    mx: tuple[DnsAnswer, ...]
    hosts: tuple[MailHost, ...]
    outbound: tuple[OutboundAddress, ...]
    zones: tuple[Zone, ...]
    recipients: tuple[DnsAnswer, ...] = ()

    def __repr__(self) -> str:
        return f"NamesEvidence({len(self.hosts)} MX, {len(self.outbound)} outbound addresses, {len(self.zones)} zones)"

    def addresses(self) -> pd.DataFrame:
        """A row an outbound address: address, ptr, leads back to, confirmed."""
        rows = [
            (o.address, str(o.ptr), ", ".join(dict.fromkeys(ip for _, ips in o.forward for ip in ips)), o.confirmed)
            for o in self.outbound
        ]
        return pd.DataFrame(rows, columns=["address", "ptr", "leads back to", "confirmed"])

    def servers(self) -> pd.DataFrame:
        """A row an authoritative server: domain, server, serial, the networks its SPF record names, its MX."""
        rows = []
        for zone in self.zones:
            serials = zone.serials()
            for name, ip in zone.servers:
                txt = zone.answers[ip, "TXT"]
                networks = ", ".join(n for r in txt.records for n in literal_networks(r))
                said = networks or ("none" if txt.present else str(txt))
                rows.append((zone.domain, name, serials.get(name), said, str(zone.answers[ip, "MX"])))
        frame = pd.DataFrame(rows, columns=["domain", "server", "serial", "networks in SPF", "mx"])
        return frame.astype({"serial": "Int64"})


def collect(case: Case, inventory: Inventory) -> NamesEvidence:
    """Ask for MX, PTR and the authoritative servers of the inventory's domains and addresses."""
    if case.tape:
        case.network.demand("dns")
    return case.network.run(ask(case.network, inventory, case.hosts))


async def ask(
    network: Network, inventory: Inventory, hosts: tuple[Host, ...] = (), propagation: bool = True
) -> NamesEvidence:
    """The same without a case; `hosts` give outbound addresses the name that they greet with.

    Without `propagation` no authoritative server is asked by itself, only the resolver.
    """
    domains = inventory.domains()
    mx = await asyncio.gather(*(query(network, d, "MX") for d in domains))
    exchangers = await asyncio.gather(
        *(_host(network, a.name, r) for a in mx for r in a.records if a.records != NULL_MX)
    )
    named = {ip: h.name for h in hosts if "outbound" in h.roles for ip in h.addresses}
    outbound = await asyncio.gather(
        *(_outbound(network, ip, named.get(ip, "")) for ip in inventory.outbound()[:MAX_ADDRESSES])
    )
    zones = await asyncio.gather(*(collect_zone(network, d) for d in domains if propagation))
    theirs = [d for d in inventory.recipient_domains() if d not in domains][:MAX_RECIPIENT_DOMAINS]
    recipients = await asyncio.gather(*(query(network, d, "MX") for d in theirs))
    return NamesEvidence(tuple(mx), tuple(exchangers), tuple(outbound), tuple(z for z in zones if z), tuple(recipients))


async def _host(network: Network, domain: str, record: str) -> MailHost:
    preference, _, name = record.partition(" ")
    ips, a, aaaa = await addresses(network, name)
    public = tuple(ip for ip in ips if network.settings.is_public(ip))
    hidden = tuple(ip for ip in ips if not network.settings.is_public(ip))
    why = "; ".join(x.why for x in (a, aaaa) if x.state is State.UNKNOWN)
    return MailHost(domain, int(preference), name, public, hidden, a.cname or aaaa.cname, why)


async def _outbound(network: Network, address: str, helo: str) -> OutboundAddress:
    ptr = await reverse(network, address)
    forward, unknown = [], ptr.why if ptr.state is State.UNKNOWN else ""
    for name in ptr.records[:MAX_PTR]:
        ips, a, aaaa = await addresses(network, name)
        forward.append((name, tuple(ips)))
        unknown = unknown or "; ".join(x.why for x in (a, aaaa) if x.state is State.UNKNOWN)
    return OutboundAddress(address, ptr, tuple(forward), unknown, helo)
