"""What happened to what we sent? Mail logs and provider events as deliveries and final outcomes."""

from smtplab.logs.check import check
from smtplab.logs.figures import acceptance_over_time, outcomes_by_provider, reasons_by_address
from smtplab.logs.read import LogEvidence, read, sightings
from smtplab.logs.trace import Trace, trace

__all__ = [
    "LogEvidence",
    "Trace",
    "acceptance_over_time",
    "check",
    "outcomes_by_provider",
    "read",
    "reasons_by_address",
    "sightings",
    "trace",
]
