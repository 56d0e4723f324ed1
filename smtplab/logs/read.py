"""Reading: log files and provider events into the tables deliveries, messages, connections and outcomes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from smtplab import replies
from smtplab.case import Case
from smtplab.casefile import Stream
from smtplab.errors import SourceError
from smtplab.logs import events
from smtplab.logs.hops import InnerHops
from smtplab.logs.lines import Stamps, lines
from smtplab.logs.postfix import Message, Postfix
from smtplab.providers import provider
from smtplab.tables import Sighting, conform

_DOVECOT = re.compile(
    r"^dovecot(?:\[\d+\])?: (imap|pop3)-login: (?:Info: )?(Login|Disconnected|Aborted login)[^:]{0,200}: user=<([^>]{0,320})>,"  # noqa: E501
    r"(?: method=([A-Za-z0-9-]{1,20}),)? rip=([0-9a-fA-F.:]{2,45})"
)
_TABLES = ("deliveries", "messages", "connections", "rejections", "outcomes", "complaints", "problems")
_SHAPE = 5
"""Counted up when the derived tables change, so that an older cache is not taken for them."""
_LOST = frozenset({"bounced", "expired", "discarded"})


@dataclass(frozen=True)
class LogEvidence:
    """The tables of DESIGN, and `complaints` (time, recipient, stream, campaign): spam reports in provider events.

    `marks` are the case's changes, for timelines.
    """

    deliveries: pd.DataFrame
    messages: pd.DataFrame
    connections: pd.DataFrame
    rejections: pd.DataFrame
    outcomes: pd.DataFrame
    complaints: pd.DataFrame
    problems: pd.DataFrame
    marks: tuple[tuple[pd.Timestamp, str], ...] = ()

    def __repr__(self) -> str:
        n = {t: len(getattr(self, t)) for t in ("deliveries", "messages", "connections", "outcomes", "problems")}
        return "LogEvidence(" + ", ".join(f"{v:,} {k}" for k, v in n.items()) + ")"


def read(case: Case) -> LogEvidence:
    """Read all logs and provider events of a case; derived tables are cached.

    Raises SourceError where there are logs and not one line of them is understood.
    """
    paths = [*case.sources("logs"), *case.sources("events")]
    options = f"{_SHAPE}|{case.hosts!r}|{case.file.streams!r}|{case.timezone}|{case.as_of:%Y-%m-%d}"
    tables = case.cached("logs", paths, lambda: _build(case), options)
    marks = tuple((pd.Timestamp(m.time), m.text) for m in case.marks)
    return LogEvidence(**{t: tables[t] for t in _TABLES}, marks=marks)


def _build(case: Case) -> dict[str, pd.DataFrame]:
    problems: list[dict[str, Any]] = []
    postfix, logins = _logs(case, problems)
    rows: list[dict[str, Any]] = []
    queued: list[dict[str, Any]] = []
    final: list[dict[str, Any]] = []
    hops = InnerHops(case.hosts, postfix.messages)
    for message in postfix.messages:
        made = list(_deliveries(message, case))
        rows += made
        queued.append(_queued(message, made))
        final += _outcomes(made, message, hops, case)
    complaints = _events(case, problems, rows, final)
    for shape, count in sorted(postfix.unknown.items()):
        problems.append({"file": "logs", "what": f"line not understood: {shape}", "records": count})
    return {
        "deliveries": conform("deliveries", rows),
        "messages": conform("messages", queued),
        "connections": conform("connections", [*postfix.connections, *logins]),
        "rejections": conform("rejections", [_refused(r) for r in postfix.rejections]),
        "outcomes": conform("outcomes", final),
        "complaints": complaints,
        "problems": conform("problems", problems),
    }


def _logs(case: Case, problems: list[dict[str, Any]]) -> tuple[Postfix, list[dict[str, Any]]]:
    postfix, logins = Postfix(), []
    stamps = Stamps(case.timezone, case.as_of)
    for path in case.sources("logs"):
        name, strange, total = case.rel(path), 0, 0
        first = 0
        try:
            for number, line in lines(path):
                total += 1
                split = stamps.split(line)
                if split and postfix.line(*split):
                    continue
                if split and (m := _DOVECOT.match(split[2])):
                    logins.append(_login(split[0], split[1], m))
                elif line.strip() and not (split and split[2].startswith("dovecot")):
                    strange, first = strange + 1, first or number
        except (OSError, EOFError, UnicodeError) as e:
            problems.append({"file": name, "line": total + 1, "what": f"cannot be read on: {e}"[:200], "records": 1})
        if strange:
            what = "no line is a mail log line" if strange == total else "lines of no mail program that is read"
            problems.append({"file": name, "line": first, "what": what, "records": strange})
    if problems and not (postfix.understood or postfix.unknown or logins):
        raise SourceError(
            "no line of a mail program that is read (Postfix, Dovecot)",
            where=problems[0]["file"],
            do="Put the mail log there, or mend sources.logs of case.toml",
        )
    return postfix, logins


def _refused(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "reason": replies.classify(row["response"], row["smtp_code"], row["enhanced_code"]).reason}


def _login(time: Any, host: str, m: re.Match[str]) -> dict[str, Any]:
    return {
        "time": time,
        "host": host,
        "service": m[1],
        "client_ip": m[5],
        "auth_method": m[4],
        "auth_user": m[3] or None,
        "auth_ok": m[2] == "Login",
    }


def _domain(address: str | None) -> str | None:
    return address.rpartition("@")[2].lower() if address and "@" in address else None


def _lower(address: str) -> str:
    local, at, domain = address.rpartition("@")
    return f"{local}{at}{domain.lower()}"


def _deliveries(message: Message, case: Case) -> Iterator[dict[str, Any]]:
    counts: dict[str, int] = {}
    own = {h.name: h.addresses[0] for h in case.hosts if h.addresses}
    own |= {n.partition(".")[0]: a for n, a in own.items()}
    base = {
        "host": message.host,
        "mta": "postfix",
        "queue_id": message.queue_id,
        "message_id": message.message_id,
        "sender": _lower(message.sender) if message.sender else None,
        "size": message.size,
        "source_ip": own.get(message.host),
        "provenance": "host in case.toml" if message.host in own else None,
    }
    for delivery in message.deliveries:
        recipient = _lower(delivery["recipient"])
        counts[recipient] = counts.get(recipient, 0) + 1
        yield _judged({**base, **delivery, "recipient": recipient, "attempt": counts[recipient]}, case.streams)


def _judged(row: dict[str, Any], streams: tuple[Stream, ...], category: str = "") -> dict[str, Any]:
    domain = _domain(row["recipient"]) or ""
    row["recipient_domain"] = domain
    row["provider"] = provider(domain, row.get("relay_host") or "")
    if row["status"] != "sent":
        reply = replies.classify(row.get("response") or "", None, row.get("enhanced_code"), row["provider"])
        row |= {"reason": reply.reason, "rule": reply.rule or None}
        row |= {"smtp_code": reply.smtp_code, "enhanced_code": reply.enhanced_code}
    facts = {**row, "sender_domain": _domain(row.get("sender")), "category": category}
    for stream in streams:
        if all(_is(k, facts.get(k), v) for k, v in stream.match.items()):
            row["stream"], row["campaign"] = stream.name, stream.campaign or category or None
            row |= {k: v for k, v in stream.sets.items() if not row.get(k)}
            row["provenance"] = "; ".join(x for x in (row.get("provenance"), "stream in case.toml") if x)
            break
    else:
        row["campaign"] = category or None
    return row


def _is(key: str, have: Any, wanted: str) -> bool:
    if have is None:
        return False
    return str(have).endswith(wanted) if key == "message_id" else str(have).lower() == wanted.lower()


def _queued(message: Message, made: list[dict[str, Any]]) -> dict[str, Any]:
    end = message.removed
    return {
        "time": message.time,
        "host": message.host,
        "mta": "postfix",
        "queue_id": message.queue_id,
        "message_id": message.message_id,
        "sender": _lower(message.sender) if message.sender else None,
        "size": message.size,
        "recipients": message.recipients,
        "client_host": message.client_host,
        "client_ip": message.client_ip,
        "sasl_user": message.sasl_user,
        "attempts": len(made),
        "outcome": "expired" if message.expired else "removed" if end else "queued",
        "lifetime": (end - message.time).total_seconds() if end else None,
    }


def _outcomes(made: list[dict[str, Any]], message: Message, hops: InnerHops, case: Case) -> Iterator[dict[str, Any]]:
    last: dict[str, dict[str, Any]] = {}
    held: dict[str, dict[str, Any]] = {}
    for row in made:
        # What the null sender gets is our own bounces and reports, nobody's lost mail.
        ours = not row["sender"] or row["relay_host"] in ("local", "virtual")
        if not ours and not hops.leads_on(row, message.message_id):
            before = last.get(row["recipient"])
            last[row["recipient"]] = row
            if row["status"] == "sent" and before:
                held[row["recipient"]] = before
    for recipient, row in last.items():
        began = hops.began(message.message_id, recipient, message.time)
        made_final = _final(row, began, message.expired, case, "log")
        if made_final["outcome"] == "late" and recipient in held:
            # What made it late is the reply that held it back, not the one that took it.
            why = held[recipient]
            made_final |= {k: why.get(k) for k in ("smtp_code", "enhanced_code", "response", "reason", "rule")}
        yield made_final


def _final(row: dict[str, Any], began: Any, expired: bool, case: Case, origin: str) -> dict[str, Any]:
    late_after = next((s.late_after for s in case.streams if s.name == row.get("stream")), None)
    delay = (row["time"] - began).total_seconds()
    if row["status"] == "sent":
        outcome = "late" if late_after and delay > late_after else "accepted"
    elif row["status"] in _LOST or expired:
        outcome = "lost"
    else:
        outcome = "pending"
    copied = [
        "host",
        "mta",
        "queue_id",
        "message_id",
        "sender",
        "recipient",
        "recipient_domain",
        "provider",
        "smtp_code",
        "enhanced_code",
        "response",
        "reason",
        "rule",
        "source_ip",
        "stream",
        "campaign",
        "header_from",
        "dkim_domain",
        "dkim_selector",
        "provenance",
    ]
    return {
        **{k: row.get(k) for k in copied},
        "time": began,
        "last_time": row["time"],
        "sender_domain": _domain(row.get("sender")),
        "outcome": outcome,
        "attempts": row["attempt"],
        "delay": delay,
        "origin": origin,
    }


def _events(
    case: Case, problems: list[dict[str, Any]], rows: list[dict[str, Any]], final: list[dict[str, Any]]
) -> pd.DataFrame:
    began: dict[tuple[str, str], Any] = {}
    last: dict[tuple[str, str], dict[str, Any]] = {}
    complaints = []
    for path in case.sources("events"):
        try:
            for event in events.read(path, case.rel(path), problems):
                key = (event["message_id"] or event["queue_id"], event["recipient"])
                began.setdefault(key, event["time"])
                began[key] = min(began[key], event["time"])
                if event["event"] == "spamreport":
                    complaints.append(_complaint(event, case.streams))
                elif status := events.STATUS.get(event["event"]):
                    row = _judged(_event_row(event, status), case.streams, event["category"])
                    rows.append(row)
                    if key not in last or last[key]["time"] <= row["time"]:
                        last[key] = row
        except (OSError, EOFError) as e:
            problems.append({"file": case.rel(path), "what": f"cannot be read: {e}"[:200], "records": 1})
    final += [_final(row, began[key], False, case, "event") for key, row in last.items()]
    frame = pd.DataFrame(complaints, columns=["time", "recipient", "stream", "campaign"])
    return frame.astype({"recipient": "str", "stream": "str", "campaign": "str"})


def _event_row(event: Mapping[str, Any], status: str) -> dict[str, Any]:
    return {
        "time": event["time"],
        "host": "provider",
        "mta": "provider",
        "queue_id": event["queue_id"] or None,
        "message_id": event["message_id"] or None,
        "recipient": _lower(event["recipient"]),
        "status": status,
        "response": event["response"] or None,
        "attempt": event["attempt"],
        "source_ip": event["source_ip"],
        "provenance": "provider event",
    }


def _complaint(event: Mapping[str, Any], streams: tuple[Stream, ...]) -> dict[str, Any]:
    row = _judged(_event_row(event, "sent"), streams, event["category"])
    return {k: row.get(k) for k in ("time", "recipient", "stream", "campaign")}


def sightings(evidence: LogEvidence) -> list[Sighting]:
    """Recipient domains and our outbound addresses, with counts."""
    outcomes = evidence.outcomes
    domains = outcomes["recipient_domain"].dropna().value_counts()
    return [Sighting("recipient_domain", str(d), where="logs", count=int(n)) for d, n in domains.items()]
