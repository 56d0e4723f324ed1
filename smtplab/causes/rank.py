"""Ranking: what each finding explains alone and jointly, and what is gained by fixing in which order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from smtplab import markup
from smtplab.causes.match import candidates
from smtplab.findings import Direction, Finding, Findings

ANY = "any"
"""A reply that goes away when one of its causes is mended."""


@dataclass(frozen=True)
class Cause:
    """One finding's part in a ledger; all counts are of the ledger's unit.

    `alone`: only this finding explains them. `joint`: others explain them too. `gain` and `gain_at_most`: what
    mending it brings at its place in the order; the first counts failures of which every cause is then
    mended, the second also those where the receiver asks for one of several things and one now holds.
    `left` and `left_at_best`: what still fails after it, by the same two counts.
    """

    finding: Finding
    alone: int
    joint: int
    gain: int
    gain_at_most: int
    left: int
    left_at_best: int
    partners: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ledger:
    """One currency: what failed, what explains it, and the honest rest."""

    direction: Direction
    unit: str
    causes: tuple[Cause, ...]
    total: int
    unexplained: int
    rows: pd.DataFrame = field(repr=False, compare=False)
    masks: pd.DataFrame = field(repr=False, compare=False)
    findings: tuple[Finding, ...] = field(repr=False, compare=False)
    weight: str = field(default="", repr=False)

    def __repr__(self) -> str:
        if not self.total:
            return f"{self.direction}: the evidence holds no {self.unit}"
        share = 1 - self.unexplained / self.total
        count = f"{len(self.causes)} finding{'s' * (len(self.causes) != 1)}"
        return f"{self.direction}: {self.total:,} {self.unit}, {share:.1%} explained by {count}"

    def frame(self) -> pd.DataFrame:
        """A row a cause in the order of mending, then the unexplained rest.

        Columns: order, severity, cause, code, subject, alone, joint, share (of the total, alone and joint),
        gain, gain_at_most, left, fix.
        """
        rows = []
        for order, c in enumerate(self.causes, 1):
            f, share = c.finding, round((c.alone + c.joint) / self.total, 4) if self.total else 0.0
            gains = (c.gain, c.gain_at_most, c.left)
            rows.append((order, str(f.severity), f.title, f.code, f.subject, c.alone, c.joint, share, *gains, f.fix))
        columns = ["order", "severity", "cause", "code", "subject", "alone", "joint", "share"]
        columns += ["gain", "gain_at_most", "left", "fix"]
        return pd.DataFrame(rows, columns=columns)

    def groups(self) -> pd.DataFrame:
        """A row a set of findings that together explain the same failures: causes, count, share.

        The counts add up to the total: each failure stands in exactly one group, the unexplained in the last.
        """
        names = self._names()
        size = self._sizes()
        counted = size.groupby(names).sum().sort_values(ascending=False, kind="stable")
        rest = int(counted.pop("")) if "" in counted else 0
        rows = [{"causes": str(k), "count": int(v)} for k, v in counted.items()]
        rows += [{"causes": "unexplained", "count": rest}] if self.total else []
        frame = pd.DataFrame(rows, columns=["causes", "count"])
        frame["share"] = (frame["count"] / self.total).round(4) if self.total else 0.0
        return frame

    def evidence(self, code: str, limit: int = 20) -> pd.DataFrame:
        """The first rows of failure that a finding of this code explains, the other candidates beside them."""
        positions = [p for p in self.masks.columns if self.findings[p].code == code]
        hit = self.masks[positions].any(axis=1) if positions else pd.Series(False, index=self.rows.index)
        shown = self.rows[hit].head(limit).dropna(axis=1, how="all")
        return shown.assign(explained_by=self._names()[shown.index]).reset_index(drop=True)

    def unexplained_rows(self) -> pd.DataFrame:
        """The failures that nothing explains."""
        return self.rows[~self.masks.any(axis=1)].reset_index(drop=True)

    def _sizes(self) -> pd.Series[int]:
        return _sizes(self.rows, self.weight)

    def _names(self) -> pd.Series[str]:
        names = pd.Series("", index=self.rows.index, dtype="object")
        for position in self.masks.columns:
            label = self.findings[position].code
            hit = self.masks[position]
            joined = names[hit].map(lambda have, label=label: f"{have} + {label}" if have else label)
            names.loc[hit] = joined
        return names

    def _repr_html_(self) -> str:
        frame = self.frame()[["order", "severity", "cause", "alone", "joint", "share", "gain", "gain_at_most"]]
        return markup.frame_table(frame, caption=repr(self))


@dataclass(frozen=True)
class Causes:
    """The three ledgers of a case."""

    outbound: Ledger
    inbound: Ledger
    exposure: Ledger

    @cached_property
    def ledgers(self) -> tuple[Ledger, Ledger, Ledger]:
        """Outbound, inbound, exposure."""
        return self.outbound, self.inbound, self.exposure

    def __repr__(self) -> str:
        return "\n".join(map(repr, self.ledgers))

    def frame(self) -> pd.DataFrame:
        """All causes: the frames of the ledgers below each other, with `direction` and `unit` first."""
        parts = []
        for ledger in self.ledgers:
            part = ledger.frame()
            part.insert(0, "direction", str(ledger.direction))
            part.insert(1, "unit", ledger.unit)
            parts.append(part)
        return pd.concat(parts, ignore_index=True)


def rank(
    findings: Findings,
    outcomes: pd.DataFrame,
    tls: pd.DataFrame,
    aggregate: pd.DataFrame,
    rescued_by: Mapping[str, str] | None = None,
) -> Causes:
    """Rank the findings of a case.

    `outcomes`, `tls`, `aggregate` are the tables outcomes, tls_reports and aggregate. `rescued_by` says for a
    reply rule whether mending "any" or "all" of its causes brings the message through (default: all).
    """
    lost = outcomes[outcomes["outcome"].isin(["lost", "late"])].reset_index(drop=True)
    failed = tls[tls["failures"].fillna(0) > 0].reset_index(drop=True)
    forged = aggregate[aggregate["alignment"] == "none"].reset_index(drop=True)
    return Causes(
        _ledger(Direction.OUTBOUND, "recipients lost or late", "outcomes", findings, lost, "", rescued_by or {}),
        _ledger(Direction.INBOUND, "failed inbound TLS sessions", "tls_reports", findings, failed, "failures", {}),
        _ledger(Direction.EXPOSURE, "unaligned messages in our name", "aggregate", findings, forged, "count", {}),
    )


def _ledger(
    direction: Direction,
    unit: str,
    table: str,
    findings: Iterable[Finding],
    rows: pd.DataFrame,
    weight: str,
    rescued_by: Mapping[str, str],
) -> Ledger:
    able = tuple(f for f in findings if f.direction is direction and f.entry.explains)
    masks = candidates(able, table, rows)
    sizes = _sizes(rows, weight)
    one_suffices = rows["rule"].map(rescued_by).eq(ANY) if "rule" in rows else pd.Series(False, index=rows.index)
    explained = masks.any(axis=1) if len(masks.columns) else pd.Series(False, index=rows.index)
    return Ledger(
        direction=direction,
        unit=unit,
        causes=_order(able, masks, sizes, one_suffices),
        total=int(sizes.sum()),
        unexplained=int(sizes[~explained].sum()),
        rows=rows,
        masks=masks,
        findings=able,
        weight=weight,
    )


def _sizes(rows: pd.DataFrame, weight: str) -> pd.Series[int]:
    return rows[weight].fillna(0).astype("int64") if weight else pd.Series(1, index=rows.index, dtype="int64")


def _order(
    findings: tuple[Finding, ...], masks: pd.DataFrame, sizes: pd.Series[int], one_suffices: pd.Series[bool]
) -> tuple[Cause, ...]:
    """Greedy: at each step the finding whose mending brings most, the worse severity first where equal."""
    count = masks.sum(axis=1)
    open_causes = count.copy()
    sure = pd.Series(False, index=masks.index)
    hoped = sure.copy()
    total = int(sizes.sum())
    left, causes = list(masks.columns), []
    while left:
        gains = {p: _gains(masks[p] & ~sure, open_causes, sizes, one_suffices) for p in left}
        best = max(left, key=lambda p: (*gains[p][::-1], int(sizes[masks[p]].sum()), -findings[p].severity.rank))
        hit = masks[best]
        sure |= hit & (open_causes == 1)
        hoped |= sure | (hit & one_suffices)
        open_causes = open_causes - hit.astype("int64")
        left.remove(best)
        gain, at_most = gains[best]
        causes.append(
            Cause(
                finding=findings[best],
                alone=int(sizes[hit & (count == 1)].sum()),
                joint=int(sizes[hit & (count > 1)].sum()),
                gain=gain,
                gain_at_most=at_most,
                left=total - int(sizes[sure].sum()),
                left_at_best=total - int(sizes[hoped].sum()),
                partners=tuple(
                    sorted({findings[p].code for p in masks.columns if p != best and (masks[p] & hit).any()})
                ),
            )
        )
    return tuple(causes)


def _gains(
    hit: pd.Series[bool], open_causes: pd.Series[int], sizes: pd.Series[int], one_suffices: pd.Series[bool]
) -> tuple[int, int]:
    """What mending a finding brings now: for sure, and at most."""
    last = hit & (open_causes == 1)
    return int(sizes[last].sum()), int(sizes[last | (hit & one_suffices)].sum())
