"""What happened to what we sent? Mail logs and provider events as deliveries and final outcomes."""

from smtplab.logs.check import check
from smtplab.logs.figures import (
    acceptance_over_time,
    address_by_provider,
    connection_reuse,
    deferrals_over_time,
    delay_stages,
    hours_by_provider,
    outcomes_by_provider,
    outcomes_over_time,
    reasons_by_address,
    replies_by_reason,
    signins_over_time,
    tls_share,
    undelivered,
)
from smtplab.logs.read import LogEvidence, read, sightings
from smtplab.logs.summary import by_account, by_provider, by_stream, most_tried
from smtplab.logs.trace import Trace, trace

__all__ = [
    "LogEvidence",
    "Trace",
    "acceptance_over_time",
    "address_by_provider",
    "by_account",
    "by_provider",
    "by_stream",
    "check",
    "connection_reuse",
    "deferrals_over_time",
    "delay_stages",
    "hours_by_provider",
    "most_tried",
    "outcomes_by_provider",
    "outcomes_over_time",
    "read",
    "reasons_by_address",
    "replies_by_reason",
    "sightings",
    "signins_over_time",
    "tls_share",
    "trace",
    "undelivered",
]
