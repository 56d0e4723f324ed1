"""Figures of authentication: one module a standard, each figure reads alone."""

from smtplab.authentication.figures.dmarc import policy_table
from smtplab.authentication.figures.spf import networks_seen, spf_tree

__all__ = ["networks_seen", "policy_table", "spf_tree"]
