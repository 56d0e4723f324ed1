"""An SMTP session in the text: `>>> RCPT To:<…>`, `<<< 550 …`, and Sendmail's lines `550 <…>... User unknown`."""

from __future__ import annotations

import re

from smtplab.bounces.dsn import Recipient
from smtplab.bounces.letter import ADDRESS, MAX_WORDS, Letter, Recogniser, address

_RCPT = re.compile(rf"(?i)\bRCPT TO ?: ?<?({ADDRESS})>?|\bT=\[?<?({ADDRESS})")
_ANSWER = re.compile(
    r"^[ \t>|]{0,6}(?:<<<|Out:|in:|S:|response was:?|server said:?)?[ \t]*([245]\d\d)(?:[ -]|$)(.{0,600})", re.I
)
_NAMED = re.compile(rf"^[ \t>|<]{{0,8}}([45]\d\d)[ -](?:[45]\.\d+\.\d+ )?[^@]{{0,40}}?<?({ADDRESS})>?(?:\.\.\.|[:,]| )")
_SENT = re.compile(rf"^[ \t>|]{{0,6}}<?({ADDRESS})>?\.\.\. (.{{1,600}})$")
_AHEAD = 12


def read(letter: Letter, kind: str) -> list[Recipient]:
    """The recipients of the commands that were refused, and those that a refusal names."""
    made: dict[str, list[str]] = {}
    lines = letter.lines
    for at, line in enumerate(lines):
        if "@" not in line:
            continue
        for found in (_NAMED.match(line), _SENT.match(line)):
            raw = found[found.re.groups if found.re is _NAMED else 1] if found else ""
            plain = address(raw) if raw else None
            if plain and letter.may_fail(plain):
                made.setdefault(plain, []).append(line.strip(" \t<>|"))
        found = _RCPT.search(line)
        plain = address(found[1] or found[2]) if found else None
        if plain and letter.may_fail(plain) and (told := _refusal(lines, at, found)):  # type: ignore[arg-type]
            made.setdefault(plain, []).extend(told)
    return [Recipient(kind, a, diagnostic=" ".join(t)[:MAX_WORDS]) for a, t in made.items()]


def _refusal(lines: list[str], at: int, found: re.Match[str]) -> list[str]:
    """What was answered to a command: lines of one refusal near it; [] where it was accepted."""
    told: list[str] = []
    for line in lines[at + 1 : at + 1 + _AHEAD]:
        answer = _ANSWER.match(line)
        if answer and answer[1][0] in "45":
            told.append(f"{answer[1]} {answer[2].strip()}")
        elif told or _RCPT.search(line):
            break
    if told:
        return told
    # The refusal may stand above, as where a gateway sums up.
    above = [m for line in lines[max(0, at - _AHEAD) : at] if (m := _ANSWER.match(line)) and m[1][0] in "45"]
    return [f"{m[1]} {m[2].strip()}" for m in above]


RECOGNISER = Recogniser("dialogue", ">>> RCPT To:<lost@example.net>\n<<< 550 5.1.1 User unknown\n", read)
