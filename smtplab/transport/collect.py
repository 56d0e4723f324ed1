"""Collect certificates from the sessions, the TLS versions each service accepts, and MTA-STS policies."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from smtplab import servers
from smtplab.case import Case
from smtplab.net.certificates import Certificate, Chain, Verdict, judge
from smtplab.net.session import TlsFacts, Transcript
from smtplab.net.tls import LEGACY, VERSIONS, Survey, survey
from smtplab.servers.collect import mail_exchangers
from smtplab.tables import Inventory
from smtplab.transport import mta_sts
from smtplab.transport.mta_sts import Policy


@dataclass(frozen=True)
class HostTls:
    """TLS of a host and port: the completed handshake, its certificate as judged, and what else the port accepts."""

    host: str
    address: str
    port: int
    certificate: Certificate | None
    chain: Chain
    verdict: Verdict
    facts: TlsFacts
    survey: Survey
    mx: bool

    @property
    def versions(self) -> tuple[tuple[str, bool | None], ...]:
        """ "TLSv1" to "TLSv1.3" with accepted; None: unknown."""
        return self.survey.versions

    @property
    def legacy(self) -> tuple[str, ...]:
        """Accepted versions that RFC 8996 forbids."""
        return tuple(v for v, accepted in self.versions if accepted and v in LEGACY)

    def days_left(self, at: datetime) -> int:
        """Whole days until the certificate ends; negative once it has."""
        return int((self.certificate.not_after - at) / timedelta(days=1)) if self.certificate else 0

    def life_left(self, at: datetime) -> float:
        """The part of the certificate's life that is left, 1.0 to 0.0 and below; 90-day and yearly ones compare."""
        if self.certificate is None:
            return 0.0
        life = self.certificate.not_after - self.certificate.not_before
        return (self.certificate.not_after - at) / life if life else 0.0


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
        """A row a service: host, port, names, ends, days left, life left, verdict, key, TLS, group."""
        rows = [
            (
                h.host,
                h.port,
                ", ".join(h.certificate.names),
                f"{h.certificate.not_after:%Y-%m-%d}",
                h.days_left(self.as_of),
                f"{max(h.life_left(self.as_of), 0):.0%}",
                h.verdict.text,
                f"{h.certificate.key} {h.certificate.bits or ''}".strip(),
                h.facts.version,
                h.facts.group,
            )
            for h in self.hosts
            if h.certificate
        ]
        columns = ["host", "port", "names", "ends", "days left", "life left", "verdict", "key", "TLS", "group"]
        return pd.DataFrame(rows, columns=columns)

    def versions(self) -> pd.DataFrame:
        """A row a service, a column a TLS version: yes, no or unknown."""
        words = {True: "yes", False: "no", None: "unknown"}
        rows = [(h.host, h.port, *(words[accepted] for _, accepted in h.versions)) for h in self.hosts]
        return pd.DataFrame(rows, columns=["host", "port", *VERSIONS])

    def promises(self) -> pd.DataFrame:
        """A row a domain and MX: what MTA-STS promises, whether the MX is named, and whether reports are asked for."""
        rows = []
        for policy in self.policies:
            for host in [h for d, h in self.mx if d == policy.domain] or [""]:
                file = policy.file
                named = "" if not file.mode or not host else "yes" if file.names(host) else "NO"
                mode = file.mode or str(policy.state)
                what = policy.error or policy.why
                rows.append((policy.domain, mode, host, named, what, policy.rua or str(policy.report)))
        return pd.DataFrame(rows, columns=["domain", "mode", "mx", "named", "what is wrong", "TLS reports to"])


def collect(case: Case, inventory: Inventory) -> TransportEvidence:
    """Judge every chain at the case's time; offer each service the TLS versions one by one; fetch policies.

    Raises NotRecorded when the case has a recording that holds no session at all.
    """
    sessions = servers.collect(case, inventory)
    return case.network.run(_collect(case, inventory, sessions))


async def _collect(case: Case, inventory: Inventory, evidence: servers.ServerEvidence) -> TransportEvidence:
    network, domains = case.network, inventory.domains()
    policies = await asyncio.gather(*(mta_sts.collect(network, d, case.as_of) for d in domains))
    mx = [(d, name) for d in domains for name in await mail_exchangers(network, d)]
    spoken = [(s, s.tls) for s in evidence.sessions if s.tls]
    hosts = await asyncio.gather(*(_host(case, s, facts, s.host in evidence.mx) for s, facts in spoken))
    return TransportEvidence(tuple(hosts), tuple(policies), tuple(mx), case.as_of)


async def _host(case: Case, session: Transcript, facts: TlsFacts, mx: bool) -> HostTls:
    host, address, port = session.host, session.address, session.port
    judged = judge(facts.chain, host, case.as_of, case.network.settings.trust)
    surveyed = await survey(case.network, host, address, port, seen=facts)
    return HostTls(host, address, port, judged.certificate, judged.chain, judged.verdict, facts, surveyed, mx)
