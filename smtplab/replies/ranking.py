"""Which rules may explain a reply, the best first: told from what was found in it, so alike for all replies alike.

Texts differ in addresses and numbers, seldom in what the rules find in them: so the order is kept, not made anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import NamedTuple

from smtplab.replies import confidence
from smtplab.replies.confidence import TEXTS, Evidence, Standing
from smtplab.replies.reply import Reply, RunnerUp
from smtplab.replies.rules import ANY, Mark, Rule, marks, rules

SURE = 0.6
"""With less confidence nobody is removed, whatever the reason."""


class Candidate(NamedTuple):
    """A rule that may fit, what it would rest on, and its number."""

    rule: Rule
    evidence: Evidence
    number: int


class Told(NamedTuple):
    """What is known of a reply beside its words, and what the marks in it say of provider and command."""

    found: tuple[int, ...]
    smtp: int | None
    enhanced: str
    who: str
    providers: tuple[str, ...]
    command: str
    whole: bool

    def fits(self, rule: Rule) -> bool:
        """Whether all but the text holds."""
        if rule.provider and not rule.unique and rule.whose.isdisjoint(self.providers):
            return False
        return rule.fits(self.smtp, self.enhanced, self.command)


class Ranking(NamedTuple):
    """The rules whose conditions hold, the best first; whether their texts are in the reply itself is to be seen."""

    candidates: tuple[Candidate, ...]
    first: Candidate | None
    verdict: Reply
    """If the first of them is right; where in the text it is, is not told yet."""
    told: Told


@lru_cache(maxsize=10_000)
def ranking(
    found: tuple[int, ...],
    smtp: int | None,
    enhanced: str,
    given: str,
    host: str,
    command: str,
    whole: bool,
    without: frozenset[str],
) -> Ranking:
    """All rules that fit. `found`: the ascending numbers of the patterns that are in the text.

    `given` is the provider that the caller named, `host` that of the host which the text names. `whole`: nothing but
    the reply is in the text. `without`: the rules of these ids are left out.
    """
    who, providers, asked = _whose(found, given, host, command)
    told = Told(found, smtp, enhanced, who, providers, asked, whole)
    candidates = tuple(c for c in _candidates(told) if c.rule.id not in without)
    first = candidates[0] if candidates else None
    return Ranking(candidates, first, verdict(told, first, rival(candidates, first)), told)


@lru_cache(maxsize=10_000)
def settled(found: tuple[int, ...], smtp: int | None, enhanced: str, given: str, host: str) -> bool:
    """Whether no rule that asks for a command comes first or second; for a text that is nothing but the reply."""
    who, providers, _ = _whose(found, given, host, "")
    fitting = _candidates(Told(found, smtp, enhanced, who, providers, ANY, True))
    first = next(fitting, None)
    other = next((c for c in fitting if first and c.rule.reason != first.rule.reason), None)
    return not any(c.rule.command for c in (first, other) if c)


def rival(candidates: tuple[Candidate, ...], first: Candidate | None) -> Rule | None:
    """The next rule with another reason than the first."""
    return next((c.rule for c in candidates if first and c.rule.reason != first.rule.reason), None)


def _whose(found: tuple[int, ...], given: str, host: str, command: str) -> tuple[str, tuple[str, ...], str]:
    """Whose reply it is and which command it answers, by what was given and by the marks in the text."""
    whose = [name for name in (given, host) if name in known()]
    for number in reversed(found):
        if number < len(rules()):
            break
        one = mark(number)
        if one.kind == "provider":
            whose.append(one.says)
        elif one.kind == "command" and not command:
            command = one.says
    providers = tuple(dict.fromkeys(whose))
    return providers[0] if providers else given, providers, command


def mark(number: int) -> Mark:
    """The mark of a pattern's number."""
    return marks()[number - len(rules())]


@cache
def known() -> frozenset[str]:
    """The providers that some rule is about."""
    return frozenset(name for rule in rules() for name in rule.provider)


class _Coded(NamedTuple):
    """The rules that look at one enhanced code alone."""

    own: tuple[Candidate, ...] = ()
    early: tuple[Candidate, ...] = ()
    plain: tuple[Candidate, ...] = ()
    generic: tuple[Candidate, ...] = ()
    reasons: frozenset[str] = frozenset()
    """What the code plainly means."""


_NO_CODE = _Coded()


@cache
def _by_code() -> Mapping[str, _Coded]:
    made: dict[str, list[tuple[Rule, int]]] = {}
    for number, rule in enumerate(rules()):
        for code in () if rule.text else rule.codes:
            made.setdefault(code, []).append((rule, number))
    return {code: _coded(found) for code, found in made.items()}


def _coded(found: list[tuple[Rule, int]]) -> _Coded:
    anybody = [(r, n) for r, n in found if not r.provider]
    return _Coded(
        tuple(Candidate(r, Evidence.PROVIDER_CODE, n) for r, n in found if r.provider),
        tuple(Candidate(r, Evidence.CODE, n) for r, n in anybody if r.early),
        tuple(Candidate(r, Evidence.CODE, n) for r, n in anybody if not (r.early or r.generic)),
        tuple(Candidate(r, Evidence.GENERIC_CODE, n) for r, n in anybody if r.generic),
        frozenset(r.reason for r, _ in anybody if not (r.generic or r.command)),
    )


@cache
def _by_smtp() -> tuple[Candidate, ...]:
    return tuple(Candidate(r, Evidence.SMTP_CODE, n) for n, r in enumerate(rules()) if not r.text and not r.codes)


def _candidates(told: Told) -> Iterator[Candidate]:
    """The rules whose conditions hold, the best first; the texts are still to be found in the reply."""
    all_rules, fits = rules(), told.fits
    named = [(all_rules[n], n) for n in told.found if n < len(all_rules) and fits(all_rules[n])]
    own = [(r, n) for r, n in named if r.provider]
    general = [(r, n) for r, n in named if not r.provider]
    yield from (Candidate(r, Evidence.PROVIDER_TEXT, n) for r, n in own)
    coded = _by_code().get(told.enhanced, _NO_CODE)
    yield from (c for c in (*coded.own, *coded.early) if fits(c.rule))
    yield from (Candidate(r, Evidence.TEXT, n) for r, n in general if not r.generic)
    yield from (c for c in coded.plain if fits(c.rule))
    if not told.whole:
        yield from (Candidate(r, Evidence.STRAY_TEXT, n) for r, n in (*own, *general) if not r.generic)
    yield from (Candidate(r, Evidence.VAGUE_TEXT, n) for r, n in general if r.generic)
    yield from (c for c in coded.generic if fits(c.rule))
    yield from _by_code().get(told.enhanced.rpartition(".")[0], _NO_CODE).generic
    yield from (c for c in _by_smtp() if fits(c.rule))


def verdict(told: Told, first: Candidate | None, other: Rule | None) -> Reply:
    """What follows if `first` is right and `other` would say something else, whatever the words of the reply."""
    code = told.enhanced or None
    if first is None:
        return Reply(
            "undefined", "", told.smtp, code, False, False, "", "", None, False, 0.0, False, told.who, told.command,
            Evidence.NONE, Standing.ALONE,
        )  # fmt: skip
    rule, evidence, _ = first
    standing = _standing(first, other, told)
    sure = confidence.of(evidence, standing)
    # Only a 5yz reply lasts: 4yz is "not now", 2yz took the mail (RFC 5321 section 4.2.1).
    lasting = sure >= SURE and not (told.enhanced or str(told.smtp or "")).startswith(("2", "3", "4"))
    return Reply(
        rule.reason,
        rule.id,
        told.smtp,
        code,
        rule.permanent and lasting,
        rule.ours,
        rule.advice,
        "text" if evidence in TEXTS else "enhanced code" if rule.codes else "smtp code",
        RunnerUp(other.id, other.reason) if other else None,
        standing is Standing.CONTRADICTED,
        sure,
        rule.suppress and lasting,
        told.who,
        told.command,
        evidence,
        standing,
    )


def _standing(hit: Candidate, other: Rule | None, told: Told) -> Standing:
    """Whether the enhanced code has a plain meaning of its own, and the same; whether another rule disagrees."""
    if hit.evidence in TEXTS and (meant := _by_code().get(told.enhanced, _NO_CODE).reasons):
        return Standing.CONFIRMED if hit.rule.reason in meant else Standing.CONTRADICTED
    if not told.enhanced and told.smtp is None:
        return Standing.BARE
    return Standing.CONTESTED if other else Standing.ALONE
