"""Who may send as this domain, and would it pass? SPF, DKIM, DMARC, ARC and BIMI as published and as verified."""

from smtplab.authentication.arc import validate_chain
from smtplab.authentication.check import check
from smtplab.authentication.collect import AuthEvidence, collect
from smtplab.authentication.figures import alignment_flow, networks_seen, spf_tree, spoofing_table
from smtplab.authentication.logo import examine as examine_logo
from smtplab.authentication.signatures import verify_message
from smtplab.authentication.spf_costs import spf_costs
from smtplab.authentication.spf_flat import spf_flattened
from smtplab.authentication.spf_networks import spf_doubtful, spf_networks
from smtplab.authentication.spf_trace import spf_check

__all__ = [
    "AuthEvidence", "alignment_flow", "check", "collect", "examine_logo", "networks_seen", "spf_check", "spf_costs",
    "spf_doubtful", "spf_flattened", "spf_networks", "spf_tree", "spoofing_table", "validate_chain", "verify_message",
]  # fmt: skip
