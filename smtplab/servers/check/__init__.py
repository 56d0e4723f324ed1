"""What is good or bad about what servers offer, and to whom."""

from __future__ import annotations

from smtplab.findings import Findings
from smtplab.servers.check import access, configuration, sessions
from smtplab.servers.collect import ServerEvidence


def check(evidence: ServerEvidence) -> Findings:
    """Findings on sessions, sign-in, intrusive probes, configuration and password files."""
    return Findings((*sessions.check(evidence), *access.check(evidence), *configuration.check(evidence)))
