"""What does a receiver see in this message? Unsubscribe (RFC 8058), results, signatures and ARC chains verified."""

from smtplab.messages.check import check, sightings
from smtplab.messages.figures import signature_checks
from smtplab.messages.read import MessageEvidence, read, read_paths
from smtplab.messages.signatures import Sample, SignatureEvidence, collect, collect_paths

__all__ = [
    "MessageEvidence", "Sample", "SignatureEvidence", "check", "collect", "collect_paths", "read", "read_paths",
    "sightings", "signature_checks",
]  # fmt: skip
