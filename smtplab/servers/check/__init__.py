"""What is good or bad about what servers offer, and to whom."""

from __future__ import annotations

from smtplab.findings import Findings
from smtplab.servers.check import access, clients, configuration, sessions
from smtplab.servers.collect import ServerEvidence


def check(evidence: ServerEvidence) -> Findings:
    """Findings on sessions, sign-in, intrusive probes, configuration, password files and client settings."""
    areas = (sessions, access, configuration, clients)
    return Findings(finding for area in areas for finding in area.check(evidence))
