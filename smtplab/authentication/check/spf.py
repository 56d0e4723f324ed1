"""Findings on SPF records."""

from __future__ import annotations

from collections.abc import Iterator

from smtplab.authentication.collect import AuthEvidence
from smtplab.authentication.spf import MAX_LOOKUPS, MAX_VOIDS, SpfRecord
from smtplab.findings import Finding
from smtplab.net.dns import State


def findings(evidence: AuthEvidence) -> Iterator[Finding]:
    """A finding a fault; one `ok` for a sound record."""
    own = {r.domain for r in evidence.spf}
    for record in evidence.spf:
        if record.redirect in own and len(record.terms) and record.terms[0].text.startswith("redirect="):
            # Its record is the other domain's: told there, once.
            continue
        lead = [r.domain for r in evidence.spf if r.redirect == record.domain]
        yield from _record(record, lead)


def _record(record: SpfRecord, envelope: list[str]) -> Iterator[Finding]:
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
