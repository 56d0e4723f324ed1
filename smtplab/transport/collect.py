"""Collect certificates from the sessions, the TLS versions each service accepts, and MTA-STS policies."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from smtplab import servers
from smtplab.case import Case
from smtplab.net import Network
from smtplab.net.dns import query
from smtplab.net.session import TlsFacts, Transcript
from smtplab.net.tls import VERSIONS, Certificate, Verdict, accepts, read_leaf, verify
from smtplab.tables import Inventory
from smtplab.transport import mta_sts
from smtplab.transport.mta_sts import Policy


@dataclass(frozen=True)
class HostTls:
    """TLS of a host and port; `legacy` maps TLS 1.0 and 1.1 to accepted (None: unknown)."""

    host: str
    address: str
    port: int
    certificate: Certificate | None
    verdict: Verdict
    version: str
    cipher: str
    group: str
    legacy: tuple[tuple[str, bool | None], ...]
    mx: bool

    def days_left(self, at: datetime) -> int:
        """Whole days until the certificate ends; negative once it has."""
        return (self.certificate.not_after - at).days if self.certificate else 0


@dataclass(frozen=True)
class TransportEvidence:
    """TLS of every service that has it, and the policy of every domain; `as_of` is the clock of the judgement."""

    hosts: tuple[HostTls, ...]
    policies: tuple[Policy, ...]
    mx: tuple[tuple[str, str], ...]
    as_of: datetime

    def __repr__(self) -> str:
        return f"TransportEvidence({len(self.hosts)} services with TLS, {len(self.policies)} policies)"

    def certificates(self) -> pd.DataFrame:
        """A row a service: host, port, names, ends, days left, verdict, version, group."""
        rows = [
            (
                h.host,
                h.port,
                ", ".join(h.certificate.names) if h.certificate else "",
                f"{h.certificate.not_after:%Y-%m-%d}" if h.certificate else "",
                h.days_left(self.as_of),
                h.verdict.text,
                h.version,
                h.group,
            )
            for h in self.hosts
        ]
        return pd.DataFrame(rows, columns=["host", "port", "names", "ends", "days left", "verdict", "TLS", "group"])

    def promises(self) -> pd.DataFrame:
        """A row a domain and MX: what MTA-STS promises, and whether the MX is named."""
        rows = []
        for policy in self.policies:
            for host in [h for d, h in self.mx if d == policy.domain] or [""]:
                named = "" if not policy.mode or not host else "yes" if policy.names(host) else "NO"
                rows.append((policy.domain, policy.mode or str(policy.state), host, named, policy.error or policy.why))
        return pd.DataFrame(rows, columns=["domain", "mode", "mx", "named", "what"])


def collect(case: Case, inventory: Inventory) -> TransportEvidence:
    """Judge every chain at the case's time; ask each service for TLS 1.0 and 1.1; fetch policies."""
    sessions = servers.collect(case, inventory)
    return case.network.run(_collect(case, inventory, sessions))


async def _collect(case: Case, inventory: Inventory, evidence: servers.ServerEvidence) -> TransportEvidence:
    policies = await asyncio.gather(*(mta_sts.collect(case.network, d) for d in inventory.domains()))
    mx = []
    for domain in inventory.domains():
        from_dns = await _mx_of(case.network, domain)
        mx += [(domain, name) for name in from_dns]
    hosts = []
    for session in evidence.sessions:
        if session.tls:
            hosts.append(await _host(case, session, session.tls, session.host in evidence.mx))
    return TransportEvidence(tuple(hosts), tuple(policies), tuple(mx), case.as_of)


async def _mx_of(network: Network, domain: str) -> list[str]:
    """The MX names of a domain."""
    answer = await query(network, domain, "MX")
    return [name for r in answer.records if (name := r.split()[-1]) != "."]


async def _host(case: Case, session: Transcript, facts: TlsFacts, mx: bool) -> HostTls:
    legacy = []
    for version in VERSIONS:
        accepted, _ = await accepts(case.network, session.host, session.address, session.port, version)
        legacy.append((version, accepted))
    return HostTls(
        session.host,
        session.address,
        session.port,
        read_leaf(facts.chain[0]) if facts.chain else None,
        verify(facts.chain, case.as_of, case.network.settings.trust),
        facts.version,
        facts.cipher,
        facts.group,
        tuple(legacy),
        mx,
    )
