"""Reports out of whatever they came in: XML, JSON, gzip, zip, or the mail that carried them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from smtplab import mail
from smtplab.archives import Member, members
from smtplab.case import Case
from smtplab.errors import SourceError
from smtplab.reports import aggregate, tlsrpt
from smtplab.tables import conform

_ATTACHED = {
    "application/gzip", "application/x-gzip", "application/zip", "application/x-zip-compressed", "application/xml",
    "text/xml", "application/octet-stream", "application/tlsrpt+json", "application/tlsrpt+gzip", "application/json",
    "application/x-zip", "application/gzip-compressed", "application/gzipped", "application/x-gunzip",
}  # fmt: skip
_LOOK = 65_536
_TLS_KEYS = (b'"policies"', b'"report-id"', b'"organization-name"')
_SUFFIXES = (".xml", ".xml.gz", ".zip", ".gz", ".json", ".json.gz")


@dataclass(frozen=True)
class ReportEvidence:
    """What receivers report: tables aggregate, tls_reports and problems.

    `domains` are the case's own, `own` the addresses of its outbound hosts, `as_of` the case's clock;
    `failures` counts DMARC failure reports (RFC 9991) among the files.
    """

    aggregate: pd.DataFrame
    tls: pd.DataFrame
    problems: pd.DataFrame
    domains: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    as_of: datetime | None = None
    failures: int = field(default=0)

    def __repr__(self) -> str:
        reports = self.aggregate[["org", "report_id"]].drop_duplicates()
        tls = self.tls[["org", "report_id"]].drop_duplicates()
        return (
            f"ReportEvidence({len(reports):,} DMARC reports on {int(self.aggregate['count'].sum()):,} messages, "
            f"{len(tls):,} TLS reports, {int(self.problems['records'].sum()):,} problems)"
        )


def read(case: Case) -> ReportEvidence:
    """The reports of a case (sources dmarc and tls_reports).

    Raises SourceError where there are files and not one report among them.
    """
    files = [*case.sources("dmarc"), *case.sources("tls_reports")]
    own = tuple(a for h in case.hosts if "outbound" in h.roles for a in h.addresses)

    def build() -> dict[str, pd.DataFrame]:
        made = _read([(f, case.rel(f)) for f in files])
        failed = made.pop("failed")
        return {**made, "failures": pd.DataFrame({"n": [failed]})}

    tables = case.cached("reports", files, build)
    return ReportEvidence(
        tables["aggregate"],
        tables["tls"],
        tables["problems"],
        case.domains,
        own,
        case.as_of,
        int(tables["failures"]["n"].iloc[0]),
    )


def read_paths(
    paths: Iterable[Path], *, domains: tuple[str, ...] = (), as_of: datetime | None = None
) -> ReportEvidence:
    """The reports of files and folders, without a case; raises as `read`."""
    made = _read([(Path(p), Path(p).name) for p in paths])
    return ReportEvidence(
        made["aggregate"], made["tls"], made["problems"], domains, as_of=as_of, failures=made["failed"]
    )


def refusal(path: Path) -> str:
    """Why a file can hold no report, by its first bytes; "" for one that may, or is empty."""
    told: list[str] = []
    try:
        for member in members(path, path.name, lambda _, what: told.append(what)):
            start = member.head(_LOOK).removeprefix(b"\xef\xbb\xbf").lstrip()
            if not (what := _strange(start)):
                return ""
            told.append(what)
    except (SourceError, OSError) as e:
        told.append(getattr(e, "what", "") or f"cannot be read: {getattr(e, 'strerror', e)}")
    return told[0] if told else ""


def _strange(start: bytes) -> str:
    if start.startswith(b"<"):
        return "" if b"feedback" in start else "XML, but not a DMARC aggregate report (no <feedback>)"
    if start.startswith(b"{"):
        return "" if any(key in start for key in _TLS_KEYS) else "JSON, but not a TLS report (RFC 8460)"
    if start.startswith((b"\xff\xfe<", b"\xfe\xff\x00<")):
        return ""
    what = mail.not_mail(start)
    return f"{what}, not a report" if what not in ("", "empty") else ""


def _read(sources: Iterable[tuple[Path, str]]) -> dict[str, Any]:
    reading = _Reading()
    for path, name in sources:
        for file, label in mail.files(path, name):
            reading.file(file, label)
    refused = [p for p in reading.problems if not p[1].startswith("empty")]
    if refused and not reading.understood:
        where, what = refused[0]
        raise SourceError(what, where=where, do="Put the reports there, or take the file out")
    reading.drop_doubles()
    return {
        "aggregate": conform("aggregate", reading.aggregate),
        "tls": conform("tls_reports", reading.tls),
        "problems": conform("problems", reading.problem_rows()),
        "failed": reading.failed,
    }


class _Reading:
    """One pass over the files: rows and problems as they come."""

    def __init__(self) -> None:
        self.aggregate: list[dict[str, Any]] = []
        self.tls: list[dict[str, Any]] = []
        self.problems: Counter[tuple[str, str]] = Counter()
        self.failed = self.understood = 0

    def problem(self, name: str, what: str) -> None:
        self.problems[name, what] += 1

    def problem_rows(self) -> list[dict[str, Any]]:
        return [{"file": f, "what": w, "records": n} for (f, w), n in self.problems.items()]

    def file(self, path: Path, label: str) -> None:
        try:
            for member in members(path, label, self.problem):
                self.member(member, label)
        except OSError as e:
            self.problem(label, f"cannot be read: {e.strerror}")

    def member(self, member: Member, label: str, *, attached: bool = False) -> None:
        try:
            start = member.head().removeprefix(b"\xef\xbb\xbf").lstrip()
            if start.startswith((b"<", b"\xff\xfe<", b"\xfe\xff\x00<")):
                self._add(self.aggregate, aggregate.rows(member, lambda w: self.problem(member.name, w)), label)
            elif start.startswith(b"{"):
                rows = tlsrpt.rows(member.read(), member.name, lambda w: self.problem(member.name, w))
                self._add(self.tls, rows, label)
            elif attached:
                self.problem(member.name, "neither a DMARC nor a TLS report")
            elif (what := mail.not_mail(start)) and what != "text without a mail header":
                self.problem(member.name, f"{what}, not a report")
            else:
                for raw in mail.read_member(member, self.problem):
                    self._mail(raw, label)
        except SourceError as e:
            self.problem(e.where or label, e.what)

    def _add(self, to: list[dict[str, Any]], rows: Iterator[dict[str, Any]], label: str) -> None:
        to.extend({**row, "file": label} for row in rows)
        self.understood += 1

    def _mail(self, raw: mail.Raw, label: str) -> None:
        parts = mail.parts(mail.parse(raw.data))
        if any(mail.kind(p) == "message/feedback-report" for p in parts):
            self.failed += 1
            self.understood += 1
            return
        found = 0
        for part in parts:
            kind = mail.kind(part)
            name = mail.decoded(part.get_filename(failobj="") if _named(part) else "").lower()
            data = b"" if part.is_multipart() or not (kind in _ATTACHED or name.endswith(_SUFFIXES)) else _bytes(part)
            if data:
                found += 1
                inner = f"{label}/{name or 'attachment'}"
                for member in members(data, inner, self.problem):
                    self.member(member, label, attached=True)
        if not found:
            self.problem(raw.file, f"message {raw.number} carries no report")

    def drop_doubles(self) -> None:
        """A report that came twice (by mail and from the archive) counts once."""
        self.aggregate = self._once(self.aggregate, "DMARC")
        self.tls = self._once(self.tls, "TLS")

    def _once(self, rows: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
        first: dict[tuple[Any, ...], str] = {}
        kept, doubles = [], Counter[str]()
        for row in rows:
            key = (row.get("org"), row.get("report_id"), row.get("begin"), row.get("domain"))
            if None in key[:2] or first.setdefault(key, row["file"]) == row["file"]:
                kept.append(row)
            else:
                doubles[row["file"]] += 1
        for file, count in doubles.items():
            self.problems[file, f"the same {kind} report came before in another file; it counts once"] = count
        return kept


def _named(part: Any) -> bool:
    try:
        return part.get_filename() is not None
    except (TypeError, ValueError, AttributeError, LookupError):
        return False


def _bytes(part: Any) -> bytes:
    return mail.content(part)
