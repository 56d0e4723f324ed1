"""What does an SMTP reply mean? One engine for log lines, provider events and bounces (RFC 5321, 3463, 5248)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Any

import re2

_EXTRACT = re2.compile(r"(?:^|[\s:(])([245]\d\d)(?:[ -]+([245]\.\d{1,3}\.\d{1,3}))?")
_ENHANCED = re2.compile(r"(?:^|[\s(=])([245]\.\d{1,3}\.\d{1,3})(?:$|[\s),:;])")
_LONGEST = 2_000


@dataclass(frozen=True)
class Reply:
    """A reply and its meaning; `permanent`: trying again is useless and the recipient should be removed.

    `ours`: our own fault, never a reason to suppress. `matched`: what the rule looked at.
    """

    reason: str
    rule: str
    smtp_code: int | None
    enhanced_code: str | None
    permanent: bool
    ours: bool
    advice: str
    matched: str


@dataclass(frozen=True)
class Rule:
    """One row of reply_rules.toml."""

    id: str
    reason: str
    advice: str
    provider: str = ""
    code: Any = None
    text: Any = None
    permanent: bool = False
    ours: bool = False
    rescued_by: str = ""


@cache
def rules() -> tuple[Rule, ...]:
    """All rules in the order in which they are tried: a provider's before everybody's."""
    raw = tomllib.loads((resources.files("smtplab") / "data" / "reply_rules.toml").read_text("utf-8"))["rule"]
    made = []
    options = re2.Options()
    options.case_sensitive = False
    for row in raw:
        row = {k: v for k, v in row.items() if k not in ("source", "date")}
        if "code" in row:
            row["code"] = re2.compile(f"^{row['code'].replace('.', '[.]')}$")
        if "text" in row:
            row["text"] = re2.compile(row["text"], options)
        made.append(Rule(**row))
    return tuple(sorted(made, key=lambda r: r.provider == ""))


@cache
def _words() -> Mapping[str, str]:
    return tomllib.loads((resources.files("smtplab") / "data" / "reasons.toml").read_text("utf-8"))


def words(reason: str) -> str:
    """A reason in plain words; what is no reason comes back as it is."""
    return _words().get(reason, reason)


def rescued_by() -> Mapping[str, str]:
    """For rules whose refusal has several causes: whether mending "any" or "all" of them brings mail through."""
    return {r.id: r.rescued_by for r in rules() if r.rescued_by}


@lru_cache(maxsize=100_000)
def classify(
    text: str, smtp_code: int | None = None, enhanced_code: str | None = None, provider: str | None = None
) -> Reply:
    """Classify a reply; codes that are not given are taken from the text. Never raises."""
    text = text[:_LONGEST]
    if smtp_code is None and (found := _EXTRACT.search(text)):
        smtp_code = int(found[1])
    said = _EXTRACT.search(text)
    # The receiver's own code beats the one our server made of it.
    enhanced = (said and said[2]) or enhanced_code or ((found := _ENHANCED.search(text)) and found[1]) or None
    for rule in rules():
        if rule.provider and rule.provider != provider:
            continue
        if rule.code is not None and enhanced and rule.code.search(enhanced):
            return _reply(rule, smtp_code, enhanced, enhanced)
        if rule.text is not None and (hit := rule.text.search(text)):
            return _reply(rule, smtp_code, enhanced, str(hit[0]))
    return Reply("undefined", "", smtp_code, enhanced, False, False, "", "")


def _reply(rule: Rule, smtp_code: int | None, enhanced: str | None, matched: str) -> Reply:
    permanent = rule.permanent and not (enhanced or str(smtp_code or "")).startswith("4")
    return Reply(rule.reason, rule.id, smtp_code, enhanced, permanent, rule.ours, rule.advice, matched)
