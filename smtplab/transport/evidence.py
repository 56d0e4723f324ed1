"""What is known of transport security, and its tables: TLS of each service, and what each domain promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pandas as pd

from smtplab.net.certificates import Certificate, Chain, Verdict
from smtplab.net.session import TlsFacts
from smtplab.net.tls import LEGACY, VERSIONS, Survey
from smtplab.servers.capabilities import Offer
from smtplab.transport.dane import HostDane
from smtplab.transport.mta_sts import Policy
from smtplab.transport.tlsrpt import Reporting


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
    def label(self) -> str:
        """The host, and the address family where IPv6 was asked beside IPv4."""
        return self.host + (" (IPv6)" if ":" in self.address else "")

    @property
    def versions(self) -> tuple[tuple[str, bool | None], ...]:
        """ "TLSv1" to "TLSv1.3" with accepted; None: unknown."""
        return self.survey.versions

    @property
    def legacy(self) -> tuple[str, ...]:
        """Accepted versions that RFC 8996 forbids."""
        return tuple(v for v, accepted in self.versions if accepted and v in LEGACY)

    @property
    def post_quantum(self) -> bool | None:
        """Whether it has a group that a quantum computer does not break; None where that is not known."""
        return self.survey.post_quantum

    def days_left(self, at: datetime) -> int:
        """Whole days until the certificate ends; negative once it has."""
        return int((self.certificate.not_after - at) / timedelta(days=1)) if self.certificate else 0

    def life_left(self, at: datetime) -> float:
        """The part of the certificate's life that is left, 1.0 to 0.0 and below; 90-day and yearly ones compare."""
        if self.certificate is None:
            return 0.0
        life = self.certificate.not_after - self.certificate.not_before
        return (self.certificate.not_after - at) / life if life else 0.0


def refused(offer: Offer) -> bool:
    """Whether the handshake failed for sure, and was not cut off by time or by the line."""
    return offer.state.startswith("TLS handshake failed")


@dataclass(frozen=True)
class TransportEvidence:
    """TLS of every service that has it, and what every domain promises; `as_of` is the clock of the judgement.

    `mx` are pairs of domain and MX, `offers` what each MX announces on port 25, `connections` those made by this run,
    by "address:port" (none in a replay), `mailless` the domains that say they take no mail (null MX, RFC 7505).
    """

    hosts: tuple[HostTls, ...]
    policies: tuple[Policy, ...]
    reporting: tuple[Reporting, ...]
    dane: tuple[HostDane, ...]
    offers: tuple[Offer, ...]
    mx: tuple[tuple[str, str], ...]
    as_of: datetime
    connections: Mapping[str, int] = field(default_factory=dict)
    mailless: tuple[str, ...] = ()

    def __repr__(self) -> str:
        most = max(self.connections.values(), default=0)
        spent = f", at most {most} connections to one port" if most else ""
        return f"TransportEvidence({len(self.hosts)} services with TLS, {len(self.policies)} policies{spent})"

    def offer(self, host: str) -> Offer | None:
        """What an MX announces on port 25, None where it was not asked; of several addresses the one without TLS."""
        asked = [o for o in self.offers if o.host == host]
        return min(asked, key=lambda o: (not o.heard, o.starttls), default=None)

    def tls(self, host: str, port: int = 25) -> HostTls | None:
        """TLS of a host and port, None without a completed handshake; of several addresses one that is not valid."""
        shown = [h for h in self.hosts if (h.host, h.port) == (host, port)]
        return max(shown, key=lambda h: h.verdict.code != 0, default=None)

    def policy(self, domain: str) -> Policy:
        """MTA-STS of one of the domains; raises KeyError for another."""
        for policy in self.policies:
            if policy.domain == domain:
                return policy
        raise KeyError(domain)

    def certificates(self) -> pd.DataFrame:
        """A row a service: host, port, names, ends, days left, life left, verdicts, chain, key, TLS, group.

        `verdict` is OpenSSL's, `strict verdict` that of a validator by the letter of RFC 5280, the host name included.
        """
        rows = [
            (
                h.label,
                h.port,
                ", ".join(h.certificate.names),
                f"{h.certificate.not_after:%Y-%m-%d}",
                h.days_left(self.as_of),
                f"{max(h.life_left(self.as_of), 0):.0%}",
                h.verdict.text,
                h.verdict.strict or "valid",
                h.chain.length,
                f"{h.certificate.key} {h.certificate.bits or ''}".strip(),
                h.facts.version,
                h.facts.group,
            )
            for h in self.hosts
            if h.certificate
        ]
        columns = ["host", "port", "names", "ends", "days left", "life left", "verdict", "strict verdict", "chain"]
        columns += ["key", "TLS", "group"]
        return pd.DataFrame(rows, columns=columns)

    def versions(self) -> pd.DataFrame:
        """A row a service, a column a TLS version: yes, no or unknown."""
        words = {True: "yes", False: "no", None: "unknown"}
        rows = [(h.label, h.port, *(words[accepted] for _, accepted in h.versions)) for h in self.hosts]
        return pd.DataFrame(rows, columns=["host", "port", *VERSIONS])

    def groups(self) -> pd.DataFrame:
        """A row a service: the group of the handshake, every group found, whether that is all, post-quantum or not."""
        words = {True: "yes", False: "no", None: "unknown"}
        rows = [
            (
                h.label,
                h.port,
                h.facts.group,
                ", ".join(h.survey.groups.names),
                h.survey.groups.why,
                words[h.post_quantum],
            )
            for h in self.hosts
        ]
        return pd.DataFrame(rows, columns=["host", "port", "used", "groups", "perhaps more", "post-quantum"])

    def ciphers(self) -> pd.DataFrame:
        """A row a service and version: the suites found, whether there may be more, and one that no longer protects."""
        rows = [
            (
                h.label,
                h.port,
                version,
                ", ".join(found.names),
                found.why,
                "unknown" if h.survey.weak is None else h.survey.weak,
            )
            for h in self.hosts
            for version, found in h.survey.ciphers
        ]
        return pd.DataFrame(rows, columns=["host", "port", "version", "ciphers", "perhaps more", "too weak"])

    def tlsa(self) -> pd.DataFrame:
        """A row a TLSA record, or an MX without one: state, the record, whether it matches, who vouches for it."""
        rows = []
        for d in self.dane:
            misses = [*d.misses, *(["not compared"] * len(d.records))]
            compared = [(str(r), miss or "matches") for r, miss in zip(d.records, misses, strict=False)]
            rows += [(d.domain, d.host, str(d.state), *c, d.by, d.why) for c in compared or [("", "")]]
        return pd.DataFrame(
            rows, columns=["domain", "mx", "DANE", "record", "against the certificate", "DNSSEC", "why"]
        )

    def promises(self) -> pd.DataFrame:
        """A row a domain and MX: what MTA-STS promises, whether the MX is named, and whether reports are asked for."""
        rows = []
        for policy, reporting in zip(self.policies, self.reporting, strict=True):
            for host in [h for d, h in self.mx if d == policy.domain] or [""]:
                file = policy.file
                named = "" if not file.mode or not host else "yes" if file.names(host) else "NO"
                mode = file.mode or str(policy.state)
                what = policy.error or policy.why
                rua = ", ".join(reporting.rua) or str(reporting.state)
                rows.append((policy.domain, mode, host, named, what, rua))
        return pd.DataFrame(rows, columns=["domain", "mode", "mx", "named", "what is wrong", "TLS reports to"])
