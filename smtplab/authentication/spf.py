"""SPF, RFC 7208: which hosts may send with this domain in the envelope, and what the record costs to evaluate.

This module reads a record and everything it includes, in the order of evaluation; one flaw never hides the next.
`spf_record` holds what was read, `spf_trace` evaluates for one address.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Awaitable, Iterable
from dataclasses import replace

import spftrace
from spftrace.macros import MacroContext, expand, truncate_domain
from spftrace.parser import DNS_MECHANISMS, Term, parse

from smtplab.authentication.spf_record import (
    MAX_MX,
    MAX_TERM,
    Flaw,
    Problem,
    SpfRecord,
    SpfTerm,
    merged,
    pasted,
    spf_texts,
)
from smtplab.names.suffixes import sold_as
from smtplab.net import Network
from smtplab.net.dns import DnsAnswer, State, addresses, query

MOST_TERMS = 400
"""Where this reader stops: ten look-ups never get that far."""
MOST_LOOKUPS = 60
MOST_NETWORKS = 1_000
MAX_DEPTH = 12
MODIFIERS = frozenset({"redirect", "exp", "ra", "rp", "rr"})
"""RFC 7208 section 6 and RFC 6652: modifiers that mean something."""
_HEAD = len("v=spf1")
_OF_MESSAGE = re.compile(r"%\{[^d]", re.IGNORECASE)
"""RFC 7208 section 7.2: every macro but that of the domain differs from message to message."""
_NOBODY = ipaddress.IPv4Address(0)


async def collect(network: Network, domain: str, record: str | None = None) -> SpfRecord:
    """Read a domain's SPF record and everything it leads to; `record` in place of the published one.

    Two records are read as one, so that what else is wrong with them shows. Never raises for what is published.
    """
    if record is not None:
        texts: tuple[str, ...] = (pasted(record),)
        ttl, size = None, 0
    else:
        answer = await query(network, domain, "TXT")
        if answer.state is State.UNKNOWN:
            return SpfRecord(domain, State.UNKNOWN, why=answer.why)
        texts, ttl, size = answer.records, answer.ttl, answer_size(answer)
    records, nearly = spf_texts(texts)
    state = State.PRESENT if records else State.ABSENT
    walk = _Walk(network)
    top: tuple[SpfTerm, ...] = ()
    if records:
        top = await walk.record(domain, records[0] if len(records) == 1 else merged(records), (domain,), True)
        await walk.registrable()
    mail = None if records or nearly or record is not None else await _takes_mail(network, domain)
    return SpfRecord(
        domain,
        state,
        records,
        top,
        walk.all,
        walk.redirect,
        tuple(dict.fromkeys(walk.problems)),
        ttl=ttl,
        unknown=tuple(dict.fromkeys(walk.unknown)),
        nearly=nearly,
        size=size,
        what_if=record is not None,
        cut=walk.cut,
        mail=mail,
    )


async def _takes_mail(network: Network, domain: str) -> bool | None:
    """Whether a domain has an MX other than the null MX of RFC 7505; None where unknown."""
    answer = await query(network, domain, "MX")
    return None if answer.state is State.UNKNOWN else any(r.split()[-1] != "." for r in answer.records)


def answer_size(answer: DnsAnswer) -> int:
    """Bytes of the DNS answer to a TXT question without EDNS: head, question, and each record with its strings."""
    question = len(answer.name) + 2 + 4
    # A pointer to the name, type, class, time to live and length: twelve bytes a record.
    return 12 + question + sum(12 + sum(len(s.encode()) + 1 for s in strings) for strings in answer.strings)


class _Walk:
    """One walk through a record: the counters of a check, as a receiver keeps them."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.lookups = self.terms = self.networks = 0
        self.all = self.redirect = ""
        self.problems: list[Problem] = []
        self.unknown: list[str] = []
        self.gone: dict[str, tuple[str, str]] = {}
        self.cut = False

    def tell(self, flaw: Flaw, domain: str, term: str, what: str) -> None:
        self.problems.append(Problem(flaw, domain, term[:MAX_TERM], what))

    async def record(self, domain: str, text: str, path: tuple[str, ...], own: bool) -> tuple[SpfTerm, ...]:
        mechanisms, redirect = self._parts(domain, text, own)
        if own:
            self.all = next((f"{t.qualifier}all" for t in mechanisms if t.name == "all"), "")
        await self._foresee([*mechanisms, *([redirect] if redirect else [])], domain)
        made: list[SpfTerm] = []
        for term in [*mechanisms, *([redirect] if redirect else [])]:
            if self.terms >= MOST_TERMS or self.lookups >= MOST_LOOKUPS or self.networks >= MOST_NETWORKS:
                self.cut = True
                break
            self.terms += 1
            made.append(await self._term(term, domain, path, own))
        return tuple(made)

    def _parts(self, domain: str, text: str, own: bool) -> tuple[list[Term], Term | None]:
        """The mechanisms up to `all`, and the redirect if it counts; tells what is wrong with the rest."""
        raws = [t for t in text[_HEAD:].split(" ") if t]
        self.cut = self.cut or len(raws) > MOST_TERMS
        terms = [t for t in (self._parse(domain, raw) for raw in raws[:MOST_TERMS]) if t]
        mechanisms = [t for t in terms if t.is_mechanism]
        end = next((i for i, t in enumerate(mechanisms) if t.name == "all"), None)
        redirects = [t for t in terms if t.name == "redirect"]
        for name in ("redirect", "exp"):
            if sum(t.name == name for t in terms) > 1:
                self.tell(Flaw.SYNTAX, domain, f"{name}=", "stands twice")
        if own:
            self._lint(domain, terms, mechanisms, end)
        if end is not None:
            return mechanisms[: end + 1], None
        return mechanisms, redirects[0] if redirects else None

    def _parse(self, domain: str, raw: str) -> Term | None:
        try:
            return parse(f"v=spf1 {raw}").terms[0]
        except (spftrace.SpfError, ValueError) as e:
            self.tell(Flaw.SYNTAX, domain, raw, str(e)[:200])
            return None

    def _lint(self, domain: str, terms: list[Term], mechanisms: list[Term], end: int | None) -> None:
        for term in terms:
            if not term.is_mechanism and term.name not in MODIFIERS:
                self.tell(Flaw.MODIFIER, domain, term.raw, "is no modifier of SPF and is ignored")
            elif term.name == "ptr":
                self.tell(Flaw.PTR, domain, term.raw, "asks for reverse names")
            elif term.name == "redirect" and end is not None:
                self.tell(Flaw.REDIRECT, domain, term.raw, "is ignored, because the record has all")
        if end is not None:
            for term in mechanisms[end + 1 :]:
                self.tell(Flaw.BEHIND, domain, term.raw, f"stands behind {mechanisms[end].raw}")
        elif not any(t.name == "redirect" for t in terms):
            self.tell(Flaw.NO_ALL, domain, "", "ends without all")

    async def _foresee(self, terms: list[Term], domain: str) -> None:
        """Ask at once what the walk will ask in order, so that a record costs one round trip a level."""
        asks: list[Awaitable[object]] = []
        for term in terms[: MOST_TERMS - self.terms]:
            if not (name := await _target(term, domain)) or len(asks) >= MOST_LOOKUPS - self.lookups:
                continue
            if term.name in ("include", "redirect"):
                asks.append(query(self.network, name, "TXT"))
            elif term.name == "a":
                asks.append(addresses(self.network, name))
            elif term.name == "mx":
                asks.append(query(self.network, name, "MX"))
        await asyncio.gather(*asks)

    async def _term(self, term: Term, domain: str, path: tuple[str, ...], own: bool) -> SpfTerm:
        before = self.lookups
        asks = term.name in DNS_MECHANISMS or term.name == "redirect"
        self.lookups += asks
        target = await _target(term, domain)
        made = SpfTerm(
            term.raw, term.name, term.qualifier, domain, path, self.lookups if asks else 0, before, own, target
        )
        if term.name in ("ip4", "ip6"):
            return replace(made, networks=self._networks(made, term, [str(term.arg)]))
        if asks and not target:
            return replace(made, known=False, note="depends on the message")
        match term.name:
            case "include" | "redirect":
                return await self._follow(made)
            case "a":
                return await self._hosts(made, term, [target])
            case "mx":
                return await self._mx(made, term)
            case "exists":
                return await self._exists(made)
        return made

    async def _follow(self, made: SpfTerm) -> SpfTerm:
        target, own = made.target, made.own and made.name == "redirect"
        if own:
            self.redirect = target
        if target in made.path or len(made.path) >= MAX_DEPTH:
            return self._broken(made, Flaw.LOOP, "leads back to itself")
        answer = await query(self.network, target, "TXT")
        if why := self._unanswered(made, answer):
            return replace(made, known=False, note=why)
        records, _ = spf_texts(answer.records)
        made = replace(made, voids=(int(answer.absent),) * 2)
        if answer.rcode == "NXDOMAIN":
            return self._broken(made, Flaw.GONE, "the domain does not exist")
        if not records:
            return self._broken(made, Flaw.BARE, "no SPF record there")
        if len(records) > 1:
            return self._broken(made, Flaw.SEVERAL, f"{len(records)} SPF records there")
        return replace(made, inner=await self.record(target, records[0], (*made.path, target), own))

    def _broken(self, made: SpfTerm, flaw: Flaw, what: str) -> SpfTerm:
        self.tell(flaw, made.domain, made.text, what)
        return replace(made, note=what)

    def _unanswered(self, made: SpfTerm, *answers: DnsAnswer) -> str:
        """Why an answer is unknown, or ""; a name that does not exist is kept, since somebody may register it."""
        for answer in answers:
            if answer.rcode == "NXDOMAIN":
                self.gone.setdefault(answer.cname or answer.name, (made.domain, made.text))
        silent = [a for a in answers if a.state is State.UNKNOWN]
        self.unknown += [a.name for a in silent]
        return f"unknown: {silent[0].why}" if silent else ""

    async def _mx(self, made: SpfTerm, term: Term) -> SpfTerm:
        answer = await query(self.network, made.target, "MX")
        if why := self._unanswered(made, answer):
            return replace(made, known=False, note=why)
        if answer.absent:
            return replace(made, voids=(1, 1), note="no MX records")
        if len(answer.records) > MAX_MX:
            self.tell(Flaw.MX, made.domain, made.text, f"finds {len(answer.records)} MX records, more than ten")
        return await self._hosts(made, term, [r.split()[-1] for r in answer.records][:MAX_MX])

    async def _hosts(self, made: SpfTerm, term: Term, hosts: Iterable[str]) -> SpfTerm:
        found: list[str] = []
        for host in hosts:
            if host == ".":
                continue
            ips, *answers = await addresses(self.network, host)
            found += ips
            why = self._unanswered(made, *answers)
            voids = made.voids[0] + answers[0].absent, made.voids[1] + answers[1].absent
            made = replace(made, voids=voids, known=made.known and not why, note=why or made.note)
        note = "" if found else "no address there"
        return replace(made, networks=self._networks(made, term, found), note=made.note or note)

    async def _exists(self, made: SpfTerm) -> SpfTerm:
        answer = await query(self.network, made.target, "A")
        if why := self._unanswered(made, answer):
            return replace(made, known=False, note=why)
        if answer.absent:
            return replace(made, voids=(1, 1), note="matches nobody")
        return replace(made, networks=("0.0.0.0/0", "::/0"), note="matches every sender")

    def _networks(self, made: SpfTerm, term: Term, found: list[str]) -> tuple[str, ...]:
        networks = {}
        for address in found:
            bits = term.cidr6 if ":" in address else term.cidr4
            try:
                text = f"{address}/{bits}" if bits is not None else address
                networks[str(ipaddress.ip_network(text, strict=False))] = True
            except ValueError:
                self.tell(Flaw.SYNTAX, made.domain, made.text, "not a network")
        self.networks += len(networks)
        return tuple(networks)

    async def registrable(self) -> None:
        """Which of the names that do not exist anyone could register, with all that they would then authorise."""
        owners = {name: owner for name in self.gone if (owner := sold_as(name))}
        asked = list(dict.fromkeys(owners.values()))[:MOST_LOOKUPS]
        answers = await asyncio.gather(*(query(self.network, o, "NS") for o in asked))
        free = {o for o, a in zip(asked, answers, strict=True) if a.exists is False}
        for name, owner in owners.items():
            if owner in free:
                domain, term = self.gone[name]
                self.tell(Flaw.REGISTRABLE, domain, term, owner)


async def _target(term: Term, domain: str) -> str:
    """The name a term asks for; "" where it asks for none, or where the message decides."""
    if term.name not in (*DNS_MECHANISMS, "redirect") or term.name == "ptr":
        return ""
    target = term.arg or domain
    if "%" in target:
        if _OF_MESSAGE.search(target):
            return ""
        target = truncate_domain(await expand(target, MacroContext(_NOBODY, "", "", domain)))
    return target.lower().rstrip(".")
