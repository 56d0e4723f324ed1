"""What is good or bad about what was sent and who signed in: a module a question, each from the tables alone."""

from smtplab.findings import Findings
from smtplab.logs.check import accounts, connections, inbound, providers, queue, recipients, signins
from smtplab.logs.evidence import LogEvidence


def check(evidence: LogEvidence) -> Findings:
    """Findings on deliveries, campaigns, connections, queues, sign-ins and refused clients."""
    questions = (recipients, providers, connections, queue, signins, accounts, inbound)
    return Findings(finding for question in questions for finding in question.check(evidence))
