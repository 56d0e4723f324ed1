"""Who sends in our name, as DMARC reports tell it: our own mail, a vendor's, forwarded, relisted or forged.

An aggregate row says what passed, not who sent. The kind of a row is concluded from signatures and addresses:

- `ours`: something aligned passed, and it is not a forwarder's copy
- `ours, failing`: from our own address, or with our own selector that passes nowhere: ours, and broken
- `forwarded`: our signature passes, SPF does not, and the same signature also comes from a sender of ours
- `mailing list`: our signature, which passes elsewhere, arrives broken; or the receiver says so
- `vendor`: signed by another domain that passes, steadily over weeks, never with a signature of ours
- `forged or unknown`: nothing of ours in it: forged, or a sender nobody remembers
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from smtplab import mail
from smtplab.reports.read import ReportEvidence

KINDS = ("ours", "ours, failing", "vendor", "forwarded", "mailing list", "forged or unknown")
VENDOR_DAYS = 5
"""Days with reports that a vendor must be seen on at least."""
VENDOR_SPAN = 14
"""Days from its first report to its last, at least: a forger's own signature comes in bursts."""
VENDOR_MESSAGES = 20
_KEYS = ["source_ip", "header_from", "dkim_results", "spf_results", "overrides", "alignment"]


def results(joined: object) -> list[tuple[str, str, str]]:
    """The parts of dkim_results or spf_results: domain, selector ("" for SPF), result."""
    found = []
    for one in joined.split() if isinstance(joined, str) else ():
        who, _, result = one.rpartition("=")
        domain, _, selector = who.partition("/")
        found.append((domain, selector, result))
    return found


def own_domains(evidence: ReportEvidence) -> tuple[str, ...]:
    """The case's domains, or the domains reported on where there is no case."""
    return evidence.domains or tuple(sorted(evidence.aggregate["domain"].dropna().unique()))


def classified(evidence: ReportEvidence) -> pd.DataFrame:
    """The table aggregate, rows on our domains only, with the column `kind` added."""
    domains = own_domains(evidence)
    table = evidence.aggregate
    near = table["header_from"].dropna().unique()
    table = table[table["header_from"].isin([d for d in near if mail.within(d, domains)])]
    if table.empty:
        return table.assign(kind=pd.Series(dtype="str"), signer=pd.Series(dtype="str"))
    unique = table[_KEYS].drop_duplicates().reset_index(drop=True)
    context = _Context.of(evidence, unique, domains)
    judged = [context.judge(*row) for row in unique.itertuples(index=False, name=None)]
    unique["kind"] = [k for k, _ in judged]
    unique["signer"] = pd.Series([s for _, s in judged], dtype="str")
    made = table.merge(unique, on=_KEYS, how="left")
    return _steady(made)


@dataclass(frozen=True)
class _Context:
    """What the reports as a whole say: our addresses, and which of our signatures pass from where."""

    domains: tuple[str, ...]
    own: frozenset[str]
    passing: frozenset[tuple[str, str]]
    homes: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, evidence: ReportEvidence, unique: pd.DataFrame, domains: tuple[str, ...]) -> _Context:
        by_spf = unique[unique["alignment"].isin(["both", "spf"])]
        own = {*evidence.own, *by_spf["source_ip"].dropna()}
        passing = {(d, s) for r in unique["dkim_results"] for d, s, res in results(r) if res == "pass"}
        homes = {(d, s) for r in by_spf["dkim_results"] for d, s, res in results(r) if res == "pass"}
        return cls(domains, frozenset(own), frozenset(passing), frozenset(homes))

    def judge(
        self, ip: object, header: object, dkim: object, spf: object, overrides: object, alignment: object
    ) -> tuple[str, str | None]:
        """Kind and, for a vendor, its signing domain."""
        signed = results(dkim)
        ours = [(d, s, r) for d, s, r in signed if mail.within(d, self.domains)]
        said = overrides if isinstance(overrides, str) else ""
        if alignment != "none":
            strange = alignment == "dkim" and ip not in self.own
            passed = {(d, s) for d, s, r in ours if r == "pass"}
            return ("forwarded" if strange and passed & self.homes else "ours"), None
        if ip in self.own:
            return "ours, failing", None
        if "mailing_list" in said:
            return "mailing list", None
        if "forward" in said:
            return "forwarded", None
        if ours:
            changed = any((d, s) in self.passing for d, s, _ in ours)
            return ("mailing list" if changed else "ours, failing"), None
        other = [d for d, _, r in signed if r == "pass"]
        return ("vendor", other[0]) if other else ("forged or unknown", None)


def _steady(table: pd.DataFrame) -> pd.DataFrame:
    """Keep as vendors only signers seen over weeks; the rest may be forged."""
    vendor = table["kind"] == "vendor"
    if not vendor.any():
        return table
    grouped = table[vendor].groupby("signer")
    days = grouped["begin"].agg(lambda b: b.dt.floor("D").nunique())
    span = grouped["begin"].agg(lambda b: (b.max() - b.min()).days)
    steady = days[(days >= VENDOR_DAYS) & (span >= VENDOR_SPAN) & (grouped["count"].sum() >= VENDOR_MESSAGES)].index
    table.loc[vendor & ~table["signer"].isin(steady), "kind"] = "forged or unknown"
    return table


def senders(evidence: ReportEvidence, most: int = 200) -> pd.DataFrame:
    """A row a source address and kind, the `most` with most messages, largest first.

    Columns: source_ip, kind, messages, aligned (share), reporters, days, first, last, header_from, signed_by,
    envelope.
    """
    table = classified(evidence)
    columns = ["source_ip", "kind", "messages", "aligned", "reporters", "days", "first", "last"]
    columns += ["header_from", "signed_by", "envelope"]
    rows = []
    # Far more addresses than anyone reads: look closely at the largest only.
    sums = table.groupby(["source_ip", "kind"])["count"].sum().sort_values(ascending=False, kind="stable").head(most)
    table = table[pd.MultiIndex.from_frame(table[["source_ip", "kind"]]).isin(sums.index)]
    for (ip, kind), part in table.groupby(["source_ip", "kind"], dropna=False):
        count = int(part["count"].sum())
        rows.append(
            {
                "source_ip": ip,
                "kind": kind,
                "messages": count,
                "aligned": round(int(part.loc[part["alignment"] != "none", "count"].sum()) / count, 4) if count else 0,
                "reporters": part["org"].nunique(),
                "days": part["begin"].dt.floor("D").nunique(),
                "first": part["begin"].min().floor("D"),
                "last": part["end"].max().floor("D"),
                "header_from": _few(part["header_from"].dropna()),
                "signed_by": _few(d for r in part["dkim_results"] for d, _, _ in results(r)),
                "envelope": _few(d for r in part["spf_results"] for d, _, _ in results(r)),
            }
        )
    frame = pd.DataFrame(rows, columns=columns)
    return frame.sort_values(["messages", "source_ip"], ascending=[False, True], ignore_index=True)


def _few(values: Iterable[str], most: int = 3) -> str:
    found = list(pd.Series(list(values), dtype="object").value_counts().index)
    return ", ".join(sorted(found[:most])) + (f" and {len(found) - most} more" if len(found) > most else "")
