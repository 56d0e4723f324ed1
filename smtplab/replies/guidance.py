"""Who must act on a refusal, what to do, and where: by reason, by provider and by the provider's own code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from smtplab import datafiles
from smtplab.replies.rules import Rule, files, reasons, rules


@dataclass(frozen=True)
class Advice:
    """`who` must act, `what` to do, `where` (an address of the provider, or "")."""

    who: str
    what: str
    where: str


def advice(reason: str, provider: str | None = None, code: str | None = None) -> Advice:
    """What to do about a reason at a provider; `code` is an enhanced code or the provider's own (S3150, TSS04, CS01).

    What the provider says of the code comes first, then what it says of the reason, then what holds everywhere.
    """
    named = [r for r in rules() if code and _is(r, code) and (not r.provider or r.unique or provider in r.provider)]
    own = [r for r in named if r.provider and (r.reason == reason or not reason)] or [r for r in named if r.provider]
    if own:
        return Advice(own[0].who, own[0].advice, own[0].where)
    if provider and (row := _by_provider().get((provider, reason))):
        return Advice(row.get("who", _who(reason)), row["what"], row["where"])
    known = reasons().get(reason) or reasons()["undefined"]
    return Advice(known.who, known.advice, "")


def correction(domain: str) -> str | None:
    """The large provider's domain that was meant, if this one is a known typing error: correct, do not suppress."""
    return _typos().get(domain.lower().rstrip("."))


def _is(rule: Rule, code: str) -> bool:
    return code.upper() in rule.labels or code in rule.codes


def _who(reason: str) -> str:
    known = reasons().get(reason)
    return known.who if known else "unknown"


@cache
def _by_provider() -> Mapping[tuple[str, str], Mapping[str, str]]:
    made = {}
    for _, head in files():
        for reason, row in head.get("advice", {}).items():
            for provider in head["provider"]:
                made[provider, reason] = {"where": head.get("where", ""), **row}
    return made


@cache
def _typos() -> Mapping[str, str]:
    raw = datafiles.load("typo_domains")
    return {typo: meant for meant, typos in raw["meant"].items() for typo in typos}
