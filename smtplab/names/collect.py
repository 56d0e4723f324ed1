"""Collect names: MX hosts with their addresses, PTR of every outbound address, answers of authoritative servers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import pandas as pd

from smtplab.case import Case
from smtplab.casefile import Host
from smtplab.names import listed, reverse, routing
from smtplab.names import propagation as zones_of
from smtplab.names.listed import Listed
from smtplab.names.propagation import Zone, literal_networks
from smtplab.names.reverse import OutboundAddress
from smtplab.names.routing import NULL_MX, MailHost
from smtplab.net import Network
from smtplab.net.dns import DnsAnswer, query
from smtplab.tables import Inventory

__all__ = ["NULL_MX", "NamesEvidence", "ask", "collect"]
MAX_RECIPIENT_DOMAINS = 200
MAX_ADDRESSES = 200


@dataclass(frozen=True)
class NamesEvidence:
    """MX answers by domain, their hosts, outbound addresses, and zones as each server tells them.

    `recipients` are the MX answers of the domains we send to most, `implicit` the domains themselves where they have
    no MX and mail goes to their own address, `listed` what each domain's SPF record names singly. `as_of` is the clock
    of every judgement.
    """

    mx: tuple[DnsAnswer, ...]
    hosts: tuple[MailHost, ...]
    outbound: tuple[OutboundAddress, ...]
    zones: tuple[Zone, ...]
    recipients: tuple[DnsAnswer, ...] = ()
    implicit: tuple[MailHost, ...] = ()
    listed: tuple[Listed, ...] = ()
    as_of: datetime | None = None

    def __repr__(self) -> str:
        return f"NamesEvidence({len(self.hosts)} MX, {len(self.outbound)} outbound addresses, {len(self.zones)} zones)"

    def routing(self) -> pd.DataFrame:
        """A row an MX, in the order senders try them: domain, preference, host, addresses, what is wrong.

        Preference is NA where there is no MX and mail goes to the address of the domain.
        """
        rows = [
            (
                h.domain,
                None if h in self.implicit else h.preference,
                h.name,
                ", ".join((*h.addresses, *(f"{ip} (private)" for ip in h.hidden))),
                h.fault or (f"alias of {h.alias}" if h.alias else h.why),
            )
            for h in (*self.hosts, *self.implicit)
        ]
        frame = pd.DataFrame(rows, columns=["domain", "preference", "host", "addresses", "what"])
        return frame.astype({"preference": "Int64"})

    def addresses(self) -> pd.DataFrame:
        """A row an outbound address: address, ptr, leads back to, confirmed, greets as, seen in."""
        rows = [
            (
                o.address,
                str(o.ptr),
                ", ".join(dict.fromkeys(ip for _, ips in o.forward for ip in ips)),
                o.confirmed,
                o.helo,
                o.seen,
            )
            for o in self.outbound
        ]
        return pd.DataFrame(rows, columns=["address", "ptr", "leads back to", "confirmed", "greets as", "seen in"])

    def servers(self) -> pd.DataFrame:
        """A row an authoritative server: domain, server, serial, the networks its SPF record names, its MX."""
        rows = []
        for zone in self.zones:
            for place in zone.servers:
                txt = zone.answer(place, (zone.domain, "TXT"))
                networks = ", ".join(n for r in txt.records for n in literal_networks(r))
                said = networks or ("none" if txt.present else str(txt))
                mx = str(zone.answer(place, (zone.domain, "MX")))
                rows.append((zone.domain, place.name, zone.serial(place), said, mx))
        frame = pd.DataFrame(rows, columns=["domain", "server", "serial", "networks in SPF", "mx"])
        return frame.astype({"serial": "Int64"})

    def propagation(self) -> pd.DataFrame:
        """A row a server or resolver and question, as `names.propagation.table` tells it, of all zones."""
        tables = [zones_of.table(zone, self.as_of) for zone in self.zones if self.as_of]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=zones_of.COLUMNS)


def collect(case: Case, inventory: Inventory) -> NamesEvidence:
    """Ask for MX, PTR and the authoritative servers of the inventory's domains and addresses."""
    if case.tape:
        case.network.demand("dns")
    return case.network.run(ask(case.network, inventory, case.hosts, as_of=case.as_of))


async def ask(
    network: Network,
    inventory: Inventory,
    hosts: tuple[Host, ...] = (),
    propagation: bool = True,
    *,
    as_of: datetime | None = None,
) -> NamesEvidence:
    """The same without a case; `hosts` give outbound addresses the name that they greet with, before the inventory.

    Without `propagation` no authoritative server is asked by itself, only the resolver. `as_of` is now, unless given.
    """
    domains = inventory.domains()
    theirs = [d for d in inventory.recipient_domains() if d not in domains][:MAX_RECIPIENT_DOMAINS]
    mx, named, zones, recipients = await asyncio.gather(
        asyncio.gather(*(query(network, d, "MX") for d in domains)),
        asyncio.gather(*(listed.collect(network, d, domains) for d in domains)),
        asyncio.gather(*(zones_of.collect(network, d, inventory.selectors(d)) for d in domains if propagation)),
        asyncio.gather(*(query(network, d, "MX") for d in theirs)),
    )
    hosts_of = await asyncio.gather(*(routing.collect(network, a) for a in mx))
    implicit = await asyncio.gather(*(routing.implicit(network, a) for a in mx))
    outbound = await _outbound(network, inventory, hosts, named)
    return NamesEvidence(
        tuple(mx),
        tuple(h for group in hosts_of for h in group),
        tuple(outbound),
        tuple(z for z in zones if z),
        tuple(recipients),
        tuple(h for h in implicit if h),
        tuple(named),
        as_of or network.clock(),
    )


async def _outbound(
    network: Network, inventory: Inventory, hosts: tuple[Host, ...], named: Sequence[Listed]
) -> list[OutboundAddress]:
    """Every public address mail leaves from: what evidence and case.toml name, and what our SPF records list singly."""
    seen = {ip: [inventory.where("outbound", ip)] for ip in inventory.outbound()}
    for one in named:
        for ip in one.addresses:
            seen.setdefault(ip, []).append(f"SPF of {one.domain}")
    declared = {ip: h.name for h in hosts if "outbound" in h.roles for ip in h.addresses}
    greets = inventory.greetings() | declared
    for ip in seen.keys() & greets.keys() - declared.keys():
        seen[ip].append(f"HELO in {inventory.where('helo', greets[ip], ip)}")
    public = [ip for ip in seen if network.settings.is_public(ip)][:MAX_ADDRESSES]
    told = {ip: "; ".join(filter(None, seen[ip])) for ip in public}
    found = await asyncio.gather(*(reverse.collect(network, ip, greets.get(ip, ""), told[ip]) for ip in public))
    listed_singly = {ip for one in named for ip in one.addresses if ip not in one.hosts}
    silent = {ip for one in named for ip in one.hosts} - listed_singly - {*inventory.outbound(), *greets}
    return [replace(out, permitted=out.address in silent) for out in found]
