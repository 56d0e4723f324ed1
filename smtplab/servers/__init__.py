"""What do our servers offer, and to whom? Sessions on every mail port, capabilities, configuration."""

from smtplab.servers.check import check
from smtplab.servers.collect import ServerEvidence, collect
from smtplab.servers.figures import offers, session_times

__all__ = ["ServerEvidence", "check", "collect", "offers", "session_times"]
