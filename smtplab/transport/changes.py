"""What only two observations show: STARTTLS that is gone on one way, and a policy that changed under its old id.

RFC 3207 section 6 (stripping), 8461 section 3.1 (the id). The two are two recordings of a case, or two vantage points.
"""

from __future__ import annotations

from collections.abc import Iterator

from smtplab.findings import Finding, Findings
from smtplab.servers.capabilities import Offer
from smtplab.transport.evidence import TransportEvidence


def changes(
    before: TransportEvidence,
    after: TransportEvidence,
    labels: tuple[str, str] = ("the first recording", "the second"),
    offers: tuple[tuple[Offer, ...], tuple[Offer, ...]] | None = None,
) -> Findings:
    """Findings of a pair; `labels` name the two vantage points or recordings.

    `offers` are what servers announce as seen from each, `ServerEvidence.offers`; default: the MX on port 25.
    """
    return Findings((*_stripped(offers or (before.offers, after.offers), labels), *_ids(before, after)))


def _stripped(offers: tuple[tuple[Offer, ...], tuple[Offer, ...]], labels: tuple[str, str]) -> Iterator[Finding]:
    heard = ([o for o in side if o.heard and not o.implicit] for side in offers)
    first, second = ({(o.host, o.port, ":" in o.address): o for o in side} for side in heard)
    for key in sorted(first.keys() & second.keys()):
        host, port, _ = key
        here, there = first[key].starttls, second[key].starttls
        if here is not there:
            seen, gone = labels if here else labels[::-1]
            told = tuple(f"session with {host} port {port}, {label}" for label in labels)
            facts = {"host": host, "port": port, "with_it": seen, "without_it": gone}
            yield Finding("transport.starttls.stripped", f"{host}:{port}", told, **facts)


def _ids(before: TransportEvidence, after: TransportEvidence) -> Iterator[Finding]:
    old = {p.domain: p for p in before.policies}
    for new in after.policies:
        was = old.get(new.domain)
        # A policy that could not be read says nothing of what it holds.
        if was is None or was.error or new.error or not (was.file.mode and new.file.mode):
            continue
        if was.id == new.id and was.file != new.file:
            proposal = f"{after.as_of:%Y%m%d%H%M%S}"
            seen = (f"https://mta-sts.{new.domain}/.well-known/mta-sts.txt", f"DNS TXT _mta-sts.{new.domain}")
            facts = {"domain": new.domain, "id": new.id, "proposal": proposal}
            yield Finding("transport.mta_sts.id_unchanged", new.domain, seen, **facts)
