"""Does a signed zone prove that a name or a type is not there? RFC 4035 section 5.4 (NSEC), 5155 section 8 (NSEC3).

Both say the same in two alphabets: a record stands at a name, and names the next one; nothing lies between. Whether
the records themselves are signed is checked before (dnssec.py).
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Protocol

import dns.dnssec
import dns.name
import dns.rdatatype

MAX_ITERATIONS = 100
"""RFC 9276 section 3.2 asks for none; more than this burns our time, and resolvers take the zone for unsigned."""
_NS, _SOA, _DNAME = dns.rdatatype.NS, dns.rdatatype.SOA, dns.rdatatype.DNAME
Owned = tuple[dns.name.Name, Any]
"""An owner and its NSEC or NSEC3 rdata."""


class Unproved(Exception):
    """The records do not prove it, and why."""


class _Chain(Protocol):
    def matching(self, name: dns.name.Name) -> Any | None:
        """The record that stands at a name."""

    def covering(self, name: dns.name.Name) -> Any | None:
        """The record that says that nothing stands at a name."""

    def encloser(self, name: dns.name.Name) -> dns.name.Name | None:
        """The longest part of a name that is proved to exist."""


def check(name: dns.name.Name, rtype: dns.rdatatype.RdataType, zone: dns.name.Name, records: Sequence[Owned]) -> None:
    """Raise Unproved unless the records of a zone prove that there is no such type at the name."""
    three = [(owner, rdata) for owner, rdata in records if rdata.rdtype == dns.rdatatype.NSEC3]
    chain: _Chain = _Hashed(three, zone) if three else _Plain(records)
    if (found := chain.matching(name)) is not None:
        _lacks(found, rtype)
        return
    encloser = chain.encloser(name)
    if encloser is None or not encloser.is_subdomain(zone):
        raise Unproved("no record says what exists about it")
    if encloser == name:
        # Names below it exist, so it does, and has no records: nothing stands at it.
        return
    closer = name.split(len(encloser) + 1)[1]
    found = chain.covering(closer)
    if found is None:
        raise Unproved("no record says that the name is not there")
    if found.rdtype == dns.rdatatype.NSEC3 and found.flags & 1:
        raise Unproved("the zone leaves unsigned delegations out (opt-out), so it may be one")
    wildcard = dns.name.Name([b"*"]) + encloser
    if (found := chain.matching(wildcard)) is not None:
        _lacks(found, rtype)
    elif chain.covering(wildcard) is None:
        raise Unproved("no record says that a wildcard does not answer")


def _lacks(rdata: Any, rtype: dns.rdatatype.RdataType) -> None:
    if _has(rdata, rtype) or _has(rdata, dns.rdatatype.CNAME):
        raise Unproved(f"the zone says that there is {dns.rdatatype.to_text(rtype)}, or an alias")
    if _delegates(rdata) and rtype != dns.rdatatype.DS:
        raise Unproved("the record belongs to the zone above")


def _has(rdata: Any, rtype: int) -> bool:
    window, rest = divmod(rtype, 256)
    return any(w == window and rest // 8 < len(b) and b[rest // 8] & (0x80 >> rest % 8) for w, b in rdata.windows)


def _delegates(rdata: Any) -> bool:
    """A cut: what lies below is another zone's to tell (RFC 6840 section 4.1)."""
    return (_has(rdata, _NS) and not _has(rdata, _SOA)) or _has(rdata, _DNAME)


class _Plain:
    """NSEC: names in canonical order."""

    def __init__(self, records: Sequence[Owned]) -> None:
        self.records = [(o, r) for o, r in records if r.rdtype == dns.rdatatype.NSEC]

    def matching(self, name: dns.name.Name) -> Any | None:
        return next((r for o, r in self.records if o == name), None)

    def covering(self, name: dns.name.Name) -> Any | None:
        return next((r for _, r in self._about(name)), None)

    def encloser(self, name: dns.name.Name) -> dns.name.Name | None:
        known = [_common(name, other) for owner, r in self._about(name) for other in (owner, r.next)]
        return max(known, key=len, default=None)

    def _about(self, name: dns.name.Name) -> list[Owned]:
        """The last record of a zone leads back to its first."""
        between = [(o, r) for o, r in self.records if o < name and (name < r.next or r.next <= o)]
        return [(o, r) for o, r in between if not (name.is_subdomain(o) and _delegates(r))]


def _common(one: dns.name.Name, other: dns.name.Name) -> dns.name.Name:
    return one.split(one.fullcompare(other)[2])[1]


class _Hashed:
    """NSEC3: hashes of names in their order."""

    def __init__(self, records: Sequence[Owned], zone: dns.name.Name) -> None:
        first = records[0][1]
        self.how = (first.salt, first.iterations, first.algorithm)
        if first.iterations > MAX_ITERATIONS or any(
            (r.salt, r.iterations, r.algorithm) != self.how for _, r in records
        ):
            raise Unproved("its names are hashed in more ways, or more often, than is sensible (RFC 9276)")
        self.zone = zone
        self.spans = [
            (o.labels[0].decode("ascii", "replace").upper(), base64.b32hexencode(r.next).decode(), r)
            for o, r in records
            if o.parent() == zone
        ]

    def _hash(self, name: dns.name.Name) -> str:
        return dns.dnssec.nsec3_hash(name, *self.how)

    def matching(self, name: dns.name.Name) -> Any | None:
        wanted = self._hash(name)
        return next((r for own, _, r in self.spans if own == wanted), None)

    def covering(self, name: dns.name.Name) -> Any | None:
        wanted = self._hash(name)
        fits = (r for own, end, r in self.spans if own < wanted < end or (end <= own and not end <= wanted <= own))
        return next(fits, None)

    def encloser(self, name: dns.name.Name) -> dns.name.Name | None:
        above = name
        while above != self.zone and above != dns.name.root:
            above = above.parent()
            if (found := self.matching(above)) is not None:
                return None if _delegates(found) else above
        return None
