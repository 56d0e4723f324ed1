"""A mailbox of bounces into tables; every message ends as one of seven kinds, none is dropped."""

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
from smtplab.bounces.stream import Judged, judged
from smtplab.case import Case
from smtplab.errors import SourceError
from smtplab.tables import conform

_BATCH = 20_000
_DATA = (
    "providers.toml", "tables.toml",
    "bounce_formats.toml", "report_words.toml", "auto_replies.toml",
)  # fmt: skip
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


def read_paths(
    paths: Path | str | Iterable[Path | str], *, domains: tuple[str, ...] = (), processes: int = 1
) -> BounceEvidence:
    """What came back in a mailbox, folder or message ("-": standard input), or several, without a case.

    Raises as `read`. With more than one process messages are judged in workers, which pays from some ten thousand
    messages on.
    """
    given = [paths] if isinstance(paths, (str, Path)) else paths
    tables = _read(((Path(p), Path(p).name) for p in given), processes)
    return BounceEvidence(tables["bounces"], tables["messages"], tables["returned"], tables["problems"], domains)


def _rules() -> str:
    """What besides the files decides the tables."""
    data = resources.files("smtplab") / "data"
    texts = [(data / name).read_bytes() for name in _DATA]
    return hashlib.sha256(b"".join([*texts, replies.fingerprint(), repr((_MESSAGES, _RETURNED)).encode()])).hexdigest()


def _read(sources: Iterable[tuple[Path, str]], processes: int = 1) -> dict[str, pd.DataFrame]:
    problems: Counter[tuple[str, str]] = Counter()

    def problem(name: str, what: str) -> None:
        problems[name, what] += 1

    rows = _Rows()
    for one in judged(sources, problem, processes):
        if one.answer.time is None:
            problem(one.file, "a message has no Date that can be read")
        rows.add(one)
    refused = [(f, w) for f, w in problems if w.endswith(mail.NOT_MAIL)]
    if refused and not rows.count:
        raise SourceError(refused[0][1], where=refused[0][0], do="Put the mailbox there, or take the file out")
    told = [{"file": f, "what": w, "records": n} for (f, w), n in problems.items()]
    return rows.tables() | {"problems": conform("problems", told)}


class _Rows:
    """Rows as they come; every so many become columns, which are a tenth of their size."""

    def __init__(self) -> None:
        self.count = 0
        self._open: tuple[list[dict[str, Any]], ...] = ([], [], [])
        self._done: tuple[list[pd.DataFrame], ...] = ([], [], [])

    def add(self, one: Judged) -> None:
        bounces, messages, returned = self._open
        answer, where = one.answer, {"file": one.file, "number": one.number}
        self.count += 1
        messages.append(
            {
                **where,
                "line": one.line,
                "time": answer.time,
                "kind": answer.kind,
                "why": answer.why,
                "author": answer.author,
                "subject": answer.subject,
                "recipients": sum(r["recipient"] is not None for r in answer.rows),
            }
        )
        bounces += ({**row, "file": one.file} for row in answer.rows)
        if back := answer.returned:
            fields = {k: getattr(back, k) for k in _RETURNED if k not in ("file", "number", "signatures")}
            returned.append({**where, **fields, "signatures": " ".join(f"{d}/{s}" for d, s in back.signatures) or None})
        if len(messages) >= _BATCH:
            self._close()

    def _close(self) -> None:
        frames = (conform("bounces", self._open[0]), _frame(self._open[1], _MESSAGES), _frame(self._open[2], _RETURNED))
        for rows, done, frame in zip(self._open, self._done, frames, strict=True):
            done.append(frame)
            rows.clear()

    def tables(self) -> dict[str, pd.DataFrame]:
        """All rows as the tables bounces, messages and returned."""
        self._close()
        bounces, messages, returned = (pd.concat(done, ignore_index=True) for done in self._done)
        return {
            "bounces": conform("bounces", bounces),
            "messages": _frame(messages, _MESSAGES),
            "returned": _frame(returned, _RETURNED),
        }


def _frame(rows: list[dict[str, Any]] | pd.DataFrame, dtypes: dict[str, str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(dtypes))
    made = {c: pd.to_datetime(frame[c], utc=True) if t.startswith("datetime") else frame[c] for c, t in dtypes.items()}
    return pd.DataFrame(made).astype(dtypes).sort_values(["file", "number"], kind="stable", ignore_index=True)
