"""Findings on DMARC: whether a record governs, what it asks for, who gets the reports, where readers differ."""

from __future__ import annotations

from collections.abc import Iterator

from smtplab.authentication.check import dmarc_record, spoofing
from smtplab.authentication.collect import AuthEvidence
from smtplab.authentication.dmarc import Dispute, Dmarc, Step, disputes
from smtplab.authentication.dmarc_record import DmarcRecord, Policy, parse
from smtplab.authentication.dmarc_reports import Consent
from smtplab.authentication.spoofing import Kind
from smtplab.findings import Finding
from smtplab.net.dns import State


def findings(evidence: AuthEvidence) -> Iterator[Finding]:
    """Findings on every domain and on author domains with a record of their own; each record is told of once."""
    told: set[str] = set()
    seen = [t.dmarc for t in evidence.forgeable if t.dmarc and t.kind is not Kind.MISSING]
    own = [d for d in seen if d.record and d.record.domain == d.domain]
    for found in (*evidence.dmarc, *own):
        yield from judge(found, told)
    yield from spoofing.findings(evidence.forgeable)


def judge(found: Dmarc, told: set[str] | None = None) -> Iterator[Finding]:
    """Findings on what governs one domain; `told` holds what was said of other domains, so that it is said once."""
    told = set() if told is None else told

    def new(key: str) -> bool:
        fresh = key not in told
        told.add(key)
        return fresh

    record = found.record
    at = record.domain if record else found.org_psl
    if found.why and new(f"unknown {found.domain}"):
        what = "The organizational domain" if record else "DMARC"
        yield Finding("dmarc.unknown", found.domain, (f"DNS TXT _dmarc.{found.domain}",), what=what, why=found.why)
    # What stands at a public suffix is not ours to mend.
    for step in (s for s in found.steps if f".{s.name}".endswith(f".{found.org_psl}")):
        seen = (f"DNS TXT _dmarc.{step.name}",)
        if step.count > 1 and new(f"multiple {step.name}"):
            yield _several(step, seen)
        if step.meant and new(f"ignored {step.name}"):
            yield from dmarc_record.ignored(step)
    if found.state is State.ABSENT or (record and record.psd == "y" and record.domain != found.domain):
        # What stands there and does not count is told above; a second record beside it would mend nothing.
        spoiled = any(s.count > 1 or s.meant for s in found.steps if s.name == found.org_psl)
        if not spoiled and new(f"missing {found.org_psl}"):
            yield _missing(found.org_psl, record)
    elif record and new(f"record {at}"):
        yield from dmarc_record.findings(record)
        yield from _policy(found, record)
        yield from _reports(found, record)
    yield from _narrow(found)
    if found.differs and new(f"differs {at}"):
        yield _differing(found)
    for case in found.disputed:
        if new(f"{case} {at}"):
            yield _disputed(found, case)


def _missing(domain: str, suffix: DmarcRecord | None) -> Finding:
    """No record, though that of the public suffix may govern: RFC 9989 section 4.10.1."""
    seen = (f"DNS TXT _dmarc.{domain}",)
    if suffix is None or suffix.sp not in (Policy.QUARANTINE, Policy.REJECT):
        return Finding("dmarc.record.missing", domain, seen, domain=domain)
    proof = (*seen, f"DNS TXT _dmarc.{suffix.domain}")
    return Finding("dmarc.record.inherited", domain, proof, domain=domain, suffix=suffix.domain, policy=str(suffix.sp))


def _several(step: Step, seen: tuple[str, ...]) -> Finding:
    """Records of which none counts, and the strictest, which is the one to keep."""
    best = max(filter(None, (parse(step.name, t) for t in step.texts)), key=lambda r: r.rigour)
    facts = {"domain": step.name, "count": step.count, "mended": best.changed()}
    return Finding("dmarc.record.multiple", step.name, seen, **facts)


def _policy(found: Dmarc, record: DmarcRecord) -> Iterator[Finding]:
    name, seen = record.domain, (f"DNS TXT _dmarc.{record.domain}",)
    # Below the organizational domain sp and np govern nothing: RFC 9989 section 4.7.
    whole = record.domain == found.org
    if not whole and found.org and (vain := sorted(record.explicit & {"sp", "np"})):
        yield Finding("dmarc.tags.ineffective", name, seen, domain=name, tags=vain, org=found.org)
    if record.invalid or record.p is Policy.ABSENT:
        return  # Told as a fault of the record, which has no other effect.
    weak = [t for t, v in (("sp", record.sp), ("np", record.np)) if v is Policy.NONE and whole]
    facts = {"domain": name, "p": str(record.p)}
    if record.p is Policy.NONE:
        yield Finding(
            "dmarc.policy.none",
            name,
            seen,
            **facts,
            sp=str(record.sp),
            np=str(record.np),
            **_spared(record),
            mended=_stricter(record),
            author_domains=[name],
        )
        return
    if weak:
        mended = record.changed(**dict.fromkeys(weak, str(record.p)))
        yield Finding("dmarc.policy.gap", name, seen, domain=name, tags=[f"{t}=none" for t in weak], mended=mended)
    if record.testing:
        yield Finding("dmarc.policy.testing", name, seen, **facts, mended=record.changed(t=""))
    if record.pct < 100:
        rest = {"left": 100 - record.pct, "milder": str(record.p.milder), "mended": record.changed(pct="")}
        yield Finding("dmarc.policy.sampled", name, seen, **facts, pct=record.pct, **rest)
    if not weak and not record.testing and record.pct == 100:
        what = "the domain and its subdomains" if whole else "the domain"
        yield Finding("dmarc.ok", name, seen, **facts, what=what)


def _spared(record: DmarcRecord) -> dict[str, str]:
    """Whom p=none leaves open, in words: sp and np may protect the subdomains all the same."""
    if record.np is Policy.NONE:
        explicit = ", ".join(sorted(record.explicit & {"sp", "np"})) or "neither sp nor np is set"
        return {"whom": "", "below": f", also from subdomains that do not exist ({explicit})"}
    covered = "those that do not exist" if record.sp is Policy.NONE else "all of them"
    return {"whom": " for the domain itself", "below": f"; of its subdomains, {covered} are protected"}


def _stricter(record: DmarcRecord) -> str:
    """The next step for the domain; what sp asks for already is not made milder, and all other tags are kept."""
    sp = Policy.REJECT if record.sp is Policy.REJECT else Policy.QUARANTINE
    return record.changed(p=str(Policy.QUARANTINE), sp=str(sp), np=str(Policy.REJECT), t="", pct="")


def _reports(found: Dmarc, record: DmarcRecord) -> Iterator[Finding]:
    name = record.domain
    if not record.rua:
        yield Finding(
            "dmarc.report.missing",
            name,
            (f"DNS TXT _dmarc.{name}",),
            domain=name,
            mended=record.changed(rua=f"mailto:dmarc@{name}"),
        )
    for target in found.targets:
        facts = {"domain": name, "target": target.address, "host": target.host}
        if target.consent is Consent.REFUSED:
            yield Finding("dmarc.report.unauthorised", name, (f"DNS TXT {target.asked}: none",), **facts)
        elif target.consent is Consent.UNKNOWN:
            yield Finding("dmarc.report.unknown", name, (f"DNS TXT {target.asked}",), **facts)
        elif target.consent is Consent.OWN and target.mail is State.ABSENT:
            yield Finding("dmarc.report.undeliverable", name, (f"DNS MX {target.host}",), **facts)


def _narrow(found: Dmarc) -> Iterator[Finding]:
    """The walk that ends below the organization as the list has it: own mail loses its alignment."""
    held = any(s.count for s in found.steps if s.name == found.org_psl)
    if found.record and found.record.psd == "u" and found.org.endswith(f".{found.org_psl}") and not held:
        facts = {"domain": found.domain, "walk": found.org, "listed": found.org_psl}
        yield Finding("dmarc.organization.narrow", found.domain, (f"DNS TXT _dmarc.{found.org_psl}: none",), **facts)


def _differing(found: Dmarc) -> Finding:
    seen = tuple(f"DNS TXT _dmarc.{s.name}" for s in found.steps)
    return Finding(
        "dmarc.standards.differ", found.domain, seen, domain=found.domain, differences="; ".join(found.differs)
    )


def _disputed(found: Dmarc, case: Dispute) -> Finding:
    told = disputes()[case]
    seen = tuple(f"DNS TXT _dmarc.{s.name}" for s in found.steps if s.count)
    facts = {k: told[k] for k in ("first", "first_by", "second", "second_by", "source")}
    return Finding("dmarc.disputed", found.domain, seen, domain=found.domain, case=told["words"], **facts)
