"""What a receiver would do with a forged message, name by name, and which record would change it.

A forger sends from an address of his own, without our signature. For him SPF passes only where a record lets anyone
pass, so all rests on the DMARC policy (RFC 9989 section 4.10.1, RFC 7489 section 6.6.3) of the name in the From line.
A look-alike is another domain: it may pass SPF, DKIM and DMARC in its own name, and no record of ours is asked for.
Of the many there are, one stands as an example.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from smtplab.authentication import dmarc, spf
from smtplab.authentication.alignment import applied
from smtplab.authentication.dmarc import Dmarc, Standard
from smtplab.authentication.dmarc_record import DmarcRecord, Policy, parse
from smtplab.authentication.spf_record import MAX_LOOKUPS, MAX_VOIDS, SpfRecord, SpfTerm
from smtplab.names.suffixes import organization
from smtplab.net import Network
from smtplab.net.dns import State, query
from smtplab.tables import Inventory

UNLIKELY = "does-not-exist-smtplab"
"""The label of a subdomain that nobody has: always the same, so that a recording holds the answer."""
MAX_AUTHORS = 30
"""Author domains asked for, most seen first: forgers may write thousands of names."""
MAX_DOMAINS = 10
"""Domains for which an invented subdomain and a parent are asked for."""
_ALL = re.compile(r"(?:^|(?<=\s))\+?all(?=\s|$)", re.IGNORECASE)

FREE = "free to register"
CAUTION = "quarantine and reject are for when the reports show that your own mail passes; until then, none"


class Kind(StrEnum):
    """Which name a forger writes."""

    DOMAIN = "the domain"
    SUBDOMAIN = "a subdomain in use"
    MISSING = "a subdomain that does not exist"
    PARENT = "the domain above"
    LOOKALIKE = "an example of a look-alike: another domain"


class Fate(StrEnum):
    """What becomes of a forged message, worst for us first."""

    DELIVERED = "delivered"
    """Nothing published stops it; a filter still may."""
    SPAM = "to spam"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    OUTSIDE = "DMARC does not apply"


_FATES = {Policy.QUARANTINE: Fate.SPAM, Policy.REJECT: Fate.REFUSED, Policy.UNKNOWN: Fate.UNKNOWN}


@dataclass(frozen=True)
class Target:
    """A name that a forger may write into the From line, and what is published for it.

    `signers` and `envelopes` are the domains of ours that are seen to vouch for its mail; `taken` tells of a look-alike
    whether it is there.
    """

    name: str
    kind: Kind
    dmarc: Dmarc | None = None
    spf: SpfRecord | None = None
    signers: tuple[str, ...] = ()
    envelopes: tuple[str, ...] = ()
    taken: str = ""


@dataclass(frozen=True)
class Forgery:
    """One row of the table: what receivers of either standard do, why, and the record that changes it ("": none)."""

    name: str
    kind: Kind
    spf: str
    walked: Fate
    listed: Fate
    why: str
    change: str = ""
    caution: str = ""
    """When the record is fit to publish."""


async def collect(
    network: Network, inventory: Inventory, policies: Sequence[Dmarc], records: Sequence[SpfRecord]
) -> tuple[Target, ...]:
    """What is published for the names a forger may choose; `policies` and `records` are those of the domains."""
    domains = inventory.domains()
    known = {d.domain: (d, r) for d, r in zip(policies, records, strict=True)}
    kinds = _names(domains, inventory.authors())

    async def look(name: str, kind: Kind) -> Target:
        if kind is Kind.LOOKALIKE:
            return Target(name, kind, taken=await _taken(network, name))
        found = known.get(name) or await asyncio.gather(dmarc.collect(network, name), spf.collect(network, name))
        vouching = (inventory.vouching("signer", name), inventory.vouching("envelope", name))
        return Target(name, kind, found[0], found[1], *vouching)

    return tuple(await asyncio.gather(*(look(n, k) for n, k in kinds.items())))


async def _taken(network: Network, name: str) -> str:
    """Whether a look-alike is registered, and if so with DMARC: two questions at most."""
    servers = await query(network, name, "NS")
    if servers.exists is not True:
        return f"unknown ({servers.why})" if servers.exists is None else FREE
    record = await query(network, f"_dmarc.{name}", "TXT")
    if record.state is State.UNKNOWN:
        return f"exists, DMARC unknown ({record.why})"
    return f"exists, {'with' if any(parse(name, t) for t in record.records) else 'without'} DMARC"


def _names(domains: Sequence[str], authors: Sequence[str]) -> Mapping[str, Kind]:
    """Every name with its kind: a domain, what lies below it, above it and beside it."""
    made: dict[str, Kind] = {}
    tops = [d for d in domains if not any(d.endswith(f".{o}") for o in domains)]
    for domain in tops:
        made[domain] = Kind.DOMAIN
        below = [n for n in (*domains, *authors[:MAX_AUTHORS]) if n.endswith(f".{domain}")]
        made |= dict.fromkeys(below, Kind.SUBDOMAIN)
        if domain in tops[:MAX_DOMAINS]:
            made[f"{UNLIKELY}.{domain}"] = Kind.MISSING
            org = organization(domain)
            label, _, suffix = org.partition(".")
            made |= {org: Kind.PARENT} if org not in made else {}
            if suffix:
                made.setdefault(f"{label}-billing.{suffix}", Kind.LOOKALIKE)
    return made


def stranger(record: SpfRecord | None) -> str:
    """What SPF says to an address that nobody authorised: RFC 7208 section 2.6."""
    if record is None or record.state is State.UNKNOWN:
        return "unknown"
    if not record.records:
        return "none"
    if len(record.records) > 1 or record.error or record.lookups > MAX_LOOKUPS or record.voids > MAX_VOIDS:
        return "permerror"
    said = _said(record.top)
    return "unknown" if record.unknown and said != "pass" else said


def _said(terms: Sequence[SpfTerm]) -> str:
    """The result of the first term that matches everyone; an include does, where its own record lets anyone pass."""
    for term in terms:
        if term.name == "redirect":
            return _said(term.inner)
        whole = term.name == "all" or any(n.endswith("/0") for n in term.networks)
        if whole or (term.name == "include" and _said(term.inner) == "pass"):
            return {"+": "pass", "-": "fail", "~": "softfail"}.get(term.qualifier, "neutral")
    return "neutral"


def forgeries(targets: Sequence[Target]) -> tuple[Forgery, ...]:
    """What receivers do with mail forged in each name."""
    return tuple(_forgery(t, [o for o in targets if stranger(o.spf) == "pass"]) for t in targets)


def table(targets: Sequence[Target]) -> pd.DataFrame:
    """A row a name: name, kind, spf (what it says to a stranger), by RFC 9989, by RFC 7489, why, record to change.

    `why` ends with when that record is fit to publish.
    """
    rows = [
        (f.name, *map(str, (f.kind, f.spf, f.walked, f.listed, "; ".join(filter(None, (f.why, f.caution))), f.change)))
        for f in forgeries(targets)
    ]
    return pd.DataFrame(rows, columns=["name", "kind", "spf", "by RFC 9989", "by RFC 7489", "why", "record to change"])


def _forgery(target: Target, open_: Sequence[Target]) -> Forgery:
    said = stranger(target.spf)
    if target.dmarc is None:
        todo = "register it, or have it watched" if target.taken == FREE else "see whose it is"
        why = f"{target.taken}; it may pass in its own name: {todo}"
        return Forgery(target.name, target.kind, "not asked", Fate.OUTSIDE, Fate.OUTSIDE, why)
    found = target.dmarc
    if door := next((o for o in open_ if found.record and _reaches(o, found)), None):
        why = f"SPF of {door.name} lets anyone pass, and it is aligned"
        return Forgery(target.name, target.kind, said, Fate.DELIVERED, Fate.DELIVERED, why, _closed(door))
    walked, listed = (_fate(found, s) for s in Standard)
    change = _changed(target, walked, listed)
    eased = found.walked.policies[0] in (Policy.NONE, Policy.ABSENT)
    # A record for names that do not exist touches no mail of ours.
    caution = CAUTION if change and eased and (found.exists is not False or change == _first(target)) else ""
    return Forgery(target.name, target.kind, said, walked, listed, "; ".join(_why(target)), change, caution)


def _reaches(other: Target, found: Dmarc) -> bool:
    """Whether a domain anyone may use in the envelope is aligned with the author domain."""
    if other.name == found.domain:
        return True
    relaxed = found.record is not None and not found.record.strict("spf")
    return relaxed and other.dmarc is not None and bool(found.org) and other.dmarc.org == found.org


def _fate(found: Dmarc, standard: Standard) -> Fate:
    result = found.by(standard)
    policy = result.policies[0]
    if result.record:
        policy, _ = applied(result.record, policy, standard)
    return _FATES.get(policy, Fate.DELIVERED)


def _why(target: Target) -> Iterator[str]:
    found = target.dmarc
    assert found
    record, policy = found.record, found.walked.policies[0]
    if policy is Policy.UNKNOWN:
        missing = f"no answer: {found.why.rpartition(': ')[2]}"
        yield missing if found.why else "whether the name exists is not known, and np differs from sp"
    elif record is None or policy is Policy.ABSENT:
        yield "no DMARC record governs" if record is None else "the record names no usable policy and no reports"
    else:
        yield f"{_tag(target, record)}={policy} of {record.domain}"
        yield from filter(None, (applied(record, policy, s)[1] for s in Standard))
    if target.kind is Kind.MISSING and found.exists:
        yield "a wildcard record makes every name exist, so np never applies"
    if found.walked.policies[0] != found.listed.policies[0]:
        yield f"RFC 7489: {found.listed.policies[0]}"


def _tag(target: Target, record: DmarcRecord) -> str:
    """The tag that decides for this name, where it is written or stands in for what is not."""
    if record.domain == target.name:
        return "p"
    order = ("np", "sp", "p") if target.dmarc and target.dmarc.exists is False else ("sp", "p")
    return next((t for t in order if t in record.tags), "p")


def _changed(target: Target, walked: Fate, listed: Fate) -> str:
    """The TXT record with which forgery fares worse: a step stricter for what carries mail, refusal for what cannot."""
    found = target.dmarc
    if found is None or {walked, listed} <= {Fate.REFUSED} or Fate.UNKNOWN in (walked, listed):
        return ""
    record = found.record
    if record is None or record.psd == "y" or record.asked()[0] is Policy.ABSENT:
        return _first(target)
    if record.domain == target.name:
        return _published(record, p=_step(found.walked.policies[0], record))
    if found.exists is False:
        # Nothing of ours is sent from there, so nothing can be lost by refusing it.
        return _published(record, **({"np": "reject"} if walked is not Fate.REFUSED else {"sp": "reject"}))
    return _published(record, sp=_step(found.walked.policies[0], record))


def _step(policy: Policy, record: DmarcRecord) -> str:
    """The next stricter policy, unless taking away t=y or pct is the step."""
    if policy is Policy.REJECT or (policy is Policy.QUARANTINE and (record.testing or record.pct < 100)):
        return str(policy)
    return "quarantine" if policy is Policy.NONE else "reject"


def _published(record: DmarcRecord, **tags: str) -> str:
    return f'_dmarc.{record.domain}. TXT "{record.changed(t="", pct="", **tags)}"'


def _first(target: Target) -> str:
    """A record where none governs, the same one for all names that it decides about: only one can be published."""
    own = target.kind in (Kind.DOMAIN, Kind.PARENT)
    name = target.name if own else organization(target.name)
    return f'_dmarc.{name}. TXT "v=DMARC1; p=quarantine; np=reject; rua=mailto:dmarc@{name}"'


def _closed(door: Target) -> str:
    """The SPF record that no longer ends in +all; "" where an include is to blame."""
    record = door.spf.record if door.spf else ""
    return f'{door.name}. TXT "{_ALL.sub("-all", record)}"' if _ALL.search(record) else ""
