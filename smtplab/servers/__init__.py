"""What do our servers offer, and to whom? Sessions on every mail port, capabilities, configuration, failing steps."""

from smtplab.net.session import Errand
from smtplab.servers.check import check
from smtplab.servers.collect import ServerEvidence, collect
from smtplab.servers.diagnose import Diagnosis, Endpoint, as_dict, diagnose, diagnose_all, mistakes, services
from smtplab.servers.explain import Explanation, explain
from smtplab.servers.figures import failing_steps, offers, session_times
from smtplab.servers.sidebyside import SideBySide, purposes, recorded, side_by_side

__all__ = [
    "Diagnosis", "Endpoint", "Errand", "Explanation", "ServerEvidence", "SideBySide", "as_dict", "check", "collect",
    "diagnose", "diagnose_all", "explain", "failing_steps", "mistakes", "offers", "purposes", "recorded", "services",
    "session_times", "side_by_side",
]  # fmt: skip
