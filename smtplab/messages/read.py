"""Sample messages into a table: what a receiver reads in their headers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from smtplab import mail
from smtplab.case import Case
from smtplab.messages import authres, unsubscribe
from smtplab.names.received import greetings
from smtplab.tables import conform

_TYPES = {
    "file": "str", "number": "Int64", "time": "datetime64[us, UTC]", "author": "str", "header_from": "str",
    "envelope_from": "str", "subject": "str", "list": "str", "bulk": "str", "unsubscribe": "str", "lacks": "str",
    "covered": "boolean", "signatures": "str", "bimi_selector": "str", "judged_by": "str", "results": "str",
    "greetings": "str",
}  # fmt: skip


@dataclass(frozen=True)
class MessageEvidence:
    """Sample messages.

    `frame`, a row a message: file, number, time, author, header_from, envelope_from (domain), subject, list
    (List-Id, else the author), bulk (the header that says so), unsubscribe (List-Unsubscribe), lacks (what
    one-click unsubscribe lacks), covered (whether a signature covers it), signatures (domain/selector),
    bimi_selector (s= of BIMI-Selector), judged_by and results (the topmost Authentication-Results), greetings (address
    and HELO of who handed it over). `domains` are the case's own.
    """

    frame: pd.DataFrame
    problems: pd.DataFrame
    domains: tuple[str, ...] = ()

    def __repr__(self) -> str:
        count = int(self.problems["records"].sum())
        return f"MessageEvidence({len(self.frame):,} messages, {count:,} problems)"


def read(case: Case) -> MessageEvidence:
    """The sample messages of a case (source messages)."""
    return _read(((f, case.rel(f)) for f in case.sources("messages")), case.domains)


def read_paths(paths: Iterable[Path], *, domains: tuple[str, ...] = ()) -> MessageEvidence:
    """Messages of files and folders, without a case."""
    return _read(((Path(p), Path(p).name) for p in paths), domains)


def _read(sources: Iterable[tuple[Path, str]], domains: tuple[str, ...]) -> MessageEvidence:
    problems: Counter[tuple[str, str]] = Counter()

    def problem(name: str, what: str) -> None:
        problems[name, what] += 1

    rows = [_row(raw) for path, name in sources for raw in mail.read(path, name, problem)]
    frame = pd.DataFrame(rows, columns=list(_TYPES))
    frame["time"] = pd.to_datetime(frame["time"], utc=True)
    frame = frame.astype(_TYPES).sort_values(["file", "number"], kind="stable", ignore_index=True)
    told = [{"file": f, "what": w, "records": n} for (f, w), n in problems.items()]
    return MessageEvidence(frame, conform("problems", told), domains)


def _row(raw: mail.Raw) -> dict[str, Any]:
    message = mail.parse(raw.data)
    author = next(iter(mail.addresses(message, "From")), None)
    bulk = unsubscribe.bulk(message)
    judged = [authres.parse(v) for v in mail.headers(message, "Authentication-Results")[:1]]
    return {
        "file": raw.file,
        "number": raw.number,
        "time": mail.date(message),
        "author": author,
        "header_from": mail.domain_of(author),
        "envelope_from": mail.domain_of(mail.address(mail.header(message, "Return-Path"))),
        "subject": mail.header(message, "Subject"),
        "list": mail.list_id(message) or author,
        "bulk": bulk or None,
        "unsubscribe": mail.header(message, "List-Unsubscribe"),
        "lacks": " and ".join(unsubscribe.lacks(message)) or None if bulk else None,
        "covered": unsubscribe.signed(message) if bulk else None,
        "signatures": " ".join(f"{d}/{s}" for d, s in mail.signatures(message)) or None,
        "bimi_selector": mail.tags(mail.header(message, "BIMI-Selector") or "").get("s", "").lower() or None,
        "judged_by": judged[0].server or None if judged else None,
        "results": str(judged[0]) if judged else None,
        "greetings": greetings(message),
    }
