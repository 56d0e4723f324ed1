"""Causes: join what failed to what is wrong, and rank the findings by what each one costs.

A finding explains a row of failure only where its catalogue entry says that such a reply can come from it and
both share a key (address, domain, selector, MX, campaign) within the time the fault is known to stand; mere
coincidence in time explains nothing. A row counts once however many findings explain it. Outbound loss,
inbound loss and exposure to forgery are ranked apart: they are not one currency.
"""

from smtplab.causes.figures import cost_by_finding, gain_in_order, lost_by_stream_and_provider
from smtplab.causes.match import candidates
from smtplab.causes.rank import Cause, Causes, Ledger, rank

__all__ = [
    "Cause", "Causes", "Ledger", "candidates", "cost_by_finding", "gain_in_order", "lost_by_stream_and_provider",
    "rank",
]  # fmt: skip
