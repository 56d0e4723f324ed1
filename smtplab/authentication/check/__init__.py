"""What is good or bad about the published records: one module a standard."""

from __future__ import annotations

from smtplab.authentication.check import dkim, dmarc, spf
from smtplab.authentication.collect import AuthEvidence
from smtplab.findings import Findings


def check(evidence: AuthEvidence) -> Findings:
    """Findings on SPF, DKIM and DMARC."""
    return Findings((*spf.findings(evidence), *dkim.findings(evidence), *dmarc.findings(evidence)))
