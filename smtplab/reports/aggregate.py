"""DMARC aggregate reports: RFC 9990, RFC 7489 appendix C and the drafts before, with or without a namespace.

Read as a stream by libxml2 without entities, DTD or network. A report that is not well-formed is read a second
time leniently and its rows are kept, with a problem that says so; a DOCTYPE is refused in either pass, because
leniency would hide the attack and give a wrong report.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lxml import etree

from smtplab.archives import Member
from smtplab.errors import SourceError

MAX_RECORDS = 1_000_000
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


def _events(reader: Any, report: _Report, tell: Tell, recover: bool) -> Iterator[Row]:
    parser = etree.iterparse(
        reader,
        events=("start", "end"),
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        recover=recover,
    )
    first = True
    for event, element in parser:
        if first:
            first = False
            if element.getroottree().docinfo.doctype:
                raise SourceError("refused: it declares a DOCTYPE, which no report needs", where=reader.where)
        if not isinstance(element.tag, str):
            continue
        name = _local(element)
        if event == "start":
            report.is_feedback |= name == "feedback"
            continue
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
        elif name == "policy_published":
            report.head["domain"] = _domain(_text(element, "domain"))
            report.head["discovery_method"] = _word(_text(element, "discovery_method"))


def _metadata(element: Any, report: _Report, tell: Tell) -> None:
    head = report.head
    head["org"] = _text(element, "org_name")
    head["report_id"] = _text(element, "report_id")
    span = _child(element, "date_range")
    for name in ("begin", "end"):
        raw = _text(span, name) if span is not None else None
        head[name] = _moment(raw)
        if raw and head[name] is None:
            report.told.add(name)
            tell(f"the {name} of the report is not a time: {raw[:40]!r}")


def _record(record: Any, tell: Tell) -> Row | None:
    row = _child(record, "row")
    if row is None:
        tell("a record without <row> was left out")
        return None
    count = _count(_text(row, "count"))
    if count is None:
        tell(f"a record whose count is {(_text(row, 'count') or 'missing')[:40]!r} was left out")
        return None
    policy = _child(row, "policy_evaluated")
    named = _child(record, "identifiers")
    results = _child(record, "auth_results")
    dkim = _pass_fail(_text(policy, "dkim"))
    spf = _pass_fail(_text(policy, "spf"))
    return {
        "source_ip": _address(_text(row, "source_ip"), tell),
        "count": count,
        "disposition": _word(_text(policy, "disposition")),
        "dkim": dkim,
        "spf": spf,
        "header_from": _domain(_text(named, "header_from")),
        "envelope_from": _domain(_text(named, "envelope_from")),
        "dkim_results": _dkim(results),
        "spf_results": _spf(results),
        "overrides": _joined(_word(_text(r, "type")) for r in _children(policy, "reason")),
        "alignment": {(True, True): "both", (True, False): "dkim", (False, True): "spf"}.get(
            (dkim == "pass", spf == "pass"), "none"
        ),
    }


def _dkim(results: Any) -> str | None:
    made = []
    for one in _children(results, "dkim"):
        selector = _domain(_text(one, "selector")) or ""
        made.append(f"{_domain(_text(one, 'domain')) or '?'}/{selector}={_word(_text(one, 'result')) or '?'}")
    return _joined(made)


def _spf(results: Any) -> str | None:
    return _joined(
        f"{_domain(_text(s, 'domain')) or '?'}={_word(_text(s, 'result')) or '?'}" for s in _children(results, "spf")
    )


def _joined(values: Iterator[Any] | list[Any]) -> str | None:
    return " ".join(dict.fromkeys(v for v in values if v)) or None


def _local(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _child(element: Any, name: str) -> Any:
    if element is None:
        return None
    return next((c for c in element if isinstance(c.tag, str) and _local(c) == name), None)


def _children(element: Any, name: str) -> list[Any]:
    if element is None:
        return []
    return [c for c in element if isinstance(c.tag, str) and _local(c) == name][:MAX_RESULTS]


def _text(element: Any, name: str) -> str | None:
    found = _child(element, name)
    value = " ".join((found.text or "").split())[:MAX_TEXT] if found is not None else ""
    return value or None


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
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        tell(f"source_ip {value[:60]!r} is not an address")
        return value


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
