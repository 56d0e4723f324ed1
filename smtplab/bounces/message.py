"""A message as far as a report needs it: headers by hand and parts by their boundaries (RFC 5322, 2045, 2046).

The standard library builds a whole tree with registries and policies for each message; that alone costs more than
all judging of a bounce. Here a part is a slice of bytes, looked into only when somebody asks. Nothing raises.
"""

from __future__ import annotations

import binascii
import codecs
import re
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from smtplab import mail
from smtplab.archives import whole

MAX_PARTS = 200
MAX_DEPTH = 12
STRAY_LINES = 5
"""Lines before the header block that are passed over: files saved by hand have them."""
MAX_HEAD = 256 * 1024
MAX_TEXT = 128 * 1024
HEADERS_ONLY = ("text/rfc822-headers", "message/rfc822-headers", "message/global-headers")
EMBEDDED = ("message/rfc822", "message/global", *HEADERS_ONLY)
"""Types of a message within a message (RFC 2046, 6532, 3462, 6533)."""
_FIELD = re.compile(r"^([!-9;-~]{1,100}+)[ \t]*+:[ \t]*+(.*+(?:\n[ \t].*+)*+)", re.M)
_RAW_FIELD = re.compile(_FIELD.pattern.encode(), re.M)
_START = re.compile(rb"(?:(?:[!-9;-~]{1,100}+[ \t]*+:|[ \t]|>?From ).*+(?:\n|\Z))*+")
_PARAMETER = re.compile(r";\s*([\w-]{1,40})\s*=\s*(?:\"([^\"]{0,400})\"?|([^\s;]{1,400}))")
_TYPE = re.compile(r"\s*([\w.+-]{1,60}/[\w.+-]{1,80})")
_GUESS = re.compile(rb"^--([^\n]{4,100}?)[ \t]*\nContent-", re.M | re.I)
_CHARSETS = {"shift_jis": "cp932", "shift-jis": "cp932", "x-sjis": "cp932", "gb2312": "gb18030", "gbk": "gb18030"}
"""Labels whose writers mean the larger set."""
_PLAIN = ("", "us-ascii", "ascii", "utf-8", "utf8", "iso-8859-1", "windows-1252")
"""Labels under which ASCII is ASCII: what nearly all notices are."""
_NO_CHARSETS = ("idna", "punycode")
"""What Python calls so spells the names of domains: it is no charset (IANA), and takes long in a long text."""
_T = TypeVar("_T")


class once(Generic[_T]):  # noqa: N801
    """A property that is made when first asked for and kept; `functools.cached_property` takes a lock (Python 3.11)."""

    def __init__(self, make: Callable[[Any], _T]) -> None:
        self.make = make
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, owner: Any, kind: type | None = None) -> _T:
        made = owner.__dict__[self.name] = self.make(owner)
        return made


class Part:
    """A message or a part of one; `depth` counts the containers around it."""

    def __init__(self, data: bytes, depth: int = 0, default: str = "text/plain") -> None:
        found = None if data.startswith(b"\n") else _START.match(data, 0, MAX_HEAD)
        size = found.end() if found else 0
        self.head = data[:size]
        self.body = data[size + 1 :] if data[size : size + 1] == b"\n" else data[size:]
        self.depth = depth
        self.default = default
        self._firsts: dict[str, str] = {}

    @once
    def fields(self) -> dict[str, list[str]]:
        """Values by name in lower case, as text, still folded and encoded."""
        found: dict[str, list[str]] = {}
        for name, value in _pairs(self.head):
            key = name.lower()
            if key in found:
                found[key].append(value)
            else:
                found[key] = [value]
        return found

    def get_all(self, name: str) -> list[str] | None:
        """All values of a field as text, still folded and encoded; None without any. What module mail asks for."""
        return self.fields.get(name.lower())

    def first(self, name: str) -> str:
        """A field's first value, unfolded and decoded, "" without it; kept."""
        found = self._firsts.get(name)
        if found is None:
            values = self.fields.get(name.lower(), ())
            found = self._firsts[name] = next(filter(None, map(mail.decoded, values)), "") if values else ""
        return found

    @once
    def authors(self) -> list[str]:
        """The addresses of From."""
        return mail.addresses(self, "From")

    def has(self, name: str) -> bool:
        """Whether there is such a field."""
        return name.lower() in self.fields

    @once
    def kind(self) -> str:
        """The type in lower case; the default where it is missing or nonsense."""
        values = self.fields.get("content-type")
        found = _TYPE.match(values[0]) if values else None
        return found[1].lower() if found else self.default

    def parameter(self, name: str) -> str:
        """A parameter of the type, "" without it."""
        values = self.fields.get("content-type")
        if values and ";" in values[0]:
            for said, quoted, plain in _PARAMETER.findall(values[0][:2_000].replace("\n", " ")):
                if said.lower() == name:
                    return str(quoted or plain)
        return ""

    @once
    def parts(self) -> list[Part]:
        """The parts of a multipart, the message within a message; [] for a leaf."""
        if self.depth >= MAX_DEPTH:
            return []
        if self.kind in EMBEDDED:
            data = self.content.lstrip(b"\n")
            return [Part(data, self.depth + 1)] if data else []
        if not self.kind.startswith("multipart/"):
            return []
        default = "message/rfc822" if self.kind == "multipart/digest" else "text/plain"
        return [Part(piece, self.depth + 1, default) for piece in self._pieces]

    @once
    def _pieces(self) -> list[bytes]:
        boundary = self.parameter("boundary").rstrip().encode("utf-8", "replace")
        mark = b"\n--" + boundary
        whole = b"\n" + self.body
        pieces = whole.split(mark, MAX_PARTS) if boundary else [whole]
        if len(pieces) == 1:
            guess = _GUESS.search(self.body[:MAX_HEAD])
            if not guess:
                return [whole] if self.body.strip() else []
            mark = b"\n--" + guess[1]
            pieces = whole.split(mark, MAX_PARTS)
        made: list[bytes] = []
        for piece in pieces[1:]:
            line, _, rest = piece.partition(b"\n")
            if line.startswith(b"--"):
                break
            if line.strip():
                # A longer boundary that begins like ours: its parts belong to the part before.
                made[-1:] = [made[-1] + mark + piece] if made else []
            else:
                made.append(rest)
        return made

    @property
    def preamble(self) -> bytes:
        """What stands before the first part of a multipart, where broken senders put their text."""
        mark = b"--" + self.parameter("boundary").encode("utf-8", "replace")
        return self.body.partition(mark)[0] if len(mark) > 2 else b""

    @once
    def content(self) -> bytes:
        """The bytes of a leaf with their transfer encoding undone and LF line ends."""
        return self._decoded(self.body)

    def _decoded(self, data: bytes) -> bytes:
        if values := self.fields.get("content-transfer-encoding"):
            data = _transferred(data, values[0].strip().lower())
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in data else data

    @once
    def text(self) -> str:
        """The text of a leaf, bounded, decoded as far as it can be."""
        return unencoded(self._decoded(self.body[: MAX_TEXT * 2])[:MAX_TEXT], self.parameter("charset"))


def read(data: bytes) -> Part:
    """A message from bytes with any line ends."""
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    data = data.removeprefix(b"\xef\xbb\xbf").lstrip(b"\n")
    for _ in range(STRAY_LINES):
        if (message := Part(data)).head:
            return message
        data = data.partition(b"\n")[2]
    return Part(data)


def outside(message: Part) -> list[Part]:
    """The message and its parts in order, without what lies in messages within it; bounded."""
    found: list[Part] = []
    stack = [message]
    while stack and len(found) < MAX_PARTS:
        part = stack.pop()
        found.append(part)
        if part is message or part.kind.startswith("multipart/"):
            stack += reversed(part.parts)
    return found


def _pairs(head: bytes) -> Iterable[tuple[str, str]]:
    """Names and values of a header block."""
    if head.isascii():
        return _FIELD.findall(head.decode("ascii"))
    return ((name.decode("ascii"), as_text(value)) for name, value in _RAW_FIELD.findall(head))


def as_text(raw: bytes) -> str:
    """Header bytes as text: UTF-8 (RFC 6532), else the one-byte set that shows every byte."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return unencoded(raw, "")


def unencoded(data: bytes, charset: str) -> str:
    """Bytes as text by their label; where label and bytes disagree, by what the bytes can be."""
    name = charset.strip().lower()
    if b"\x1b" in data:
        name = "iso-2022-jp" if b"\x1b$" in data or b"\x1b(" in data else name
    elif name in _PLAIN and data.isascii():
        return data.decode("ascii")
    name = _known(name)
    for label in (name, "utf-8"):
        try:
            return whole(data.decode(label or "ascii"))
        except (LookupError, ValueError, UnicodeError):
            continue
    known = name and name not in ("utf-8", "utf8", "us-ascii", "ascii")
    try:
        return whole(data.decode(name if known else "cp1252", "replace"))
    except (LookupError, ValueError, UnicodeError):
        return data.decode("utf-8", "replace")


def _known(name: str) -> str:
    """The set that a label means; what is none stays as it is."""
    try:
        return "" if codecs.lookup(name).name in _NO_CHARSETS else _CHARSETS.get(name, name)
    except (LookupError, ValueError):
        return name


def _transferred(data: bytes, encoding: str) -> bytes:
    if encoding.startswith("quoted"):
        return binascii.a2b_qp(data)
    if encoding.startswith("base64"):
        try:
            return binascii.a2b_base64(data)
        except (binascii.Error, ValueError):
            return _salvaged(data)
    return data


def _salvaged(data: bytes) -> bytes:
    """Base64 with its end missing or a plain footer behind it."""
    kept = re.sub(rb"[^A-Za-z0-9+/]", b"", data.partition(b"=")[0])
    try:
        return binascii.a2b_base64(kept[: len(kept) // 4 * 4])
    except (binascii.Error, ValueError):
        return data
