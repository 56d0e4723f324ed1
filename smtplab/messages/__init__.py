"""What does a receiver see in this message? First slice: unsubscribe (RFC 8058), results and signatures."""

from smtplab.messages.check import check, sightings
from smtplab.messages.read import MessageEvidence, read, read_paths

__all__ = ["MessageEvidence", "check", "read", "read_paths", "sightings"]
