"""What receivers' reports say that someone should act on, or be reassured by."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pandas as pd

from smtplab import mail
from smtplab.findings import Finding, Findings
from smtplab.reports.read import ReportEvidence
from smtplab.reports.sources import classified, own_domains, results
from smtplab.tables import Sighting, files_of

SILENT = timedelta(days=3)
"""Reporters send daily; after three days without a report something has stopped."""
REGULAR = 7
"""Days with reports that make a regular reporter."""
SEEN_OFTEN = 3
"""Reports that must name a selector before it counts as in use: anyone may write our domain into d=."""


def check(evidence: ReportEvidence) -> Findings:
    """Findings on alignment, sources and TLS as receivers report them."""
    table = classified(evidence)
    return Findings((*_aggregate(evidence, table), *_vendors(table), *_kinds(table), *_tls(evidence)))


def _aggregate(evidence: ReportEvidence, table: pd.DataFrame) -> Iterator[Finding]:
    where = ", ".join(own_domains(evidence)[:1]) or "this case"
    unread = int(evidence.problems["records"].sum())
    if unread:
        files = tuple(dict.fromkeys(evidence.problems["file"].dropna()))
        yield Finding("reports.unreadable", where, files, count=unread, files=len(files))
    if evidence.aggregate.empty:
        yield Finding("reports.missing", where, domain=where)
        return
    total = int(table["count"].sum())
    if total:
        aligned = int(table.loc[table["alignment"] != "none", "count"].sum())
        yield Finding(
            "reports.alignment.share",
            where,
            (f"{table['report_id'].nunique():,} reports",),
            domain=where,
            count=total,
            share=f"{aligned / total:.1%}",
            reporters=table["org"].nunique(),
        )
    yield from _silence(evidence, where)


def _silence(evidence: ReportEvidence, where: str) -> Iterator[Finding]:
    """Reporters that wrote regularly and fell silent, a finding each."""
    for org, part in evidence.aggregate.groupby("org"):
        last = part["end"].max()
        regular = part["begin"].dt.floor("D").nunique() >= REGULAR
        if evidence.as_of is None or pd.isna(last) or not regular or last > evidence.as_of - SILENT:
            continue
        days = (evidence.as_of - last.to_pydatetime()).days
        yield Finding("reports.stopped", str(org), domain=where, org=str(org), last=f"{last:%Y-%m-%d}", days=days)


def _vendors(table: pd.DataFrame) -> Iterator[Finding]:
    for (header, signer), part in table[table["kind"] == "vendor"].groupby(["header_from", "signer"]):
        selectors = [s for r in part["dkim_results"] for d, s, _ in results(r) if d == signer and s]
        yield Finding(
            "reports.alignment.vendor",
            f"{signer} for {header}",
            files_of(part),
            domain=str(header),
            dkim_domain=str(signer),
            source_ips=sorted(part["source_ip"].dropna().unique()),
            count=int(part["count"].sum()),
            selector=max(sorted(set(selectors)), key=selectors.count) if selectors else "selector",
            envelope=sorted({d for r in part["spf_results"] for d, _, _ in results(r)}) or ["no domain"],
        )


def _kinds(table: pd.DataFrame) -> Iterator[Finding]:
    for header, ours in table.groupby("header_from"):
        for kind, part in ours.groupby("kind"):
            facts = {
                "domain": str(header),
                "count": int(part["count"].sum()),
                "source_ips": _most(part),
                "sources": part["source_ip"].nunique(),
            }
            evidence = files_of(part)
            if kind == "forged or unknown":
                yield Finding("reports.forgery.seen", str(header), evidence, **facts)
            elif kind == "forwarded":
                yield Finding("reports.sources.forwarder", str(header), evidence, **facts)
            elif kind == "mailing list":
                yield Finding("reports.sources.mailing_list", str(header), evidence, **facts)
            elif kind == "ours, failing":
                yield Finding("reports.sources.failing", str(header), evidence, **facts)


def _most(part: pd.DataFrame, most: int = 5) -> list[str]:
    counts = part.groupby("source_ip")["count"].sum().sort_values(ascending=False, kind="stable")
    return sorted(str(ip) for ip in counts.index[:most])


def _tls(evidence: ReportEvidence) -> Iterator[Finding]:
    tls = evidence.tls
    if tls.empty:
        return
    for domain, part in tls.groupby("policy_domain"):
        name = str(domain)
        failed = part[part["failures"].fillna(0) > 0]
        good = int(part["successes"].sum())
        if failed.empty:
            yield Finding("reports.tls.ok", name, files_of(part), domain=name, successes=good)
        for result, rows in failed.groupby("result_type"):
            count = int(rows["failures"].sum())
            yield Finding(
                "reports.tls.failures",
                f"{name} {result}",
                files_of(rows),
                domain=name,
                result=str(result),
                count=count,
                share=f"{count / (good + int(part['failures'].sum())):.1%}",
                mx=sorted(rows["receiving_mx"].dropna().unique()) or ["an MX that is not named"],
                first=f"{rows['begin'].min():%Y-%m-%d}",
                reporters=sorted(rows["org"].dropna().unique()),
            )


def sightings(evidence: ReportEvidence) -> list[Sighting]:
    """Selectors, sending addresses and domains that the reports speak of, as far as they can be believed."""
    table = classified(evidence)
    domains = own_domains(evidence)
    where = "DMARC reports"
    found: list[Sighting] = []
    signed = table[table["dkim_results"].notna() & table["kind"].isin(["ours", "ours, failing", "vendor", "forwarded"])]
    seen: dict[tuple[str, str], set[str]] = {}
    ends: dict[tuple[str, str], list[datetime]] = {}
    for joined, report, end in zip(signed["dkim_results"], signed["report_id"], signed["end"], strict=True):
        for domain, selector, _ in results(joined):
            if selector:
                seen.setdefault((domain, selector), set()).add(str(report))
                ends.setdefault((domain, selector), []).extend([] if pd.isna(end) else [end.to_pydatetime()])
    found += [
        Sighting("selector", s, d, where, len(reports), max(ends[d, s], default=None))
        for (d, s), reports in sorted(seen.items())
        if len(reports) >= SEEN_OFTEN
    ]
    # Only what passed for a domain of ours: anything else would have a stranger's address judged as ours.
    own = table[table["alignment"].isin(["both", "spf"])]
    for ip, count in own.groupby("source_ip")["count"].sum().items():
        found.append(Sighting("outbound", str(ip), where=where, count=int(count)))
    for domain, count in own.groupby("header_from")["count"].sum().items():
        if mail.within(domain, domains):
            found.append(Sighting("domain", str(domain), where=where, count=int(count)))
    for domain, count in table.groupby("header_from")["count"].sum().items():
        found.append(Sighting("author", str(domain), where=where, count=int(count)))
    return found + _vouching(table[table["kind"] == "ours"], domains, where)


def _vouching(table: pd.DataFrame, domains: tuple[str, ...], where: str) -> list[Sighting]:
    """Which of our domains passed DKIM or SPF for which author domain."""
    found: list[Sighting] = []
    for kind, column in (("signer", "dkim_results"), ("envelope", "spf_results")):
        for (author, joined), count in table.groupby(["header_from", column])["count"].sum().items():
            passed = {d for d, _, result in results(joined) if result == "pass" and mail.within(d, domains)}
            found += [Sighting(kind, d, str(author), where, int(count)) for d in sorted(passed)]  # type: ignore[arg-type]
    return found
