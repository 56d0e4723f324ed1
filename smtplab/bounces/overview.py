"""Short tables of what came back, for people."""

from __future__ import annotations

from typing import Any

import pandas as pd

from smtplab import mail, providers
from smtplab.bounces.read import KINDS, BounceEvidence
from smtplab.bounces.suppression import Action

_LONGEST = 110


def kinds(evidence: BounceEvidence) -> pd.DataFrame:
    """A row a kind of message and why it was taken for it: kind, why, messages, recipients."""
    grouped = evidence.messages.groupby(["kind", "why"], as_index=False).agg(
        messages=("file", "size"), recipients=("recipients", "sum")
    )
    order = grouped["kind"].map({k: i for i, k in enumerate(KINDS)})
    shown = grouped.assign(order=order).sort_values(["order", "messages", "why"], ascending=[True, False, True])
    return shown.drop(columns="order").reset_index(drop=True)


def replies(evidence: BounceEvidence, most: int = 15) -> pd.DataFrame:
    """The replies behind the failures: provider, enhanced_code, reason, permanent, confidence, recipients, example.

    `confidence` is that of the least sure of them.
    """
    columns = ["provider", "enhanced_code", "reason", "permanent", "confidence", "recipients", "example"]
    failed = evidence.bounces[evidence.bounces["kind"] == "bounce"]
    if failed.empty:
        return pd.DataFrame(columns=columns)
    names = failed["recipient"].map(
        lambda a: providers.provider(mail.domain_of(a) or "unknown") if isinstance(a, str) else "unknown"
    )
    grouped = failed.assign(provider=names).groupby(
        ["provider", "enhanced_code", "reason", "permanent"], dropna=False, as_index=False
    )
    counted = grouped.agg(
        confidence=("confidence", "min"), recipients=("file", "size"), example=("diagnostic", "first")
    )
    counted["example"] = counted["example"].fillna("").map(_cut)
    order = ["recipients", "provider", "enhanced_code", "reason"]
    shown = counted.sort_values(order, ascending=[False, True, True, True], kind="stable").head(most)
    return shown[columns].reset_index(drop=True)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1].rstrip()}…"


def unseen(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Losses that only bounces show, as of `bounces.outcomes`: who sent, as whom, why, how many recipients."""
    keys = ["host", "header_from", "dkim_domain", "stream", "enhanced_code", "reason"]
    counted = outcomes.groupby(keys, dropna=False, as_index=False).agg(
        recipients=("recipient", "nunique"), first=("time", "min"), last=("last_time", "max")
    )
    return counted.sort_values(["recipients", *keys], ascending=[False] + [True] * len(keys), ignore_index=True)


def actions(verdicts: pd.DataFrame) -> pd.DataFrame:
    """What to do about whom, a row an action, rule and reason of what `suppress` gives.

    Columns: action, rule, reason, recipients, first, last, most_at. `first` and `last` are the days from which to
    stop; `most_at` is the provider with most of these recipients.
    """
    grouped = verdicts.groupby(["action", "rule", "reason"], dropna=False, as_index=False)
    made = grouped.agg(
        recipients=("recipient", "size"), first=("since", "min"), last=("since", "max"), most_at=("provider", _most)
    )
    made = made.assign(first=made["first"].dt.floor("D"), last=made["last"].dt.floor("D"))
    order = made["action"].map({str(a): n for n, a in enumerate(Action)})
    made = made.assign(order=order).sort_values(["order", "recipients"], ascending=[True, False], kind="stable")
    return made.drop(columns="order").reset_index(drop=True)


def _most(names: pd.Series[Any]) -> str | None:
    counts = names.dropna().value_counts()
    return min(counts.index, key=lambda n: (-int(counts[n]), str(n))) if len(counts) else None
