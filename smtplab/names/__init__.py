"""What several areas ask of DNS: MX, addresses, PTR, and whether all authoritative servers say the same."""

from smtplab.names.check import check
from smtplab.names.collect import MailHost, NamesEvidence, OutboundAddress, ask, collect
from smtplab.names.figures import disagreement
from smtplab.names.propagation import Zone

__all__ = ["MailHost", "NamesEvidence", "OutboundAddress", "Zone", "ask", "check", "collect", "disagreement"]
