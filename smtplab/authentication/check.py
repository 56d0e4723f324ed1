"""What is good or bad about the published records."""

from __future__ import annotations

from collections.abc import Iterator

from smtplab.authentication.collect import AuthEvidence
from smtplab.authentication.dkim import GOOD_BITS, WEAK_BITS, DkimKey, common_selectors
from smtplab.authentication.dmarc import Dmarc
from smtplab.authentication.spf import MAX_LOOKUPS, MAX_VOIDS, SpfRecord
from smtplab.findings import Finding, Findings
from smtplab.net.dns import State


def check(evidence: AuthEvidence) -> Findings:
    """Findings on SPF, DKIM and DMARC."""
    return Findings((*_spf(evidence), *_dkim(evidence), *_dmarc(evidence)))


def _spf(evidence: AuthEvidence) -> Iterator[Finding]:
    own = {r.domain for r in evidence.spf}
    for record in evidence.spf:
        if record.redirect in own and len(record.terms) and record.terms[0].text.startswith("redirect="):
            # Its record is the other domain's: told there, once.
            continue
        lead = [r.domain for r in evidence.spf if r.redirect == record.domain]
        yield from _spf_record(record, lead)


def _spf_record(record: SpfRecord, envelope: list[str]) -> Iterator[Finding]:
    domain, seen = record.domain, (f"DNS TXT {record.domain}",)
    if record.state is State.UNKNOWN:
        yield Finding("spf.unknown", domain, seen, domain=domain, why=record.why)
        return
    if not record.records:
        yield Finding("spf.record.missing", domain, seen, domain=domain)
        return
    if len(record.records) > 1:
        yield Finding("spf.record.multiple", domain, seen, domain=domain, count=len(record.records))
        return
    sound = True
    if record.lookups > MAX_LOOKUPS:
        sound = False
        beyond = [t for t in record.terms if t.lookup > MAX_LOOKUPS]
        yield Finding(
            "spf.lookups.exceeded",
            domain,
            (*seen, f"{beyond[0].text} is look-up {beyond[0].lookup}"),
            domain=domain,
            lookups=record.lookups,
            limit=MAX_LOOKUPS,
            beyond=[f"{t.text} (look-up {t.lookup})" for t in beyond if t.domain == domain] or [beyond[0].text],
            unreachable_networks=record.unreachable(),
            envelope_domains=[domain, *envelope],
            flattened=_flattened(record),
        )
    if record.voids > MAX_VOIDS:
        sound = False
        voids = [t.text for t in record.terms if t.void]
        yield Finding("spf.voids.exceeded", domain, seen, domain=domain, voids=record.voids, terms=voids)
    if record.error:
        sound = False
        yield Finding("spf.syntax.invalid", domain, seen, domain=domain, error=record.error)
    if record.all in ("+all", "?all"):
        sound = False
        yield Finding("spf.all.pass", domain, seen, domain=domain, all=record.all)
    if record.unknown:
        yield Finding("spf.unknown", domain, seen, domain=domain, why=f"no answer for {', '.join(record.unknown)}")
    elif sound:
        yield Finding("spf.ok", domain, seen, domain=domain, lookups=record.lookups)


def _flattened(record: SpfRecord) -> str:
    """The record with the include that costs most replaced by its networks, still ending in its own `all`."""
    own = [t for t in record.terms if t.depth == 0]
    cost = {t.text: sum(x.lookup > 0 for x in record.terms if _under(x.path, t.text)) + 1 for t in own if t.lookup}
    lookups, gone = record.lookups, set[str]()
    for text in sorted(cost, key=lambda t: cost[t], reverse=True):
        if lookups <= MAX_LOOKUPS or not text.startswith("include:"):
            continue
        networks = [n for x in record.terms if _under(x.path, text) for n in x.networks]
        if networks and len(networks) <= 12:
            gone.add(text)
            lookups -= cost[text]
    parts = []
    for term in own:
        if term.text in gone:
            nets = dict.fromkeys(n for x in record.terms if _under(x.path, term.text) for n in x.networks)
            parts += [f"ip{6 if ':' in n else 4}:{n.removesuffix('/32').removesuffix('/128')}" for n in nets]
        else:
            parts.append(term.text)
    return " ".join(["v=spf1", *parts])


def _under(path: tuple[str, ...], term: str) -> bool:
    return len(path) > 1 and term.lower() == f"include:{path[1]}"


def _dkim(evidence: AuthEvidence) -> Iterator[Finding]:
    for key in evidence.dkim:
        yield from _key(key)
    tried = common_selectors()
    for domain, empty in sorted(evidence.tried.items()):
        if any(k.domain == domain for k in evidence.dkim):
            continue
        yield Finding("dkim.selectors.unknown", domain, (), domain=domain, count=empty, total=len(tried), tried=tried)


def _key(key: DkimKey) -> Iterator[Finding]:
    facts = {"domain": key.domain, "selector": key.selector}
    seen = (f"DNS TXT {key.name}", *((f"signatures in {key.seen}",) if key.seen else ()))
    if key.state is State.UNKNOWN:
        yield Finding("dkim.key.unknown", key.name, seen, **facts, why=key.why)
    elif key.state is State.ABSENT and key.seen:
        yield Finding("dkim.key.missing", key.name, seen, **facts, where=key.seen)
    elif key.state is State.ABSENT:
        yield Finding("dkim.key.unconfirmed", key.name, seen, **facts)
    elif key.revoked:
        yield Finding("dkim.key.revoked", key.name, seen, **facts)
    elif key.error:
        yield Finding("dkim.key.invalid", key.name, seen, **facts, error=key.error)
    elif key.kind == "rsa" and key.bits < WEAK_BITS:
        yield Finding("dkim.key.weak", key.name, seen, **facts, bits=key.bits)
    elif key.testing:
        yield Finding("dkim.key.testing", key.name, seen, **facts)
    else:
        small = key.kind == "rsa" and key.bits < GOOD_BITS
        yield Finding(
            "dkim.key.short" if small else "dkim.key.ok", key.name, seen, **facts, bits=key.bits, kind=key.kind
        )


def _dmarc(evidence: AuthEvidence) -> Iterator[Finding]:
    told: set[str] = set()
    for dmarc in evidence.dmarc:
        # A subdomain governed by its organization's record repeats that record's findings.
        name = dmarc.record.domain if dmarc.record else dmarc.domain
        if dmarc.state is State.UNKNOWN:
            yield Finding("dmarc.unknown", dmarc.domain, (f"DNS TXT _dmarc.{dmarc.domain}",), why=dmarc.why)
        elif name not in told:
            told.add(name)
            yield from _policy(dmarc, name)


def _policy(dmarc: Dmarc, name: str) -> Iterator[Finding]:
    seen = (f"DNS TXT _dmarc.{name}",)
    if dmarc.multiple:
        yield Finding("dmarc.record.multiple", name, seen, domain=name, count=dmarc.multiple)
    record = dmarc.record
    if record is None:
        yield Finding("dmarc.record.missing", name, seen, domain=name)
        return
    weak = [t for t, v in (("p", record.p), ("sp", record.sp), ("np", record.np)) if v == "none"]
    if record.p == "none":
        targets = f"; rua=mailto:{record.rua[0]}" if record.rua else ""
        yield Finding(
            "dmarc.policy.none",
            name,
            seen,
            domain=name,
            p=record.p,
            sp=record.sp,
            np=record.np,
            explicit=sorted(record.explicit & {"sp", "np"}) or ["neither sp nor np is set"],
            rua=targets,
            author_domains=[name],
        )
    elif weak:
        yield Finding("dmarc.policy.gap", name, seen, domain=name, tags=[f"{t}=none" for t in weak])
    elif record.testing:
        yield Finding("dmarc.policy.testing", name, seen, domain=name, p=record.p)
    else:
        yield Finding("dmarc.ok", name, seen, domain=name, p=record.p)
    for address, agreed in dmarc.targets:
        host = address.rpartition("@")[2]
        if agreed is False:
            proof = (f"DNS TXT {name}._report._dmarc.{host}: none",)
            yield Finding("dmarc.report.unauthorised", name, proof, domain=name, target=address, host=host)
