"""What several areas ask of DNS: MX, addresses, PTR, and whether all authoritative servers say the same."""

from smtplab.names.check import check, settled
from smtplab.names.collect import NULL_MX, NamesEvidence, ask, collect
from smtplab.names.figures import disagreement
from smtplab.names.propagation import Zone
from smtplab.names.reverse import OutboundAddress
from smtplab.names.routing import MailHost

__all__ = [
    "NULL_MX", "MailHost", "NamesEvidence", "OutboundAddress", "Zone", "ask", "check", "collect", "disagreement",
    "settled",
]  # fmt: skip
