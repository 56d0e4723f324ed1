"""How reports without RFC 3464 parts name their recipients: one small recogniser a way, tried in this order.

To add one: a file here with a RECOGNISER, a line below and a fixture in the tests; where a heading or the name of a
mail program is all that is new, a row in data/bounce_formats.toml does.
"""

from __future__ import annotations

from smtplab import mail
from smtplab.bounces.dsn import MAX_RECIPIENTS, Recipient
from smtplab.bounces.letter import MAX_WORDS, REPLY, Letter, Recogniser, address
from smtplab.bounces.recognisers import dialogue, fields, mentions, notification, paragraphs, sections

ALL: tuple[Recogniser, ...] = (
    notification.RECOGNISER,
    fields.RECOGNISER,
    sections.RECOGNISER,
    paragraphs.RECOGNISER,
    dialogue.RECOGNISER,
    mentions.RECOGNISER,
)


def read(letter: Letter, kind: str) -> tuple[str, list[Recipient]]:
    """The name of the recogniser that found recipients, and these; "" and [] where none does."""
    named = [a for v in mail.headers(letter.message, "X-Failed-Recipients") for p in v.split(",") if (a := address(p))]
    for one in ALL:
        found = one.read(letter, kind)
        if named and one is mentions.RECOGNISER:
            break
        if named:
            found = [r for r in found if r.address in named or r.original in named]
        if found:
            return one.name, _completed(found, named, kind, letter)[:MAX_RECIPIENTS]
    if named:
        return "x-failed-recipients", _completed([], named, kind, letter)[:MAX_RECIPIENTS]
    return "", []


def _completed(found: list[Recipient], named: list[str], kind: str, letter: Letter) -> list[Recipient]:
    """The recipients found and those that only the header names; who has no words of its own gets the letter's."""
    have = {a for r in found for a in (r.address, r.original)}
    found = found + [Recipient(kind, a) for a in dict.fromkeys(named) if a not in have]
    if any(not r.diagnostic for r in found):
        said = {r.address: r.diagnostic for r in dialogue.RECOGNISER.read(letter, kind)}
        found = [r if r.diagnostic else r._replace(diagnostic=said.get(r.address)) for r in found]
    if len(found) == 1 and found[0].address and not REPLY.search(found[0].diagnostic or ""):
        # All that stands below the only recipient is about him.
        below = _below(letter, found[0].address)
        found = [found[0]._replace(diagnostic=below or found[0].diagnostic)]
    words = " ".join(" ".join(letter.lines).split())[:MAX_WORDS] or None
    return [r if r.diagnostic else r._replace(diagnostic=words) for r in found]


def _below(letter: Letter, named: str) -> str:
    lines, low = letter.lines, named.lower()
    at = next((i for i, line in enumerate(lines) if low in line.lower()), None)
    told = " ".join(" ".join(lines[at:]).split()) if at is not None else ""
    return told[:MAX_WORDS] if REPLY.search(told) else ""
