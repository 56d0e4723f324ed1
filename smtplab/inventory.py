"""What the evidence speaks of: domains, selectors, hosts and outbound addresses, and where each was seen.

Gathered after all `read`s and before any `collect`, so that DKIM learns selectors from reports without
importing them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from itertools import groupby, islice

from smtplab.case import Case
from smtplab.tables import Inventory, Kind, Sighting

_KEEP = 5_000


def gather(case: Case, *sightings: Iterable[Sighting]) -> Inventory:
    """The inventory of a case: what case.toml names, then what each area sighted."""
    return merge((*_declared(case), *(s for group in sightings for s in group)))


def merge(seen: Iterable[Sighting]) -> Inventory:
    """An inventory of sightings.

    Things seen several times are one row with their counts added, their sources listed and the latest time; the
    5,000 most seen of a kind are kept, so that a log with a million recipient domains stays a table.
    """
    counts: Counter[tuple[Kind, str, str]] = Counter()
    sources: dict[tuple[Kind, str, str], dict[str, None]] = {}
    lasts: dict[tuple[Kind, str, str], datetime] = {}
    for s in seen:
        # A selector is part of a DNS name, in which letter case says nothing.
        folded = s.kind in ("selector", "bimi_selector")
        thing = (s.kind, s.value.lower(), s.of.lower()) if folded else (s.kind, s.value, s.of)
        counts[thing] += s.count
        sources.setdefault(thing, {})[s.where] = None
        if s.last:
            lasts[thing] = max(s.last, lasts.get(thing, s.last))
    things = [Sighting(*t, "; ".join(filter(None, sources[t])), n, lasts.get(t)) for t, n in counts.items()]
    things.sort(key=lambda s: (s.kind, -s.count))
    return Inventory(tuple(s for _, kind in groupby(things, key=lambda s: s.kind) for s in islice(kind, _KEEP)))


def _declared(case: Case) -> list[Sighting]:
    found = [Sighting("domain", d, where="case.toml") for d in case.domains]
    found += [Sighting("selector", s, d, "case.toml") for d, names in case.selectors.items() for s in names]
    signed = [(s.sets.get("dkim_selector"), s.sets.get("dkim_domain")) for s in case.streams]
    found += [Sighting("selector", s, d, "case.toml") for s, d in signed if s and d]
    for host in case.hosts:
        found += [Sighting("host", host.name, role, "case.toml") for role in host.roles or ("",)]
        if "outbound" in host.roles:
            found += [Sighting("outbound", a, where="case.toml") for a in host.addresses]
    return found
