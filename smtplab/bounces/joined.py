"""What came back, beside what was sent: matches, outcomes, complaints, and what the policy makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from smtplab.bounces import groups, suppression
from smtplab.bounces.groups import By
from smtplab.bounces.matching import corrected, matched
from smtplab.bounces.outcomes import outcomes
from smtplab.bounces.policies import Policy, policy
from smtplab.bounces.read import BounceEvidence
from smtplab.case import Case
from smtplab.tables import conform


@dataclass(frozen=True)
class Joined:
    """Bounces and complaints joined to logs and events.

    `matches` is what `matched` gives. `outcomes` is the table outcomes with the losses that only bounces tell of;
    `only_here` are those of them that no log or event holds. `complaints` (time, recipient, provider, stream,
    campaign) are those of feedback reports and of provider events. `sources` tells for a stream where its addresses
    come from.
    """

    evidence: BounceEvidence = field(repr=False)
    matches: pd.DataFrame = field(repr=False)
    outcomes: pd.DataFrame = field(repr=False)
    only_here: pd.DataFrame = field(repr=False)
    complaints: pd.DataFrame = field(repr=False)
    policy: Policy = field(repr=False)
    sources: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __repr__(self) -> str:
        found = int(self.matches["how"].notna().sum())
        later = int(self.matches["asynchronous"].fillna(False).sum())
        return (
            f"Joined({len(self.matches):,} bounces and complaints: {found:,} matched to a delivery, "
            f"{later:,} of them accepted first; {len(self.only_here):,} losses that only bounces tell of)"
        )

    @cached_property
    def verdicts(self) -> pd.DataFrame:
        """What to do about each recipient (`suppress`)."""
        return suppression.suppress(self.evidence, self.outcomes, self.policy, self.complaints)

    @cached_property
    def avoided(self) -> pd.DataFrame:
        """What the policy would have spared, by mailing (`avoided`)."""
        return suppression.avoided(self.evidence, self.outcomes, self.policy, self.complaints)

    def rates(self, by: By) -> pd.DataFrame:
        """Loss and complaint rates by "provider", "campaign", "stream" or "source" of addresses (`groups.rates`)."""
        return groups.rates(self.outcomes, by, self.complaints, self.sources)


def join(case: Case, evidence: BounceEvidence, known: pd.DataFrame, complaints: pd.DataFrame | None = None) -> Joined:
    """Join what came back to what logs and events know.

    `known` is the table outcomes as they tell it, `complaints` those of provider events (time, recipient, stream,
    campaign).
    """
    matches = matched(evidence, known)
    extra = outcomes(case, evidence, matches)
    every = corrected(known, matches)
    if len(extra):
        every = conform("outcomes", pd.concat([every, extra]))
    own = policy(case)
    return Joined(
        evidence,
        matches,
        every,
        extra,
        _complaints(matches, own, complaints),
        own,
        {s.name: s.source for s in case.streams if s.source},
    )


def _complaints(matches: pd.DataFrame, own: Policy, events: pd.DataFrame | None) -> pd.DataFrame:
    told = matches[matches["kind"].eq("complaint") & matches["feedback_type"].isin(own.complaints)]
    rows = told.assign(recipient=told["addressed"])
    if events is not None and len(events):
        rows = pd.concat([rows, events.assign(provider=events["recipient"].map(suppression.provider_of))])
    rows = rows.reindex(columns=["time", "recipient", "provider", "stream", "campaign"])
    return rows.sort_values(["time", "recipient"], ignore_index=True)
