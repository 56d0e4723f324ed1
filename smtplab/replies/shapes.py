"""Which replies does no rule know? Those of one wording stand together, the most frequent first, for the next rule.

Numbers, addresses, hosts and ids differ from reply to reply; without them a server says the same sentence each time.
Reply codes and enhanced codes (RFC 5321, 3463) stay, since a rule may ask for them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import pandas as pd
import re2

from smtplab.replies import classify
from smtplab.visible import visible

LONGEST = 1_000
"""Characters of a reply that make its shape."""
COLUMNS = {
    "shape": "str", "count": "Int64", "first": "datetime64[us, UTC]", "last": "datetime64[us, UTC]", "provider": "str",
    "example": "str",
}  # fmt: skip
_TEXTS = ("diagnostic", "response", "text")
_TIMES = ("last_time", "time")
_SAID = re.compile(r"^.{0,300}?\bsaid: |^smtp; ?", re.S)
_ANSWERED = re.compile(r" \(in reply to [A-Za-z ]{1,60}\)")
_ACTIVE = re.compile(r"[\\.^$*+?{}\[\]|()]")
# One pass, the longest kind first; RE2 keeps it linear whatever a stranger wrote.
_PARTS = re2.compile(
    r"(?P<url>https?://[^\s\"'<>]+)"
    r"|(?P<address>[^\s<>\"'(),;:\[\]]+@[^\s<>\"'(),;\[\]]+)"
    r"|(?P<ip>\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b|(?:[0-9a-fA-F]{1,4}:){3,7}[0-9a-fA-F:.]*|[0-9a-fA-F:]*::[0-9a-fA-F:.]*)"
    r"|(?P<code>\b[245]\.\d{1,3}\.\d{1,3}\b|\b[245]\d\d\b)"
    r"|(?P<host>\b[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.[A-Za-z]{2,24}\b)"
    r"|(?P<id>[A-Za-z0-9][A-Za-z0-9._=+/-]*)"
)


def shape(text: str) -> str:
    """A reply without what changes from one to the next: <address>, <host>, <ip>, <id>, <url>, and # for a number."""
    plain = " ".join(text[: LONGEST * 2].split())
    plain = _ANSWERED.sub("", _SAID.sub("", plain, count=1))[:LONGEST]
    return str(_PARTS.sub(_mask, plain)).strip()


def _mask(found: Any) -> str:
    kind = next(k for k, v in found.groupdict().items() if v is not None)
    token = str(found[0])
    if kind == "code":
        return token
    if kind != "id":
        return f"<{kind}>"
    digits = sum(c.isdigit() for c in token)
    if digits == len(token):
        return "#"
    # A word may have a digit (mp3, IPv6); an id has several, or is long.
    return "<id>" if digits > 1 or (digits and len(token) >= 6) else token


def unknown(replies: pd.DataFrame | Iterable[str]) -> pd.DataFrame:
    """The replies that no rule knows, a row a shape: shape, count, first, last (UTC), provider, example.

    `replies` are lines, or a table with its reason: outcomes, deliveries or bounces. `provider` is the one whose
    servers said it most.
    """
    rows = _of_table(replies) if isinstance(replies, pd.DataFrame) else _of_lines(replies)
    shapes = rows["example"].drop_duplicates()
    rows["shape"] = rows["example"].map(dict(zip(shapes, map(shape, shapes), strict=True)))
    rows = rows[rows["shape"].ne("")]
    made = rows.groupby("shape", as_index=False, sort=True).agg(
        count=("example", "size"),
        first=("time", "min"),
        last=("time", "max"),
        provider=("provider", _most),
        example=("example", "first"),
    )
    made = made.sort_values(["count", "shape"], ascending=[False, True], ignore_index=True)
    return made.reindex(columns=list(COLUMNS)).astype(COLUMNS)


def _of_table(table: pd.DataFrame) -> pd.DataFrame:
    text = next(c for c in _TEXTS if c in table)
    time = next((c for c in _TIMES if c in table), None)
    rows = table[table["reason"].eq("undefined") & table[text].notna()]
    return pd.DataFrame(
        {"example": rows[text], "time": rows[time] if time else pd.NaT, "provider": rows.get("provider")}
    )


def _of_lines(lines: Iterable[str]) -> pd.DataFrame:
    found = [line.strip() for line in lines if line.strip() and classify(line.strip()).reason == "undefined"]
    rows = pd.DataFrame({"example": pd.Series(found, dtype="str"), "provider": None})
    return rows.assign(time=pd.Series(pd.NaT, index=rows.index, dtype="datetime64[us, UTC]"))


def _most(names: pd.Series[Any]) -> str | None:
    counted = names.dropna().value_counts()
    return min(counted.index, key=lambda n: (-counted[n], n)) if len(counted) else None


def skeleton(row: Mapping[str, Any], today: date) -> str:
    """A rule in TOML for a row of `unknown`: what stays to be filled in is the reason, a near miss and the source."""
    provider = row["provider"] if isinstance(row["provider"], str) and "." not in row["provider"] else ""
    words = "-".join(re.findall(r"[a-z]{3,}", _literal(row["shape"]))[:4]) or "reply"
    lines = [
        f"# Seen {row['count']:,} time{'' if row['count'] == 1 else 's'}: {visible(row['shape'])}",
        "[[rule]]",
        f"id = {_text('-'.join(filter(None, (provider, words))))}",
        *([f"provider = [{_text(provider)}]"] if provider else []),
        'reason = ""',
        f"text = {_text(_ACTIVE.sub(lambda m: chr(92) + m[0], _literal(row['shape'])))}",
        f"example = {_text(' '.join(str(row['example']).split()))}",
        'miss = ""',
        'source = ""',
        f"date = {today}",
    ]
    return "\n".join(lines) + "\n"


def _literal(text: str) -> str:
    """The longest run of plain words in a shape: what the rule looks for."""
    runs = re.split(r"<(?:address|host|ip|id|url)>|#|[\d.-]*\d[\d.-]*", text.lower())
    return max((r.strip(" :;,.()[]<>-\"'") for r in runs), key=len)[:80].strip()


def _text(value: str) -> str:
    """A TOML string; JSON's escapes are TOML's, but for the delete character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
