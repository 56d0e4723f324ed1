"""Findings on the names that forgers and our own streams use: strict alignment not met, np without effect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from smtplab.authentication.spoofing import Kind, Target
from smtplab.findings import Finding


def findings(targets: Sequence[Target]) -> Iterator[Finding]:
    """A finding an author domain whose own mail cannot align, and one a domain in which every name exists."""
    for target in targets:
        record = target.dmarc.record if target.dmarc else None
        if record is None:
            continue
        seen = (f"DNS TXT _dmarc.{record.domain}",)
        for mechanism, used in (("dkim", target.signers), ("spf", target.envelopes)):
            if used and record.strict(mechanism) and target.name not in used:
                yield Finding(
                    "dmarc.alignment.strict", target.name, (*seen, f"seen: {', '.join(used)}"), domain=target.name,
                    tag=f"a{mechanism}=s", used=list(used), mended=record.changed(**{f"a{mechanism}": "r"}),
                    at=record.domain,
                )  # fmt: skip
        if target.kind is Kind.MISSING and target.dmarc and target.dmarc.exists and "np" in record.tags:
            proof = (f"DNS TXT {target.name}: the name exists", *seen)
            yield Finding(
                "dmarc.np.wildcard", record.domain, proof, domain=record.domain, np=str(record.np), sp=str(record.sp)
            )
