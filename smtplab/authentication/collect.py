"""Collect what is published: SPF, DKIM keys and DMARC of every domain of the case."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime

import pandas as pd

from smtplab.authentication import bimi, dkim, dmarc, spf, spf_trace, spoofing
from smtplab.authentication.bimi import Bimi
from smtplab.authentication.dkim import Discovery, DkimKey
from smtplab.authentication.dmarc import Dmarc
from smtplab.authentication.spf_record import SpfRecord
from smtplab.case import Case
from smtplab.net import Network
from smtplab.tables import Inventory

CASE_TOML = "case.toml"
MAX_SELECTORS = 50
"""Selectors asked for, of each domain; evidence is written by strangers, who may name thousands."""
MAX_ADDRESSES = 200


@dataclass(frozen=True)
class AuthEvidence:
    """SPF and DMARC by domain, the keys of all selectors, and what a receiver would say to our own addresses.

    `evaluated` has domain, address, result, lookups, voids: SPF for every outbound address. `guesses` tells
    for domains without a known selector what asking for common ones found; the keys among `dkim` hold its keys too.
    """

    domains: tuple[str, ...]
    outbound: tuple[str, ...]
    spf: tuple[SpfRecord, ...]
    dkim: tuple[DkimKey, ...]
    dmarc: tuple[Dmarc, ...]
    evaluated: tuple[tuple[str, str, str, int, int], ...]
    guesses: tuple[Discovery, ...] = ()
    bimi: tuple[Bimi, ...] = ()
    left_out: int = 0
    """Selectors and addresses not asked for, because there were too many."""
    forgeable: tuple[spoofing.Target, ...] = ()
    """The names that a forger may write; of a case only."""
    at: datetime | None = None
    """The time it is judged at."""

    def __repr__(self) -> str:
        more = f"; {self.left_out:,} more not asked for" if self.left_out else ""
        return (
            f"AuthEvidence({len(self.spf)} domains, {len(self.dkim)} DKIM keys, {len(self.outbound)} addresses{more})"
        )

    @property
    def verdicts(self) -> pd.DataFrame:
        """A row a domain and outbound address: domain, address, result, lookups, voids."""
        return pd.DataFrame(self.evaluated, columns=["domain", "address", "result", "lookups", "voids"])

    def spf_record(self, domain: str) -> SpfRecord | None:
        """The SPF record of a domain; None for a domain that was not asked for."""
        return next((r for r in self.spf if r.domain == domain), None)

    def published(self) -> pd.DataFrame:
        """A row a domain: its SPF record, look-ups and empty look-ups in the worst case, what its end says."""
        rows = [
            (r.domain, " | ".join(r.records) or f"{r.state} {r.why}".strip(), r.lookups, r.voids, r.all)
            for r in self.spf
        ]
        return pd.DataFrame(rows, columns=["domain", "record", "lookups", "voids", "all"])

    def report_addresses(self) -> pd.DataFrame:
        """A row a DMARC report address: domain, address, consent, and mail: whether an own one gets any."""
        rows = [
            (d.record.domain, t.address, str(t.consent), str(t.mail)) for d in self.dmarc if d.record for t in d.targets
        ]
        return pd.DataFrame(list(dict.fromkeys(rows)), columns=["domain", "address", "consent", "mail"])

    def keys(self) -> pd.DataFrame:
        """A row a DKIM selector: name, state, type, bits, seen in, what is wrong."""
        rows = [(k.name, str(k.state), k.kind, k.bits or None, k.seen, k.why or k.unusable) for k in self.dkim]
        frame = pd.DataFrame(rows, columns=["name", "state", "type", "bits", "seen in", "what"])
        return frame.astype({"bits": "Int64"})

    def logos(self) -> pd.DataFrame:
        """A row a BIMI selector: domain, selector, record, policy forbids; what is wrong with logo and certificate."""
        rows = [
            (
                b.domain,
                b.selector,
                b.record or str(b.state),
                "unknown" if b.forbidden is None else ", ".join(b.forbidden),
                b.error or b.logo_error or ", ".join(b.logo.broken if b.logo else ()),
                b.mark_error or ", ".join(b.mark.problems if b.mark else ()),
            )
            for b in self.bimi
        ]
        return pd.DataFrame(rows, columns=["domain", "selector", "record", "policy forbids", "logo", "certificate"])

    def policies(self) -> pd.DataFrame:
        """A row a domain: the record that governs it, by RFC 9989 the policy for itself and its subdomains (sp, np).

        `by suffix list` is the organizational domain of RFC 7489; where the two standards differ, `differs` says how.
        """
        rows = [
            (
                d.domain,
                d.org,
                d.org_psl,
                d.record.text if d.record else "",
                *map(str, d.walked.policies),
                "; ".join(d.differs),
            )
            for d in self.dmarc
        ]
        columns = ["domain", "organizational", "by suffix list", "record", "p", "sp", "np", "differs"]
        return pd.DataFrame(rows, columns=columns)

    def spoofing(self) -> pd.DataFrame:
        """What becomes of forged mail, a row a name: see `spoofing.table`."""
        return spoofing.table(self.forgeable)


def collect(case: Case, inventory: Inventory) -> AuthEvidence:
    """Ask for all records of the inventory's domains, selectors and outbound addresses."""
    if case.tape:
        case.network.demand("dns")
    return case.network.run(_whole(case, inventory))


async def _whole(case: Case, inventory: Inventory) -> AuthEvidence:
    evidence = await ask(case.network, inventory, at=case.as_of)
    forgeable = await spoofing.collect(case.network, inventory, evidence.dmarc, evidence.spf)
    return replace(evidence, forgeable=forgeable)


async def ask(network: Network, inventory: Inventory, guess: bool = True, at: datetime | None = None) -> AuthEvidence:
    """The same without a case, judged `at` a time (default now).

    Without `guess` no selector is asked for that nothing names: neither DKIM's common ones nor BIMI's default.
    """
    domains, outbound = inventory.domains(), inventory.outbound()[:MAX_ADDRESSES]
    selectors = {d: inventory.selectors(d)[:MAX_SELECTORS] for d in domains}
    left_out = len(inventory.outbound()) - len(outbound)
    left_out += sum(len(inventory.selectors(d)) - len(selectors[d]) for d in domains)
    records = await asyncio.gather(*(spf.collect(network, d) for d in domains))
    keys = await asyncio.gather(
        *(dkim.collect(network, d, s, _seen(inventory, d, s)) for d in domains for s in sorted(selectors[d]))
    )
    signed = [d for d in domains if inventory.selectors(d)]
    # A signature of the domain above serves its subdomains as well, so nothing is guessed for them.
    bare = [d for d in domains if guess and not any(d == s or d.endswith(f".{s}") for s in signed)]
    guesses = await asyncio.gather(*(dkim.discover(network, d) for d in bare))
    keys = [replace(k, last=inventory.last("selector", k.selector, k.domain)) for k in keys]
    found = [*keys, *(k for g in guesses if not g.wildcard for k in g.keys)]
    policies = await asyncio.gather(*(dmarc.collect(network, d) for d in domains))
    logos = [(p, s) for p in policies for s in (*([bimi.DEFAULT] if guess else []), *inventory.logos(p.domain))]
    shown = await asyncio.gather(*(bimi.collect(network, p, at or network.clock(), s) for p, s in logos))
    pairs = [(r.domain, ip) for r in records if r.record for ip in outbound]
    results = await asyncio.gather(*(spf_trace.evaluate(network, ip, domain=d) for d, ip in pairs))
    rows = [(d, ip, r.result, r.lookups, r.void_lookups) for (d, ip), r in zip(pairs, results, strict=True)]
    return AuthEvidence(
        domains,
        outbound,
        tuple(records),
        tuple(found),
        tuple(policies),
        tuple(rows),
        tuple(guesses),
        tuple(shown),
        left_out,
        at=at or network.clock(),
    )


def _seen(inventory: Inventory, domain: str, selector: str) -> str:
    """Where evidence shows the selector in use for the domain; a mention in case.toml alone is no use."""
    where = dict.fromkeys(inventory.where("selector", selector, domain).split("; "))
    return "; ".join(w for w in where if w and w != CASE_TOML)
