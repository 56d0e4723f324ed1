"""Would this address pass? check_host() of RFC 7208 for an address, a MAIL FROM and a HELO, with its whole working.

spftrace evaluates, through our queries, so that a verdict replays; what it did is told as a tree in terms of ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, cast

import pandas as pd
import spftrace
from spftrace.macros import MacroContext, expand, truncate_domain
from spftrace.parser import DNS_MECHANISMS, Term
from spftrace.resolver import DnsError
from spftrace.session import EvaluationSession, Limits

from smtplab import markup
from smtplab.authentication.spf import collect
from smtplab.authentication.spf_record import IS_SPF, pasted
from smtplab.case import Case
from smtplab.net import Network
from smtplab.net.dns import State, query

Verdict = Literal["pass", "fail", "softfail", "neutral", "none", "permerror", "temperror"]
Outcome = Literal["match", "no match", "followed", "error"]

MAX_QUERIES = 150
"""Ten `mx` with ten hosts each, and their own questions: more than any record within the limits can ask."""
_SHOWN = 4
_SPACES = re.compile(r"%.| ", re.DOTALL)


@dataclass(frozen=True)
class SpfStep:
    """One term that was looked at.

    `domain` is the domain whose record holds it, `depth` how far below the checked domain's record that stands,
    `lookup` the number of its DNS look-up (0: it costs none), `voids` how many of its questions found nothing,
    `asked` its DNS questions with their answers, `why` a phrase that gives the reason of the outcome.
    """

    term: str
    domain: str
    depth: int
    lookup: int
    outcome: Outcome
    why: str
    voids: int = 0
    asked: tuple[str, ...] = ()


@dataclass(frozen=True)
class SpfCheck:
    """What a receiver would say to one message, and how it gets there.

    `mechanism` is the term of the domain's own record that decided ("default" where none did, "" without a record),
    `lookups` and `void_lookups` count for this address, `worst_case_lookups` for the record as a whole (None where
    it was not read), `why` says what went wrong, `explanation` is the domain's own text for a fail, `asked` the
    question for the record itself.
    """

    domain: str
    ip: str
    sender: str
    helo: str
    result: Verdict
    mechanism: str = ""
    lookups: int = 0
    void_lookups: int = 0
    worst_case_lookups: int | None = None
    why: str = ""
    explanation: str = ""
    record: str = ""
    asked: tuple[str, ...] = ()
    trace: tuple[SpfStep, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as printed by `smtplab spf --json`."""
        return asdict(self)

    def frame(self) -> pd.DataFrame:
        """A row a term in the order of evaluation: lookup (NA: costs none), term, in, outcome, why, asked, voids."""
        rows = [
            (s.lookup or None, "\u2003" * s.depth + s.term, s.domain, s.outcome, s.why, "; ".join(s.asked), s.voids)
            for s in self.trace
        ]
        frame = pd.DataFrame(rows, columns=["lookup", "term", "in", "outcome", "why", "asked", "voids"])
        return frame.astype({"lookup": "Int64"})

    def headline(self) -> str:
        """One sentence: who would get which answer, for what reason and at which cost."""
        cost = f"{self.lookups} look-up{'' if self.lookups == 1 else 's'}, {self.void_lookups} empty"
        if self.worst_case_lookups is not None:
            cost += f"; {self.worst_case_lookups} in the worst case"
        reason = f": {self.why}" if self.why else f" by {self.mechanism}" if self.mechanism else ""
        return f"{self.result}{reason} — {self.ip} as {self.sender} ({cost})"

    def __repr__(self) -> str:
        lines = [self.headline(), f"{self.domain}  {self.record or '; '.join(self.asked)}".rstrip()]
        for step in self.trace:
            number = f"{step.lookup:>2} " if step.lookup else "   "
            lines.append(f"{number}{'│ ' * step.depth}├ {step.term}  {step.outcome}: {step.why}")
        if self.explanation:
            lines.append(f"explanation: {self.explanation}")
        return "\n".join("".join(c if c.isprintable() else " " for c in line) for line in lines)

    def _repr_html_(self) -> str:
        return markup.frame_table(self.frame()[["lookup", "term", "outcome", "why"]], caption=self.headline())


def spf_check(
    case: Case, domain: str, address: str, *, sender: str = "", helo: str = "", record: str | None = None
) -> SpfCheck:
    """What a receiver would say to mail from `address` with `domain` in the envelope; `record` for a what-if.

    Asks live or from the recording, as the case was opened; a question that is not recorded gives temperror.
    """
    return case.network.run(check(case.network, domain, address, sender=sender, helo=helo, record=record))


async def check(
    network: Network, domain: str, address: str, *, sender: str = "", helo: str = "", record: str | None = None
) -> SpfCheck:
    """The evaluation for one address, beside the cost of the record as a whole."""
    done = await evaluate(network, address, sender, helo, domain=domain, record=record)
    whole = await collect(network, domain, record)
    return replace(done, worst_case_lookups=whole.lookups if whole.records else None)


async def evaluate(
    network: Network, address: str, sender: str = "", helo: str = "", *, domain: str = "", record: str | None = None
) -> SpfCheck:
    """check_host() of RFC 7208; `domain` where it is not that of `sender`, `record` in place of the published one.

    Never raises for what is published. The sender of a bounce ("") is postmaster at the HELO (section 2.4).
    """
    sender = sender.strip() or f"postmaster@{domain or helo}"
    domain = (domain or sender.rpartition("@")[2] or helo).rstrip(".")
    given = pasted(record) if record is not None else None
    evaluator = _Evaluator(Resolver(network), domain, given)
    made = SpfCheck(domain, address, sender, helo or domain, "none", record=given or "")
    if given is not None and not IS_SPF.match(given):
        return replace(made, why="the record given does not begin with v=spf1")
    try:
        result = await evaluator.evaluate(address, sender, helo)
    except ValueError as e:
        # A number of thousands of digits in a macro: no grammar of RFC 7208 allows what it would do.
        return replace(made, result="permerror", why=str(e)[:200], trace=evaluator.steps())
    verdict = cast("Verdict", result.result)
    return replace(
        made,
        ip=_plain(address),
        result=verdict,
        mechanism=evaluator.mechanism or ("default" if verdict == "neutral" else ""),
        lookups=result.dns_terms_used,
        void_lookups=result.void_lookups_used,
        why=evaluator.reason(result),
        explanation=result.explanation or "",
        record=made.record or evaluator.policy(result),
        asked=evaluator.first,
        trace=evaluator.steps(),
    )


def _plain(address: str) -> str:
    try:
        return str(spftrace.evaluator.normalise_ip(address))
    except ValueError:
        return address


class Resolver(spftrace.BaseResolver):
    """spftrace's transport over our queries, so that an evaluation replays."""

    def __init__(self, network: Network) -> None:
        self.network = network

    async def _lookup(self, name: str, rtype: str) -> tuple[str, list[str]]:
        answer = await query(self.network, name, rtype)
        if answer.state is State.UNKNOWN:
            # Any word but NOERROR and NXDOMAIN is a temporary error; the reason itself tells more than SERVFAIL.
            return answer.why or "SERVFAIL", []
        return answer.rcode, [r.split(" ", 1)[1] for r in answer.records] if rtype == "MX" else list(answer.records)


class _Session(EvaluationSession):
    """RFC 7208 section 4.6.4 limits the terms that find nothing: one that asks an empty question again counts again."""

    async def query(self, name: str, rtype: str) -> tuple[str, list[str]]:
        answer: tuple[str, list[str]] = await super().query(name, rtype)
        last = self.queries[-1]
        if last.void and last.source == "cache" and not self._void_exempt:
            self.limits.void_used += 1
            self._enforce_void(name)
        return answer


class _Macros(MacroContext):
    """The nibbles of an IPv6 address in capitals, as RFC 7208 section 7.4 writes them."""

    def ip_macro(self) -> str:
        return str(super().ip_macro()).upper()


@dataclass
class _Open:
    """A step while it is evaluated."""

    term: str
    name: str
    domain: str
    depth: int
    lookup: int
    outcome: Outcome = "error"
    why: str = ""
    voids: int = 0
    asked: list[str] = field(default_factory=list)
    found: bool = False

    def take(self, queries: list[Any]) -> None:
        """Note DNS questions as asked by this term."""
        for q in queries:
            self.asked.append(_said(q))
            self.voids += q.void
            self.found = self.found or bool(q.answers)


class _Evaluator(spftrace.Evaluator):
    """Evaluation with the working noted a term at a time.

    spftrace 0.3 drops every explanation that holds a space or a percent sign; this one keeps them.
    """

    def __init__(self, resolver: spftrace.BaseResolver, domain: str, record: str | None) -> None:
        super().__init__(resolver, limits=Limits(max_queries=MAX_QUERIES), receiver="unknown", policy_override=record)
        self.start = domain
        self.opened: list[_Open] = []
        self.stack: list[_Open] = []
        self.taken = 0
        self.verdict = self.mechanism = self.failed = ""
        self.first: tuple[str, ...] = ()

    def _begin(self) -> None:
        super()._begin()
        self.session = _Session(self.resolver, self.limits, self.trace)

    def steps(self) -> tuple[SpfStep, ...]:
        return tuple(
            SpfStep(s.term, s.domain, s.depth, s.lookup, s.outcome, s.why, s.voids, tuple(s.asked)) for s in self.opened
        )

    def reason(self, result: spftrace.Result) -> str:
        """What went wrong: at a term, or before the first one was read."""
        event = next((e for e in result.trace.events if e.kind == "exit"), None)
        return self.failed or (self._phrase(event.data["reason"], result.result == "temperror") if event else "")

    def _phrase(self, error: object, temporary: bool) -> str:
        last = self.session.queries[-1] if self.session.queries else None
        if temporary and last and last.rcode not in ("NOERROR", "NXDOMAIN"):
            return f"{last.rtype} {last.name}: {last.rcode}"
        if self.limits.terms_used > self.limits.max_terms:
            return f"look-up {self.limits.terms_used}; receivers stop after {self.limits.max_terms}"
        if self.limits.void_used > self.limits.max_void:
            return f"look-up {self.limits.void_used} that finds nothing; receivers stop after {self.limits.max_void}"
        return str(error)[:200]

    def policy(self, result: spftrace.Result) -> str:
        return next((str(e.data["policy"]) for e in result.trace.events if "policy" in e.data), "")

    async def check_host(
        self, ip: Any, domain: str, sender: str, helo: str, use_exp: bool = False
    ) -> tuple[str, Term | None, str]:
        domain = domain if self.stack else self.start
        done: tuple[str, Term | None, str] = await super().check_host(ip, domain, sender, helo, use_exp)
        self.verdict = done[0]
        return done

    async def _fetch_policy(self, domain: str) -> str:
        try:
            return str(await super()._fetch_policy(domain))
        finally:
            if not self.stack:
                self.first = tuple(_said(q) for q in self.session.queries)
                self.taken = len(self.session.queries)

    async def _eval_mechanism(self, term: Term, ctx: MacroContext) -> bool:
        own = all(s.name == "redirect" for s in self.stack)
        lookup = self.limits.terms_used + 1 if term.name in DNS_MECHANISMS else 0
        with self._step(term, ctx.domain, lookup) as step:
            matched = bool(await super()._eval_mechanism(term, ctx))
            self._settle()
            step.outcome = "match" if matched else "no match"
            step.why = self._why(step, term, ctx, matched)
        if matched and own:
            self.mechanism = term.raw
        return matched

    async def _eval_redirect(
        self, term: Term, ctx: MacroContext, sender: str, helo: str, use_exp: bool
    ) -> tuple[str, Term | None, str]:
        with self._step(term, ctx.domain, self.limits.terms_used + 1) as step:
            done: tuple[str, Term | None, str] = await super()._eval_redirect(term, ctx, sender, helo, use_exp)
            step.outcome, step.why = "followed", f"{self._target_of(step, term)} says {done[0]}"
        return done

    @contextmanager
    def _step(self, term: Term, domain: str, lookup: int) -> Iterator[_Open]:
        self._settle()
        step = _Open(term.raw, term.name, domain, len(self.stack), lookup)
        self.opened.append(step)
        self.stack.append(step)
        try:
            yield step
        except (spftrace.SpfError, DnsError, ValueError) as e:
            temporary = isinstance(e, spftrace.SpfTempError | DnsError)
            step.why = "what it leads to has an error" if self.failed else self._phrase(e, temporary)
            self.failed = self.failed or f"{step.term}: {step.why}"
            if all(s.name == "redirect" for s in self.stack[:-1]) and not self.mechanism:
                self.mechanism = term.raw
            raise
        finally:
            self._settle()
            self.stack.pop()

    def _settle(self) -> None:
        """Lay the questions since the last time at the door of the innermost term."""
        if self.stack:
            self.stack[-1].take(self.session.queries[self.taken :])
            self.taken = len(self.session.queries)

    def _target_of(self, step: _Open, term: Term) -> str:
        return next((a.split(" ", 1)[1].split(": ")[0] for a in step.asked), term.arg or step.domain)

    def _why(self, step: _Open, term: Term, ctx: MacroContext, matched: bool) -> str:
        match term.name:
            case "all":
                return "matches every sender"
            case "ip4" | "ip6":
                if (term.name == "ip4") != ctx.is_v4:
                    return f"{ctx.ip} is of the other family"
                return f"{ctx.ip} is {'' if matched else 'not '}in {term.arg}/{term.cidr4 if ctx.is_v4 else term.cidr6}"
            case "include":
                return f"{self._target_of(step, term)} says {self.verdict}"
            case "exists":
                return "the name has an address" if matched else "the name has no address"
            case "ptr":
                return f"a reverse name of {ctx.ip} is {'' if matched else 'not '}below the domain"
        bits = self._cidr(term, ctx)
        near = "" if bits == ctx.ip.max_prefixlen else f" within /{bits}"
        if matched:
            return f"{ctx.ip} is among its addresses{near}"
        return f"{ctx.ip} is not among its addresses{near}" if step.found else "nothing stands there"

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
                return str(await expand(spelled, context, exp=True))
        except (spftrace.SpfError, DnsError, ValueError):
            return None


def _said(asked: Any) -> str:
    """One DNS question with its answer; of TXT records only those that are SPF."""
    answers = [a for a in asked.answers if asked.rtype != "TXT" or IS_SPF.match(a)]
    more = f" and {len(answers) - _SHOWN} more" if len(answers) > _SHOWN else ""
    if asked.rcode == "NOERROR":
        what = ", ".join(a[:500] for a in answers[:_SHOWN]) + more or "nothing"
    else:
        what = asked.rcode
    return f"{asked.rtype} {asked.name}: {what}"
