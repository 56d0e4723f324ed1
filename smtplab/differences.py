"""Which recorded answers of two tapes differ, and in what: records of DNS by name, of a conversation only its lines
that changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest
from textwrap import shorten
from typing import Any

import dns.exception
import dns.reversename

from smtplab.tape import Entry, Question, Tape

_VOLATILE = frozenset({"ms", "ttl", "at", "time", "elapsed", "server_time", "bytes_in", "bytes_out"})
_LONGEST = 120
_MOST = 4
NOT_ASKED = "not asked"
_STATES = {"NOERROR": "no such record", "NXDOMAIN": "no such name"}


@dataclass(frozen=True)
class Difference:
    """One question whose answer differs, each side in full; None where a tape does not hold it."""

    question: Question
    before: str | None
    after: str | None

    def asked(self) -> str:
        """The question as people say it: TXT a.example at 192.0.2.1."""
        params = dict(self.question.params)
        rtype, server = params.pop("rtype", ""), params.pop("server", "")
        rest = "" if rtype else " ".join(params.values())
        return " ".join(
            x for x in (rtype or self.question.kind, self.question.target, rest, f"at {server}" if server else "") if x
        )

    def __str__(self) -> str:
        return f"{self.asked()}: {moved(self.before, self.after)}"

    def phrases(self) -> tuple[str, ...]:
        """How the evidence of a finding speaks of it."""
        target, rtype = self.question.target, dict(self.question.params).get("rtype")
        if not rtype:
            host, _, port = target.rpartition(":")
            return (f"{host} port {port}",) if host and port.isdecimal() else (target,)
        with suppress(dns.exception.DNSException, ValueError):
            target = str(dns.reversename.to_address(dns.name.from_text(target)))
        return f"{rtype} {target}", f"{target} {rtype}"


def short(value: str | None) -> str:
    """An answer for a line; the full one stands in the table."""
    if value is None:
        return NOT_ASKED
    return shorten(value, _LONGEST, placeholder=" …") if " " in value[:_LONGEST] else value[:_LONGEST]


def moved(was: str | None, now: str | None) -> str:
    """What changed from one text to another: the words that went and came, where most stayed."""
    old, new = (was or "").split(), (now or "").split()
    gone, came = [w for w in old if w not in new], [w for w in new if w not in old]
    if len(old) > 3 and len(gone) + len(came) < len(old):
        signed = (f"{sign} {short(' '.join(words))}" for sign, words in (("−", gone), ("+", came)) if words)
        return ", ".join(signed)
    return f"{short(was)} → {short(now)}"


def differences(before: Tape | None, after: Tape | None) -> tuple[Difference, ...]:
    """All questions of either tape whose answer differs, in the order of questions."""
    old: dict[Question, Entry] = dict(before.entries) if before else {}
    new: dict[Question, Entry] = dict(after.entries) if after else {}
    return tuple(d for q in sorted(old.keys() | new.keys()) if (d := _difference(q, old.get(q), new.get(q))))


def behind(found: Iterable[Difference], words: Iterable[str]) -> list[Difference]:
    """Those of which the words of a finding, its subject and evidence, speak."""
    said = "\n".join(f"{w}\n" for w in words)
    return [d for d in found if any(re.search(rf"(?<![\w.-]){re.escape(p)}(?![\w-]|\.\w)", said) for p in d.phrases())]


def _difference(question: Question, old: Entry | None, new: Entry | None) -> Difference | None:
    was, now = (_lasting(e.value) if e and e.value is not None else None for e in (old, new))
    if isinstance(was, dict) and isinstance(now, dict) and "records" not in was:
        pairs = list(_leaves(was, now))
        sides = tuple("; ".join(p[side] for p in pairs) for side in (0, 1))
        return Difference(question, *sides) if pairs else None
    said = _say(old, was), _say(new, now)
    return Difference(question, *said) if said[0] != said[1] else None


def _say(entry: Entry | None, value: Any) -> str | None:
    if entry is None:
        return None
    if value is None:
        return f"unknown ({entry.unknown})"
    if isinstance(value, dict) and isinstance(value.get("records"), list):
        # A DNS answer is read as its records, or as the state that stands in their place.
        state = str(value.get("rcode", "NOERROR"))
        return " | ".join(sorted(map(str, value["records"]))) or _STATES.get(state, state)
    return "answered"


def _leaves(was: Any, now: Any) -> Iterator[tuple[str, str]]:
    """The smallest parts that differ, before and after."""
    if isinstance(was, dict) and isinstance(now, dict):
        for key in dict.fromkeys((*was, *now)):
            yield from _leaves(was.get(key), now.get(key))
    elif isinstance(was, list) and isinstance(now, list):
        gone, came = [x for x in was if x not in now], [x for x in now if x not in was]
        for one, other in zip_longest(gone, came):
            yield from _leaves(one, other)
    elif was != now:
        yield _leaf(was), _leaf(now)


def _leaf(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(p for v in value.values() if (p := _leaf(v)) and p != "–")
    if isinstance(value, list):
        return " ".join(map(_leaf, value[:_MOST]))
    return "–" if value in (None, "") else short(str(value))


def _lasting(value: Any) -> Any:
    """Without what differs at every recording and means nothing: times and counters."""
    if isinstance(value, dict):
        return {k: _lasting(v) for k, v in value.items() if k not in _VOLATILE}
    if isinstance(value, list):
        return [_lasting(v) for v in value]
    return value
