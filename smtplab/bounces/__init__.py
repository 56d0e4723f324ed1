"""What came back, and why? Bounces (RFC 3464), complaints (RFC 5965), auto-replies (RFC 3834), delay notices."""

from smtplab.bounces.check import check, sightings
from smtplab.bounces.figures import (
    by_reason_and_provider,
    flow,
    matrix,
    over_time,
    price_of_stopping,
    rate,
    reasons_over_time,
    reliability,
    unknown_users_over_time,
)
from smtplab.bounces.groups import asynchronous, bursts, full, matches_by_way, rates
from smtplab.bounces.imap import fetch
from smtplab.bounces.joined import Joined, join
from smtplab.bounces.matching import corrected, matched
from smtplab.bounces.outcomes import outcomes
from smtplab.bounces.overview import actions, kinds, replies, unseen
from smtplab.bounces.policies import Policy, policy
from smtplab.bounces.read import KINDS, BounceEvidence, read, read_paths
from smtplab.bounces.sort import Sorted, sort
from smtplab.bounces.stream import Judged, judged
from smtplab.bounces.suppression import Action, avoided, hand_over, suppress

__all__ = [
    "KINDS", "Action", "BounceEvidence", "Joined", "Judged", "Policy", "Sorted", "actions", "asynchronous", "avoided",
    "bursts", "by_reason_and_provider", "check", "corrected", "fetch", "flow", "full", "hand_over", "join", "judged",
    "kinds", "matched", "matches_by_way", "matrix", "outcomes", "over_time", "policy", "price_of_stopping", "rate",
    "rates", "read", "read_paths", "reasons_over_time", "reliability", "replies", "sightings", "sort", "suppress",
    "unknown_users_over_time", "unseen",
]  # fmt: skip
