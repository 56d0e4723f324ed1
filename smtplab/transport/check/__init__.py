"""What is good or bad about transport security: one module a standard."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from smtplab.findings import Findings
from smtplab.net.certificates import judge
from smtplab.net.tls import Survey
from smtplab.transport.check import certificates, dane, mta_sts, tls, tlsrpt
from smtplab.transport.evidence import HostTls, TransportEvidence


def check(evidence: TransportEvidence) -> Findings:
    """Findings on certificates, TLS, MTA-STS, DANE and TLS reporting."""
    parts = (certificates, tls, mta_sts, dane, tlsrpt)
    return Findings(f for part in parts for f in part.findings(evidence))


def check_endpoint(surveyed: Survey, at: datetime, trust: Path | None = None) -> Findings:
    """Findings on the certificate and TLS of one service alone, as a program that connects to it by its name sees them.

    Port 25 counts as an MX that no policy covers. None without a completed handshake.
    """
    seen, host = surveyed.negotiated, surveyed.host
    if seen is None:
        return Findings()
    judged = judge(seen.chain, host, at, trust)
    facts = (judged.certificate, judged.chain, judged.verdict, seen, surveyed, surveyed.port == 25)
    one = (HostTls(host, surveyed.address, surveyed.port, *facts),)
    evidence = TransportEvidence(one, (), (), (), (), (), at)
    return Findings((*certificates.findings(evidence), *tls.findings(evidence)))
