"""TLS-RPT: will a domain learn that senders gave up for want of TLS? RFC 8460."""

from __future__ import annotations

from collections.abc import Iterator

from smtplab.findings import Finding
from smtplab.net.dns import State
from smtplab.transport.evidence import TransportEvidence


def findings(evidence: TransportEvidence) -> Iterator[Finding]:
    """One finding a domain that takes mail."""
    with_mx = {domain for domain, _ in evidence.mx}
    for reporting in evidence.reporting:
        domain = reporting.domain
        seen = (f"DNS TXT _smtp._tls.{domain}",)
        if reporting.problems:
            error = "; ".join(reporting.problems)
            yield Finding("transport.tls_reporting.broken", domain, seen, domain=domain, error=error)
        elif reporting.works:
            yield Finding("transport.tls_reporting.ok", domain, seen, domain=domain, rua=list(reporting.rua))
        elif reporting.state is State.ABSENT and domain in with_mx:
            yield Finding("transport.tls_reporting.absent", domain, seen, domain=domain)
