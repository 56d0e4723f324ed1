"""Who may send as this domain, and would it pass? SPF, DKIM and DMARC as published."""

from smtplab.authentication.check import check
from smtplab.authentication.collect import AuthEvidence, collect
from smtplab.authentication.figures import networks_seen, policy_table, spf_tree

__all__ = ["AuthEvidence", "check", "collect", "networks_seen", "policy_table", "spf_tree"]
