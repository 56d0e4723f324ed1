"""Findings on DMARC policies and report addresses."""

from __future__ import annotations

from collections.abc import Iterator

from smtplab.authentication.collect import AuthEvidence
from smtplab.authentication.dmarc import Dmarc
from smtplab.authentication.dmarc_reports import Consent
from smtplab.findings import Finding
from smtplab.net.dns import State


def findings(evidence: AuthEvidence) -> Iterator[Finding]:
    """Findings a governing record, told once."""
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
            p=str(record.p),
            sp=str(record.sp),
            np=str(record.np),
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
    for target in dmarc.targets:
        if target.consent is Consent.REFUSED:
            proof = (f"DNS TXT {target.asked}: none",)
            yield Finding(
                "dmarc.report.unauthorised", name, proof, domain=name, target=target.address, host=target.host
            )
