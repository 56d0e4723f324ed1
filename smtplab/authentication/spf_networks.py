"""Which addresses an SPF record lets pass, which of them twice, and which nobody uses (RFC 7208 sections 5 and 6)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping

import pandas as pd

from smtplab.authentication.collect import AuthEvidence
from smtplab.authentication.ranges import EVERYONE, Ranges, Span, span
from smtplab.authentication.spf_record import MAX_LOOKUPS, SpfRecord, SpfTerm
from smtplab.names.suffixes import organization

BROAD = {4: 16, 6: 32}
"""A prefix shorter than this authorises more than one sender can own, by family of addresses."""
STRANGER = "192.0.2.1"


def decide(terms: Iterable[SpfTerm], space: Ranges = EVERYONE) -> Ranges:
    """The addresses of `space` that a record lets pass; a term that depends on the message lets nobody pass."""
    passed = Ranges()
    for term in terms:
        if term.name == "redirect":
            return passed | decide(term.inner, space)
        matched = matches(term) & space
        if term.qualifier == "+":
            passed |= matched
        space -= matched
    return passed


def matches(term: SpfTerm) -> Ranges:
    """The addresses that a mechanism matches, as far as they do not depend on the message."""
    if term.name == "all":
        return EVERYONE
    return decide(term.inner) if term.name == "include" else Ranges.of(term.networks)


def seen(*tables: pd.DataFrame) -> dict[str, int]:
    """Addresses that mail was seen to leave from, with counts, in tables with the column source_ip.

    Logs and reports speak of the same mail, so the larger count of an address counts.
    """
    found: dict[str, int] = {}
    for table in tables:
        weights = table["count"] if "count" in table else pd.Series(1, index=table.index)
        for ip, n in weights.groupby(table["source_ip"]).sum().items():
            found[str(ip)] = max(int(n), found.get(str(ip), 0))
    return found


def used(networks: Iterable[str], sightings: Mapping[str, int]) -> int | None:
    """Sightings from within some networks; None where the case holds no evidence of any sender."""
    if not sightings:
        return None
    held = Ranges.of(networks)
    return sum(n for ip, n in sightings.items() if held.holds(ip))


def spf_doubtful(evidence: AuthEvidence, domain: str, *tables: pd.DataFrame) -> str:
    """The sending address whose evaluation teaches most: of those that SPF does not reach, the one seen most.

    `tables` with the column source_ip tell who sends. Else the first outbound address of the case; where none is
    known, an address of a documentation network stands for a stranger's.
    """
    record, sightings = evidence.spf_record(domain), seen(*tables)
    held = Ranges.of(record.reachable()) if record else Ranges()
    ranked = sorted(sightings, key=lambda ip: (held.holds(ip), -sightings[ip], ip))
    return next(iter((*ranked, *evidence.outbound, STRANGER)))


def spf_networks(evidence: AuthEvidence, domain: str, *tables: pd.DataFrame) -> pd.DataFrame:
    """A row a network that SPF of a domain authorises, in order; `tables` (outcomes, aggregate) tell who sends.

    Columns: network, addresses (IPv4 only), term, in (the domain whose record names it), through (the term of the
    domain's own record), reached (within ten look-ups), inside (a network of another term that holds it), broad
    (shorter than /16, for IPv6 /32), used (yes, no, no evidence).
    """
    return inventory(evidence.spf_record(domain), seen(*tables))


def inventory(record: SpfRecord | None, sightings: Mapping[str, int] | None = None) -> pd.DataFrame:
    """The same of one record."""
    rows = []
    listed = [(top, t, n) for top, t in record.passing() for n in t.networks] if record else []
    holders = _holders([(n, id(t)) for _, t, n in listed])
    for (top, term, network), inside in zip(listed, holders, strict=True):
        net = ipaddress.ip_network(network)
        count = used([network], sightings or {})
        sends = "no evidence" if count is None else "yes" if count else "no"
        reached = max(term.lookup, term.before) <= MAX_LOOKUPS
        size = net.num_addresses if net.version == 4 else None
        rows.append((network, size, term.text, term.domain, top.text, reached, inside, broad(network), sends))
    columns = ["network", "addresses", "term", "in", "through", "reached", "inside", "broad", "used"]
    return pd.DataFrame(rows, columns=columns).astype({"addresses": "Int64"})


def broad(network: str) -> bool:
    """Whether a network is larger than one sender plausibly owns."""
    net = ipaddress.ip_network(network)
    return net.prefixlen < BROAD[net.version]


def _holders(networks: list[tuple[str, int]]) -> list[str | None]:
    """For each network of a term (network, term) the smallest one of another term that holds it; None without."""
    order = sorted(range(len(networks)), key=lambda i: (span(networks[i][0])[0], -span(networks[i][0])[1], i))
    found: list[str | None] = [None] * len(networks)
    around: list[tuple[Span, int]] = []
    for i in order:
        network, term = networks[i]
        here = span(network)
        while around and around[-1][0][1] < here[0]:
            around.pop()
        found[i] = next((networks[j][0] for _, j in reversed(around) if networks[j][1] != term), None)
        around.append((here, i))
    return found


def foreign(record: SpfRecord, term: SpfTerm) -> bool:
    """Whether a term stands in the record of another organization, which may change it any day."""
    return term.domain != record.domain and organization(term.domain) != organization(record.domain)
