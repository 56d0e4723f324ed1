"""Figures of authentication: one module a standard, each figure reads alone."""

from smtplab.authentication.figures.alignment import alignment_flow
from smtplab.authentication.figures.spf import networks_seen, spf_tree
from smtplab.authentication.figures.spoofing import spoofing_table

__all__ = ["alignment_flow", "networks_seen", "spf_tree", "spoofing_table"]
