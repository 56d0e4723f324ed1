"""An SPF record at rest (RFC 7208): its terms in the order of evaluation, what they cost, authorise and have wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from smtplab import markup
from smtplab.authentication.ranges import Ranges
from smtplab.net.dns import State

MAX_LOOKUPS = 10
"""RFC 7208 section 4.6.4: terms that cause DNS queries."""
MAX_VOIDS = 2
"""RFC 7208 section 4.6.4: look-ups that may find nothing."""
MAX_MX = 10
"""RFC 7208 section 4.6.4: MX records of one `mx`; one more is a permerror."""
MAX_RECORD = 450
"""RFC 7208 section 3.4: bytes of a record that fit into a DNS answer of 512 bytes with room for its head."""
MAX_ANSWER = 512
"""RFC 1035 section 4.2.1: bytes of a DNS answer by UDP without EDNS."""
MAX_TERM = 200
"""Characters of a term that a problem tells."""
IS_SPF = re.compile(r"v=spf1(?=$| )", re.IGNORECASE)
"""RFC 7208 section 4.5: the version, in any case, then a space or the end."""
_NEARLY = re.compile(r"""[\s"'\ufeff]*(v\s*=\s*spf|spf1\b)""", re.IGNORECASE)
_STRINGS = re.compile(r'"((?:[^"\\]|\\.)*+)\\?("|$)')
"""A string, and what ends it; one without an end is passed over at once, so that many of them cost no time."""


class Flaw(StrEnum):
    """What can be wrong with a record."""

    SYNTAX = "syntax"
    LOOP = "loop"
    GONE = "gone"
    """An include or redirect leads to a name that does not exist."""
    BARE = "bare"
    """An include or redirect leads to a name without SPF record."""
    SEVERAL = "several"
    """An include or redirect leads to a name with two SPF records or more."""
    MX = "mx"
    """An `mx` finds more than ten MX records."""
    REGISTRABLE = "registrable"
    """A name that the record asks for belongs to a domain that anyone could register."""
    PTR = "ptr"
    MODIFIER = "modifier"
    """A modifier that no standard knows: it is ignored."""
    REDIRECT = "redirect"
    """A redirect beside `all`: it is ignored (RFC 7208 section 6.1)."""
    BEHIND = "behind"
    """A term behind `all`: it is never reached (RFC 7208 section 5.1)."""
    NO_ALL = "no all"
    """Neither `all` nor redirect: whoever is not named gets neutral (RFC 7208 section 4.7)."""

    @property
    def breaks(self) -> bool:
        """Whether a receiver that gets there answers permerror."""
        return self in (Flaw.SYNTAX, Flaw.LOOP, Flaw.GONE, Flaw.BARE, Flaw.SEVERAL, Flaw.MX)


@dataclass(frozen=True)
class Problem:
    """One flaw: the domain whose record has it, the term, and a phrase that says what is the matter."""

    flaw: Flaw
    domain: str
    term: str
    what: str

    def __str__(self) -> str:
        return f"{self.domain}: {self.term}: {self.what}" if self.term else f"{self.domain}: {self.what}"


@dataclass(frozen=True)
class SpfTerm:
    """One mechanism or redirect, and below it, in `inner`, the record that it leads to.

    `lookup` is the number of its look-up (0: costs none), `before` how many were spent when a receiver reaches
    it, `path` the domains through which it is reached, `own` whether only redirects lead there; `target` is the name
    it asks for ("" where it asks for none or a macro decides), `networks` what it matches; `voids` counts its
    look-ups that find nothing, for an IPv4 and for an IPv6 sender. `known` is False where the message decides what
    matches, or where a look-up got no answer; `note` then says why.
    """

    text: str
    name: str
    qualifier: str
    domain: str
    path: tuple[str, ...]
    lookup: int
    before: int
    own: bool = True
    target: str = ""
    networks: tuple[str, ...] = ()
    voids: tuple[int, int] = (0, 0)
    known: bool = True
    note: str = ""
    inner: tuple[SpfTerm, ...] = ()

    @property
    def depth(self) -> int:
        """0 in the domain's own record."""
        return len(self.path) - 1

    def all(self) -> Iterator[SpfTerm]:
        """The term and everything below it, in order."""
        yield self
        for term in self.inner:
            yield from term.all()

    def cost(self) -> int:
        """Look-ups of the term and of everything below it."""
        return sum(t.lookup > 0 for t in self.all())


@dataclass(frozen=True)
class SpfRecord:
    """What a domain publishes, and all that its evaluation may need.

    `top` are the terms of the record in order, `all` is the last `all` in the domain's own record or its redirect
    target ("" without one), `nearly` are TXT records that look like SPF and are none, `size` the bytes of the DNS
    answer, `what_if` tells that the record was given and is not the published one, `cut` that the reader stopped
    early because the record is too large to be meant, `mail` whether the domain has an MX that takes mail (asked only
    where there is no record, None where unknown).
    """

    domain: str
    state: State
    records: tuple[str, ...] = ()
    top: tuple[SpfTerm, ...] = ()
    all: str = ""
    redirect: str = ""
    problems: tuple[Problem, ...] = ()
    why: str = ""
    ttl: int | None = None
    unknown: tuple[str, ...] = ()
    nearly: tuple[str, ...] = ()
    size: int = 0
    what_if: bool = False
    cut: bool = False
    mail: bool | None = None

    @property
    def record(self) -> str:
        """The one record, or ""."""
        return self.records[0] if len(self.records) == 1 else ""

    @property
    def text(self) -> str:
        """What was read: the record, several as the one they would be, or ""."""
        return self.record or (merged(self.records) if self.records else "")

    @cached_property
    def terms(self) -> tuple[SpfTerm, ...]:
        """Every term in the order of evaluation, those of included records after their include."""
        return tuple(t for top in self.top for t in top.all())

    @property
    def lookups(self) -> int:
        """Look-ups in the worst case: nothing matches before the end."""
        return sum(t.lookup > 0 for t in self.terms)

    @property
    def voids(self) -> int:
        """Look-ups that find nothing in the worst case, for the family of addresses that suffers more."""
        return max(self.voids_of(4), self.voids_of(6))

    def voids_of(self, version: int) -> int:
        """Look-ups that find nothing for an IPv4 (4) or an IPv6 (6) sender."""
        return sum(t.voids[version == 6] for t in self.terms)

    @property
    def error(self) -> str:
        """The first problem for which a receiver answers permerror, or ""."""
        return next((str(p) for p in self.problems if p.flaw.breaks), "")

    def own(self) -> list[SpfTerm]:
        """The terms of the domain's own record, a redirect followed by those of its target."""
        return [t for t in self.terms if t.own]

    def passing(self) -> list[tuple[SpfTerm, SpfTerm]]:
        """Each term that lets its networks pass, behind the term of the domain's own record that leads to it."""
        return [(top, t) for top in self.own() if top.name != "redirect" for t in _passing(top)]

    def networks(self) -> list[str]:
        """Every network the record means to authorise."""
        return _unique(n for _, t in self.passing() for n in t.networks)

    def reachable(self) -> list[str]:
        """The networks that a receiver gets to within ten look-ups."""
        return _unique(n for _, t in self.passing() if max(t.lookup, t.before) <= MAX_LOOKUPS for n in t.networks)

    def unreachable(self) -> list[str]:
        """The networks that are only authorised beyond the tenth look-up."""
        held = Ranges.of(self.reachable())
        return [n for n in self.networks() if not held.holds(n)]

    def headline(self) -> str:
        """One line: what the record costs in the worst case."""
        given = " (given, not published)" if self.what_if else ""
        if self.state is State.UNKNOWN:
            return f"SPF of {self.domain}: unknown ({self.why})"
        if not self.records:
            return f"SPF of {self.domain}: none"
        four, six = self.voids_of(4), self.voids_of(6)
        empty = f"{four} empty" if four == six else f"{four} empty for an IPv4 sender, {six} for an IPv6 one"
        return f"SPF of {self.domain}{given}: {self.lookups} of {MAX_LOOKUPS} look-ups, {empty}"

    def __repr__(self) -> str:
        rows = [f"{'  ' * t.depth}{t.text}" + (f"  [look-up {t.lookup}]" if t.lookup else "") for t in self.terms]
        return "\n".join([self.headline(), *rows, *(f"! {p}" for p in self.problems)])

    def _repr_html_(self) -> str:
        from smtplab.authentication.spf_costs import costs

        return markup.frame_table(costs(self), caption=self.headline())


def _passing(term: SpfTerm) -> Iterator[SpfTerm]:
    if term.qualifier == "+":
        yield term
        for inner in term.inner:
            yield from _passing(inner)


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def spf_texts(texts: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The SPF records among TXT records, and those that look like one and are not read as such."""
    texts = tuple(texts)
    records = tuple(t for t in texts if IS_SPF.match(t))
    return records, tuple(t for t in texts if t not in records and _NEARLY.match(t[:80]))


def pasted(text: str) -> str:
    """A record as people paste it: strings in quotes are joined, as in a zone file; blanks around it are cut."""
    text = " ".join(text.split())
    if text.startswith('"') and (strings := [string for string, end in _STRINGS.findall(text) if end]):
        return "".join(strings)
    return text


def merged(records: Iterable[str]) -> str:
    """One record that says what several say: each term once, the first `all` last."""
    terms = _unique(t for r in records for t in r.split(" ")[1:] if t)
    ends = [t for t in terms if t.lstrip("+-~?").lower() == "all"]
    return " ".join(["v=spf1", *(t for t in terms if t not in ends), *ends[:1]])
