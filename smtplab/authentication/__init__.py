"""Who may send as this domain, and would it pass? SPF, DKIM and DMARC as published."""

from smtplab.authentication.check import check
from smtplab.authentication.collect import AuthEvidence, collect
from smtplab.authentication.figures import networks_seen, policy_table, spf_tree
from smtplab.authentication.spf_costs import spf_costs
from smtplab.authentication.spf_flat import spf_flattened
from smtplab.authentication.spf_networks import spf_networks
from smtplab.authentication.spf_trace import spf_check

__all__ = [
    "AuthEvidence",
    "check",
    "collect",
    "networks_seen",
    "policy_table",
    "spf_check",
    "spf_costs",
    "spf_flattened",
    "spf_networks",
    "spf_tree",
]
