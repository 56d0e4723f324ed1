"""DMARC, RFC 9989 beside RFC 7489, which it obsoletes: which policy governs a From domain, by either of them.

RFC 9989 finds the record by the DNS tree walk, at most eight questions from the domain up to its top label. RFC 7489
asks at the domain, then at its organizational domain by the public suffix list: the whole list, its private section
too, as the tools of RFC 7489 use it, and with its wildcard and exception rules. Where the two differ, both are shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

import pandas as pd

from smtplab import datafiles
from smtplab.authentication import dmarc_reports
from smtplab.authentication.dmarc_record import DmarcRecord, Policies, Policy, ascii_name, parse, resembles
from smtplab.authentication.dmarc_reports import ReportTarget
from smtplab.names import suffixes
from smtplab.net import Network
from smtplab.net.dns import DnsAnswer, State, query

MAX_QUERIES = 8
"""RFC 9989 section 4.10."""
KINDS = ("the domain itself", "a subdomain that exists", "a subdomain that does not exist")


class Standard(StrEnum):
    """Which of the two a receiver follows."""

    WALK = "9989"
    LIST = "7489"


class Dispute(StrEnum):
    """Cases in which readers of RFC 9989 differ; data/dmarc_disputes.toml says how, and who."""

    MULTIPLE = "two records at one name"
    TESTING = "t=y"
    EXHAUSTED = "walk ends without psd="


@cache
def disputes() -> Mapping[Dispute, Mapping[str, Any]]:
    """The disputed cases with both readings."""
    return {Dispute(d["case"]): d for d in datafiles.load("dmarc_disputes")["dispute"]}


@dataclass(frozen=True)
class Step:
    """What stands at `_dmarc.` of one name: `count` DMARC records, of which only a single one counts.

    `texts` are all of them, `meant` texts that were meant to be DMARC records and are none; `exists` is for the name
    `_dmarc.` itself.
    """

    name: str
    state: State
    record: DmarcRecord | None = None
    count: int = 0
    meant: tuple[str, ...] = ()
    exists: bool | None = None
    why: str = ""
    texts: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.state is State.UNKNOWN:
            return f"unknown ({self.why})"
        if self.record:
            return self.record.text
        return f"{self.count} records, all discarded" if self.count else "none"


Steps = Mapping[str, Step]


@dataclass(frozen=True)
class Discovery:
    """What one standard finds for a domain: its organizational domain, the governing record, the policies.

    `policies` are for the domain itself, a subdomain that exists and one that does not (neither with a record of
    its own). `why` names the missing answer where something is unknown.
    """

    org: str
    record: DmarcRecord | None
    policies: Policies
    why: str = ""


@dataclass(frozen=True)
class Dmarc:
    """What governs a domain: `walked` by RFC 9989, `listed` by RFC 7489 and the public suffix list.

    `steps` are the names of the walk in order, `exists` whether the domain is in the DNS at all (None: unknown),
    `targets` the report addresses of the governing record.
    """

    domain: str
    walked: Discovery
    listed: Discovery
    steps: tuple[Step, ...] = ()
    exists: bool | None = None
    targets: tuple[ReportTarget, ...] = ()

    @classmethod
    def unknown(cls, domain: str, why: str) -> Dmarc:
        """Nothing could be learnt of a domain."""
        nothing = Discovery("", None, (Policy.UNKNOWN,) * 3, why)
        return cls(domain[:255], nothing, nothing)

    def __repr__(self) -> str:
        told = self.walked.why or (", ".join(self.policy) if self.policy else "no DMARC")
        return f"Dmarc({self.domain}: {told}{'; differs by RFC 7489' if self.differs else ''})"

    def by(self, standard: Standard | str) -> Discovery:
        """What one of the two standards finds."""
        return self.walked if standard == Standard.WALK else self.listed

    @property
    def state(self) -> State:
        """Whether a record governs, by RFC 9989."""
        if self.record:
            return State.PRESENT
        return State.UNKNOWN if self.walked.why else State.ABSENT

    @property
    def record(self) -> DmarcRecord | None:
        """The governing record, by RFC 9989."""
        return self.walked.record

    @property
    def org(self) -> str:
        """The organizational domain by the tree walk; "" where unknown."""
        return self.walked.org

    @property
    def org_psl(self) -> str:
        """The organizational domain by the public suffix list."""
        return self.listed.org

    @property
    def why(self) -> str:
        """The missing answer, where something is unknown."""
        return self.walked.why

    @property
    def policy(self) -> Policies | None:
        """For the domain, its subdomains that exist and those that do not, by RFC 9989; None without a record."""
        return self.walked.policies if self.record else None

    @property
    def multiple(self) -> int:
        """How many records stand at one name of the walk, where that is more than one."""
        return max((s.count for s in self.steps if s.count > 1), default=0)

    @property
    def disputed(self) -> tuple[Dispute, ...]:
        """The disputed cases that this domain is in."""
        record = self.record
        found = {
            Dispute.MULTIPLE: self.multiple > 1,
            Dispute.TESTING: bool(record and record.testing),
            Dispute.EXHAUSTED: bool(
                record
                and record.domain != self.domain
                and not any(s.record and s.record.psd != "u" for s in self.steps)
            ),
        }
        return tuple(d for d, applies in found.items() if applies)

    @property
    def differs(self) -> tuple[str, ...]:
        """Where RFC 9989 and RFC 7489 differ for this domain, each with the reason."""
        return tuple(_differences(self))

    def as_dict(self, standard: Standard | str = Standard.WALK) -> dict[str, Any]:
        """The contract for scripts; null where there is none, the policies "unknown" where an answer is missing."""
        found = self.by(standard)
        own, existing, missing = (None if p is Policy.ABSENT else str(p) for p in found.policies)
        return {
            "record": found.record.text if found.record else None,
            "organizational_domain": found.org or None,
            "policy": own,
            "subdomain_policy": existing,
            "nonexistent_policy": missing,
            "psl_organizational_domain": self.org_psl or None,
        }

    def readings(self) -> pd.DataFrame:
        """The two standards side by side: question, RFC 9989, RFC 7489."""
        both = (self.walked, self.listed)
        rows = [
            ("organizational domain", *(d.org or "unknown" for d in both)),
            ("record at", *(f"_dmarc.{d.record.domain}" if d.record else "unknown" if d.why else "none" for d in both)),
            *((f"policy for {k}", *(str(d.policies[i]) for d in both)) for i, k in enumerate(KINDS)),
        ]
        return pd.DataFrame(rows, columns=["question", "RFC 9989", "RFC 7489"])

    def walk_frame(self) -> pd.DataFrame:
        """A row a name of the walk: name, state, record."""
        rows = [(f"_dmarc.{s.name}", str(s.state), str(s)) for s in self.steps]
        return pd.DataFrame(rows, columns=["name", "state", "record"])


def walk(domain: str) -> list[str]:
    """The names whose `_dmarc` is asked, longest first: RFC 9989 section 4.10, where nothing stops the walk."""
    labels = domain.split(".")
    rest = labels[1:] if len(labels) < MAX_QUERIES else labels[1 - MAX_QUERIES :]
    return [domain, *(".".join(rest[i:]) for i in range(len(rest)))]


async def ask(network: Network, domain: str) -> Steps:
    """What stands at every name of the walk; one answer a name, asked at once."""
    names = walk(domain)
    answers = await asyncio.gather(*(query(network, f"_dmarc.{n}", "TXT") for n in names))
    return {n: _step(n, a) for n, a in zip(names, answers, strict=True)}


def _step(name: str, answer: DnsAnswer) -> Step:
    records = [r for t in answer.records if (r := parse(name, t))]
    meant = tuple(t for t in answer.records if resembles(t))
    one = records[0] if len(records) == 1 else None
    return Step(name, answer.state, one, len(records), meant, answer.exists, answer.why, tuple(r.text for r in records))


def passed(domain: str, steps: Steps) -> list[Step]:
    """The steps up to where a psd tag ends the walk: RFC 9989 section 4.10; names never asked are left out."""
    made = []
    for name in walk(domain):
        if step := steps.get(name):
            made.append(step)
            if step.record and (step.record.psd == "n" or (step.record.psd == "y" and name != domain)):
                break
    return made


def organization(domain: str, steps: Steps) -> str:
    """The organizational domain by the walk, RFC 9989 section 4.10.2; "" where an answer is missing."""
    taken = passed(domain, steps)
    if any(s.state is State.UNKNOWN for s in taken):
        return ""
    found = [s.record for s in taken if s.record]
    if not found:
        return domain
    last = found[-1]
    if last.psd == "y" and last.domain != domain:
        # One label below the suffix, cut from the start: the walk may have skipped that name.
        return ".".join(domain.split(".")[-(last.domain.count(".") + 2) :])
    return last.domain


def governing(domain: str, steps: Steps) -> DmarcRecord | Policy:
    """The record that governs mail from `domain`, RFC 9989 section 4.10.1; ABSENT or UNKNOWN without one."""
    taken = passed(domain, steps)
    found = {s.name: s.record for s in taken if s.record}
    if domain in found:
        return found[domain]
    if any(s.state is State.UNKNOWN for s in taken):
        return Policy.UNKNOWN
    suffix = next((n for n, r in found.items() if r.psd == "y"), "")
    return next((found[n] for n in (organization(domain, steps), suffix) if n in found), Policy.ABSENT)


def by_walk(domain: str, steps: Steps, exists: bool | None) -> Discovery:
    """RFC 9989."""
    own, below = governing(domain, steps), governing(f"x.{domain}", steps)
    _, existing, missing = below.asked() if isinstance(below, DmarcRecord) else (below,) * 3
    first = own if isinstance(own, Policy) else _inherited(domain, own, exists)
    unknown = [f"_dmarc.{s.name}: {s.why}" for s in passed(domain, steps) if s.state is State.UNKNOWN]
    record = own if isinstance(own, DmarcRecord) else None
    return Discovery(organization(domain, steps), record, (first, existing, missing), "; ".join(unknown[:1]))


def _inherited(domain: str, record: DmarcRecord, exists: bool | None) -> Policy:
    p, sp, np = record.asked()
    if record.domain == domain:
        return p
    if exists is None and sp != np:
        return Policy.UNKNOWN
    return np if exists is False else sp


def by_list(domain: str, steps: Steps) -> Discovery:
    """RFC 7489 section 6.6.3: the domain, else its organizational domain; two records end the search."""
    org = suffixes.organization(domain)
    own, below = _listed(domain, steps), _listed(f"x.{domain}", steps)
    record = own if isinstance(own, DmarcRecord) else None
    first: Policy = own if isinstance(own, Policy) else own.asked(np=False)[0 if own.domain == domain else 1]
    existing = below if isinstance(below, Policy) else below.asked(np=False)[1]
    unknown = [f"_dmarc.{s.name}: {s.why}" for n in (domain, org) if (s := steps[n]).state is State.UNKNOWN]
    return Discovery(org, record, (first, existing, existing), "; ".join(unknown[:1]))


def _listed(domain: str, steps: Steps) -> DmarcRecord | Policy:
    for name in dict.fromkeys((domain, suffixes.organization(domain))):
        step = steps.get(name)
        if step and step.state is State.UNKNOWN:
            return Policy.UNKNOWN
        if step and step.count:
            return step.record or Policy.ABSENT
    return Policy.ABSENT


async def _owner(network: Network, host: str) -> str:
    return organization(host, await ask(network, host))


async def collect(network: Network, domain: str) -> Dmarc:
    """The DMARC policy that governs mail with this From domain, by both standards."""
    if not (name := ascii_name(domain)):
        return Dmarc.unknown(domain, "not a domain name")
    steps = await ask(network, name)
    if (org := suffixes.organization(name)) not in steps:
        steps = {**steps, org: _step(org, await query(network, f"_dmarc.{org}", "TXT"))}
    # A name below one that exists, exists (RFC 8020); only else is there anything to ask.
    exists = True if steps[name].exists else (await query(network, name, "TXT")).exists
    walked = by_walk(name, steps, exists)
    targets = await dmarc_reports.collect(network, walked.record, walked.org, _owner) if walked.record else ()
    return Dmarc(name, walked, by_list(name, steps), tuple(passed(name, steps)), exists, targets)


def _differences(found: Dmarc) -> Iterator[str]:
    nine, old = found.walked, found.listed
    if found.why or old.why or not (nine.record or old.record):
        return
    if nine.org != old.org:
        yield (
            f"organizational domain: {nine.org} by the tree walk ({_ended(found)}), {old.org} by the public suffix list"
        )
    ours, theirs = (f"that of {r.domain}" if r else "none" for r in (nine.record, old.record))
    two = found.multiple and "two records at one name: RFC 9989 discards them and walks on, RFC 7489 stops"
    if ours != theirs:
        yield f"governing record: {ours} by RFC 9989, {theirs} by RFC 7489 ({two or 'another search'})"
    for index, (kind, a, b) in enumerate(zip(KINDS, nine.policies, old.policies, strict=True)):
        if a != b:
            yield f"policy for {kind}: {a} by RFC 9989, {b} by RFC 7489 ({_reason(found, index)})"
    for record in [nine.record] if nine.record else []:
        if record.testing:
            yield "t=y: RFC 9989 asks for a milder treatment, RFC 7489 does not know the tag and applies the policy"
        if record.pct < 100:
            yield f"pct={record.pct}: RFC 7489 spares {100 - record.pct}% of the messages, RFC 9989 ignores the tag"


def _ended(found: Dmarc) -> str:
    last = next((s.record for s in reversed(found.steps) if s.record), None)
    if last and last.psd != "u":
        return f"psd={last.psd} at {last.domain}"
    return "the record with the fewest labels" if last else "no record"


def _reason(found: Dmarc, index: int) -> str:
    nine, old = found.walked, found.listed
    if index == 2 and nine.policies[1] == old.policies[1]:
        return "RFC 7489 does not know np"
    if nine.record and old.record and nine.record.domain == old.record.domain:
        bad = ", ".join(f"{t}={v[:40]}" for t, v in nine.record.invalid if t == "np")
        return f"{bad} is not valid, RFC 7489 does not know np" if bad else "RFC 7489 does not know np"
    return "two records at one name" if found.multiple else "another record governs"
