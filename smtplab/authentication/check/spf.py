"""Findings on SPF records (RFC 7208): every flaw of a record is told, none hides another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from smtplab.authentication.collect import AuthEvidence
from smtplab.authentication.spf_edit import SOFT, edited, ended, line, meant, restored, valid, without
from smtplab.authentication.spf_flat import flatten, network_term
from smtplab.authentication.spf_networks import broad, foreign
from smtplab.authentication.spf_record import (
    MAX_ANSWER,
    MAX_LOOKUPS,
    MAX_RECORD,
    MAX_TERM,
    MAX_VOIDS,
    Flaw,
    Problem,
    SpfRecord,
    SpfTerm,
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
_DEAD = {CODES[f] for f in (Flaw.LOOP, Flaw.GONE, Flaw.BARE, Flaw.SEVERAL)}
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
        mend = {"mended": line(domain, restored(record.nearly[0]))}
        yield Finding("spf.record.malformed", domain, seen, domain=domain, found=record.nearly[0][:200], **mend)
    elif not record.records:
        terms = "-all" if record.mail is False else f"mx {SOFT}"
        yield Finding("spf.record.missing", domain, seen, domain=domain, terms=terms)
    else:
        if (count := len(record.records)) > 1:
            both = line(domain, record.text)
            yield Finding("spf.record.multiple", domain, seen, domain=domain, count=count, merged=both)
        yield from _lookups(record, envelope)
        yield from _voids(record)
        yield from _problems(record)
        yield from _everyone(record)
        yield from _size(record)


def _mend(record: SpfRecord, where: Iterable[str], text: str) -> dict[str, str]:
    """The line to publish, if the fault stands in the domain's own record; else, or as well, whose record it is."""
    places = list(dict.fromkeys(where))
    others = ", ".join(p for p in places if p != record.domain)
    whose = f" The record of {others} has it: whoever runs that one must change it." if others else ""
    return {"mended": line(record.domain, text) if record.domain in places else "", "whose": whose}


def _plain(record: SpfRecord, terms: Iterable[SpfTerm]) -> dict[str, str]:
    """Terms of the domain's own record with the networks that they find in their place, if any."""
    return {
        t.text: " ".join(network_term(t.qualifier, n) for n in t.networks)
        for t in terms
        if t.domain == record.domain and t.known
    }


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
    empty = sum(min(t.voids) for t in record.terms)
    if empty > MAX_VOIDS:
        empties = [t for t in record.terms if all(t.voids)]
        yield Finding("spf.voids.exceeded", record.domain, _seen(record), voids=empty, **_void(record, empties))
        return
    told = {p.term for p in record.problems}
    asking = [t for t in record.own() if t.name in ("a", "mx", "exists") and t.known]
    nothing = [t for t in asking if not t.networks and t.text not in told]
    if nothing:
        yield Finding("spf.void.terms", record.domain, _seen(record), **_void(record, nothing))
    passing = {id(t) for _, t in record.passing()}
    for family, kind in ((4, "IPv4"), (6, "IPv6")):
        lost: list[str] = []
        terms: list[SpfTerm] = []
        for term in record.terms:
            if sum(t.voids[family == 6] for t in terms) > MAX_VOIDS and id(term) in passing:
                lost += [n for n in term.networks if (":" in n) == (family == 6)]
            terms += [term] if term.voids[family == 6] else []
        if lost:
            facts = {"voids": sum(t.voids[family == 6] for t in terms), "family": kind, "networks": lost}
            yield Finding("spf.voids.family", record.domain, _seen(record), **facts, **_void(record, terms))


def _void(record: SpfRecord, terms: list[SpfTerm]) -> dict[str, object]:
    """The facts of terms that find nothing, with the record that does without asking for them."""
    text = without(record.text, _plain(record, terms))
    text = text if len(text) <= max(MAX_RECORD, len(record.text)) else ""
    mend = _mend(record, (t.domain for t in terms), text)
    return {"domain": record.domain, "terms": [t.text for t in terms], **mend}


def _problems(record: SpfRecord) -> Iterator[Finding]:
    """A finding a kind of flaw, with all terms that have it."""
    groups: dict[str, list[Problem]] = {}
    for problem in record.problems:
        code = CODES[problem.flaw]
        if problem.flaw is Flaw.MODIFIER and meant(problem.term):
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
            **_mend(record, (p.domain for p in problems), _mended(record, code, problems)),
        )


def _mended(record: SpfRecord, code: str, problems: list[Problem]) -> str:
    """The domain's own record without some problems."""
    text, own = record.text, [p.term for p in problems if p.domain == record.domain]
    if code in _DEAD:
        return without(text, dict.fromkeys(own, ""))
    if code == "spf.modifier.mistyped":
        # A redirect beside all would be ignored as well.
        corrected = {t: "" if record.all and meant(t).startswith("redirect=") else meant(t) for t in own}
        sure = all(len(t) < MAX_TERM and valid(f"v=spf1 {new}") for t, new in corrected.items())
        return edited(text, corrected) if sure else ""
    if code == "spf.term.unreached":
        return edited(text, {}, record.all if record.all[:1] in ("-", "~") else SOFT)
    return edited(text, {}, SOFT) if code == "spf.all.missing" else ""


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
    ends = [t for t in record.own() if t.name == "all"]
    if whole:
        facts = {"all": f"+{whole[0].text.lstrip('+')}", "where": whole[0].domain}
        own = [t for t in (*whole, *ends) if t.domain == record.domain and t.qualifier in "+?"]
        text = edited(record.text, {t.text: SOFT if t.name == "all" else "" for t in own})
        text = text if ended(text) else edited(text, {}, SOFT)
        facts |= _mend(record, (t.domain for t in whole), text)
        yield Finding("spf.all.pass", domain, (f"DNS TXT {whole[0].domain}",), domain=domain, **facts)
    elif record.all == "?all":
        text = edited(record.text, {t.text: SOFT for t in ends})
        yield Finding("spf.all.neutral", domain, seen, domain=domain, **_mend(record, (t.domain for t in ends), text))
    wide = [n for _, t in record.passing() if not foreign(record, t) for n in t.networks if broad(n)]
    if wide := [n for n in wide if n not in _WHOLE]:
        yield Finding("spf.network.broad", domain, seen, domain=domain, networks=wide)


def _size(record: SpfRecord) -> Iterator[Finding]:
    domain, size = record.domain, max(len(r.encode()) for r in record.records)
    if size > MAX_RECORD:
        yield Finding("spf.record.long", domain, _seen(record), domain=domain, size=size, limit=MAX_RECORD)
    elif record.size > MAX_ANSWER:
        yield Finding("spf.answer.large", domain, _seen(record), domain=domain, size=record.size, limit=MAX_ANSWER)
