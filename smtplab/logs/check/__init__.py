"""What is good or bad about what was sent and who signed in: a module a question, each from the tables alone."""

from smtplab.findings import Findings
from smtplab.logs.check import accounts, connections, inbound, providers, queue, recipients, signins
from smtplab.logs.evidence import TABLES, InMemory, LogEvidence

_HOST = "a server that its log does not name"


def check(evidence: LogEvidence) -> Findings:
    """Findings on deliveries, campaigns, connections, queues, sign-ins and refused clients."""
    questions = (recipients, providers, connections, queue, signins, accounts, inbound)
    frames = {t: getattr(evidence, t) for t in TABLES}
    named = {t: f.fillna({"host": _HOST}) if "host" in f and f["host"].isna().any() else f for t, f in frames.items()}
    tried = named["deliveries"]
    named["deliveries"] = tried[tried["attempt"].ne(0).fillna(True)]
    evidence = LogEvidence(InMemory(named), evidence.marks)
    return Findings(finding for question in questions for finding in question.check(evidence))
