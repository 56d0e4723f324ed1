"""DMARC, RFC 9989 (which obsoletes 7489): which policy governs a From domain, and who gets the reports.

The policy is found by the DNS tree walk: at most eight questions from the domain up to its top label.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from urllib.parse import unquote

from publicsuffixlist import PublicSuffixList

from smtplab.authentication.dkim import tags
from smtplab.net import Network
from smtplab.net.dns import State, query

MAX_QUERIES = 8
"""RFC 9989 section 4.10."""
_VERSION = re.compile(r"^v\s*=\s*DMARC1\s*(;|$)")
_POLICIES = ("none", "quarantine", "reject")


@dataclass(frozen=True)
class DmarcRecord:
    """One record, read; `p`, `sp` and `np` are what counts, with the defaults of RFC 9989 filled in."""

    domain: str
    text: str
    p: str = ""
    sp: str = ""
    np: str = ""
    psd: str = "u"
    testing: bool = False
    adkim: str = "r"
    aspf: str = "r"
    rua: tuple[str, ...] = ()
    ruf: tuple[str, ...] = ()
    explicit: frozenset[str] = frozenset()

    @property
    def valid(self) -> bool:
        """RFC 9989 section 4.7: a record without a usable p counts only if it asks for reports."""
        return bool(self.p)


@dataclass(frozen=True)
class Dmarc:
    """What governs a domain.

    `record` is the governing record (None without one), `org` the organizational domain by the tree walk, `org_psl`
    by the public suffix list (RFC 7489), `multiple` how many records stand at one name where that is more than one,
    `targets` the report addresses outside the organization with whether they agreed (None: unknown).
    """

    domain: str
    state: State
    record: DmarcRecord | None = None
    org: str = ""
    org_psl: str = ""
    multiple: int = 0
    targets: tuple[tuple[str, bool | None], ...] = ()
    why: str = ""

    @property
    def policy(self) -> tuple[str, str, str] | None:
        """The policy for the domain itself, for its subdomains that exist, and for those that do not."""
        if self.record is None:
            return None
        own = self.record.p if self.record.domain == self.domain else self.record.sp
        return own, self.record.sp, self.record.np


def parse(domain: str, text: str) -> DmarcRecord | None:
    """Read a record; None if it is not a DMARC record at all."""
    if not _VERSION.match(text):
        return None
    found = {k.lower(): v for k, v in tags(text).items()}

    def policy(tag: str) -> str:
        value = found.get(tag, "").lower()
        return value if value in _POLICIES else ""

    rua, ruf = _uris(found.get("rua", "")), _uris(found.get("ruf", ""))
    p = policy("p") or ("none" if rua else "")
    sp = policy("sp") or p
    return DmarcRecord(
        domain,
        text,
        p,
        sp,
        policy("np") or sp,
        found.get("psd", "u").lower(),
        found.get("t", "n").lower() == "y",
        found.get("adkim", "r").lower(),
        found.get("aspf", "r").lower(),
        rua,
        ruf,
        frozenset(found),
    )


def _uris(text: str) -> tuple[str, ...]:
    """Mail addresses of a rua or ruf tag; the historic `!size` is cut off."""
    made = []
    for part in text.split(",")[:50]:
        scheme, _, rest = part.strip().partition(":")
        if scheme.lower() == "mailto" and "@" in rest:
            made.append(unquote(rest.split("!")[0].split("?")[0]).strip().lower())
    return tuple(made)


def walk(domain: str) -> list[str]:
    """The names whose `_dmarc` is asked, longest first: RFC 9989 section 4.10."""
    labels = domain.lower().rstrip(".").split(".")
    names = [".".join(labels)]
    if len(labels) >= MAX_QUERIES:
        labels = labels[-(MAX_QUERIES - 1) :]
        names.append(".".join(labels))
    while len(labels) > 1:
        labels = labels[1:]
        names.append(".".join(labels))
    return names[:MAX_QUERIES]


async def collect(network: Network, domain: str) -> Dmarc:
    """The DMARC policy that governs mail with this From domain."""
    found: list[DmarcRecord] = []
    multiple = 0
    for name in walk(domain):
        answer = await query(network, f"_dmarc.{name}", "TXT")
        if answer.state is State.UNKNOWN:
            return Dmarc(domain, State.UNKNOWN, why=f"_dmarc.{name}: {answer.why}")
        records = [r for t in answer.records if (r := parse(name, t))]
        if len(records) > 1:
            # More than one counts as none, and the walk goes on.
            multiple = max(multiple, len(records))
            continue
        if records and records[0].valid:
            found.append(records[0])
            if records[0].psd == "n" or (records[0].psd == "y" and name != domain):
                break
    org = _organization(domain, found)
    suffix = next((r.domain for r in found if r.psd == "y"), "")
    # RFC 9989 section 4.10.1: the domain's own record, else its organization's, else its public suffix's.
    record = next((r for name in (domain, org, suffix) for r in found if r.domain == name), None)
    state = State.PRESENT if record else State.ABSENT
    targets = await _targets(network, record, org) if record else ()
    return Dmarc(domain, state, record, org, _psl().privatesuffix(domain) or domain, multiple, targets)


def _organization(domain: str, found: list[DmarcRecord]) -> str:
    """RFC 9989 section 4.10.2, from the records of a walk, longest name first."""
    for record in found:
        if record.psd == "n":
            return record.domain
        if record.psd == "y" and record.domain != domain:
            labels = domain.split(".")
            return ".".join(labels[-(record.domain.count(".") + 2) :])
    return found[-1].domain if found else domain


async def _targets(network: Network, record: DmarcRecord, org: str) -> tuple[tuple[str, bool | None], ...]:
    """Report addresses of other organizations need their consent: RFC 9990 section 4."""
    made: list[tuple[str, bool | None]] = []
    for address in dict.fromkeys((*record.rua, *record.ruf)):
        host = address.rpartition("@")[2]
        if host == org or host.endswith(f".{org}"):
            continue
        answer = await query(network, f"{record.domain}._report._dmarc.{host}", "TXT")
        agreed = None if answer.state is State.UNKNOWN else any(_VERSION.match(t) for t in answer.records)
        made.append((address, agreed))
    return tuple(made)


@cache
def _psl() -> PublicSuffixList:
    return PublicSuffixList()


def aligned(identity: str, author: str, org_of: dict[str, str], strict: bool = False) -> bool:
    """Whether an SPF or DKIM domain aligns with the author domain: RFC 9989 section 4.4."""
    one, other = identity.lower(), author.lower()
    return one == other or (not strict and org_of.get(one, one) == org_of.get(other, other))
