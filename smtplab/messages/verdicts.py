"""Findings on the signatures of sample messages: ours that fail, each with its cause, and mail of ours without one."""

from __future__ import annotations

from collections.abc import Iterator

from smtplab import mail
from smtplab.authentication.arc import Chain
from smtplab.authentication.signatures import Cause, Signature
from smtplab.findings import Finding
from smtplab.messages.signatures import Sample, SignatureEvidence

Group = list[tuple[Sample, Signature]]
_LATE = (Cause.EXPIRED, Cause.FUTURE)
_KEY = (Cause.KEY_MISSING, Cause.KEY_UNUSABLE)
_INVALID = (Cause.FROM_UNSIGNED, Cause.FROM_TWICE, Cause.MALFORMED)


def findings(evidence: SignatureEvidence) -> Iterator[Finding]:
    """A finding a signer, selector and cause; what is not ours is not judged."""
    groups: dict[tuple[str, str, str], Group] = {}
    for sample, signature in evidence.each():
        if mail.within(signature.domain, evidence.domains):
            key = (signature.domain, signature.selector, _kind(sample, signature))
            groups.setdefault(key, []).append((sample, signature))
    for (domain, selector, kind), group in sorted(groups.items()):
        yield from _signer(domain, selector, kind, group)
    yield from _authors(evidence)
    for sample in evidence.samples:
        yield from _chain(sample)


def _kind(sample: Sample, signature: Signature) -> str:
    """The cause, but where the receiver's verdict or a list's name shows that nothing of ours is at fault."""
    good = sample.verdict(signature.domain) == "pass"
    if signature.cause is Cause.OTHER_KEY and good:
        return "replaced"
    if signature.cause not in (Cause.BODY, Cause.HEADER):
        return signature.cause
    if good:
        return "saved"
    return "list" if any("mailing list" in h for h in signature.hints) else signature.cause


def _signer(domain: str, selector: str, kind: str, group: Group) -> Iterator[Finding]:
    subject, files = f"{domain}/{selector}", tuple(dict.fromkeys(s.file for s, _ in group))
    first = group[0][1]
    facts = {"domain": domain, "selector": selector, "count": len(group)}
    told = (*files, *first.hints)
    why = {"detail": first.detail or str(first.cause)}
    if any(s.unsigned is not None for _, s in group):
        open_ = max(s.unsigned or 0 for _, s in group)
        yield Finding("messages.signature.length", subject, files, **facts, bytes=open_)
    if kind == Cause.VERIFIES:
        yield Finding("messages.signature.ok", subject, files, **facts)
    elif kind == "saved":
        yield Finding("messages.signature.saved", subject, told, **facts)
    elif kind == "replaced":
        yield Finding("messages.signature.replaced", subject, files, **facts)
    elif kind == "list":
        yield Finding("messages.signature.list", subject, told, **facts)
    elif kind in (Cause.BODY, Cause.HEADER):
        what = "body" if kind == Cause.BODY else "header"
        hints = "; ".join(first.hints) or "nothing shows what was changed"
        yield Finding("messages.signature.changed", subject, told, **facts, what=what, hints=hints)
    elif kind == Cause.OTHER_KEY:
        yield Finding("messages.signature.other_key", subject, files, **facts)
    elif kind in _KEY:
        yield Finding("messages.signature.key", subject, files, **facts, **why)
    elif kind == Cause.SHA1:
        yield Finding("messages.signature.sha1", subject, files, **facts)
    elif kind in _LATE:
        yield Finding("messages.signature.time", subject, files, **facts, **why, cause=kind)
    elif kind in _INVALID:
        yield Finding("messages.signature.invalid", subject, files, **facts, **why, cause=kind)


def _authors(evidence: SignatureEvidence) -> Iterator[Finding]:
    """Mail of ours that carries no signature, or none in our name."""
    bare: dict[str, list[str]] = {}
    foreign: dict[tuple[str, str], list[str]] = {}
    for sample in evidence.samples:
        signed = sample.signed
        if not mail.within(signed.author, evidence.domains) or signed.why:
            continue
        if not signed.signatures:
            bare.setdefault(sample.author, []).append(sample.file)
        elif all(s.aligned is False for s in signed.signatures):
            signers = ", ".join(dict.fromkeys(s.domain for s in signed.signatures))
            foreign.setdefault((sample.author, signers), []).append(sample.file)
    for author, files in sorted(bare.items()):
        domain = author.rpartition("@")[2]
        yield Finding("messages.signature.none", author, files, domain=domain, count=len(files))
    for (author, signers), files in sorted(foreign.items()):
        domain = author.rpartition("@")[2]
        yield Finding("messages.signature.foreign", author, files, domain=domain, signers=signers, count=len(files))


def _chain(sample: Sample) -> Iterator[Finding]:
    chain = sample.chain
    if chain.chain is Chain.PASS:
        facts = {"sealer": chain.hops[-1].sealer, "hops": len(chain.hops), "first": chain.first}
        yield Finding("messages.arc.pass", sample.file, (), **facts)
    elif chain.chain is Chain.FAIL:
        yield Finding("messages.arc.fail", sample.file, (), instance=chain.broken, detail=chain.why)
