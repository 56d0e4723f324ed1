"""Figures of what came back; each draws the tables it is given."""

from smtplab.bounces.figures.flow import flow
from smtplab.bounces.figures.reasons import by_reason_and_provider, matrix, over_time, reasons_over_time
from smtplab.bounces.figures.shares import rate, reliability
from smtplab.bounces.figures.stops import price_of_stopping, unknown_users_over_time

__all__ = [
    "by_reason_and_provider",
    "flow",
    "matrix",
    "over_time",
    "price_of_stopping",
    "rate",
    "reasons_over_time",
    "reliability",
    "unknown_users_over_time",
]
