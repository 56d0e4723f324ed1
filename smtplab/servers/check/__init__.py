"""What is good or bad about what servers offer, and to whom."""

from __future__ import annotations

from smtplab.findings import Findings
from smtplab.servers.check import access, sessions
from smtplab.servers.check.configuration import _configuration
from smtplab.servers.collect import ServerEvidence


def check(evidence: ServerEvidence) -> Findings:
    """Findings on sessions, sign-in, intrusive probes, configuration and client settings."""
    files = (f for c in evidence.configuration for f in _configuration(c))
    return Findings((*sessions.check(evidence), *access.check(evidence), *files))
