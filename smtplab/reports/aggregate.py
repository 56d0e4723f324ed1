"""DMARC aggregate reports: RFC 9990, RFC 7489 appendix C and the drafts before, with or without a namespace.

Read as a stream by libxml2 without entities, DTD or network. A report that is not well-formed is read a second
time leniently and its rows are kept, with a problem that says so; a DOCTYPE is refused in either pass, because
leniency would hide the attack and give a wrong report.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from lxml import etree

from smtplab.archives import Bounded, Member
from smtplab.errors import SourceError

MAX_RECORDS = 1_000_000
MAX_IDLE = 4 * 1024 * 1024
"""Most bytes between two records."""
MAX_TEXT = 300
MAX_RESULTS = 20
Tell = Callable[[str], None]
Row = dict[str, Any]


@dataclass
class _Report:
    """What the head of a report says, as its elements end."""

    head: dict[str, Any] = field(default_factory=dict)
    records: int = 0
    is_feedback: bool = False
    told: set[str] = field(default_factory=set)


def rows(member: Member, tell: Tell) -> Iterator[Row]:
    """Rows of the table aggregate from one XML file; `tell` gets one line for each thing that is wrong.

    Raises SourceError where the file is no report or must be refused.
    """
    try:
        yield from _pass(member, tell, recover=False)
    except etree.XMLSyntaxError as e:
        found = list(_pass(member, lambda _: None, recover=True))
        if not found:
            raise SourceError(f"not well-formed XML: {_say(e)}", where=member.name) from e
        tell(f"not well-formed XML ({_say(e)}); {len(found)} rows could be recovered")
        yield from found


def _say(e: etree.XMLSyntaxError) -> str:
    return " ".join(str(e.msg or "empty").split())[:120]


def _pass(member: Member, tell: Tell, *, recover: bool) -> Iterator[Row]:
    reader = member.open()
    report = _Report()
    try:
        # A strict pass keeps its rows until the end: those of a file that then breaks come from the second pass.
        kept = list(_events(reader, report, tell, recover))
    finally:
        reader.close()
    if not report.is_feedback:
        raise SourceError("XML, but not a DMARC aggregate report (no <feedback>)", where=member.name)
    for name in ("org", "report_id", "begin", "end", "domain"):
        if not report.head.get(name) and name not in report.told:
            tell(f"the report does not say its {_NAMES[name]}")
    if not kept:
        tell("the report holds no record")
    for row in kept:
        yield {**report.head, **row}


_NAMES = {"org": "org_name", "report_id": "report_id", "begin": "begin", "end": "end", "domain": "policy domain"}


class _Paced:
    """A reader that stops where nothing of a report comes for long: such XML only fills memory."""

    def __init__(self, reader: Bounded) -> None:
        self.reader, self.since = reader, 0

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; raises SourceError after MAX_IDLE bytes without a record."""
        data = self.reader.read(size)
        self.since += len(data)
        if self.since > MAX_IDLE:
            raise SourceError(f"{MAX_IDLE // 1024 // 1024} MiB of XML without a record", where=self.reader.where)
        return data


def _events(reader: Bounded, report: _Report, tell: Tell, recover: bool) -> Iterator[Row]:
    paced = _Paced(reader)
    parser = etree.iterparse(
        paced,
        events=("end",),
        tag=("{*}record", "{*}report_metadata", "{*}policy_published"),
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        recover=recover,
    )
    for _, element in parser:
        if not report.is_feedback:
            _refuse(element.getroottree(), reader.where)
            report.is_feedback = _local(element.getroottree().getroot()) == "feedback"
        paced.since = 0
        name = _local(element)
        if name == "record":
            report.records += 1
            if report.records > MAX_RECORDS:
                tell(f"more than {MAX_RECORDS:,} records; the rest was left out")
                return
            if row := _record(element, tell):
                yield row
            # Free what was read: the element and the ones before it.
            element.clear(keep_tail=False)
            parent = element.getparent()
            while parent is not None and element.getprevious() is not None:
                del parent[0]
        elif name == "report_metadata":
            _metadata(element, report, tell)
        else:
            fields = _fields(element)
            report.head["domain"] = _domain(_text(fields, "domain"))
            report.head["discovery_method"] = _word(_text(fields, "discovery_method"))
    if not report.is_feedback and parser.root is not None:
        _refuse(parser.root.getroottree(), reader.where)
        report.is_feedback = _local(parser.root) == "feedback"


def _refuse(tree: Any, where: str) -> None:
    if tree.docinfo.doctype:
        raise SourceError("refused: it declares a DOCTYPE, which no report needs", where=where)


def _metadata(element: Any, report: _Report, tell: Tell) -> None:
    head, fields = report.head, _fields(element)
    head["org"] = _text(fields, "org_name")
    head["report_id"] = _text(fields, "report_id")
    span = _fields(fields.get("date_range"))
    for name in ("begin", "end"):
        raw = _text(span, name)
        head[name] = _moment(raw)
        if raw and head[name] is None:
            report.told.add(name)
            tell(f"the {name} of the report is not a time: {raw[:40]!r}")


def _record(record: Any, tell: Tell) -> Row | None:
    parts = _fields(record)
    if "row" not in parts:
        tell("a record without <row> was left out")
        return None
    row, named, results = _fields(parts["row"]), _fields(parts.get("identifiers")), parts.get("auth_results")
    count = _count(_text(row, "count"))
    if count is None:
        tell(f"a record whose count is {(_text(row, 'count') or 'missing')[:40]!r} was left out")
        return None
    policy = _fields(row.get("policy_evaluated"))
    dkim, spf = _pass_fail(_text(policy, "dkim")), _pass_fail(_text(policy, "spf"))
    reasons = _children(row.get("policy_evaluated"), "reason") if "reason" in policy else []
    return {
        "source_ip": _address(_text(row, "source_ip"), tell),
        "count": count,
        "disposition": _word(_text(policy, "disposition")),
        "dkim": dkim,
        "spf": spf,
        "header_from": _domain(_text(named, "header_from")),
        "envelope_from": _domain(_text(named, "envelope_from")),
        "dkim_results": _joined(map(_dkim, _children(results, "dkim"))),
        "spf_results": _joined(map(_spf, _children(results, "spf"))),
        "overrides": _joined(_word(_text(_fields(r), "type")) for r in reasons),
        "alignment": _ALIGNMENT[dkim == "pass", spf == "pass"],
    }


_ALIGNMENT = {(True, True): "both", (True, False): "dkim", (False, True): "spf", (False, False): "none"}


def _dkim(one: Any) -> str:
    fields = _fields(one)
    domain, selector = _domain(_text(fields, "domain")), _domain(_text(fields, "selector"))
    return f"{domain or '?'}/{selector or ''}={_word(_text(fields, 'result')) or '?'}"


def _spf(one: Any) -> str:
    fields = _fields(one)
    return f"{_domain(_text(fields, 'domain')) or '?'}={_word(_text(fields, 'result')) or '?'}"


def _joined(values: Iterable[str | None]) -> str | None:
    return " ".join(dict.fromkeys(v for v in values if v)) or None


def _local(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _fields(element: Any) -> dict[str, Any]:
    """The children of an element by local name, the first of each."""
    found: dict[str, Any] = {}
    for child in element if element is not None else ():
        tag = child.tag
        if isinstance(tag, str):
            found.setdefault(tag.rpartition("}")[2] if tag[0] == "{" else tag, child)
    return found


def _children(element: Any, name: str) -> list[Any]:
    if element is None:
        return []
    return [c for c in element if isinstance(c.tag, str) and _local(c) == name][:MAX_RESULTS]


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    found = fields.get(name)
    value = found.text if found is not None else None
    return " ".join(value.split())[:MAX_TEXT] or None if value else None


def _word(value: str | None) -> str | None:
    return value.lower().replace(" ", "_") if value else None


_domain_cut = str.maketrans({" ": "_", "/": "_", "=": "_"})


def _domain(value: str | None) -> str | None:
    """Lower case, no final dot, and none of the signs that our joined columns use."""
    return value.lower().rstrip(".").translate(_domain_cut) or None if value else None


def _pass_fail(value: str | None) -> str | None:
    word = _word(value)
    return word if word in (None, "pass", "fail") else "fail"


def _count(value: str | None) -> int | None:
    return int(value) if value and value.isascii() and value.isdigit() and len(value) < 13 else None


def _address(value: str | None, tell: Tell) -> str | None:
    if not value:
        return None
    plain = _plain_address(value)
    if plain is None:
        tell(f"source_ip {value[:60]!r} is not an address")
    return plain or value


@lru_cache(maxsize=50_000)
def _plain_address(value: str) -> str | None:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        return None


def _moment(value: str | None) -> datetime | None:
    """Seconds since 1970, or, in old drafts, a date."""
    if not value:
        return None
    try:
        if value.isascii() and value.isdigit():
            when = datetime.fromtimestamp(int(value), UTC)
        else:
            when = datetime.fromisoformat(value)
            when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return when if when.year <= 2100 else None
