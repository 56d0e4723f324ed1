"""The whole examination of a case, in the order of work: read, take inventory, collect, check, rank causes.

Each step runs once, on first use, so that a chapter pays only for what it shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import pandas as pd

from smtplab import (
    authentication,
    bounces,
    causes,
    inventory,
    logs,
    messages,
    names,
    replies,
    reports,
    servers,
    sources,
    submitters,
    transport,
)
from smtplab.bounces import Joined
from smtplab.case import Case
from smtplab.causes import Cause, Causes
from smtplab.findings import Findings
from smtplab.messages import SignatureEvidence
from smtplab.submitters import Submitters
from smtplab.tables import Inventory


class Examination:
    """Everything known about a case; make it with `smtplab.examine(case)`."""

    def __init__(self, case: Case) -> None:
        self.case = case

    def __repr__(self) -> str:
        counts = ", ".join(f"{n} {s}" for s, n in self.findings.counts().items() if n)
        return f"Examination of {self.case.name}: {counts or 'no findings'}"

    @cached_property
    def logs(self) -> logs.LogEvidence:
        """What mail logs and provider events tell."""
        return logs.read(self.case)

    @cached_property
    def bounces(self) -> bounces.BounceEvidence:
        """What came back."""
        return bounces.read(self.case)

    @cached_property
    def reports(self) -> reports.ReportEvidence:
        """What receivers report."""
        return reports.read(self.case)

    @cached_property
    def messages(self) -> messages.MessageEvidence:
        """Sample messages."""
        return messages.read(self.case)

    @cached_property
    def inventory(self) -> Inventory:
        """All that the evidence speaks of."""
        with self.case.nothing_kept_unless_all_is_read():
            seen = (
                messages.sightings(self.messages),
                reports.sightings(self.reports),
                bounces.sightings(self.bounces),
                logs.sightings(self.logs),
            )
        return inventory.gather(self.case, *reversed(seen))

    @cached_property
    def authentication(self) -> authentication.AuthEvidence:
        """SPF, DKIM and DMARC as published."""
        return authentication.collect(self.case, self.inventory)

    @cached_property
    def signatures(self) -> SignatureEvidence:
        """The sample messages' signatures and ARC chains, verified."""
        return messages.collect(self.case, self.messages)

    @cached_property
    def names(self) -> names.NamesEvidence:
        """MX, PTR and the authoritative servers."""
        return names.collect(self.case, self.inventory)

    @cached_property
    def servers(self) -> servers.ServerEvidence:
        """What our servers offer."""
        return servers.collect(self.case, self.inventory)

    @cached_property
    def transport(self) -> transport.TransportEvidence:
        """Certificates, MTA-STS, TLS versions."""
        return transport.collect(self.case, self.inventory)

    @cached_property
    def submitters(self) -> Submitters:
        """Who handed in mail by the logs, beside who may by the configuration."""
        return submitters.gather(self.servers, self.logs.messages, self.logs.connections)

    @cached_property
    def joined(self) -> Joined:
        """What came back, joined to what logs and provider events tell."""
        return bounces.join(self.case, self.bounces, self.logs.outcomes, self.logs.complaints)

    @property
    def outcomes(self) -> pd.DataFrame:
        """The table outcomes: logs and provider events, with losses that only bounces tell of."""
        return self.joined.outcomes

    @cached_property
    def findings(self) -> Findings:
        """The findings of all areas, worst first."""
        return names.settled(
            authentication.check(self.authentication)
            + names.check(self.names)
            + servers.check(self.servers)
            + submitters.check(self.submitters)
            + transport.check(self.transport)
            + logs.check(self.logs)
            + bounces.check(self.bounces, self.joined)
            + reports.check(self.reports)
            + messages.check(self.messages, self.signatures)
        )

    @cached_property
    def causes(self) -> Causes:
        """What each finding costs."""
        return causes.rank(self.findings, self.outcomes, self.reports.tls, self.reports.aggregate, replies.rescued_by())

    def headline(self) -> str:
        """The verdict in two or three sentences, for the head of the report."""
        ledger, counts = self.causes.outbound, self.findings.counts()
        found = f"{counts['critical']} critical and {counts['high']} high findings."
        if not self.case.tape and not self.case.network.live:
            found += " No DNS or server answer is recorded, so those are unknown: run `smtplab collect`."
        if not len(self.outcomes):
            return f"No logs, events or bounces in this case, so nothing tells what was lost. {found}"
        lost = f"{ledger.total:,} of {len(self.outcomes):,} recipients were lost or served too late"
        if not ledger.causes:
            return f"{lost}. {found}"
        explained = 1 - ledger.unexplained / ledger.total
        return f"{lost}; {explained:.0%} of that is explained. {_first(ledger.causes)} {found}"

    @cached_property
    def problems(self) -> pd.DataFrame:
        """Records that could not be read, of all sources (table problems)."""
        parts = [e.problems for e in (self.logs, self.bounces, self.servers, self.reports, self.messages)]
        return pd.concat(parts, ignore_index=True)


def _first(ranked: Sequence[Cause]) -> str:
    """What to mend first: as many findings of one set as it takes until something is gained for sure."""
    count = next((i for i, cause in enumerate(ranked, 1) if cause.gain), 1)
    titles = [c.finding.title for c in ranked[: count if count <= 3 else 1]]
    return f"Mend first{', together' if len(titles) > 1 else ''}: {'; and '.join(titles)}."


def examine(case: Case) -> Examination:
    """Examine a case; the work is done as its parts are asked for.

    Raises SourceError for sources of which nothing can be understood.
    """
    sources.check(case)
    return Examination(case)
