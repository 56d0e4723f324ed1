"""Losses that only the bounce mailbox tells of, as rows of the table outcomes.

A vendor that sends in our name keeps its own logs; what comes back to us is all we see of it.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from smtplab import mail, providers
from smtplab.bounces.matching import SEVERAL
from smtplab.bounces.read import BounceEvidence
from smtplab.case import Case
from smtplab.casefile import Stream
from smtplab.tables import conform


def outcomes(case: Case, evidence: BounceEvidence, matches: pd.DataFrame) -> pd.DataFrame:
    """Rows of outcomes (lost, origin "bounce") for returned recipients that no log or event holds.

    `matches` is what `matched` made. A second report on the same message and recipient is the same loss. A report
    that names no message and fits several known ones cannot be told from them and is left out.
    """
    alone = matches[matches["kind"].eq("bounce") & matches["how"].isna() & matches["why"].ne(SEVERAL)]
    failed = evidence.bounces.loc[alone["report"].astype("int64")].dropna(subset=["recipient"])
    sent = evidence.returned.dropna(subset=["message_id"]).drop_duplicates("message_id").set_index("message_id")["sent"]
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for bounce in failed.astype(object).where(failed.notna(), None).to_dict("records"):
        key = (bounce["message_id"] or bounce["queue_id"] or bounce["time"], bounce["recipient"].lower())
        rows[key] = _row(case, bounce, sent.get(bounce["message_id"]))
    return conform("outcomes", rows.values())


def _row(case: Case, bounce: dict[str, Any], sent: Any) -> dict[str, Any]:
    came = bounce["time"]
    queued = sent if sent is not None and not pd.isna(sent) and (came is None or sent <= came) else came
    domain = mail.domain_of(bounce["recipient"]) or ""
    row = {
        "time": queued,
        "last_time": came,
        "host": bounce["reporting_mta"],
        "mta": bounce["agent"],
        "queue_id": bounce["queue_id"],
        "message_id": bounce["message_id"],
        "sender": bounce["sender"],
        "sender_domain": mail.domain_of(bounce["sender"]),
        "recipient": bounce["recipient"],
        "recipient_domain": domain or None,
        "provider": providers.provider(domain, bounce["remote_mta"] or "") or None,
        "outcome": "lost",
        "attempts": None,
        "delay": (came - queued).total_seconds() if came is not None and queued is not None else None,
        "smtp_code": bounce["smtp_code"],
        "enhanced_code": bounce["enhanced_code"],
        "response": bounce["diagnostic"],
        "reason": bounce["reason"],
        "rule": bounce["rule"],
        "source_ip": bounce["source_ip"],
        "campaign": bounce["campaign"],
        "header_from": bounce["header_from"],
        "dkim_domain": bounce["dkim_domain"],
        "dkim_selector": bounce["dkim_selector"],
        "provenance": "headers of the returned message",
        "origin": "bounce",
    }
    for stream in case.streams:
        if all(_fits(key, row, wanted) for key, wanted in stream.match.items()):
            return row | _of_stream(stream, row)
    return row


def _fits(key: str, row: dict[str, Any], wanted: str) -> bool:
    have = str(row.get(key) or "").lower()
    return have.endswith(wanted.lower()) if key == "message_id" else have == wanted.lower()


def _of_stream(stream: Stream, row: dict[str, Any]) -> dict[str, Any]:
    told = {k: v for k, v in stream.sets.items() if not row.get(k)}
    return {
        "stream": stream.name,
        "campaign": stream.campaign or row["campaign"],
        **told,
        "provenance": f"{row['provenance']}; stream in case.toml",
    }
