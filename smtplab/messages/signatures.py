"""The DKIM signatures and ARC chains of sample messages, verified with the keys that DNS holds (RFC 6376, 8617)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from smtplab import mail
from smtplab.authentication import arc, signatures
from smtplab.authentication.arc import Arc
from smtplab.authentication.signatures import Signature, Verification
from smtplab.case import Case
from smtplab.messages import authres
from smtplab.messages.read import MessageEvidence
from smtplab.net import Network

MAX_MESSAGES = 200
_TYPES = {
    "file": "str", "number": "Int64", "from": "str", "domain": "str", "selector": "str", "result": "str",
    "cause": "str", "aligned": "boolean", "receiver": "str", "detail": "str", "hints": "str",
}  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """One message: its signatures, its chain, and for which domains its receiver found a signature good or bad.

    `received` maps a signing domain to the receiver's result, from the topmost Authentication-Results.
    """

    file: str
    number: int
    author: str
    signed: Verification
    chain: Arc
    received: tuple[tuple[str, str], ...] = ()

    def verdict(self, domain: str) -> str:
        """What the receiver said of a domain's signature; "" where it does not say."""
        return dict(self.received).get(domain, "")


@dataclass(frozen=True)
class SignatureEvidence:
    """The samples verified; `left_out` those beyond the two hundredth, `domains` the case's own."""

    samples: tuple[Sample, ...] = ()
    domains: tuple[str, ...] = ()
    left_out: int = 0

    def __repr__(self) -> str:
        count = sum(len(s.signed.signatures) for s in self.samples)
        more = f"; {self.left_out:,} more not verified" if self.left_out else ""
        return f"SignatureEvidence({len(self.samples)} messages, {count} signatures{more})"

    def each(self) -> Iterator[tuple[Sample, Signature]]:
        """Every signature with its message."""
        return ((sample, signature) for sample in self.samples for signature in sample.signed.signatures)

    def table(self) -> pd.DataFrame:
        """A row a signature, and one for a message without any.

        file, number, from (domain), domain, selector, result, cause, aligned, receiver (what it said), detail, hints.
        """
        rows = [row for sample in self.samples for row in _rows(sample)]
        return pd.DataFrame(rows, columns=list(_TYPES)).astype(_TYPES)


def _rows(sample: Sample) -> Iterator[list[Any]]:
    head = [sample.file, sample.number, sample.signed.author or None]
    if not sample.signed.signatures:
        yield [*head, None, None, "none", sample.signed.why or "no signature", None, None, "", ""]
    for s in sample.signed.signatures:
        said = sample.verdict(s.domain) or None
        yield [*head, s.domain, s.selector, str(s.result), str(s.cause), s.aligned, said, s.detail, "; ".join(s.hints)]


def collect(case: Case, evidence: MessageEvidence) -> SignatureEvidence:
    """Verify the sample messages of a case, each as of the time at which it was received."""
    raws = (r for f in case.sources("messages") for r in mail.read(f, case.rel(f), lambda *_: None))
    return case.network.run(_collect(case.network, raws, case.as_of, evidence.domains, len(evidence.frame)))


def collect_paths(
    network: Network, paths: Iterable[Path], *, at: datetime, domains: tuple[str, ...] = ()
) -> SignatureEvidence:
    """The same for files and folders, without a case; `at` stands in for messages that carry no time."""
    raws = (r for p in paths for r in mail.read(Path(p), Path(p).name, lambda *_: None))
    return network.run(_collect(network, raws, at, domains))


async def _collect(
    network: Network, raws: Iterable[mail.Raw], at: datetime, domains: tuple[str, ...], count: int = 0
) -> SignatureEvidence:
    # One after the other: a message may be large, and all must not lie in memory at once.
    samples = [await _sample(network, raw, at) for raw in islice(raws, MAX_MESSAGES)]
    return SignatureEvidence(tuple(samples), domains, max(0, count - len(samples)))


async def _sample(network: Network, raw: mail.Raw, at: datetime) -> Sample:
    message = mail.parse(raw.data)
    author = next(iter(mail.addresses(message, "From")), "")
    if raw.cut:
        left = Verification(mail.domain_of(author) or "", (), why="it is too long to be read whole")
        return Sample(raw.file, raw.number, author, left, Arc(arc.Chain.UNKNOWN, why=left.why))
    received = next(iter(mail.headers(message, "Received")), "").rpartition(";")[2]
    when = mail.moment(received) or mail.date(message) or at
    signed, chain = await asyncio.gather(signatures.verify(network, raw.data, at=when), arc.validate(network, raw.data))
    results = [authres.parse(v) for v in mail.headers(message, "Authentication-Results")[:1]]
    said = [(_signer(dict(r.properties)), r.result) for a in results for r in a.results if r.method == "dkim"]
    return Sample(raw.file, raw.number, author, signed, chain, tuple((d, r) for d, r in said if d))


def _signer(properties: dict[str, str]) -> str:
    return (properties.get("header.d") or properties.get("header.i", "").rpartition("@")[2]).lower().rstrip(".")
