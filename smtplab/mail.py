"""Messages as they lie in files: mbox (RFC 4155), maildir, a folder of .eml, one message; any line ending, gzip too.

Parsing never raises: what cannot be understood stays text.
"""

from __future__ import annotations

import email
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from smtplab.archives import Bounded, Member, Problem, members, whole
from smtplab.errors import SourceError

MAX_MESSAGE = 8 * 1024 * 1024
"""Most bytes read of one message; the rest of a longer one is left out and told."""
MAX_FILES = 200_000
MAX_ZIPPED = 20_000
"""Most messages read of one zip."""
STANDARD_INPUT = "-"
NOT_MAIL = "not mail; expected mbox, maildir or a message (.eml)"
MAX_PARTS = 500
MAX_HEADER = 2_000
_BLOCK = 256 * 1024
_SEPARATOR = re.compile(rb"\n\nFrom \S{0,320} ?[^\n]{0,80}\d{1,2}:\d\d[^\n]{0,40}\d{4}")
_LONGEST_SEPARATOR = 1_000
_QUOTED_FROM = re.compile(rb"\n>(>*From )")
_HEADER = re.compile(rb"(>?From |[!-9;-~]{1,80}[ \t]{0,4}:)")
_PLAIN = re.compile(
    r"(?:[\w\s.=?!'+*/-]*+|\"[^\"\\\\]*+\"\s*+)<([^\s<>()\",;:]++)>|([^\s<>()\",;:]++)(?:\s+\([^()]*\))?"
)
"""One address, with or without a name: what nearly all header fields hold; the rest is for the library."""
_SIMPLE = re.compile(r"<?([\w+=./!#$%&*?^{|}~-]{1,64})@([A-Za-z0-9.-]{0,250}[A-Za-z0-9])>?", re.ASCII)
_NO_DOMAIN = re.compile(r"[\s<>,;:\\\"()\[\]]")
"""What is in no domain."""
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
"""What is in no address (RFC 5321 section 4.1.2, RFC 6531), and would drive the terminal that a list is shown on."""
_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS = {name: f"{number:02}" for number, name in enumerate(_NAMES, 1)}
_DATE = re.compile(
    rf"(?:[A-Z][a-z]{{2}}, )?(\d{{1,2}}) ({'|'.join(_MONTHS)}) (\d{{4}}) (\d\d:\d\d:\d\d) ([+-][01]\d[0-5]\d)"
    r"(?: \([^()]{0,40}\))?",
    re.ASCII,
)
"""A date as nearly all mail has it; the rest is for the library."""
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\f\r\x1b"))
_SKIP = {".DS_Store", "dovecot-uidlist", "dovecot-keywords", "subscriptions", "maildirsize", "maildirfolder"}


@dataclass(frozen=True)
class Raw:
    """One message as bytes with LF line ends: its file, the line it starts at, its place in a mailbox, whether cut."""

    file: str
    line: int
    data: bytes
    number: int = 1
    cut: bool = False


def files(path: Path, name: str) -> Iterator[tuple[Path, str]]:
    """The files of a path: itself, or in name order those of a folder or maildir (cur and new, tmp left out)."""
    if not path.is_dir():
        yield path, whole(name)
        return
    found = sorted(p for p in path.rglob("*") if p.is_file() and not p.is_symlink() and p.name not in _SKIP)
    for file in found[:MAX_FILES]:
        inner = file.relative_to(path)
        if "tmp" not in inner.parts[:-1] and not inner.name.startswith("."):
            yield file, whole(f"{name}/{inner.as_posix()}")


def read(path: Path, name: str, problem: Problem) -> Iterator[Raw]:
    """All messages of a path, "-" for standard input; `name` is how the path is called in tables and problems."""
    if str(path) == STANDARD_INPUT:
        with _standard_input() as file:
            yield from read(file, "standard input", problem)
        return
    for file, label in files(path, name):
        try:
            for member in members(file, label, problem, MAX_ZIPPED):
                yield from read_member(member, problem)
        except SourceError as e:
            problem(label, e.what)
        except OSError as e:
            problem(label, f"cannot be read: {e.strerror}")


@contextmanager
def _standard_input() -> Iterator[Path]:
    """Standard input as a file: a mailbox is looked at twice, and may be larger than memory."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mail"
        with file.open("wb") as kept:
            shutil.copyfileobj(sys.stdin.buffer, kept)
        yield file


def read_member(member: Member, problem: Problem) -> Iterator[Raw]:
    """The messages of one file: those of an mbox, or one."""
    head = member.head()
    if kind := not_mail(head):
        return problem(member.name, "empty: no message" if kind == "empty" else f"{kind}, {NOT_MAIL}")
    reader = member.open()
    reader.unbound()
    try:
        if head.startswith(b"From "):
            yield from _mbox(reader, member.name, problem)
        else:
            yield _bounded(reader.read(MAX_MESSAGE + 1), member.name, 1, 1, problem)
        if reader.cut:
            problem(member.name, "the gzip data ends before its time; what could be read was read")
    finally:
        reader.close()
    return None


def not_mail(head: bytes) -> str:
    """What a file is that is no mail, from its first bytes; "" for mail."""
    for magic, kind in ((b"%PDF", "a PDF document"), (b"PK\x03\x04", "a zip archive"), (b"\x89PNG", "an image")):
        if head.startswith(magic):
            return kind
    if not head.strip():
        return "empty"
    if len(head) - len(head.translate(None, _CONTROLS)) > len(head) // 20:
        return "binary data"
    lines = [x for x in re.split(rb"\r\n|\r|\n", head.removeprefix(b"\xef\xbb\xbf")) if x.strip()]
    # A stray line or two before the header block is common in files saved by hand.
    if not any(_HEADER.match(line) for line in lines[:5]):
        return "text without a mail header"
    return ""


def refusal(path: Path) -> str:
    """Why a file can hold no mail, by its first bytes; "" for one that may, or is empty."""
    told: list[str] = []
    try:
        for member in members(path, path.name, lambda _, what: told.append(what)):
            if (kind := not_mail(member.head())) in ("", "empty"):
                return ""
            told.append(f"{kind}, {NOT_MAIL}")
    except (SourceError, OSError) as e:
        told.append(getattr(e, "what", "") or f"cannot be read: {getattr(e, 'strerror', e)}")
    return told[0] if told else ""


def _bounded(data: bytes, file: str, line: int, number: int, problem: Problem) -> Raw:
    cut = len(data) > MAX_MESSAGE
    if cut:
        problem(file, f"message {number} is longer than {MAX_MESSAGE // 1024 // 1024} MiB; its end was left out")
        data = data[:MAX_MESSAGE]
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return Raw(file, line, data.lstrip(b"\n"), number, cut)


def _mbox(reader: Bounded, file: str, problem: Problem) -> Iterator[Raw]:
    """Split at lines "From …" that follow an empty line and look like a separator; holds one message at a time."""
    # The first line needs no empty one before it.
    kept, line, number, searched = b"\n\n", -1, 0, 0
    for block in _blocks(reader):
        kept += block
        begun = 0
        for found in _SEPARATOR.finditer(kept, searched):
            if number or found.start():
                number = number or 1
                yield from _message(kept[begun : found.start() + 1], file, line, number, problem)
            line += kept.count(b"\n", begun, found.start() + 2)
            begun, number = found.start() + 2, number + 1
        number = number or 1
        kept = kept[begun:]
        if len(kept) > MAX_MESSAGE + _LONGEST_SEPARATOR * 2:
            # What lies between cannot be kept; its lines count.
            line += kept.count(b"\n", MAX_MESSAGE + 1, -_LONGEST_SEPARATOR)
            kept = kept[: MAX_MESSAGE + 1] + kept[-_LONGEST_SEPARATOR:]
        searched = max(0, len(kept) - _LONGEST_SEPARATOR)
    yield from _message(kept, file, line, number, problem)


def _message(data: bytes, file: str, line: int, number: int, problem: Problem) -> Iterator[Raw]:
    """One message of a mailbox, its separator and what writers put before "From " taken off; none where nothing is."""
    data = data.lstrip(b"\n").partition(b"\n")[2]
    if not data or data.isspace():
        return
    if b">From " in data:
        data = _QUOTED_FROM.sub(rb"\n\1", b"\n" + data)[1:]
    yield _bounded(data, file, max(line, 1), number, problem)


def _blocks(reader: Bounded) -> Iterator[bytes]:
    """What a reader gives, with LF line ends, whatever the file has; a block may end within a CRLF."""
    rest = b""
    while block := reader.read(_BLOCK):
        block = rest + block
        rest = b"\r" if block.endswith(b"\r") else b""
        block = block[: len(block) - len(rest)]
        yield block.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in block else block
    if rest:
        yield b"\n"


def parse(data: bytes) -> Message:
    """A message; one nested too deeply is taken as its header and plain text."""
    try:
        return email.message_from_bytes(data)
    except (RecursionError, ValueError, LookupError, AttributeError, TypeError, IndexError):
        return _flat(data)


def _flat(data: bytes) -> Message:
    message = Message()
    message.set_payload(data.decode("utf-8", "replace"))
    return message


def parts(message: Message) -> list[Message]:
    """The message and its parts in order, the embedded messages' parts included; bounded."""
    found: list[Message] = []
    stack = [message]
    while stack and len(found) < MAX_PARTS:
        part = stack.pop()
        found.append(part)
        inner = payload(part)
        if isinstance(inner, list):
            stack += [p for p in reversed(inner) if isinstance(p, Message)]
    return found


def payload(part: Message) -> Any:
    """The parts of a multipart, else the undecoded text, "" where not even that can be had."""
    try:
        return part.get_payload()
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""


def kind(part: Message) -> str:
    """The part's type, "text/plain" where it is missing or nonsense."""
    try:
        return part.get_content_type()
    except (TypeError, ValueError, AttributeError, IndexError):
        return "text/plain"


def content(part: Message) -> bytes:
    """The bytes of a leaf part with its transfer encoding undone."""
    try:
        data = part.get_payload(decode=True)
    except (ValueError, AssertionError, TypeError, LookupError, AttributeError, IndexError):
        data = None
    if isinstance(data, bytes):
        return data
    raw = payload(part)
    return raw.encode("utf-8", "replace") if isinstance(raw, str) else b""


class Fields(Protocol):
    """Header fields by name: a message of the standard library, or one that was only looked into."""

    def get_all(self, name: str, /) -> Any:
        """All values of a field, None without any."""


def header(message: Fields, name: str) -> str | None:
    """A header field's first value: unfolded, decoded (RFC 2047), bounded; None where it is absent or empty."""
    for value in message.get_all(name) or ():
        if plain := decoded(value):
            return plain
    return None


def headers(message: Fields, name: str, most: int = 100) -> list[str]:
    """The values of a header field that are not empty."""
    values = message.get_all(name)
    return list(islice(filter(None, map(decoded, values)), most)) if values else []


def decoded(value: Any) -> str:
    """A header value as one line of text."""
    raw = str(value)[: MAX_HEADER * 4]
    if "=?" not in raw and raw.isascii():
        return " ".join(raw.split())[:MAX_HEADER]
    try:
        pieces = decode_header(raw) if "=?" in raw else [(raw, None)]
    except (HeaderParseError, ValueError, TypeError):
        pieces = [(raw, None)]
    made = ""
    for piece, charset in pieces:
        made += piece if isinstance(piece, str) else _decode(piece, charset)
    return " ".join(whole(made).split())[:MAX_HEADER]


def _decode(piece: bytes, charset: str | None) -> str:
    try:
        return piece.decode(charset or "utf-8", "replace")
    except (LookupError, ValueError):
        return piece.decode("utf-8", "replace")


def addresses(message: Fields, name: str) -> list[str]:
    """The addresses of a header field, domains in lower case; what is no address is left out."""
    values = message.get_all(name)
    if not values:
        return []
    if len(values) == 1 and (plain := _PLAIN.fullmatch(str(values[0])[:MAX_HEADER].strip())):
        return [a] if (a := address(plain[1] or plain[2])) else []
    values = [str(v)[:MAX_HEADER] for v in values[:20]]
    if not any("@" in v for v in values):
        return []
    try:
        pairs = getaddresses(values)
    except (ValueError, TypeError, IndexError, AttributeError, RecursionError):
        return []
    return [a for _, raw in pairs if (a := address(raw))]


def address(raw: str | None) -> str | None:
    """One address in its plain form: no brackets, domain in lower case; None if it is none."""
    if not raw:
        return None
    if plain := _SIMPLE.fullmatch(raw):
        return f"{plain[1]}@{plain[2].lower()}"
    found = raw.strip().strip("<>").rstrip("'\"").removeprefix("mailto:").strip().strip("<>")
    # A quoted local part (RFC 5321 section 4.1.2) keeps its quotes.
    found = found if '"@' in found else found.lstrip("'\"<")
    local, at, domain = found.rpartition("@")
    domain = domain.strip().rstrip(".").lower()
    if not (at and local and domain) or len(found) > 320 or _NO_DOMAIN.search(domain) or _CONTROL.search(found):
        return None
    return f"{local.strip()}@{domain}"


def domain_of(plain: str | None) -> str | None:
    """The domain of an address."""
    return plain.rpartition("@")[2] or None if plain and "@" in plain else None


def within(domain: object, domains: Iterable[str]) -> bool:
    """Whether a domain is one of `domains` or lies below one."""
    if not isinstance(domain, str):
        return False
    plain = domain.lower().rstrip(".")
    return any(plain == d or plain.endswith(f".{d}") for d in domains)


def date(message: Fields, name: str = "Date") -> datetime | None:
    """A date header in UTC; one without zone counts as UTC; None where it cannot be read."""
    value = header(message, name)
    return moment(value) if value else None


def moment(value: str) -> datetime | None:
    """An RFC 5322 date in UTC, or None."""
    try:
        if plain := _DATE.fullmatch(value):
            day, month, year, clock, zone = plain.groups()
            when = datetime.fromisoformat(f"{year}-{_MONTHS[month]}-{day:0>2}T{clock}{zone}").astimezone(UTC)
            return when if 1990 <= when.year <= 2100 else None
        when = parsedate_to_datetime(value)
        when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        return None
    return when if 1990 <= when.year <= 2100 else None


def list_id(message: Fields) -> str | None:
    """The name of the mailing list (RFC 2919), without the words before it; None where there is none."""
    value = header(message, "List-Id") or ""
    return (value.rpartition("<")[2].rstrip("> ").strip() if "<" in value else value) or None


def tags(value: str) -> dict[str, str]:
    """A tag list (RFC 6376 section 3.2) such as a DKIM-Signature: name in lower case, value without blanks."""
    pairs = (t.split("=", 1) for t in value.split(";")[:50] if "=" in t)
    return {k.strip().lower(): "".join(v.split()) for k, v in pairs}


def signatures(message: Fields) -> list[tuple[str, str]]:
    """Domain and selector of each DKIM-Signature, in order."""
    found = (tags(v) for v in headers(message, "DKIM-Signature"))
    return [(t["d"].lower().rstrip("."), t["s"].lower()) for t in found if t.get("d") and t.get("s")]
