"""What is good or bad about the published records: one module a standard."""

from __future__ import annotations

from smtplab.authentication.check import bimi, dkim, dmarc, spf
from smtplab.authentication.collect import AuthEvidence
from smtplab.findings import Findings


def check(evidence: AuthEvidence) -> Findings:
    """Findings on SPF, DKIM, DMARC and BIMI."""
    parts = (spf, dkim, dmarc, bimi)
    return Findings(f for part in parts for f in part.findings(evidence))
