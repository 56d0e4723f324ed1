"""A message as signatures see it, RFC 6376 section 3.4: its header fields and its body, canonicalized and hashed.

Everything is linear in the size of the message and bounded, for messages are written by strangers.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property

MAX_MESSAGE = 15 * 1024 * 1024
MAX_HEAD = 512 * 1024
MAX_FIELDS = 2_000
MAX_ADDED = 500
"""Lines at the end of a body that are tried as a footer."""
FORMS = ("simple", "relaxed")
HASHES = {"sha256": hashlib.sha256, "sha1": hashlib.sha1}

_FIELD = re.compile(rb"([\x21-\x39\x3b-\x7e]+)[ \t]*:")
_BLANKS = re.compile(rb"[ \t]+")

Field = tuple[bytes, bytes]
"""Name and value; the value as it stands, folded, with its line ends as CRLF."""


@dataclass(frozen=True)
class Signed:
    """A message taken apart; `head` its header with LF line ends, `why` it is left alone, "" for one that is not."""

    head: bytes
    fields: tuple[Field, ...]
    body: bytes
    why: str = ""

    def values(self, name: bytes) -> list[bytes]:
        """All values of a header field, topmost first; `name` in lower case."""
        return [value for field, value in self.fields if field.lower() == name]

    @cached_property
    def simple(self) -> bytes:
        """The body without the empty lines at its end (section 3.4.3)."""
        return _without_empty_end(self.body) + b"\r\n"

    @cached_property
    def relaxed(self) -> bytes:
        """The body with blanks pressed together and none at line ends (section 3.4.4)."""
        pressed = _BLANKS.sub(b" ", self.body + b"\r\n").replace(b" \r\n", b"\r\n")
        kept = _without_empty_end(pressed)
        return kept + b"\r\n" if kept else b""

    def canonical(self, form: str) -> bytes:
        """The body in one of the two forms."""
        return self.relaxed if form == "relaxed" else self.simple

    @cached_property
    def _known(self) -> dict[tuple[str, str, int | None], bytes]:
        return {}

    def digest(self, form: str, algorithm: str, length: int | None = None) -> bytes:
        """The body hash; `length` is the l= of a signature in bytes. Made once, however many signatures ask."""
        key = (form, algorithm, length)
        if key not in self._known:
            self._known[key] = HASHES[algorithm](memoryview(self.canonical(form))[:length]).digest()
        return self._known[key]

    def signed_lines(self, form: str, algorithm: str, digest: bytes) -> int | None:
        """After how many lines the body still has this hash: what follows was added. None where no end fits."""
        start, *last = self.canonical(form).rsplit(b"\r\n", MAX_ADDED + 1)
        running = HASHES[algorithm](start + b"\r\n")
        number = start.count(b"\r\n") + 1
        if start and running.copy().digest() == digest:
            return number
        for line in last[:-2]:
            running.update(line + b"\r\n")
            number += 1
            # A canonical body never ends in an empty line.
            if line and running.copy().digest() == digest:
                return number
        return None


def take_apart(raw: bytes) -> Signed:
    """The fields and the body of a message, with LF or CRLF line ends; never raises.

    Lines of the header that are no field, such as the "From " of a mailbox file, are passed over.
    """
    if len(raw) > MAX_MESSAGE:
        return Signed(b"", (), b"", f"it is longer than {MAX_MESSAGE // 1024 // 1024} MB")
    text = raw.replace(b"\r\n", b"\n")
    head, _, body = (b"", b"", text[1:]) if text.startswith(b"\n") else text.partition(b"\n\n")
    if len(head) > MAX_HEAD:
        return Signed(b"", (), b"", f"its header is longer than {MAX_HEAD // 1024} KB")
    found: list[tuple[bytes, list[bytes]]] = []
    for line in head.rstrip(b"\n").split(b"\n"):
        if line[:1] in (b" ", b"\t") and found:
            found[-1][1].append(line)
        elif name := _FIELD.match(line):
            found.append((name[1], [line[name.end() :]]))
    if len(found) > MAX_FIELDS:
        return Signed(b"", (), b"", f"it has more than {MAX_FIELDS:,} header fields")
    fields = tuple((name, b"".join(part + b"\r\n" for part in parts)) for name, parts in found)
    return Signed(head, fields, body.replace(b"\n", b"\r\n"))


def _without_empty_end(body: bytes) -> bytes:
    """Up to the last line that is not empty, without its line end; a bare CR is no line end."""
    if not body.endswith(b"\r\n"):
        return body
    bare = body.rfind(b"\r\r", len(body.rstrip(b"\r\n")))
    return body[: bare + 1] if bare >= 0 else body.rstrip(b"\r\n")
