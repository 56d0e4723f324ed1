"""A reply's meaning: by a provider's text, a provider's code, anybody's text, then IANA's code (RFC 5248)."""

from __future__ import annotations

from functools import cache, lru_cache

from smtplab import providers
from smtplab.replies.confidence import TEXTS, Evidence
from smtplab.replies.engine import commands, finder, locate
from smtplab.replies.extract import Unfolded, extract, unfold
from smtplab.replies.gist import gist
from smtplab.replies.ranking import Candidate, known, mark, ranking, settled, verdict
from smtplab.replies.reply import Reply
from smtplab.replies.rules import Rule, marks, rules

LONGEST = 4_000
"""Characters that are looked at; what follows is the returned message."""

LAST = frozenset({Evidence.GENERIC_CODE, Evidence.SMTP_CODE})
"""Codes that tell so little that words which no rule knows tell more."""

_AHEAD = 20
"""Characters in which a reply's code stands, if it begins with one."""

_FOLDS = str.maketrans("\r\n\t", "   ")


def classify(
    text: str,
    smtp_code: int | None = None,
    enhanced_code: str | None = None,
    provider: str | None = None,
    command: str | None = None,
    place: bool = True,
) -> Reply:
    """Classify a reply; codes and command (rcpt, data...) that are not given are taken from the text.

    The receiver's own enhanced code, where it is in the text, beats the one given: that may be our own server's.
    Never raises; what no rule knows is `undefined`, and a reply that took the mail has no reason (""). Who does not
    read `matched` and `span` says so by `place`: most replies are then judged without a pattern of their own being
    compiled.
    """
    return _remembered(text[:LONGEST], smtp_code, enhanced_code, provider, command, frozenset(), place)


def answer(
    text: str,
    smtp_code: int | None = None,
    enhanced_code: str | None = None,
    provider: str | None = None,
    command: str | None = None,
    without: frozenset[str] = frozenset(),
    place: bool = True,
) -> Reply:
    """As `classify`, but not from memory, and without the rules of some ids: so it is measured what they are worth."""
    whole, found, start, end, smtp, enhanced, host = _heard(text) if place else _again(text)
    low = whole.text
    if smtp_code is not None:
        smtp = smtp_code
    code = enhanced or enhanced_code or ""
    # Whose rules nobody wrote is one provider like another.
    given = provider if provider and provider in known() else ""
    alone = start == 0 and end == len(low)
    candidates, first, made, told = ranking(found, smtp, code, given, host, command or "", alone, without)
    if _taken(low, start, smtp_code, smtp, code):
        took = verdict(told, None, None)
        return took._replace(reason="", provider=took.provider or provider or "")
    span = _place(first, low, code, start, end) if first and alone and place else None
    if first and not span and not (alone and (first.evidence not in TEXTS or not place)):
        best, other, span = _best(candidates, low, code, start, end)
        if best is not first or (other and other.id) != (made.runner_up and made.runner_up.rule):
            made = verdict(told, best, other)
        first = best
    if (first is None or first.evidence in LAST) and (meant := gist(low, _said(low, smtp, start), end, without)):
        made = verdict(told, Candidate(meant[0], Evidence.GIST, -1), first.rule if first else None)
        span = meant[1]
    if whole.cuts:
        span = _original(whole, span)
    matched = text[span[0] : span[1]] if span else (code or str(smtp or "")) if first else ""
    if provider and not made.provider:
        made = made._replace(provider=provider)
    unasked = not place and alone and settled(found, smtp, code, given, host)
    return Reply._make((*made[:-3], matched, span, unasked))


_Heard = tuple[Unfolded, tuple[int, ...], int, int, int | None, str | None, str]
"""The text in one line, the patterns in it, start and end of the reply, its codes, and the provider of who said it."""


def _heard(text: str) -> _Heard:
    """What a text holds by itself."""
    whole = unfold(_lower(text))
    low = whole.text
    found = tuple(finder()(low))
    start = _start(low, found) if found and found[-1] >= _first_prefix() else 0
    _, end, smtp, enhanced = extract(low, start)
    return whole, found, start, end, smtp, enhanced, _host(low) if " said" in low else ""


def _taken(low: str, start: int, given: int | None, smtp: int | None, code: str) -> bool:
    """Whether a reply took the mail: its code is 2yz (RFC 5321 section 4.2.1), as given or where the reply begins.

    Within a text, or behind what looks like a prefix in a whole notice, such a number may be anything.
    """
    if given is not None:
        return 200 <= given < 300
    if start and not low.endswith(" said: ", 0, start):
        return False
    begin = str(smtp or code)
    return begin.startswith("2") and low[start : start + _AHEAD].lstrip().startswith(begin)


_again = lru_cache(maxsize=100)(_heard)
"""For who asks once more about the same text when he knows the command."""


def _said(text: str, smtp: int | None, start: int) -> int:
    """Where a reply begins with its code, if that is in the text: what stands before it are our own server's words."""
    return max(text.find(str(smtp), start), start) if smtp else start


def _original(whole: Unfolded, span: tuple[int, int] | None) -> tuple[int, int] | None:
    return (whole.original(span[0]), whole.original(span[1] - 1) + 1) if span else None


_remembered = lru_cache(maxsize=10_000)(answer)
"""The raw text is the key: to normalise it first would cost more than to judge it."""


def command(text: str) -> str | None:
    """Which command a longer text, such as the notice of a bounce, says was refused: connect, helo, mail, rcpt or data.

    None where it names none, or several.
    """
    found = commands()(_lower(text))
    named = {mark(n).says for n in found if n >= len(rules()) and mark(n).kind == "command"}
    return named.pop() if len(named) == 1 else None


def _lower(text: str) -> str:
    """In lower case and in one line, each character where it was."""
    text = text[:LONGEST]
    if "\n" in text or "\r" in text or "\t" in text:
        text = text.translate(_FOLDS)
    low = text.lower()
    if len(low) != len(text):
        low = "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
    return low if low.isascii() else low.encode("utf-8", "replace").decode()


def _start(text: str, found: tuple[int, ...]) -> int:
    """Where the reply begins: after the first prefix that is known, else with the text."""
    ends = []
    for number in reversed(found):
        if number < _first_prefix():
            break
        if place := locate(number, text, 0, len(text)):
            ends.append(place[1] - int(mark(number).says))
    return min(ends, default=0)


@cache
def _first_prefix() -> int:
    return len(rules()) + next(n for n, one in enumerate(marks()) if one.kind == "prefix")


def _host(text: str) -> str:
    """The provider behind "host mx.example.org[192.0.2.1] said", if some rule is about it."""
    at = text.find("host ")
    name = providers.provider("", text[at + 5 : at + 260].partition("[")[0].strip()) if at >= 0 else ""
    return name if name in known() else ""


def _best(
    candidates: tuple[Candidate, ...], text: str, code: str, start: int, end: int
) -> tuple[Candidate | None, Rule | None, tuple[int, int] | None]:
    """The first that is there, the next that would give another reason, and where the first is."""
    first, place = None, None
    for one in candidates:
        if first and one.rule.reason == first.rule.reason:
            continue
        span = _place(one, text, code, start, end)
        if span is None and one.evidence in TEXTS:
            continue
        if first:
            return first, one.rule, place
        first, place = one, span
    return first, None, place


def _place(one: Candidate, text: str, code: str, start: int, end: int) -> tuple[int, int] | None:
    """Where in the reply the text or the code is that a rule rests on."""
    if one.evidence is Evidence.STRAY_TEXT:
        return locate(one.number, text, 0, len(text))
    if one.evidence in TEXTS:
        return locate(one.number, text, start, end)
    at = text.find(code, start) if code else -1
    return (at, at + len(code)) if at >= 0 else None
