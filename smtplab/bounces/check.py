"""What the bounce mailbox says that someone should act on."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from smtplab import mail, replies
from smtplab.bounces import check_joined
from smtplab.bounces.joined import Joined
from smtplab.bounces.policies import policy
from smtplab.bounces.read import BounceEvidence
from smtplab.bounces.suppression import Action, suppress
from smtplab.findings import Finding, Findings
from smtplab.names import received
from smtplab.tables import Sighting, empty, files_of, signers

SEEN_OFTEN = 3
"""Messages that must show a selector or a greeting before it counts: backscatter may name our domain too."""
SMALL = 5
"""Unknown addresses below which a list is counted with the other small ones."""


def check(evidence: BounceEvidence, joined: Joined | None = None) -> Findings:
    """Findings on what came back, and with `joined` on what it tells beside the logs.

    Where the logs tell of the same losses with their cause, they judge; here those are low or below.
    """
    where = next(iter(evidence.domains), "this mailbox")
    found = [*_all(evidence, joined, where)]
    return Findings([*found, *(check_joined.check(joined, where) if joined else ())])


def _all(evidence: BounceEvidence, joined: Joined | None, where: str) -> Iterator[Finding]:
    unread = int(evidence.problems["records"].sum())
    if unread:
        files = tuple(dict.fromkeys(evidence.problems["file"].dropna()))
        yield Finding("bounces.unreadable", where, files, count=unread, files=len(files))
    if evidence.messages.empty:
        yield Finding("bounces.missing", where)
        return
    none = evidence.messages[evidence.messages["kind"] == "none"]
    if len(none):
        share = f"{len(none) / len(evidence.messages):.1%}"
        yield Finding("bounces.other", where, files_of(none), count=len(none), share=share)
    failed = evidence.bounces[evidence.bounces["kind"] == "bounce"]
    if failed.empty:
        yield Finding("bounces.failures.none", where, (), count=len(evidence.messages))
    else:
        yield from _failed(evidence, joined, failed, where)
    complaints = evidence.bounces[(evidence.bounces["kind"] == "complaint")]
    if len(complaints):
        abuse = complaints[complaints["feedback_type"] == "abuse"]
        lists = _counts(complaints["campaign"].fillna("no list named"))
        yield Finding("bounces.complaints", where, files_of(abuse), count=len(complaints), lists=lists)


def _failed(evidence: BounceEvidence, joined: Joined | None, failed: pd.DataFrame, where: str) -> Iterator[Finding]:
    unknown = failed[failed["reason"] == "userunknown"]
    lists = failed["campaign"].fillna("mail without a list")
    small = lists.map(unknown.groupby(lists[unknown.index]).size()).fillna(0) < SMALL
    for campaign, part in failed.groupby(lists.mask(small, "smaller lists")):
        gone = part[part["reason"] == "userunknown"]
        if len(gone):
            yield Finding(
                "bounces.userunknown",
                str(campaign),
                files_of(gone),
                list=str(campaign),
                count=len(gone),
                share=f"{len(gone) / len(part):.0%}",
            )
    verdicts = joined.verdicts if joined else suppress(evidence, empty("outcomes"), policy())
    counts = verdicts["action"].value_counts()
    yield Finding(
        "bounces.suppression",
        where,
        files_of(unknown),
        remove=int(counts.get(Action.SUPPRESS, 0)),
        keep=int(counts.get(Action.KEEP, 0)),
        total=len(verdicts),
    )
    yield from _unseen(evidence, failed)


def _unseen(evidence: BounceEvidence, failed: pd.DataFrame) -> Iterator[Finding]:
    """Mail in our name that another's server sent: no log of ours has it."""
    if not evidence.domains:
        return
    ours = failed["header_from"].map(lambda d: mail.within(d, evidence.domains))
    by_us = failed["reporting_mta"].map(lambda h: mail.within(h, evidence.domains))
    envelope = failed["sender"].map(
        lambda a: mail.within(mail.domain_of(a) if isinstance(a, str) else None, evidence.domains)
    )
    lost = failed[ours & ~by_us & ~envelope & failed["reporting_mta"].notna()]
    for mta, part in lost.groupby("reporting_mta"):
        yield Finding(
            "bounces.source.unseen",
            str(mta),
            files_of(part),
            mta=str(mta),
            count=part["recipient"].nunique(),
            domains=sorted(part["header_from"].unique()),
            signed_by=sorted(part["dkim_domain"].dropna().unique()) or ["nobody"],
            reasons=_counts(part["reason"].map(replies.words, na_action="ignore")),
        )


def _counts(values: pd.Series, most: int = 5) -> list[str]:
    counted = values.value_counts()
    return [f"{name} ({int(n):,})" for name, n in sorted(counted.items(), key=lambda p: (-p[1], str(p[0])))[:most]]


def sightings(evidence: BounceEvidence) -> list[Sighting]:
    """Recipient domains, selectors and HELO names in returned messages, and our own addresses that receivers quote."""
    where = "bounces"
    table = evidence.bounces
    domains = table.loc[table["kind"].isin(["bounce", "delay", "success"]), "recipient"].dropna().map(mail.domain_of)
    found = [Sighting("recipient_domain", str(d), where=where, count=int(n)) for d, n in domains.value_counts().items()]
    for domain, selector, count, last in signers(evidence.returned["signatures"], evidence.returned["sent"]):
        if count >= SEEN_OFTEN and domain:
            found.append(Sighting("selector", selector, domain, where, count, last))
    found += received.sightings(evidence.returned["greetings"], where, SEEN_OFTEN)
    authors = evidence.returned["header_from"].dropna().value_counts()
    found += [Sighting("author", d, "", where, int(n)) for d, n in authors.items() if mail.within(d, evidence.domains)]
    if evidence.domains:
        ours = table[table["reporting_mta"].map(lambda h: mail.within(h, evidence.domains)).astype(bool)]
        for ip, count in ours["source_ip"].dropna().value_counts().items():
            found.append(Sighting("outbound", str(ip), where=where, count=int(count)))
    return sorted(found)
