"""SPF, RFC 7208: which hosts may send with this domain in the envelope, and what the record costs to evaluate.

Evaluation for one address is spftrace's. What this module adds is the whole record at once: every term with its
place in the order of look-ups, so that it shows which networks a receiver never gets to.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import spftrace
from spftrace.macros import MacroContext, expand, truncate_domain
from spftrace.parser import DNS_MECHANISMS, Term, parse
from spftrace.resolver import DnsError

from smtplab.net import Network
from smtplab.net.dns import DnsAnswer, State, addresses, query

MAX_LOOKUPS = 10
"""RFC 7208 section 4.6.4: terms that cause DNS queries."""
MAX_VOIDS = 2
"""RFC 7208 section 4.6.4: look-ups that may find nothing."""
MAX_TERMS = 400
"""Where this reader stops: ten look-ups never get that far."""
MAX_DEPTH = 12
_VERSION = re.compile(r"^v=spf1(?=$| )", re.IGNORECASE)
_MACRO = re.compile(r"%\{")
_SPACES = re.compile(r"%.| ", re.DOTALL)


@dataclass(frozen=True)
class SpfTerm:
    """One term in the order of evaluation.

    `lookup` is the number of its look-up (0: costs none), `before` how many were spent when a receiver reaches
    it, `path` the domains through which it is reached, `networks` what it authorises.
    """

    text: str
    domain: str
    path: tuple[str, ...]
    lookup: int
    before: int
    networks: tuple[str, ...] = ()
    void: bool = False
    note: str = ""

    @property
    def depth(self) -> int:
        """0 in the domain's own record."""
        return len(self.path) - 1


@dataclass(frozen=True)
class SpfRecord:
    """What a domain publishes, and all that its evaluation may need.

    `all` is the result of the last `all` in the domain's own record or its redirect target ("" without one).
    """

    domain: str
    state: State
    records: tuple[str, ...] = ()
    terms: tuple[SpfTerm, ...] = ()
    lookups: int = 0
    voids: int = 0
    all: str = ""
    redirect: str = ""
    error: str = ""
    why: str = ""
    ttl: int | None = None
    unknown: tuple[str, ...] = field(default=())

    @property
    def record(self) -> str:
        """The one record, or ""."""
        return self.records[0] if len(self.records) == 1 else ""

    def networks(self) -> list[str]:
        """Every network the record means to authorise."""
        return _unique(n for t in self.terms for n in t.networks)

    def reachable(self) -> list[str]:
        """The networks that a receiver gets to within ten look-ups."""
        return _unique(n for t in self.terms if max(t.lookup, t.before) <= MAX_LOOKUPS for n in t.networks)

    def unreachable(self) -> list[str]:
        """The networks that are only authorised beyond the tenth look-up."""
        held = [ipaddress.ip_network(n, strict=False) for n in self.reachable()]
        return [n for n in self.networks() if not _inside(ipaddress.ip_network(n, strict=False), held)]


def _unique(values: Iterator[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _inside(network: Any, held: list[Any]) -> bool:
    return any(network.version == h.version and network.subnet_of(h) for h in held)


async def collect(network: Network, domain: str) -> SpfRecord:
    """Read a domain's SPF record and everything it includes, in the order of evaluation."""
    answer = await query(network, domain, "TXT")
    records = tuple(r for r in answer.records if _VERSION.match(r))
    if answer.state is State.UNKNOWN:
        return SpfRecord(domain, State.UNKNOWN, why=answer.why)
    if len(records) != 1:
        return SpfRecord(domain, State.PRESENT if records else State.ABSENT, records, ttl=answer.ttl)
    walk = _Walk(network)
    await walk.record(domain, records[0], (domain,))
    return SpfRecord(
        domain,
        State.PRESENT,
        records,
        tuple(walk.terms),
        walk.lookups,
        walk.voids,
        walk.all,
        walk.redirect,
        walk.error,
        ttl=answer.ttl,
        unknown=tuple(dict.fromkeys(walk.unknown)),
    )


class _Walk:
    """One walk through a record: the counters of a check, as a receiver keeps them."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.terms: list[SpfTerm] = []
        self.lookups = self.voids = 0
        self.all = self.redirect = self.error = ""
        self.unknown: list[str] = []

    async def record(self, domain: str, text: str, path: tuple[str, ...]) -> None:
        try:
            parsed = parse(text)
        except spftrace.SpfError as e:
            self.error = self.error or f"{domain}: {e}"
            return
        own = len(path) == 1 or (bool(self.redirect) and path[-1] == self.redirect)
        for term in parsed.terms:
            if len(self.terms) >= MAX_TERMS:
                self.error = self.error or f"more than {MAX_TERMS} terms"
                return
            if not term.is_mechanism:
                continue
            await self._mechanism(term, domain, path)
            if term.name == "all":
                if own:
                    self.all = f"{term.qualifier}all"
                return
        if parsed.redirect and parsed.redirect.arg:
            target = parsed.redirect.arg.lower().rstrip(".")
            if own:
                self.redirect = target
            await self._follow(parsed.redirect.raw, target, domain, path)

    async def _mechanism(self, term: Term, domain: str, path: tuple[str, ...]) -> None:
        if term.name == "include" and term.arg:
            await self._follow(term.raw, term.arg.lower().rstrip("."), domain, path)
            return
        before = self.lookups
        lookup = 0
        if term.name in DNS_MECHANISMS:
            self.lookups += 1
            lookup = self.lookups
        networks, void, note = await self._networks(term, domain)
        self.voids += void
        self.terms.append(SpfTerm(term.raw, domain, path, lookup, before, tuple(networks), void, note))

    async def _follow(self, raw: str, target: str, domain: str, path: tuple[str, ...]) -> None:
        before = self.lookups
        self.lookups += 1
        lookup = self.lookups
        if _MACRO.search(target):
            self.terms.append(SpfTerm(raw, domain, path, lookup, before, note="depends on the message: macro"))
            return
        if target in path or len(path) >= MAX_DEPTH:
            self.terms.append(SpfTerm(raw, domain, path, lookup, before, note="loop"))
            self.error = self.error or f"{domain}: {raw} leads back to itself"
            return
        answer = await query(self.network, target, "TXT")
        records = [r for r in answer.records if _VERSION.match(r)]
        note = self._follow_note(answer, records)
        self.voids += answer.absent
        self.terms.append(SpfTerm(raw, domain, path, lookup, before, void=answer.absent, note=note))
        if note:
            if answer.state is State.UNKNOWN:
                self.unknown.append(target)
            else:
                self.error = self.error or f"{domain}: {raw}: {note}"
            return
        await self.record(target, records[0], (*path, target))

    @staticmethod
    def _follow_note(answer: DnsAnswer, records: list[str]) -> str:
        if answer.state is State.UNKNOWN:
            return f"unknown: {answer.why}"
        if answer.rcode == "NXDOMAIN":
            return "the domain does not exist"
        return "" if len(records) == 1 else f"{len(records) or 'no'} SPF records there"

    async def _networks(self, term: Term, domain: str) -> tuple[list[str], bool, str]:
        if term.name in ("ip4", "ip6"):
            prefix = term.cidr4 if term.name == "ip4" else term.cidr6
            try:
                return (
                    [str(ipaddress.ip_network(f"{term.arg}/{prefix}" if prefix is not None else str(term.arg), False))],
                    False,
                    "",
                )
            except ValueError:
                return [], False, "not a network"
        if term.name not in ("a", "mx"):
            return [], False, "depends on the message" if term.name in ("ptr", "exists") else ""
        target = (term.arg or domain).lower().rstrip(".")
        if _MACRO.search(target):
            return [], False, "depends on the message: macro"
        hosts, void = [target], False
        if term.name == "mx":
            answer = await query(self.network, target, "MX")
            if answer.state is State.UNKNOWN:
                self.unknown.append(target)
            void = answer.absent
            if len(answer.records) > MAX_LOOKUPS:
                self.error = self.error or f"{domain}: {term.raw} finds {len(answer.records)} MX, more than ten"
            hosts = [r.split()[-1] for r in answer.records][:MAX_LOOKUPS]
        found: list[str] = []
        for host in hosts:
            ips, a, aaaa = await addresses(self.network, host)
            void = void or (term.name == "a" and a.absent and aaaa.absent)
            for ip in ips:
                bits = term.cidr4 if ":" not in ip else term.cidr6
                found.append(str(ipaddress.ip_network(f"{ip}/{bits}" if bits is not None else ip, strict=False)))
        return found, void, ""


class _Resolver(spftrace.BaseResolver):
    """spftrace's transport over our queries, so that an evaluation replays."""

    def __init__(self, network: Network) -> None:
        self.network = network

    async def _lookup(self, name: str, rtype: str) -> tuple[str, list[str]]:
        answer = await query(self.network, name, rtype)
        if answer.state is State.UNKNOWN:
            return ("TIMEOUT" if "timeout" in answer.why else "SERVFAIL"), []
        return answer.rcode, [r.split(" ", 1)[1] for r in answer.records] if rtype == "MX" else list(answer.records)


class _Macros(MacroContext):
    """The nibbles of an IPv6 address in capitals, as RFC 7208 section 7.4 writes them."""

    def ip_macro(self) -> str:
        return str(super().ip_macro()).upper()


class _Evaluator(spftrace.Evaluator):
    """spftrace 0.3 drops every explanation that holds a space or a percent sign; this one keeps them."""

    async def _explanation(self, ip: Any, domain: str, sender: str, helo: str, exp_term: Term) -> str | None:
        context = _Macros(ip=ip, sender=sender, helo=helo, domain=domain, receiver=self.receiver, session=self.session)
        try:
            with self.session.void_exempt():
                target = truncate_domain(await expand(exp_term.arg or "", context))
                _, answers = await self.session.query(target, "TXT")
                if len(answers) != 1:
                    return None
                # A literal space is spelled "%_" for the expansion, which knows macro-strings only.
                spelled = _SPACES.sub(lambda m: "%_" if m[0] == " " else m[0], answers[0])
                text = str(await expand(spelled, context, exp=True))
        except (spftrace.SpfError, DnsError, ValueError):
            return None
        self.trace.add("exp", domain=target, text=text)
        return text


async def evaluate(
    network: Network, address: str, sender: str, helo: str = "", *, record: str | None = None
) -> spftrace.Result:
    """check_host() of RFC 7208 for an address, a MAIL FROM and a HELO; `record` in place of the published one.

    The result carries the trace, so that every verdict shows its working.
    """
    evaluator = _Evaluator(_Resolver(network), policy_override=record)
    return await evaluator.evaluate(address, sender, helo)
