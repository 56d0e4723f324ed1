"""Which single addresses does a domain's own SPF record name, by ip4, ip6, a and mx (RFC 7208 sections 5.3 to 5.6)?

No network, and no include: those are other people's machines. A redirect is followed where it stays with the same
organization (RFC 7208 section 6.1, RFC 7489 section 3.2).
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Collection
from dataclasses import dataclass

import spftrace
from spftrace.parser import Term, parse

from smtplab.names.suffixes import organization
from smtplab.net import Network
from smtplab.net.dns import DnsAnswer, State, addresses, query

MAX_LITERAL = 50
"""Addresses taken from the ip4 and ip6 terms of one domain."""
MAX_RESOLVED = 20
"""Addresses taken from its a and mx terms."""
MAX_TERMS = 10
"""RFC 7208 section 4.6.4: terms that cause DNS queries; also the MX records of one term."""
MAX_REDIRECTS = 3


@dataclass(frozen=True)
class Listed:
    """Single addresses that the SPF record of a domain names; `why` is the reason where there may be more.

    `hosts` are those of them that stand behind an a or mx term only: servers of the domain that may never send.
    """

    domain: str
    addresses: tuple[str, ...]
    why: str = ""
    hosts: frozenset[str] = frozenset()


def terms(record: str) -> list[Term]:
    """The terms of an SPF record up to `all`; none for any other text and for a record that cannot be read."""
    if not record.lower().startswith("v=spf1"):
        return []
    try:
        found = parse(record).terms
    except spftrace.SpfError:
        return []
    end = next((i for i, t in enumerate(found) if t.name == "all"), None)
    # A redirect beside `all` does not count, wherever it stands (RFC 7208 section 6.1).
    return found if end is None else [t for t in found[:end] if t.is_mechanism]


async def collect(network: Network, domain: str, ours: Collection[str]) -> Listed:
    """Ask for the record and for what its terms name; `ours` are domains that a redirect may lead to."""
    named, why = await _terms(network, domain, ours)
    literal = [ip for _, t in named if t.name in ("ip4", "ip6") and (ip := _plain(str(t.arg))) and _single(t, ip)]
    asked = [(at, t) for at, t in named if t.name in ("a", "mx")][:MAX_TERMS]
    resolved = await asyncio.gather(*(_resolve(network, at, t) for at, t in asked))
    found = list(dict.fromkeys(ip for ips, _ in resolved for ip in ips))[:MAX_RESOLVED]
    silent = [why, *(w for _, w in resolved)]
    every = dict.fromkeys((*dict.fromkeys(literal[:MAX_LITERAL]), *found))
    hosts = frozenset(found) - frozenset(literal)
    return Listed(domain, tuple(every), "; ".join(dict.fromkeys(filter(None, silent))), hosts)


async def _terms(network: Network, domain: str, ours: Collection[str]) -> tuple[list[tuple[str, Term]], str]:
    """The mechanisms that let pass, each with the domain whose record has it, and why there may be more."""
    found: list[tuple[str, Term]] = []
    path = [domain]
    while len(path) <= MAX_REDIRECTS:
        answer = await query(network, path[-1], "TXT")
        if answer.state is State.UNKNOWN:
            return found, answer.why
        said = [t for r in answer.records for t in terms(r)]
        found += [(path[-1], t) for t in said if t.is_mechanism and t.qualifier == "+"]
        target = next((_name(t, "") for t in said if t.name == "redirect"), "")
        if not target or target in path or not (target in ours or organization(target) == organization(domain)):
            break
        path.append(target)
    return found, ""


async def _resolve(network: Network, domain: str, term: Term) -> tuple[list[str], str]:
    """The addresses behind an a or mx term that it names singly, and why there may be more."""
    if not (target := _name(term, domain)):
        return [], ""
    hosts, answers = [target], list[DnsAnswer]()
    if term.name == "mx":
        answers.append(await query(network, target, "MX"))
        hosts = [name for r in answers[0].records if (name := r.partition(" ")[2]) != "."][:MAX_TERMS]
    found: list[str] = []
    for ips, *both in await asyncio.gather(*(addresses(network, h) for h in hosts)):
        found += (ip for ip in ips if _single(term, ip))
        answers += both
    return found, next((a.why for a in answers if a.state is State.UNKNOWN), "")


def _plain(address: str) -> str:
    """IPv6 has many spellings of one address; "" for what is none."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return ""


def _single(term: Term, address: str) -> bool:
    bits, full = (term.cidr6, 128) if ":" in address else (term.cidr4, 32)
    return bits is None or bits == full


def _name(term: Term, domain: str) -> str:
    """The name a term asks for; "" where the message decides (a macro)."""
    name = (term.arg or domain).lower().rstrip(".")
    return "" if "%" in name else name
