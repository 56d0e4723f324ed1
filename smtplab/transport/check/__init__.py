"""What is good or bad about transport security: one module a standard."""

from __future__ import annotations

from smtplab.findings import Findings
from smtplab.transport.check import certificates, dane, mta_sts, tls, tlsrpt
from smtplab.transport.evidence import TransportEvidence


def check(evidence: TransportEvidence) -> Findings:
    """Findings on certificates, TLS, MTA-STS, DANE and TLS reporting."""
    parts = (certificates, tls, mta_sts, dane, tlsrpt)
    return Findings(f for part in parts for f in part.findings(evidence))
