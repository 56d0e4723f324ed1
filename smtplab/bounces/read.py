"""A mailbox of bounces into tables; every message ends as one of six kinds, none is dropped."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd

from smtplab import mail, replies
from smtplab.bounces.sort import sort
from smtplab.case import Case
from smtplab.errors import SourceError
from smtplab.tables import conform

KINDS = ("bounce", "delay", "complaint", "auto-reply", "disposition", "success", "none")
_MESSAGES = {
    "file": "str", "number": "Int64", "line": "Int64", "time": "datetime64[us, UTC]", "kind": "str", "why": "str",
    "author": "str", "subject": "str", "recipients": "Int64",
}  # fmt: skip
_RETURNED = {
    "file": "str", "number": "Int64", "message_id": "str", "sent": "datetime64[us, UTC]", "sender": "str",
    "author": "str", "header_from": "str", "subject": "str", "campaign": "str", "list_id": "str", "signatures": "str",
    "greetings": "str",
}  # fmt: skip


@dataclass(frozen=True)
class BounceEvidence:
    """What came back.

    `bounces` is the table bounces, a row a recipient. `messages` has a row a message: file, number, line, time,
    kind, why, author, subject, recipients. `returned` has a row a message that came back with its headers:
    file, number, message_id, sent, sender, author, header_from, subject, campaign, list_id, signatures
    (domain/selector, joined by spaces), greetings (address/HELO, joined by spaces). `domains` are the case's own.
    """

    bounces: pd.DataFrame
    messages: pd.DataFrame
    returned: pd.DataFrame
    problems: pd.DataFrame
    domains: tuple[str, ...] = ()

    def __repr__(self) -> str:
        counts = self.messages["kind"].value_counts()
        said = ", ".join(f"{int(counts[k]):,} {k}" for k in KINDS if k in counts)
        problems = int(self.problems["records"].sum())
        return f"BounceEvidence({len(self.messages):,} messages: {said or 'none'}; {problems:,} problems)"


def read(case: Case) -> BounceEvidence:
    """What came back in a case (source bounces).

    Raises SourceError where there are files and not one of them is mail: case.toml then names the wrong thing.
    """
    files = case.sources("bounces")
    tables = case.cached("bounces", files, lambda: _read((f, case.rel(f)) for f in files), options=_rules())
    return BounceEvidence(tables["bounces"], tables["messages"], tables["returned"], tables["problems"], case.domains)


def read_paths(paths: Iterable[Path], *, domains: tuple[str, ...] = ()) -> BounceEvidence:
    """What came back in mailboxes, folders and messages, without a case; raises as `read`."""
    tables = _read((Path(p), Path(p).name) for p in paths)
    return BounceEvidence(tables["bounces"], tables["messages"], tables["returned"], tables["problems"], domains)


def _rules() -> str:
    """What besides the files decides the tables."""
    data = resources.files("smtplab") / "data"
    texts = [(data / name).read_bytes() for name in ("providers.toml", "tables.toml")]
    return hashlib.sha256(b"".join([*texts, replies.fingerprint(), repr((_MESSAGES, _RETURNED)).encode()])).hexdigest()


def _read(sources: Iterable[tuple[Path, str]]) -> dict[str, pd.DataFrame]:
    problems: Counter[tuple[str, str]] = Counter()
    bounces: list[dict[str, Any]] = []
    messages: list[dict[str, Any]] = []
    came_back: list[dict[str, Any]] = []

    def problem(name: str, what: str) -> None:
        problems[name, what] += 1

    for path, name in sources:
        for raw in mail.read(path, name, problem):
            try:
                one = sort(raw.data)
            except RecursionError:
                problem(raw.file, "a message is nested too deeply to be read")
                continue
            messages.append(
                {
                    "file": raw.file,
                    "number": raw.number,
                    "line": raw.line,
                    "time": one.time,
                    "kind": one.kind,
                    "why": one.why,
                    "author": one.author,
                    "subject": one.subject,
                    "recipients": sum(r["recipient"] is not None for r in one.rows),
                }
            )
            if one.time is None:
                problem(raw.file, "a message has no Date that can be read")
            bounces += ({**row, "file": raw.file} for row in one.rows)
            if back := one.returned:
                fields = {k: getattr(back, k) for k in _RETURNED if k not in ("file", "number", "signatures")}
                signatures = " ".join(f"{d}/{s}" for d, s in back.signatures) or None
                came_back.append({"file": raw.file, "number": raw.number, **fields, "signatures": signatures})
    refused = [(f, w) for f, w in problems if w.endswith(mail.NOT_MAIL)]
    if refused and not messages:
        raise SourceError(refused[0][1], where=refused[0][0], do="Put the mailbox there, or take the file out")
    rows = [{"file": f, "what": w, "records": n} for (f, w), n in problems.items()]
    return {
        "bounces": conform("bounces", bounces),
        "messages": _frame(messages, _MESSAGES),
        "returned": _frame(came_back, _RETURNED),
        "problems": conform("problems", rows),
    }


def _frame(rows: list[dict[str, Any]], dtypes: dict[str, str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(dtypes))
    made = {c: pd.to_datetime(frame[c], utc=True) if t.startswith("datetime") else frame[c] for c, t in dtypes.items()}
    return pd.DataFrame(made).astype(dtypes).sort_values(["file", "number"], kind="stable", ignore_index=True)
