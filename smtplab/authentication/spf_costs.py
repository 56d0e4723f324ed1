"""What each term of an SPF record costs, whose it is, and whether anybody uses it (RFC 7208 section 4.6.4)."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from smtplab.authentication.collect import AuthEvidence
from smtplab.authentication.owners import service
from smtplab.authentication.ranges import Ranges
from smtplab.authentication.spf_networks import seen, used
from smtplab.authentication.spf_record import MAX_LOOKUPS, SpfRecord, SpfTerm
from smtplab.names.suffixes import organization

COLUMNS = ["term", "lookups", "from", "to", "voids", "networks", "addresses", "owner", "service", "used", "note"]


def spf_costs(evidence: AuthEvidence, domain: str, *tables: pd.DataFrame) -> pd.DataFrame:
    """A row a term of the domain's own record (and of its redirect target), in order.

    `tables` with the column source_ip (outcomes, aggregate) tell who sends.

    Columns: term, lookups (its own and all below it), from and to (their numbers; NA where it costs none), voids,
    networks and addresses (IPv4 only) that it authorises, owner (organizational domain of its target), service (where
    known), used (sightings of senders in its networks; NA where the case holds no such evidence), note.
    """
    return costs(evidence.spf_record(domain), seen(*tables))


def costs(record: SpfRecord | None, sightings: Mapping[str, int] | None = None) -> pd.DataFrame:
    """The same of one record."""
    rows = [_row(record, t, sightings or {}) for t in record.own()] if record else []
    numbers = ("lookups", "from", "to", "voids", "networks", "addresses", "used")
    return pd.DataFrame(rows, columns=COLUMNS).astype(dict.fromkeys(numbers, "Int64"))


def _row(record: SpfRecord, term: SpfTerm, sightings: Mapping[str, int]) -> dict[str, object]:
    # What a redirect leads to follows in rows of its own.
    below = [term] if term.name == "redirect" else list(term.all())
    numbers = [t.lookup for t in below if t.lookup]
    networks = [n for top, t in record.passing() if top is term for n in t.networks]
    owner = organization(term.target) if term.target else ""
    notes = dict.fromkeys(t.note for t in below if t.note)
    if numbers and max(numbers) > MAX_LOOKUPS:
        notes["beyond the tenth look-up"] = None
    return {
        "term": term.text,
        "lookups": len(numbers),
        "from": min(numbers, default=None),
        "to": max(numbers, default=None),
        "voids": max(sum(t.voids[f] for t in below) for f in (0, 1)),
        "networks": len(dict.fromkeys(networks)),
        "addresses": Ranges.of(networks).count(4),
        "owner": owner,
        "service": service(term.target) if term.target else "",
        "used": used(networks, sightings) if networks else None,
        "note": "; ".join(notes),
    }
