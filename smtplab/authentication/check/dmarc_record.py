"""Findings on the text of a DMARC record: what receivers cannot read, or read otherwise than it was meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches

from smtplab.authentication.dmarc import Step
from smtplab.authentication.dmarc_record import ASKED, DmarcRecord, Policy, parse
from smtplab.findings import Finding

HISTORIC = ("pct", "rf", "ri")
"""RFC 9989 section 9.3: tags of RFC 7489 that receivers now ignore."""
REGISTERED = ("v", "p", "sp", "np", "psd", "t", "adkim", "aspf", "fo", "rua", "ruf")
_VALUES = {"adkim": ("r", "s"), "aspf": ("r", "s"), "psd": ("y", "n", "u"), "t": ("y", "n")}
_GLUED = re.compile(rf"[\s,]+(?={'|'.join((*REGISTERED[1:], *HISTORIC))}\s*=)", re.IGNORECASE)
_VERSION = re.compile(r"v\s*=\s*dmarc\s*\d*[\s;,]*", re.IGNORECASE)
MAX_TOLD = 10


def findings(record: DmarcRecord) -> Iterator[Finding]:
    """Findings on one record that governs."""
    name, seen = record.domain, (f"DNS TXT _dmarc.{record.domain}",)
    mended = _mended(name, record.text)
    effect = "there is no DMARC" if record.p is Policy.ABSENT else "all of it counts as p=none"
    if record.invalid:
        wrong = [f"{t}={v[:60]}" for t, v in record.invalid]
        yield Finding("dmarc.policy.invalid", name, seen, domain=name, wrong=wrong, effect=effect, mended=mended)
    elif record.p is Policy.ABSENT:
        watched = record.changed(p="none", rua=f"mailto:dmarc@{name}")
        yield Finding("dmarc.record.ineffective", name, seen, domain=name, mended=watched)
    elif "p" not in record.tags:
        yield Finding("dmarc.policy.missing", name, seen, domain=name, mended=mended)
    if problems := list(_problems(record))[:MAX_TOLD]:
        yield Finding("dmarc.syntax.invalid", name, seen, domain=name, problems=problems, mended=mended)
    if record.unusable:
        bad = [u[:100] for u in record.unusable[:MAX_TOLD]]
        yield Finding("dmarc.report.unusable", name, seen, domain=name, targets=bad)
    known = {*REGISTERED, *HISTORIC}
    if unknown := [t for t in record.tags if t not in known]:
        told = [_perhaps(t[:40]) for t in unknown[:MAX_TOLD]]
        yield Finding("dmarc.tags.unknown", name, seen, domain=name, tags=told)
    historic = [t for t in HISTORIC if t in record.tags] + ["a size limit (!)"] * record.sized
    if historic:
        yield Finding("dmarc.tags.historic", name, seen, domain=name, tags=historic)


def ignored(step: Step) -> Iterator[Finding]:
    """Texts that were meant to be DMARC records, and are none."""
    for text in step.meant[:MAX_TOLD]:
        facts = {"text": text[:300], "problem": _why_none(text), "mended": _mended(step.name, text)}
        yield Finding("dmarc.record.ignored", step.name, (f"DNS TXT _dmarc.{step.name}",), domain=step.name, **facts)


def _why_none(text: str) -> str:
    plain = text.strip()
    if parse("", plain):
        return "a space stands before v=DMARC1"
    version = _VERSION.search(plain)
    if not version:
        return "v=DMARC1 is missing"
    if version.start():
        return "v=DMARC1 is not the first tag"
    if plain.replace(" ", "").startswith("v=DMARC1"):
        return "no semicolon follows v=DMARC1"
    return "the version is not DMARC1, which is written in capitals"


def _problems(record: DmarcRecord) -> Iterator[str]:
    for part in record.stray:
        yield f"{part[:40]!r} is no tag: it has no ="
    for tag in record.repeated:
        yield f"{tag[:40]} stands twice; the first counts"
    for tag, value in record.tags.items():
        if _GLUED.search(value):
            yield f"a semicolon is missing in the value of {tag[:40]}"
        elif tag in _VALUES and value.lower() not in _VALUES[tag]:
            yield f"{tag}={value[:20]} is none of {', '.join(_VALUES[tag])}"
        elif tag == "fo" and not set(value.lower().replace(" ", "").split(":")) <= set("01ds"):
            yield f"fo={value[:20]} is none of 0, 1, d, s"


def _perhaps(tag: str) -> str:
    near = get_close_matches(tag, REGISTERED, 1, 0.6)
    return f"{tag} (perhaps {near[0]})" if near else tag


def _mended(domain: str, text: str) -> str:
    """The record as it was probably meant: semicolons set, policies spelt, p=none where none can be guessed."""
    rest = _GLUED.sub("; ", _VERSION.sub("", text[:2000]))
    record = parse(domain, f"v=DMARC1; {rest}")
    assert record
    guessed = {t: next(iter(get_close_matches(v.lower(), ASKED, 1, 0.5)), "none") for t, v in record.invalid}
    return record.changed(**{"p": record.tags.get("p", "none"), **guessed})
