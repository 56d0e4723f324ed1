"""What became of one message? Everything the logs hold on an address, a Message-ID (RFC 5322 section 3.6.4) or a
queue id, across hosts: hops are joined by the Message-ID, which every server passes on unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from smtplab.logs.evidence import LogEvidence
from smtplab.logs.story import counted, told
from smtplab.markup import escape
from smtplab.tables import conform

LISTED = 50
"""Most messages of one trace."""
STEPS = 1_000
"""Most steps of one message."""
_LISTED = ["number", "time", "message_id", "sender", "recipients", "outcome", "hosts"]
_STEPS = ["number", "time", "after", "host", "queue_id", "step", "recipient", "detail", "reason", "relay"]
_ORDER = ["key", "hop", "rank"]


@dataclass(frozen=True)
class Trace:
    """The messages found, newest first, and what happened to each.

    `messages`: number (1 is the newest), time, message_id, sender ("<>" is the null sender), recipients, outcome,
    hosts. `steps`: number (of the message), time, after (since the step before, s), host, queue_id, step (arrived,
    sent, deferred, not tried, bounced, expired, discarded, removed, refused), recipient, detail, reason, relay.
    `found`: how many there were.
    """

    asked: str
    found: int
    messages: pd.DataFrame
    steps: pd.DataFrame

    def __str__(self) -> str:
        return told(self.asked, self.found, self.messages, self.steps)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        style = "white-space:pre-wrap;overflow-wrap:anywhere;text-align:left"
        return f'<pre class="smtplab-trace" style="{style}">{escape(str(self))}</pre>'


def trace(evidence: LogEvidence, what: str, limit: int = LISTED) -> Trace:
    """Find what an e-mail address, a Message-ID or a queue id names, and tell it; nothing found is an empty trace.

    For a recipient's address only the steps of that recipient are told. At most `limit` messages, the newest.
    """
    wanted = what.strip().removeprefix("<").removesuffix(">")
    parts = _about(evidence, wanted)
    refused = _refused(evidence, wanted)
    times = pd.concat([p[["key", "time"]] for p in (*parts, refused)], ignore_index=True)
    starts = times.groupby("key")["time"].min().sort_values(ascending=False, kind="stable")
    numbers = {key: number for number, key in enumerate(starts.index[:limit], 1)}
    queued, made = (p[p["key"].isin(list(numbers))] for p in parts)
    if "@" in wanted:
        made = _of_recipient(queued, made, wanted.lower())
    rows = [*_arrivals(queued), *_attempts(made), *_ends(queued)]
    rows += _refusals(refused[refused["key"].isin(list(numbers))])
    steps = pd.DataFrame(rows, columns=[*_STEPS, *_ORDER])
    steps["time"] = steps["time"].astype("datetime64[us, UTC]")
    steps["number"] = steps["key"].map(numbers).astype("int64")
    steps["hop"] = steps["hop"].map(_hops(queued, made)).fillna(0).astype("int64")
    steps = steps.sort_values(["number", "time", "hop", "rank"], kind="stable").groupby("number").head(STEPS)
    steps["after"] = steps.groupby("number")["time"].diff().dt.total_seconds()
    listed = [_listed(n, key, steps[steps["number"] == n], (queued, made, refused)) for key, n in numbers.items()]
    return Trace(what.strip(), len(starts), pd.DataFrame(listed, columns=_LISTED), steps[_STEPS].reset_index(drop=True))


def _about(evidence: LogEvidence, wanted: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The queued messages and attempts that the words name, and their other hops; `key` says which message."""
    ids, places = set[str](), set[str]()
    for table, addresses in (("messages", ("sender",)), ("deliveries", ("sender", "recipient"))):
        named = ["message_id = $1", "queue_id = $1", *(f"lower({a}) = lower($1)" for a in addresses if "@" in wanted)]
        hit = evidence.sql(f"select distinct message_id, queue_id from {table} where {' or '.join(named)}", [wanted])
        ids |= set(hit["message_id"].dropna())
        places |= set(hit.loc[hit["message_id"].isna(), "queue_id"].dropna())
    near = (
        "message_id in (select unnest($1::text[])) or (message_id is null and queue_id in (select unnest($2::text[])))"
    )
    queued, made = (_rows(evidence, t, near, [sorted(ids), sorted(places)]) for t in ("messages", "deliveries"))
    starts = queued.sort_values("time", kind="stable")
    return queued.assign(key=_keys(queued, starts)), made.assign(key=_keys(made, starts))


def _rows(evidence: LogEvidence, table: str, which: str, parameters: list[Any]) -> pd.DataFrame:
    """Rows of a table in its order: asked where they lie, so that the rest of a large log is never loaded."""
    found = conform(table, evidence.sql(f"select * from {table} where {which}", parameters))
    # Not every log names its host.
    return found.fillna({"host": ""})


def _keys(rows: pd.DataFrame, starts: pd.DataFrame) -> list[str]:
    """The Message-ID, else host and queue id with the arrival before, because queue ids are used again."""
    known: dict[tuple[Any, Any], list[pd.Timestamp]] = {}
    for host, queue_id, time in zip(starts["host"], starts["queue_id"], starts["time"], strict=True):
        known.setdefault((host, queue_id), []).append(time)

    def key(message_id: Any, host: Any, queue_id: Any, time: pd.Timestamp) -> str:
        if not pd.isna(message_id):
            return f"<{message_id}>"
        before = [t for t in known.get((host, queue_id), ()) if t <= time]
        return f"{host} {queue_id} {max(before, default='')}"

    columns = (rows[c] for c in ("message_id", "host", "queue_id", "time"))
    return [key(*values) for values in zip(*columns, strict=True)]


def _refused(evidence: LogEvidence, wanted: str) -> pd.DataFrame:
    """Refused before there was a queue id; one client's tries for one recipient are told together."""
    which = "contains($1, '@') and (lower(recipient) = lower($1) or lower(sender) = lower($1))"
    rows = _rows(evidence, "rejections", which, [wanted])
    parts = [rows[c].fillna("") for c in ("host", "client_ip", "sender", "recipient")]
    return rows.assign(key=["refused " + " ".join(p) for p in zip(*parts, strict=True)])


def _of_recipient(queued: pd.DataFrame, made: pd.DataFrame, wanted: str) -> pd.DataFrame:
    """Leave out the other recipients of a mailing; a hop with one recipient stays, whatever an alias made of it."""
    sent_by = queued["sender"].str.lower() == wanted
    whole = set(queued.loc[sent_by.fillna(False), "key"])
    its = (made["recipient"].str.lower() == wanted).fillna(False)
    if not its.any():
        return made
    alone = made.groupby(["key", "host", "queue_id"], dropna=False)["recipient"].transform("nunique") == 1
    return made[its | alone | made["key"].isin(whole)]


def _hops(queued: pd.DataFrame, made: pd.DataFrame) -> dict[str, int]:
    """How many of our servers a queue entry passed before: within one second the log's times tell no order."""
    entries = dict.fromkeys(f"{h} {q}" for h, q in zip(queued["host"], queued["queue_id"], strict=True))
    passed: dict[str, str] = {}
    by_id = {e.rpartition(" ")[2]: e for e in entries}
    for host, queue_id, response in zip(made["host"], made["queue_id"], made["response"], strict=True):
        after = "" if pd.isna(response) else str(response).partition("queued as ")[2].strip(" )")
        if (child := by_id.get(after)) and child != f"{host} {queue_id}":
            passed[child] = f"{host} {queue_id}"
    hops = {}
    for entry in entries:
        seen = [entry]
        while (parent := passed.get(seen[-1])) and parent not in seen:
            seen.append(parent)
        hops[entry] = len(seen)
    return hops


def _arrivals(queued: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for m in queued.itertuples():
        client = "" if pd.isna(m.client_ip) else f"from {_or(m.client_host, 'unknown')} [{m.client_ip}]"
        account = "" if pd.isna(m.sasl_user) else f"signed in as {m.sasl_user}"
        size = "" if pd.isna(m.size) else f"{m.size:,} bytes"
        many = "" if pd.isna(m.recipients) else counted(m.recipients, "recipient")
        yield {**_base(m), "step": "arrived", "rank": 0, "detail": _joined(client, account, size, many)}


def _attempts(made: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for d in made.itertuples():
        untried = not pd.isna(d.attempt) and d.attempt == 0
        slow = [
            f"{value:,.0f} s {name}"
            for name, value in (("in the queue manager", d.delay_in_queue), ("to connect", d.delay_connection),
                                ("to hand over", d.delay_transmission))
            if not pd.isna(value) and value >= 5
        ]  # fmt: skip
        yield {
            **_base(d),
            "step": "not tried" if untried else d.status,
            "rank": 1,
            "recipient": _or(d.recipient, ""),
            "relay": _relay(d),
            "reason": "" if untried else _or(d.reason, ""),
            "detail": _joined(_or(d.response, "")[:400], _or(d.tls_version, ""), *slow),
        }


def _relay(d: Any) -> str:
    if pd.isna(d.relay_host):
        return ""
    return f"{d.relay_host} [{d.relay_ip}]" if not pd.isna(d.relay_ip) else str(d.relay_host)


def _ends(queued: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for m in queued.itertuples():
        if not pd.isna(m.lifetime):
            end = m.time + pd.Timedelta(seconds=float(m.lifetime))
            detail = "given up, returned to the sender" if m.outcome == "expired" else ""
            yield {**_base(m), "time": end, "step": "removed", "rank": 2, "detail": detail}


def _refusals(refused: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for r in refused.itertuples():
        client = f"{_or(r.client_host, 'unknown')} [{_or(r.client_ip, 'unknown')}]"
        yield {
            "key": r.key,
            "time": r.time,
            "host": r.host,
            "queue_id": "",
            "step": "refused",
            "rank": 1,
            "recipient": _or(r.recipient, ""),
            "relay": client,
            "reason": _or(r.reason, ""),
            "detail": _joined(f"at {r.stage}", _or(r.response, "")[:400]),
        }


def _base(row: Any) -> dict[str, Any]:
    common = {"key": row.key, "time": row.time, "host": row.host, "queue_id": _or(row.queue_id, "")}
    return {**common, "hop": f"{row.host} {row.queue_id}", "recipient": "", "reason": "", "relay": ""}


def _listed(number: int, key: str, steps: pd.DataFrame, tables: tuple[pd.DataFrame, ...]) -> dict[str, Any]:
    queued, made, refused = (t[t["key"] == key] for t in tables)
    # The line that tells a message's size tells its sender, be it the null sender.
    null = (queued["sender"].isna() & queued["size"].notna()).any()
    senders = pd.concat([t["sender"] for t in (queued, made, refused)]).dropna()
    recipients = [r for r in dict.fromkeys(steps["recipient"]) if r]
    more = f" and {len(recipients) - 3:,} more" if len(recipients) > 3 else ""
    return {
        "number": number,
        "time": steps["time"].min(),
        "message_id": key[1:-1] if key.startswith("<") else None,
        "sender": next(iter(senders), "<>" if null else None),
        "recipients": ", ".join(recipients[:3]) + more,
        "outcome": _outcome(steps),
        "hosts": ", ".join(dict.fromkeys(steps["host"])),
    }


def _outcome(steps: pd.DataFrame) -> str:
    """The last word on each recipient, counted: what our own next server took, that server's word replaces."""
    tried = steps[steps["recipient"] != ""]
    last = tried.groupby("recipient", sort=False)["step"].last().replace({"sent": "accepted", "not tried": "deferred"})
    given_up = (steps["step"] == "removed") & steps["detail"].str.startswith("given up")
    if given_up.any():
        last = last.where(last != "deferred", "expired")
    count = last.value_counts()
    return str(count.index[0]) if len(count) == 1 else ", ".join(f"{n:,} {s}" for s, n in count.items()) or "unknown"


def _or(value: Any, otherwise: str) -> str:
    return otherwise if pd.isna(value) else str(value)


def _joined(*parts: str) -> str:
    return "; ".join(p for p in parts if p)
