"""The numbers behind the figures as small tables: outcomes by provider and stream, and sign-ins by account."""

from __future__ import annotations

import pandas as pd

from smtplab import providers
from smtplab.logs.check.signins import attempts
from smtplab.logs.evidence import LogEvidence
from smtplab.rates import bands

_OUTCOMES = ("accepted", "late", "lost", "pending")


def by_provider(evidence: LogEvidence, most: int = 15) -> pd.DataFrame:
    """A row a provider, the `most` largest first: provider, recipients, the outcomes, and how sure the accepted share
    is; the others stand together in the last row, so that the columns add up.

    Columns: provider, recipients, accepted, late, lost, pending, held_back (not taken at the first try),
    accepted_share, low_share and high_share (Wilson, 95%).
    """
    rows = evidence.outcomes[["provider", "outcome", "attempts"]].dropna(subset=["provider"])
    sizes = rows["provider"].value_counts()
    if len(sizes) > most + 1:
        large = rows["provider"].isin(_outcomes(rows, "provider").index[:most])
        rest = f"{len(sizes) - most:,} others"
        rows = rows.assign(provider=rows["provider"].where(large, rest))
        table = _outcomes(rows, "provider")
        table = table.loc[[*table.index.drop(rest), rest]]
    else:
        table = _outcomes(rows, "provider")
    held = ((rows["attempts"] > 1) | (rows["outcome"] == "pending")).fillna(False)
    table.insert(5, "held_back", held.groupby(rows["provider"]).sum().reindex(table.index).astype("int64"))
    low, high = bands(table["accepted"], table["recipients"])
    table["accepted_share"] = (table["accepted"] / table["recipients"]).round(4)
    table["low_share"], table["high_share"] = low.round(4), high.round(4)
    return table.rename(index=providers.name).rename_axis("provider").reset_index()


def by_stream(evidence: LogEvidence) -> pd.DataFrame:
    """A row a stream of the case: stream, recipients, accepted, late, lost, pending, lost_share."""
    rows = evidence.outcomes[["stream", "outcome"]]
    table = _outcomes(rows.assign(stream=rows["stream"].fillna("other")), "stream")
    table["lost_share"] = (table["lost"] / table["recipients"]).round(4)
    return table.rename_axis("stream").reset_index()


def _outcomes(rows: pd.DataFrame, by: str) -> pd.DataFrame:
    counts = rows.groupby([by, "outcome"]).size().unstack(fill_value=0)
    table = counts.reindex(columns=list(_OUTCOMES), fill_value=0).astype("int64")
    table.insert(0, "recipients", table.sum(axis=1))
    return table.sort_values("recipients", ascending=False, kind="stable")


def by_account(evidence: LogEvidence, most: int = 15) -> pd.DataFrame:
    """A row an account, the most failures first: account, succeeded, failed, mechanisms, networks, messages."""
    tried = attempts(evidence.connections).dropna(subset=["auth_user"])
    grouped = tried.groupby("auth_user")
    table = pd.DataFrame(
        {
            "succeeded": grouped["ok"].sum(),
            "failed": grouped["ok"].size() - grouped["ok"].sum(),
            "mechanisms": grouped["auth_method"].agg(lambda m: ", ".join(sorted(m.dropna().unique())[:5])),
            "networks": grouped["network"].nunique(),
        }
    )
    sent = evidence.messages["sasl_user"].value_counts()
    table["messages"] = sent.reindex(table.index).fillna(0).astype("int64")
    table = table.sort_values(["failed", "succeeded"], ascending=False, kind="stable").head(most)
    return table.rename_axis("account").reset_index()


def most_tried(evidence: LogEvidence) -> str:
    """The lost message that was tried most often, by its Message-ID or queue id; "" where none was lost."""
    rows = evidence.outcomes[["time", "message_id", "queue_id", "outcome", "attempts"]]
    lost = rows[rows["outcome"] == "lost"].sort_values(["attempts", "time"], ascending=[False, True], kind="stable")
    names = lost["message_id"].fillna(lost["queue_id"]).dropna()
    return str(names.iloc[0]) if len(names) else ""
