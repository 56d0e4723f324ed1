"""What is good or bad about what was sent and who signed in: a module a question, each from the tables alone."""

from dataclasses import replace

from smtplab.findings import Findings
from smtplab.logs.check import accounts, connections, inbound, providers, queue, recipients, signins
from smtplab.logs.evidence import LogEvidence

_HOST = "a server that its log does not name"
_TABLES = ("deliveries", "messages", "connections", "rejections", "outcomes")


def check(evidence: LogEvidence) -> Findings:
    """Findings on deliveries, campaigns, connections, queues, sign-ins and refused clients."""
    questions = (recipients, providers, connections, queue, signins, accounts, inbound)
    tables = {t: frame for t in _TABLES if (frame := getattr(evidence, t))["host"].isna().any()}
    evidence = replace(evidence, **{t: frame.fillna({"host": _HOST}) for t, frame in tables.items()})
    return Findings(finding for question in questions for finding in question.check(evidence))
