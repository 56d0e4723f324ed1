"""A DNS answer and whether DNSSEC proves it, with who says so: the resolver's AD bit (RFC 6840) or our own check."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from smtplab.net import Network
from smtplab.net.dns import DnsAnswer, State, query
from smtplab.net.dnssec import Anchors, Security, prove

RESOLVER, LOCAL = "the resolver (AD bit)", "validated here"


@dataclass(frozen=True)
class Secured:
    """An answer, and whether DNSSEC proves it: None unknown. `by` says who vouches, `why` what is wrong or unknown.

    `bogus`: it is signed, and the signature does not hold, so a resolver that checks gives no answer at all.
    """

    answer: DnsAnswer
    secure: bool | None
    by: str = ""
    why: str = ""
    bogus: bool = False


async def secured(
    network: Network, answer: DnsAnswer, validating: bool | None, anchors: Anchors | None, at: datetime
) -> Secured:
    """Ask who vouches for an answer; without a trust anchor (None) the resolver is believed.

    `validating`: whether the resolver checks signatures at all; where it does not, a missing AD bit tells nothing.
    """
    if answer.state is State.UNKNOWN:
        return Secured(answer, None, why=answer.why)
    vouched = [RESOLVER] if answer.ad else []
    if anchors is not None:
        proof = await prove(network, answer.name, answer.rtype, anchors, at)
        if proof.security is Security.BOGUS:
            return Secured(answer, False, why=f"bogus: {proof.why}", bogus=True)
        if proof.security is Security.SECURE:
            vouched.append(LOCAL)
        elif not answer.ad:
            unknown = proof.security is Security.UNKNOWN
            return Secured(answer, None if unknown else False, why=proof.why)
    if vouched:
        return Secured(answer, True, " and ".join(vouched))
    if validating:
        return Secured(answer, False)
    why = "the resolver does not check DNSSEC" if validating is False else "whether the resolver checks DNSSEC"
    return Secured(answer, None, why=why)


async def validates(network: Network, seen: Iterable[DnsAnswer]) -> bool | None:
    """Whether the resolver checks signatures: it vouched for one of these answers, or does so for the signed root."""
    if any(a.ad for a in seen):
        return True
    root = await query(network, ".", "SOA")
    return None if root.state is State.UNKNOWN else root.ad
