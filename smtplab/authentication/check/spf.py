"""Findings on SPF records (RFC 7208): every flaw of a record is told, none hides another."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from spftrace.parser import MECHANISMS

from smtplab.authentication.collect import AuthEvidence
from smtplab.authentication.spf_flat import flatten
from smtplab.authentication.spf_networks import broad, foreign
from smtplab.authentication.spf_record import (
    MAX_ANSWER,
    MAX_LOOKUPS,
    MAX_RECORD,
    MAX_VOIDS,
    Flaw,
    Problem,
    SpfRecord,
    merged,
)
from smtplab.findings import Finding
from smtplab.net.dns import State

CODES = {
    Flaw.SYNTAX: "spf.syntax.invalid",
    Flaw.LOOP: "spf.include.loop",
    Flaw.GONE: "spf.include.gone",
    Flaw.BARE: "spf.include.norecord",
    Flaw.SEVERAL: "spf.include.multiple",
    Flaw.MX: "spf.mx.exceeded",
    Flaw.REGISTRABLE: "spf.name.registrable",
    Flaw.PTR: "spf.ptr.used",
    Flaw.MODIFIER: "spf.modifier.unknown",
    Flaw.REDIRECT: "spf.redirect.ignored",
    Flaw.BEHIND: "spf.term.unreached",
    Flaw.NO_ALL: "spf.all.missing",
}
_WHOLE = ("0.0.0.0/0", "::/0")


def findings(evidence: AuthEvidence) -> Iterator[Finding]:
    """A finding a fault; one `ok` for a sound record."""
    own = {r.domain for r in evidence.spf}
    for record in evidence.spf:
        if record.redirect in own and record.top and record.top[0].name == "redirect":
            # Its record is the other domain's: told there, once.
            continue
        lead = [r.domain for r in evidence.spf if r.redirect == record.domain]
        found = list(_record(record, [record.domain, *lead]))
        yield from found
        if record.unknown:
            why = f"no answer for {', '.join(record.unknown)}"
            yield Finding("spf.unknown", record.domain, _seen(record), domain=record.domain, why=why)
        elif not found:
            yield Finding("spf.ok", record.domain, _seen(record), domain=record.domain, lookups=record.lookups)


def _seen(record: SpfRecord) -> tuple[str, ...]:
    return (f"DNS TXT {record.domain}",)


def _record(record: SpfRecord, envelope: list[str]) -> Iterator[Finding]:
    domain, seen = record.domain, _seen(record)
    if record.state is State.UNKNOWN:
        yield Finding("spf.unknown", domain, seen, domain=domain, why=record.why)
    elif not record.records and record.nearly:
        yield Finding("spf.record.malformed", domain, seen, domain=domain, found=record.nearly[0][:200])
    elif not record.records:
        yield Finding("spf.record.missing", domain, seen, domain=domain)
    else:
        if (count := len(record.records)) > 1:
            both = merged(record.records)
            yield Finding("spf.record.multiple", domain, seen, domain=domain, count=count, merged=both)
        yield from _lookups(record, envelope)
        yield from _voids(record)
        yield from _problems(record)
        yield from _everyone(record)
        yield from _size(record)


def _lookups(record: SpfRecord, envelope: list[str]) -> Iterator[Finding]:
    if record.lookups <= MAX_LOOKUPS:
        return
    domain = record.domain
    beyond = [t for t in record.terms if t.lookup > MAX_LOOKUPS]
    flat = flatten(record)
    yield Finding(
        "spf.lookups.exceeded",
        domain,
        (*_seen(record), f"{beyond[0].text} is look-up {beyond[0].lookup}"),
        domain=domain,
        lookups=record.lookups,
        limit=MAX_LOOKUPS,
        beyond=[f"{t.text} (look-up {t.lookup})" for t in beyond if t.own] or [beyond[0].text],
        unreachable_networks=record.unreachable(),
        envelope_domains=envelope,
        flattened=flat.zone() if flat.fits else "",
        after=flat.lookups,
        risk=flat.risk if flat.fits else "No record that fits can be written from what was found.",
    )


def _voids(record: SpfRecord) -> Iterator[Finding]:
    """Names that do not exist hurt every sender; a name of the other family only what stands behind it."""
    domain = record.domain
    empty = sum(min(t.voids) for t in record.terms)
    if empty > MAX_VOIDS:
        terms = [t.text for t in record.terms if all(t.voids)]
        yield Finding("spf.voids.exceeded", domain, _seen(record), domain=domain, voids=empty, terms=terms)
        return
    passing = {id(t) for _, t in record.passing()}
    for family, kind in ((4, "IPv4"), (6, "IPv6")):
        voids, lost, terms = 0, [], []
        for term in record.terms:
            if voids > MAX_VOIDS and id(term) in passing:
                lost += [n for n in term.networks if (":" in n) == (family == 6)]
            voids += term.voids[family == 6]
            terms += [term.text] if term.voids[family == 6] else []
        if lost:
            facts = {"family": kind, "voids": voids, "terms": terms, "networks": lost}
            yield Finding("spf.voids.family", domain, _seen(record), domain=domain, **facts)


def _problems(record: SpfRecord) -> Iterator[Finding]:
    """A finding a kind of flaw, with all terms that have it."""
    groups: dict[str, list[Problem]] = {}
    for problem in record.problems:
        code = CODES[problem.flaw]
        if problem.flaw is Flaw.MODIFIER and _mistyped(problem.term):
            code = "spf.modifier.mistyped"
        groups.setdefault(code, []).append(problem)
    for code, problems in groups.items():
        yield Finding(
            code,
            record.domain,
            tuple(dict.fromkeys(f"DNS TXT {p.domain}" for p in problems)),
            domain=record.domain,
            terms=[p.term for p in problems],
            names=list(dict.fromkeys(p.what for p in problems)),
            error="; ".join(map(str, problems)),
            lost_networks=_behind(record, problems[0]) if problems[0].flaw.breaks else [],
        )


def _mistyped(term: str) -> bool:
    """Whether an unknown modifier was probably meant to be a mechanism, or a modifier that is known."""
    return bool(difflib.get_close_matches(term.partition("=")[0].lower(), [*MECHANISMS, "redirect", "exp"], 1, 0.75))


def _behind(record: SpfRecord, problem: Problem) -> list[str]:
    """The networks that are authorised behind a term for which receivers answer permerror."""
    if problem.flaw is Flaw.SYNTAX:
        return record.networks()
    at = next((i for i, t in enumerate(record.terms) if (t.domain, t.text) == (problem.domain, problem.term)), 0)
    behind = {id(t) for t in record.terms[at:]}
    return [n for _, t in record.passing() if id(t) in behind for n in t.networks]


def _everyone(record: SpfRecord) -> Iterator[Finding]:
    domain, seen = record.domain, _seen(record)
    whole = [t for _, t in record.passing() if t.name == "all" or set(_WHOLE) & set(t.networks)]
    if whole:
        facts = {"all": f"+{whole[0].text.lstrip('+')}", "where": whole[0].domain}
        yield Finding("spf.all.pass", domain, (f"DNS TXT {whole[0].domain}",), domain=domain, **facts)
    elif record.all == "?all":
        yield Finding("spf.all.neutral", domain, seen, domain=domain)
    wide = [n for _, t in record.passing() if not foreign(record, t) for n in t.networks if broad(n)]
    if wide := [n for n in wide if n not in _WHOLE]:
        yield Finding("spf.network.broad", domain, seen, domain=domain, networks=wide)


def _size(record: SpfRecord) -> Iterator[Finding]:
    domain, size = record.domain, max(len(r.encode()) for r in record.records)
    if size > MAX_RECORD:
        yield Finding("spf.record.long", domain, _seen(record), domain=domain, size=size, limit=MAX_RECORD)
    elif record.size > MAX_ANSWER:
        yield Finding("spf.answer.large", domain, _seen(record), domain=domain, size=record.size, limit=MAX_ANSWER)
