"""What sample messages lack that receivers ask for, and what became of our signatures."""

from __future__ import annotations

from collections.abc import Iterator

from smtplab import mail
from smtplab.findings import Finding, Findings
from smtplab.messages import verdicts
from smtplab.messages.read import MessageEvidence
from smtplab.messages.signatures import SignatureEvidence
from smtplab.names import received
from smtplab.tables import Sighting, signers


def check(evidence: MessageEvidence, signed: SignatureEvidence | None = None) -> Findings:
    """Findings on one-click unsubscribe, a finding a list, and on signatures where they were verified."""
    return Findings((*_all(evidence), *(verdicts.findings(signed) if signed else ())))


def _all(evidence: MessageEvidence) -> Iterator[Finding]:
    where = next(iter(evidence.domains), "these messages")
    unread = int(evidence.problems["records"].sum())
    if unread:
        yield Finding("messages.unreadable", where, tuple(evidence.problems["file"].dropna().unique()), count=unread)
    if evidence.frame.empty:
        yield Finding("messages.missing", where)
        return
    bulk = evidence.frame[evidence.frame["bulk"].notna()]
    if evidence.domains:
        bulk = bulk[bulk["header_from"].map(lambda d: mail.within(d, evidence.domains)).astype(bool)]
    for name, part in bulk.groupby("list"):
        files, sender = tuple(part["file"].unique()), str(part["header_from"].iloc[0])
        facts = {"list": str(name), "domain": sender, "count": len(part)}
        short = part[part["lacks"].notna()]
        if len(short):
            missing = sorted(short["lacks"].unique())
            yield Finding("messages.unsubscribe.one_click_missing", str(name), files, **facts, missing=missing)
        elif not part["covered"].fillna(False).all():
            yield Finding("messages.unsubscribe.not_signed", str(name), files, **facts)
        else:
            yield Finding("messages.unsubscribe.ok", str(name), files, **facts)


def sightings(evidence: MessageEvidence) -> list[Sighting]:
    """Selectors of signatures and of a logo that is asked for, HELO names, and author domains that are our own."""
    where = "sample messages"
    found = [
        Sighting("selector", selector, domain, where, count, last)
        for domain, selector, count, last in signers(evidence.frame["signatures"], evidence.frame["time"])
    ]
    asked = evidence.frame.dropna(subset=["bimi_selector", "header_from"]).groupby(["header_from", "bimi_selector"])
    found += [
        Sighting("bimi_selector", str(s), str(d), where, n) for (d, s), n in asked.size().items() if s != "default"
    ]
    found += received.sightings(evidence.frame["greetings"], where)
    authors = evidence.frame["header_from"].dropna().value_counts()
    return found + [
        Sighting("author", d, "", where, int(n)) for d, n in authors.items() if mail.within(d, evidence.domains)
    ]
