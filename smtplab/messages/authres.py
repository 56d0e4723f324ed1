"""Authentication-Results, RFC 8601, as servers write it: no authserv-id, stray semicolons, quotes anywhere."""

from __future__ import annotations

import re
from dataclasses import dataclass

_METHOD = re.compile(r"^([a-z0-9-]{1,40})(?:/\d{1,3})?\s*=\s*([a-z0-9]{1,40})", re.I)
_PROPERTY = re.compile(r"([a-z]{1,20})\.([a-z0-9-]{1,40})\s*=\s*(\"[^\"]{0,300}\"|[^\s;\"]{1,300})", re.I)
_MOST = 40


@dataclass(frozen=True)
class Result:
    """One method's result and the properties it rests on, such as ("header.d", "meridian.example")."""

    method: str
    result: str
    properties: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        told = " ".join(v for k, v in self.properties if k in ("header.d", "smtp.mailfrom", "header.from"))
        return f"{self.method}={self.result}" + (f" ({told})" if told else "")


@dataclass(frozen=True)
class Results:
    """One header field: who judged ("" where it does not say) and what."""

    server: str
    results: tuple[Result, ...]

    def __str__(self) -> str:
        return ", ".join(map(str, self.results)) or "none"


def parse(value: str) -> Results:
    """The results of one header field; what cannot be understood is left out, never guessed."""
    server, found = "", []
    for index, piece in enumerate(_pieces(_without_comments(value))[:_MOST]):
        text = piece.strip()
        method = _METHOD.match(text)
        if not method:
            if index == 0 and "=" not in text:
                server = text.split()[0] if text else ""
            continue
        rest = text[method.end() :]
        properties = tuple((f"{t}.{n}".lower(), v.strip('"')) for t, n, v in _PROPERTY.findall(rest)[:_MOST])
        found.append(Result(method[1].lower(), method[2].lower(), properties))
    return Results(server, tuple(found))


def _without_comments(value: str) -> str:
    made, depth, quoted = [], 0, False
    for sign in value[:4_000]:
        if sign == '"' and not depth:
            quoted = not quoted
        if sign == "(" and not quoted:
            depth += 1
        elif sign == ")" and not quoted and depth:
            depth -= 1
        elif not depth:
            made.append(sign)
    return "".join(made)


def _pieces(value: str) -> list[str]:
    """Split at semicolons outside quotes."""
    made, quoted = [""], False
    for sign in value:
        quoted ^= sign == '"'
        if sign == ";" and not quoted:
            made.append("")
        else:
            made[-1] += sign
    return made
