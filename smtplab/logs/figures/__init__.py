"""Figures of the logs; each counts first, so that ten million deliveries draw as fast as ten."""

from smtplab.logs.figures.connections import connection_reuse, delay_stages, tls_share
from smtplab.logs.figures.outcomes import hours_by_provider, outcomes_by_provider, outcomes_over_time, undelivered
from smtplab.logs.figures.replies import address_by_provider, reasons_by_address, replies_by_reason
from smtplab.logs.figures.signins import signins_over_time
from smtplab.logs.figures.time import acceptance_over_time, deferrals_over_time

__all__ = [
    "acceptance_over_time",
    "address_by_provider",
    "connection_reuse",
    "deferrals_over_time",
    "delay_stages",
    "hours_by_provider",
    "outcomes_by_provider",
    "outcomes_over_time",
    "reasons_by_address",
    "replies_by_reason",
    "signins_over_time",
    "tls_share",
    "undelivered",
]
