"""An SPF record that fits into ten look-ups and lets the same addresses pass (RFC 7208 sections 3.4 and 4.6.4).

Terms are replaced by the networks they lead to today, as few as are needed. Whoever runs them may change them any
day, so a record written out like this must be kept by hand; that is the price, and it is told with the record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count

import spftrace
from spftrace.parser import parse

from smtplab.authentication.collect import AuthEvidence
from smtplab.authentication.ranges import Ranges
from smtplab.authentication.spf_edit import line
from smtplab.authentication.spf_networks import matches
from smtplab.authentication.spf_record import MAX_LOOKUPS, MAX_RECORD, SpfRecord, SpfTerm
from smtplab.names.suffixes import organization

MOST_NETWORKS = 400
"""A term that leads to more is left as it is: nobody keeps that many by hand."""
_DOMAIN_MACRO = re.compile(r"%\{d", re.IGNORECASE)
_ARGUMENT = re.compile(r"(?<=[:=]).*?(?=(?:/\d+)?(?://\d+)?$)")
_BARE = re.compile(r"^[+\-~?]?(?:a|mx|ptr)(?=/|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Flattened:
    """The records to publish, (name, text) each, the domain's own first.

    `lookups` is their cost, `replaced` the terms that are written out now, `owners` the organizations whose networks
    must be watched from now on. `fits` is False where even this needs more than `limit` look-ups, because the message
    decides what the rest matches, or because nothing could be asked.
    """

    domain: str
    records: tuple[tuple[str, str], ...]
    lookups: int
    before: int
    limit: int = MAX_LOOKUPS
    replaced: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        """The look-ups are within the limit."""
        return bool(self.records) and self.lookups <= self.limit

    @property
    def risk(self) -> str:
        """What publishing this means."""
        if not self.records:
            return "There is no record to rewrite, or it is not known."
        if not self.replaced:
            return "Nothing is written out: no risk."
        whose = ", ".join(self.owners)
        return (
            f"Networks of {whose} are written out. Their owners may change them any day: mail from a new one then "
            "fails, and an old one may send as you. Compare once a week."
        )

    def zone(self) -> str:
        """The records as lines of a zone file, strings of 255 bytes at most."""
        return "\n".join(line(name, text) for name, text in self.records)

    def __repr__(self) -> str:
        if not self.records:
            return f"{self.domain}: {self.risk}"
        head = f"{self.domain}: {self.lookups} look-ups instead of {self.before}"
        return "\n".join([head if self.fits else f"{head}: does not fit", self.zone(), self.risk])


def network_term(qualifier: str, network: str) -> str:
    """The mechanism that matches a network."""
    sign = "" if qualifier == "+" else qualifier
    return f"{sign}ip{6 if ':' in network else 4}:{network.removesuffix('/128' if ':' in network else '/32')}"


def spf_flattened(evidence: AuthEvidence, domain: str, limit: int = MAX_LOOKUPS) -> Flattened | None:
    """The record of a domain within `limit` look-ups; None for a domain that was not asked for."""
    record = evidence.spf_record(domain)
    return flatten(record, limit) if record else None


def flatten(record: SpfRecord, limit: int = MAX_LOOKUPS) -> Flattened:
    """Replace terms by their networks until `limit` look-ups are enough: own names first, then what saves most."""
    if not record.record or record.cut:
        return Flattened(record.domain, (), record.lookups, record.lookups, limit)
    terms = _inlined(record.top)
    kept = [t for t in terms if not _leads_nowhere(t)]
    replaced: set[int] = set()
    best = _written(record, kept, replaced)
    for index in sorted(_replaceable(kept), key=lambda i: _order(record, kept[i])):
        if best[1] <= limit:
            break
        made = _written(record, kept, replaced | {index})
        if made[1] < best[1]:
            best, replaced = made, replaced | {index}
    gone = [kept[i] for i in sorted(replaced)]
    return Flattened(
        record.domain,
        best[0],
        best[1],
        record.lookups,
        limit,
        replaced=tuple(t.text for t in gone),
        owners=tuple(dict.fromkeys(organization(t.target) for t in gone)),
    )


def _inlined(terms: Sequence[SpfTerm]) -> list[SpfTerm]:
    """The terms of a record with its redirect followed.

    A redirect stays where a macro in its target asks for the current domain, which would then be another one, beside
    something of the message.
    """
    made: list[SpfTerm] = []
    for term in terms:
        if term.name == "redirect" and term.inner and not any(_moves(t) for t in term.inner):
            made += _inlined([_explicit(t) for t in term.inner])
        else:
            made.append(term)
    return made


def _moves(term: SpfTerm) -> bool:
    """Whether a term asks for another name where it stands in another record, and none can be written out."""
    return bool(_DOMAIN_MACRO.search(term.text)) and not term.target


def _explicit(term: SpfTerm) -> SpfTerm:
    """A term that stands for the current domain, with that domain written out."""
    if _DOMAIN_MACRO.search(term.text):
        return replace(term, text=_ARGUMENT.sub(lambda _: term.target, term.text, count=1))
    return replace(term, text=_BARE.sub(rf"\g<0>:{term.domain}", term.text))


def _leads_nowhere(term: SpfTerm) -> bool:
    return term.lookup > 0 and term.known and not term.inner and not term.networks


def _replaceable(terms: Sequence[SpfTerm]) -> list[int]:
    def can(term: SpfTerm) -> bool:
        known = term.name in ("include", "a", "mx") and all(t.known for t in term.all())
        return known and len(matches(term).networks()) <= MOST_NETWORKS

    return [i for i, t in enumerate(terms) if can(t)]


def _order(record: SpfRecord, term: SpfTerm) -> tuple[bool, int, int]:
    foreign = organization(term.target) != organization(record.domain)
    return foreign, -term.cost(), len(matches(term).networks())


def _written(
    record: SpfRecord, terms: Sequence[SpfTerm], replaced: set[int]
) -> tuple[tuple[tuple[str, str], ...], int]:
    """The records with some terms replaced, and their look-ups."""
    pieces = _pieces(terms, replaced)
    head = ["v=spf1", *_explanation(record.record)]
    names = _names(record)
    parts: list[tuple[str, str]] = []
    while len(text := _text(head, pieces)) > MAX_RECORD:
        runs = [p for p in pieces if p.networks and not p.parts]
        if not runs:
            break
        largest = max(runs, key=lambda p: len(" ".join(p.terms())))
        made = [(next(names), chunk) for chunk in _chunks(largest.networks)]
        parts += made
        pieces[pieces.index(largest)] = replace(largest, parts=tuple(n for n, _ in made))
    cost = sum(t.cost() for i, t in enumerate(terms) if i not in replaced)
    return ((record.domain, text), *parts), cost + len(parts)


@dataclass(frozen=True)
class _Piece:
    """A piece of the new record: one term as it stands, or networks, perhaps moved to names of their own."""

    qualifier: str
    text: str = ""
    networks: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()

    def terms(self) -> list[str]:
        if self.parts:
            sign = "" if self.qualifier == "+" else self.qualifier
            return [f"{sign}include:{name}" for name in self.parts]
        return [self.text] if self.text else [network_term(self.qualifier, n) for n in self.networks]


def _pieces(terms: Sequence[SpfTerm], replaced: set[int]) -> list[_Piece]:
    """Networks that let pass are gathered, as long as nothing between them decides otherwise."""
    pieces: list[_Piece] = []
    run: int | None = None
    for index, term in enumerate(terms):
        if index not in replaced and term.name not in ("ip4", "ip6"):
            pieces.append(_Piece(term.qualifier, text=term.text))
        else:
            found = matches(term).networks() if index in replaced else list(term.networks)
            held = Ranges.of(pieces[run].networks) if run is not None and term.qualifier == "+" else Ranges()
            new = tuple(n for n in found if not held.holds(n))
            if run is not None and term.qualifier == "+":
                pieces[run] = replace(pieces[run], networks=(*pieces[run].networks, *new))
            elif new:
                run = len(pieces) if term.qualifier == "+" else run
                pieces.append(_Piece(term.qualifier, networks=new))
        if term.qualifier != "+":
            run = None
    return pieces


def _text(head: Sequence[str], pieces: Sequence[_Piece]) -> str:
    return " ".join([head[0], *(t for p in pieces for t in p.terms()), *head[1:]])


def _explanation(record: str) -> list[str]:
    """The record's own exp, if it can be read; other modifiers do nothing, and a redirect is followed."""
    for text in record.split(" ")[1:]:
        if text.lower().startswith("exp="):
            with suppress(spftrace.SpfError, ValueError):
                return [parse(f"v=spf1 {text}").terms[0].raw]
    return []


def _chunks(networks: Sequence[str]) -> Iterator[str]:
    """Records that let networks pass, each within the bytes that one may have."""
    terms: list[str] = []
    for network in networks:
        term = network_term("+", network)
        if terms and len(" ".join(["v=spf1", *terms, term, "-all"])) > MAX_RECORD:
            yield " ".join(["v=spf1", *terms, "-all"])
            terms = []
        terms.append(term)
    yield " ".join(["v=spf1", *terms, "-all"])


def _names(record: SpfRecord) -> Iterator[str]:
    taken = {t.target for t in record.terms}
    return (name for i in count(1) if (name := f"_spf{i}.{record.domain}") not in taken)
