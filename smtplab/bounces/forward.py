"""A report within a message: somebody forwarded a bounce, attached or below his words.

A forward is the whole message with its header, so that it can be judged as if it had come itself; a quotation is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from smtplab.bounces import notice, vocabulary
from smtplab.bounces.message import HEADERS_ONLY, Part, outside
from smtplab.bounces.message import read as read_message

MOST = 5
_FROM = re.compile(r"(?m)^[ \t>]*\**(From|Von|De|Da|Van|差出人)\**[ \t]*:")
_FROMS = ("von", "de", "da", "van", "差出人")
_SUBJECTS = ("betreff", "objet", "asunto", "oggetto", "assunto", "onderwerp", "件名")
_TOS = ("an", "à", "para", "aan", "宛先")
_NAMES = dict.fromkeys(_FROMS, "From") | dict.fromkeys(_SUBJECTS, "Subject") | dict.fromkeys(_TOS, "To")
_LINE = re.compile(r"^\**([^\s:*]{1,20})\**[ \t]*[:：]\**[ \t]*(.*)$")
_HEAD = 12


def within(message: Part, report: bool) -> Iterator[Part]:
    """The messages that a message forwards; `report`: it is one itself, so that the copy in its text counts too."""
    if message.has("List-Post") or message.kind == "multipart/digest":
        return
    # The posts of a digest have no type of their own.
    parts = [p for p in outside(message)[1:] if p.default != "message/rfc822" and p.kind not in HEADERS_ONLY]
    for part in [p for p in parts if p.kind.startswith("message/") and p.parts][:MOST]:
        inner = part.parts[0]
        yield inner
        # One layer more: a forward of a forward.
        deeper = [p for p in outside(inner)[1:] if p.kind == "message/rfc822" and p.parts]
        yield from (p.parts[0] for p in deeper[:1])
    if vocabulary.has("forwarding", message.first("Subject")) and (inline := _inline(message)):
        yield inline
    copy = notice.split(notice.words(outside(message)))[1] if report else ""
    if copy:
        yield read_message(copy.encode("utf-8", "replace"))


def _inline(message: Part) -> Part | None:
    """The message below a forwarding mark in the text: its repeated header, then its body."""
    part = next((p for p in outside(message) if p.kind == "text/plain"), None)
    text = part.text if part else ""
    mark = vocabulary.pattern("forwarded").search(text)
    start = _FROM.search(text, mark.end()) if mark else None
    if not start:
        return None
    lines = [re.sub(r"^>+ ?", "", line) for line in text[start.start() :].split("\n")]
    head: list[str] = []
    at = 0
    for at, line in enumerate(lines):
        found = _LINE.match(line.strip())
        if not found or at > _HEAD:
            break
        head.append(f"{_NAMES.get(found[1].lower(), found[1])}: {found[2]}")
    made = "\n".join([h for h in head if h.isascii() or ":" in h] + [""] + lines[at:])
    return read_message(made.encode("utf-8", "replace"))
