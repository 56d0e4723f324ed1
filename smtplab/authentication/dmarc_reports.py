"""Who gets the DMARC reports, RFC 9990 section 4 (before: RFC 7489 section 7.1): did they agree, do they get mail?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Set
from dataclasses import dataclass
from enum import StrEnum

from smtplab.authentication.dmarc_record import MAX_PARTS, DmarcRecord, agrees
from smtplab.net import Network
from smtplab.net.dns import State, addresses, query

NULL_MX = "0 ."
MAX_WALKS = 10
"""Hosts below the organization of which it is asked whether they belong to it; further ones stay unknown."""


class Consent(StrEnum):
    """Whether a domain takes reports about another."""

    OWN = "own"
    """The same organization: nobody need agree."""
    AGREED = "agreed"
    REFUSED = "not authorised"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class ReportTarget:
    """One report address: `asked` is where its domain agrees; `mail` tells of an own one whether it gets any."""

    address: str
    consent: Consent
    asked: str = ""
    mail: State = State.UNKNOWN

    @property
    def host(self) -> str:
        """Its domain."""
        return self.address.rpartition("@")[2]


Walk = Callable[[Network, str], Awaitable[str]]
"""The organizational domain of a host by the DNS tree walk; "" where an answer is missing."""


async def collect(network: Network, record: DmarcRecord, org: str, walk: Walk) -> tuple[ReportTarget, ...]:
    """The report addresses of a record of the organization `org`, rua before ruf."""
    found = list(dict.fromkeys((*record.rua, *record.ruf)))[:MAX_PARTS]
    known = {org, record.domain} - {""}
    hosts = dict.fromkeys(a.rpartition("@")[2] for a in found)
    below = [h for h in hosts if h not in known and any(h.endswith(f".{own}") for own in known)]
    # A record with psd=n below makes another organization; a stranger's list of hosts is not walked without end.
    walked = dict(zip(below, await asyncio.gather(*(walk(network, h) for h in below[:MAX_WALKS])), strict=False))
    orgs = dict.fromkeys(below, "") | walked | {k: k for k in known}
    return tuple(await asyncio.gather(*(_target(network, a, record, orgs, known) for a in found)))


async def _target(
    network: Network, address: str, record: DmarcRecord, orgs: Mapping[str, str], known: Set[str]
) -> ReportTarget:
    """One address; `orgs` are the organizational domains of the hosts within ours, and `known` is what ours may be."""
    host = address.rpartition("@")[2]
    owner = orgs.get(host)
    if owner in known:
        return ReportTarget(address, Consent.OWN, mail=await _mail(network, host))
    if owner == "":
        return ReportTarget(address, Consent.UNKNOWN, f"_dmarc.{host}")
    # A wildcard *._report._dmarc of the receiver answers this question like any other name.
    asked = f"{record.domain}._report._dmarc.{host}"
    answer = await query(network, asked, "TXT")
    if answer.state is State.UNKNOWN:
        return ReportTarget(address, Consent.UNKNOWN, asked)
    agreed = any(map(agrees, answer.records))
    return ReportTarget(address, Consent.AGREED if agreed else Consent.REFUSED, asked)


async def _mail(network: Network, host: str) -> State:
    """Whether a domain can get mail: RFC 5321 section 5.1, RFC 7505 (null MX)."""
    answer = await query(network, host, "MX")
    if answer.state is not State.ABSENT:
        return State.ABSENT if answer.records == (NULL_MX,) else answer.state
    _, a, aaaa = await addresses(network, host)
    if a.present or aaaa.present:
        return State.PRESENT
    return State.UNKNOWN if State.UNKNOWN in (a.state, aaaa.state) else State.ABSENT
