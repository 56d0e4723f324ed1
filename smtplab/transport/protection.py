"""One matrix: what protects mail on its way to each MX; and what each means of protection protects, against whom."""

from __future__ import annotations

import pandas as pd

from smtplab import datafiles
from smtplab.net.dns import State
from smtplab.servers.capabilities import Offer
from smtplab.transport.dane import DaneState
from smtplab.transport.evidence import TransportEvidence, refused
from smtplab.transport.mta_sts import Policy
from smtplab.transport.tlsrpt import Reporting

COLUMNS = ("domain", "mx", "STARTTLS", "certificate", "MTA-STS", "DANE", "TLS-RPT", "REQUIRETLS", "mail is")
YES, NO, UNKNOWN, NONE = "yes", "no", "unknown", "–"
PROTECTED, OPEN, PLAIN, LOST = (
    "protected",
    "open to an active attacker",
    "readable by any listener",
    "refused by some senders",
)
MAILLESS = "not accepted, and need not be protected"
"""What it comes to: LOST where senders that check will not deliver at all."""


def protection(evidence: TransportEvidence) -> pd.DataFrame:
    """A row a domain and MX, a column a means of protection; `mail is` says what it comes to (COLUMNS)."""
    dane = {(d.domain, d.host): d for d in evidence.dane}
    reports = {r.domain: r for r in evidence.reporting}
    rows = []
    for domain, host in evidence.mx:
        policy, record, offer = evidence.policy(domain), dane.get((domain, host)), evidence.offer(host)
        starttls = _word(offer.starttls if offer and offer.heard else None)
        certificate = NONE if starttls == NO else _certificate(evidence, host, offer)
        sts, tlsa = _policy(policy, host), str(record.state) if record else UNKNOWN
        rpt, need = _reports(reports[domain]), _word(offer.has("REQUIRETLS") if offer else None)
        rows.append((domain, host, starttls, certificate, sts, tlsa, rpt, need, _sum(starttls, certificate, sts, tlsa)))
    # Nothing is sent there, so there is nothing to protect (RFC 7505 section 3).
    rows += [(d, "null MX", NONE, NONE, NONE, NONE, NONE, NONE, MAILLESS) for d in evidence.mailless]
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype="str")


def _word(value: bool | None) -> str:
    return UNKNOWN if value is None else YES if value else NO


def _certificate(evidence: TransportEvidence, host: str, offer: Offer | None) -> str:
    """Valid, or in a few words why not."""
    tls = evidence.tls(host)
    if tls is None or tls.certificate is None:
        return "unreadable" if tls else "handshake fails" if offer and refused(offer) else UNKNOWN
    if tls.certificate.not_after < evidence.as_of:
        return "expired"
    if tls.verdict.code:
        return tls.verdict.text
    return "valid" if tls.certificate.covers(host) else "for another host"


def _policy(policy: Policy, host: str) -> str:
    if policy.state is not State.PRESENT:
        return UNKNOWN if policy.state is State.UNKNOWN else NO
    if policy.error:
        return "broken"
    return policy.mode if policy.mode == "none" or policy.file.names(host) else f"{policy.mode}, MX not named"


def _reports(reporting: Reporting) -> str:
    if reporting.problems:
        return "broken"
    return UNKNOWN if reporting.state is State.UNKNOWN else _word(reporting.works)


def _sum(starttls: str, certificate: str, sts: str, dane: str) -> str:
    """What it comes to for mail to this MX, worst first."""
    checked = sts.startswith("enforce")
    if dane in (DaneState.BROKEN, DaneState.NO_TLS) or (checked and (starttls == NO or "not named" in sts)):
        return LOST
    if checked and certificate not in ("valid", UNKNOWN):
        return LOST
    if starttls == NO:
        return PLAIN
    if dane == DaneState.WORKS or (checked and certificate == "valid"):
        return PROTECTED
    return UNKNOWN if UNKNOWN in (starttls, sts, dane, certificate if checked else "") else OPEN


def what_protects() -> pd.DataFrame:
    """What each means of protection protects, and against whom: a row a means, a column an adversary.

    From smtplab/data/protections.toml: yes, no, or part, with the limit and the standard beside it.
    """
    raw = datafiles.load("protections")
    names = {
        "name": "means",
        "covers": "what it covers",
        **raw["adversaries"],
        "limit": "limit",
        "standard": "standard",
    }
    return pd.DataFrame(raw["protection"])[list(names)].rename(columns=names)
