"""From the provider over the reason to what should be done: one flow of recipients."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from smtplab import providers, replies, theme
from smtplab.bounces.suppression import Action

_MOST = {"provider": 6, "reason": 9}
OTHERS = {"provider": "other providers", "reason": "other reasons"}
_ROLES = {Action.SUPPRESS: "lost", Action.CORRECT: "pending", Action.KEEP: "accent", Action.WAIT: "late"}


def flow(verdicts: pd.DataFrame) -> go.Figure:
    """Recipients from provider over reason to action; `verdicts` is what `suppress` gives."""
    if verdicts.empty:
        return theme.missing("No flow to show", "No recipient is known that failed or complained.")
    rows = verdicts.assign(
        provider=_few(verdicts["provider"].map(providers.name, na_action="ignore").fillna("unknown"), "provider"),
        reason=_few(verdicts["reason"].fillna("undefined").map(replies.words), "reason"),
    )
    sides = {column: _order(rows[column]) for column in ("provider", "reason")}
    sides["action"] = [str(a) for a in _ROLES if a in set(rows["action"])]
    at = {(c, n): i for i, (c, n) in enumerate((c, n) for c, names in sides.items() for n in names)}
    links = []
    for left, right in (("provider", "reason"), ("reason", "action")):
        keys = list(dict.fromkeys((left, right, "action")))
        for key, count in rows.groupby(keys).size().items():
            colour = theme.colour(_ROLES[Action(key[-1])])
            links.append((at[left, key[0]], at[right, key[1]], int(count), colour))
    labels = [*sides["provider"], *sides["reason"], *sides["action"]]
    ends = [theme.colour(_ROLES[Action(a)]) for a in sides["action"]]
    figure = theme.sankey(labels, ends, links, ("provider", "reason", "what to do"), "recipients")
    told = rows.groupby(["provider", "reason", "action"]).size().sort_values(ascending=False, kind="stable")
    alt = "; ".join(f"{p}, {r}: {n:,}, {a}" for (p, r, a), n in told.items())
    height = 140 + 40 * max(len(sides["provider"]), len(sides["reason"]))
    return theme.headed(theme.finish(figure, title=_title(rows), alt=alt, source="bounces and logs", height=height))


def _title(rows: pd.DataFrame) -> str:
    counts = rows["action"].value_counts()
    keep, stop = int(counts.get(Action.KEEP, 0)), int(counts.get(Action.SUPPRESS, 0))
    said = f"Of {len(rows):,} recipients that failed or complained, {stop:,} should get no more mail"
    return f"{said}; {keep:,} failed through our own fault" if keep else said


def _few(names: pd.Series[str], column: str) -> pd.Series[str]:
    kept = _order(names)[: _MOST[column]]
    return names.where(names.isin(kept), OTHERS[column])


def _order(names: pd.Series[str]) -> list[str]:
    """Most recipients first; what was put together comes last."""
    counts = names.value_counts()
    return sorted(counts.index, key=lambda n: (n in OTHERS.values(), -int(counts[n]), str(n)))
