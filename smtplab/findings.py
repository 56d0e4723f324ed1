"""Findings: what was checked, how bad it is, and the exact change that mends it.

A finding holds a code, a subject and the facts; all wording (title, why, fix, the copyable record, the
standard) comes from the catalogue, one TOML table a code, with `{facts}` filled in.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, cached_property
from importlib import resources
from string import Formatter
from typing import Any, overload

import pandas as pd

from smtplab import markup
from smtplab.errors import CatalogueError
from smtplab.visible import visible

_CODES = frozenset({"bits", "port", "serial"})
"""Facts whose numbers are names: written without thousands."""


class Severity(StrEnum):
    """How bad, in the words of the design."""

    CRITICAL = "critical"
    """Mail is lost, or anyone can send as you."""
    HIGH = "high"
    """A large provider refuses or junks."""
    MEDIUM = "medium"
    """Mail is at risk, or one safeguard is missing."""
    LOW = "low"
    """Worth mending when you are there."""
    INFO = "info"
    """A fact to know; nothing to mend."""
    OK = "ok"
    """Checked, and fine."""

    @property
    def rank(self) -> int:
        """0 for critical up to 5 for ok."""
        return list(Severity).index(self)


class Direction(StrEnum):
    """Whose mail suffers: three currencies that are never added up."""

    OUTBOUND = "outbound"
    INBOUND = "inbound"
    EXPOSURE = "exposure"
    NONE = "none"


@dataclass(frozen=True)
class Explains:
    """Rows of failure an entry can explain: which table, which replies, and the key both sides share."""

    table: str
    key: Mapping[str, str]
    reasons: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    results: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One catalogue entry: all wording of one finding code."""

    code: str
    severity: Severity
    area: str
    direction: Direction
    title: str
    why: str
    fix: str
    standard: str
    record: str = ""
    explains: tuple[Explains, ...] = ()

    @cached_property
    def placeholders(self) -> frozenset[str]:
        """Names of the facts that the wording needs."""
        texts = (self.title, self.why, self.fix, self.record)
        return frozenset(n.split(".")[0].split("[")[0] for t in texts for _, n, _, _ in Formatter().parse(t) if n)


@cache
def catalogue() -> Mapping[str, Entry]:
    """Every entry by code, read from `smtplab/catalogue/*.toml`; raises CatalogueError on a bad one."""
    entries: dict[str, Entry] = {}
    folder = resources.files("smtplab") / "catalogue"
    for file in sorted(folder.iterdir(), key=lambda f: f.name):
        if not file.name.endswith(".toml"):
            continue
        for code, raw in tomllib.loads(file.read_text("utf-8")).items():
            if code in entries:
                raise CatalogueError(f"{code} stands twice", where=file.name)
            entries[code] = _entry(code, dict(raw), file.name)
    return entries


def _entry(code: str, raw: dict[str, Any], where: str) -> Entry:
    try:
        explains = tuple(
            Explains(
                e["table"], dict(e.get("key", {})), *(tuple(e.get(k, ())) for k in ("reasons", "codes", "results"))
            )
            for e in raw.pop("explains", ())
        )
        return Entry(
            code=code,
            severity=Severity(raw.pop("severity")),
            direction=Direction(raw.pop("direction", "none")),
            explains=explains,
            **raw,
        )
    except (KeyError, TypeError, ValueError) as e:
        raise CatalogueError(f"entry {code} is not complete: {e}", where=where) from e


@dataclass(frozen=True)
class Finding:
    """One finding; compare and hash by code, subject and facts."""

    code: str
    subject: str
    evidence: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __init__(self, code: str, subject: str, evidence: Iterable[str] = (), **facts: Any) -> None:
        object.__setattr__(self, "code", code)
        object.__setattr__(self, "subject", subject)
        object.__setattr__(self, "evidence", tuple(evidence))
        object.__setattr__(self, "facts", {"subject": subject, **facts})
        self.__post_init__()

    def __post_init__(self) -> None:
        if missing := self.entry.placeholders - self.facts.keys():
            raise CatalogueError(f"{self.code} lacks the facts {', '.join(sorted(missing))}", where=self.subject)

    @property
    def entry(self) -> Entry:
        """The catalogue entry of the code."""
        try:
            return catalogue()[self.code]
        except KeyError:
            raise CatalogueError(f"{self.code} is not in the catalogue", where=self.subject) from None

    @property
    def severity(self) -> Severity:
        """From the catalogue."""
        return self.entry.severity

    @property
    def direction(self) -> Direction:
        """Outbound, inbound, exposure or none."""
        return self.entry.direction

    @property
    def area(self) -> str:
        """The room that raised it."""
        return self.entry.area

    @property
    def standard(self) -> str:
        """RFC and section, or the provider's page."""
        return self.entry.standard

    @property
    def title(self) -> str:
        """One sentence that states the finding."""
        return self._fill(self.entry.title)

    @property
    def why(self) -> str:
        """Why it matters."""
        return self._fill(self.entry.why)

    @property
    def fix(self) -> str:
        """What to do, in one or two sentences."""
        return self._fill(self.entry.fix)

    @property
    def record(self) -> str:
        """The literal line to publish or set; empty where there is none."""
        return self._fill(self.entry.record)

    def _fill(self, text: str) -> str:
        return text.format_map({k: _say(v, k not in _CODES) for k, v in self.facts.items()})

    def __hash__(self) -> int:
        return hash((self.code, self.subject))

    def __repr__(self) -> str:
        return visible(f"{self.severity}: {self.title} [{self.code}]")

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as printed by `smtplab findings --json`."""
        return {
            "severity": str(self.severity),
            "code": self.code,
            "subject": self.subject,
            "title": self.title,
            "why": self.why,
            "fix": self.fix,
            "record": self.record,
            "area": self.area,
            "direction": str(self.direction),
            "standard": self.standard,
            "evidence": list(self.evidence),
            "facts": {k: _plain(v) for k, v in self.facts.items() if k != "subject"},
        }


class Findings(Sequence[Finding]):
    """An ordered set of findings, worst first; the same finding counts once."""

    def __init__(self, findings: Iterable[Finding] = ()) -> None:
        once = {(f.code, f.subject, json.dumps(_plain(f.facts), sort_keys=True)): f for f in findings}
        self._all = tuple(sorted(once.values(), key=lambda f: (f.severity.rank, f.code, f.subject)))

    @overload
    def __getitem__(self, index: int) -> Finding: ...
    @overload
    def __getitem__(self, index: slice) -> Findings: ...
    def __getitem__(self, index: int | slice) -> Finding | Findings:
        return Findings(self._all[index]) if isinstance(index, slice) else self._all[index]

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._all)

    def __add__(self, other: Iterable[Finding]) -> Findings:
        return Findings((*self, *other))

    def at_least(self, severity: Severity | str) -> Findings:
        """Those at `severity` or worse."""
        return Findings(f for f in self if f.severity.rank <= Severity(severity).rank)

    def of(self, prefix: str) -> Findings:
        """Those whose code is `prefix` or starts with it."""
        return Findings(f for f in self if f.code.startswith(prefix))

    def counts(self) -> dict[str, int]:
        """How many of each severity, worst first, zeros included."""
        return {str(s): sum(f.severity is s for f in self) for s in Severity}

    def frame(self) -> pd.DataFrame:
        """A row a finding: severity, code, subject, title, fix, record, why, area, direction, standard, evidence."""
        columns = [
            "severity", "code", "subject", "title", "fix", "record", "why", "area", "direction", "standard", "evidence",
        ]  # fmt: skip
        rows = [{**f.as_dict(), "evidence": "; ".join(f.evidence)} for f in self]
        return pd.DataFrame(rows, columns=columns)

    def browse(self) -> None:
        """Show the table in JupyterLab, sortable and searchable; not for chapters, whose outputs are static."""
        import itables

        itables.init_notebook_mode(all_interactive=False, connected=False)
        itables.show(self.frame().drop(columns=["area", "direction"]), maxBytes=0, classes="display compact wrap")

    def to_json_lines(self) -> str:
        """One JSON object a line, worst first."""
        return "".join(json.dumps(f.as_dict()) + "\n" for f in self)

    def __repr__(self) -> str:
        return "\n".join(map(repr, self)) or "No findings."

    def _repr_html_(self) -> str:
        return markup.findings_table([f.as_dict() for f in self])


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return [_plain(v) for v in items]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)


def _say(value: Any, counted: bool) -> str:
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(map(str, _plain(value)))
    return f"{value:,}" if counted and isinstance(value, int) and not isinstance(value, bool) else str(value)
