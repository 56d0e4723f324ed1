"""A reply's meaning: by a provider's text, a provider's code, anybody's text, then IANA's code (RFC 5248)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple

from smtplab import providers
from smtplab.replies import confidence
from smtplab.replies.confidence import TEXTS, Evidence, Standing
from smtplab.replies.engine import finder, locate
from smtplab.replies.extract import Unfolded, extract, unfold
from smtplab.replies.rules import Mark, Rule, marks, rules

LONGEST = 4_000
"""Characters that are looked at; what follows is the returned message."""

SURE = 0.6
"""With less confidence nobody is removed, whatever the reason."""

_FOLDS = str.maketrans("\r\n\t", "   ")


@dataclass(frozen=True, slots=True)
class RunnerUp:
    """The next rule that fits and would give another reason."""

    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply and its meaning; `permanent`: trying again is useless. `suppress`: the address should be removed now.

    `ours`: our own fault, never a reason to suppress. `matched`: what the rule looked at, `span` where it stands in the
    text (start, end; None for a code that the caller gave), `field`: what it is, text or code. `conflict`: text and
    enhanced code tell different stories. `confidence`: the measured share of right answers with such evidence, 0 to 1.
    `provider`: whose reply it is, as far as known. `command`: what was answered. `evidence`: what the answer rests on;
    `standing`: what else is in the reply.
    """

    reason: str
    rule: str
    smtp_code: int | None
    enhanced_code: str | None
    permanent: bool
    ours: bool
    advice: str
    matched: str
    span: tuple[int, int] | None
    field: str
    runner_up: RunnerUp | None
    conflict: bool
    confidence: float
    suppress: bool
    provider: str
    command: str
    evidence: Evidence
    standing: Standing


class _Hit(NamedTuple):
    rule: Rule
    evidence: Evidence
    span: tuple[int, int] | None


def classify(
    text: str,
    smtp_code: int | None = None,
    enhanced_code: str | None = None,
    provider: str | None = None,
    command: str | None = None,
) -> Reply:
    """Classify a reply; codes and command (rcpt, data...) that are not given are taken from the text.

    The receiver's own enhanced code, where it is in the text, beats the one given: that may be our own server's.
    Never raises; what no rule knows is `undefined`.
    """
    return _remembered(text[:LONGEST], smtp_code, enhanced_code, provider, command)


def answer(
    text: str,
    smtp_code: int | None = None,
    enhanced_code: str | None = None,
    provider: str | None = None,
    command: str | None = None,
    without: frozenset[str] = frozenset(),
) -> Reply:
    """As `classify`, but not from memory, and without the rules of some ids: so it is measured what they are worth."""
    whole = unfold(_lower(text))
    low = whole.text
    found = finder()(low)
    said = extract(low, _start(low, found))
    smtp = smtp_code if smtp_code is not None else said.smtp_code
    whose, asked = _told(found, provider, command, low)
    seen = _Seen(
        rules(), low, said.start, said.end, smtp, said.enhanced_code or enhanced_code or "", whose, asked
    )  # fmt: skip
    candidates = _candidates(seen, found)
    if without:
        candidates = (c for c in candidates if c[0].id not in without)
    first, other = _best(candidates, seen)
    who = seen.providers[0] if seen.providers else provider or ""
    if first is None:
        return Reply(
            "undefined", "", smtp, seen.enhanced or None, False, False, "", "", None, "", None, False, 0.0, False,
            who, asked, Evidence.NONE, Standing.ALONE,
        )  # fmt: skip
    if whole.cuts:
        first = _Hit(first.rule, first.evidence, _original(whole, first.span))
    return _reply(first, other, seen, text, who)


def _original(whole: Unfolded, span: tuple[int, int] | None) -> tuple[int, int] | None:
    return (whole.original(span[0]), whole.original(span[1] - 1) + 1) if span else None


_remembered = lru_cache(maxsize=50_000)(answer)
"""The raw text is the key: to normalise it first would cost more than to judge it."""


def command(text: str) -> str | None:
    """Which command a longer text, such as the notice of a bounce, says was refused: connect, helo, mail, rcpt or data.

    None where it names none, or several.
    """
    low = _lower(text)
    named = {_mark(n).says for n in finder()(low) if n >= len(rules()) and _mark(n).kind == "command"}
    return named.pop() if len(named) == 1 else None


def _mark(number: int) -> Mark:
    return marks()[number - len(rules())]


def _reply(first: _Hit, other: Rule | None, seen: _Seen, text: str, who: str) -> Reply:
    rule, evidence, span = first
    standing = _standing(first, other, seen)
    sure = confidence.of(evidence, standing)
    lasting = sure >= SURE and not (seen.enhanced or str(seen.smtp or "")).startswith("4")
    return Reply(
        rule.reason,
        rule.id,
        seen.smtp,
        seen.enhanced or None,
        rule.permanent and lasting,
        rule.ours,
        rule.advice,
        text[span[0] : span[1]] if span else seen.enhanced or str(seen.smtp or ""),
        span,
        "text" if evidence in TEXTS else "enhanced code" if rule.codes else "smtp code",
        RunnerUp(other.id, other.reason) if other else None,
        standing is Standing.CONTRADICTED,
        sure,
        rule.suppress and lasting,
        who,
        seen.command,
        evidence,
        standing,
    )


def _lower(text: str) -> str:
    """In lower case and in one line, each character where it was."""
    text = text[:LONGEST]
    if "\n" in text or "\r" in text or "\t" in text:
        text = text.translate(_FOLDS)
    low = text.lower()
    if len(low) != len(text):
        low = "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
    return low if low.isascii() else low.encode("utf-8", "replace").decode()


class _Seen(NamedTuple):
    """All that is known of a reply before it is judged."""

    rules: tuple[Rule, ...]
    text: str
    start: int
    end: int
    smtp: int | None
    enhanced: str
    providers: tuple[str, ...]
    command: str

    def fits(self, rule: Rule) -> bool:
        """Whether all but the text holds."""
        if rule.provider and not rule.unique and rule.whose.isdisjoint(self.providers):
            return False
        return rule.fits(self.smtp, self.enhanced, self.command)


def _told(found: list[int], provider: str | None, command: str | None, text: str) -> tuple[tuple[str, ...], str]:
    """Whose reply it is and which command it answers, by what was given and by the marks in the text."""
    first = len(rules())
    whose = [provider] if provider and provider in known() else []
    if " said" in text and (host := _host(text)):
        whose += [host] if host in known() else []
    for number in reversed(found):
        if number < first:
            break
        mark = _mark(number)
        if mark.kind == "provider":
            whose.append(mark.says)
        elif mark.kind == "command" and not command:
            command = mark.says
    return tuple(dict.fromkeys(whose)), command or ""


def _start(text: str, found: list[int]) -> int:
    """Where the reply begins: after the first prefix that is known, else with the text."""
    ends = []
    for number in reversed(found):
        if number < _first_prefix():
            break
        if place := locate(number, text, 0, len(text)):
            ends.append(place[1] - int(_mark(number).says))
    return min(ends, default=0)


@cache
def _first_prefix() -> int:
    return len(rules()) + next(n for n, mark in enumerate(marks()) if mark.kind == "prefix")


def _host(text: str) -> str:
    """The provider behind "host mx.example.org[192.0.2.1] said"."""
    at = text.find("host ")
    return providers.provider("", text[at + 5 : at + 260].partition("[")[0].strip()) if at >= 0 else ""


@cache
def known() -> frozenset[str]:
    """The providers that some rule is about."""
    return frozenset(name for rule in rules() for name in rule.provider)


_Candidate = tuple[Rule, Evidence, int]
"""A rule that may fit, what it would rest on, and its number."""


class _Coded(NamedTuple):
    """The rules that look at one enhanced code alone."""

    own: tuple[_Candidate, ...] = ()
    early: tuple[_Candidate, ...] = ()
    plain: tuple[_Candidate, ...] = ()
    generic: tuple[_Candidate, ...] = ()
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
        tuple((r, Evidence.PROVIDER_CODE, n) for r, n in found if r.provider),
        tuple((r, Evidence.CODE, n) for r, n in anybody if r.early),
        tuple((r, Evidence.CODE, n) for r, n in anybody if not (r.early or r.generic)),
        tuple((r, Evidence.GENERIC_CODE, n) for r, n in anybody if r.generic),
        frozenset(r.reason for r, _ in anybody if not r.generic),
    )


@cache
def _by_smtp() -> tuple[int, ...]:
    return tuple(n for n, r in enumerate(rules()) if not r.text and not r.codes)


def _candidates(seen: _Seen, found: list[int]) -> Iterator[_Candidate]:
    """The rules whose conditions hold, the best first; the texts are still to be found in the reply."""
    own: list[_Candidate] = []
    general: list[_Candidate] = []
    count, fits = len(seen.rules), seen.fits
    for number in found:
        if number >= count:
            break
        rule = seen.rules[number]
        if rule.plain:
            general.append((rule, Evidence.TEXT, number))
        elif fits(rule):
            (own if rule.provider else general).append((rule, Evidence.TEXT, number))
    for rule, _, number in own:
        yield rule, Evidence.PROVIDER_TEXT, number
    coded = _by_code().get(seen.enhanced, _NO_CODE)
    for candidate in (*coded.own, *coded.early):
        if fits(candidate[0]):
            yield candidate
    for candidate in general:
        if not candidate[0].generic:
            yield candidate
    for candidate in coded.plain:
        if fits(candidate[0]):
            yield candidate
    if seen.start or seen.end < len(seen.text):
        yield from ((r, Evidence.STRAY_TEXT, n) for r, _, n in (*own, *general) if not r.generic)
    yield from ((r, Evidence.VAGUE_TEXT, n) for r, _, n in general if r.generic)
    yield from (c for c in coded.generic if fits(c[0]))
    yield from ((seen.rules[n], Evidence.SMTP_CODE, n) for n in _by_smtp() if fits(seen.rules[n]))


def _best(candidates: Iterator[_Candidate], seen: _Seen) -> tuple[_Hit | None, Rule | None]:
    """The first that fits, and the next that would give another reason."""
    first: _Hit | None = None
    whole = seen.start == 0 and seen.end == len(seen.text)
    for rule, evidence, number in candidates:
        if first and rule.reason == first.rule.reason:
            continue
        if first and whole:
            # That it is somewhere in the text is known already.
            return first, rule
        if evidence not in TEXTS:
            span = _place(seen)
        elif evidence is Evidence.STRAY_TEXT:
            span = locate(number, seen.text, 0, len(seen.text))
        else:
            span = locate(number, seen.text, seen.start, seen.end)
        if span is None and evidence in TEXTS:
            continue
        if first:
            return first, rule
        first = _Hit(rule, evidence, span)
    return first, None


def _place(seen: _Seen) -> tuple[int, int] | None:
    at = seen.text.find(seen.enhanced, seen.start) if seen.enhanced else -1
    return (at, at + len(seen.enhanced)) if at >= 0 else None


def _standing(hit: _Hit, other: Rule | None, seen: _Seen) -> Standing:
    """Whether the enhanced code has a plain meaning of its own, and the same; whether another rule disagrees."""
    if hit.evidence in TEXTS and (meant := _by_code().get(seen.enhanced, _NO_CODE).reasons):
        return Standing.CONFIRMED if hit.rule.reason in meant else Standing.CONTRADICTED
    if not seen.enhanced and seen.smtp is None:
        return Standing.BARE
    return Standing.CONTESTED if other else Standing.ALONE
