"""SMTP TLS reports, RFC 8460: JSON in which a sender tells how often TLS to our servers worked, and why not."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from smtplab.errors import SourceError

MAX_BYTES = 32 * 1024 * 1024
MAX_POLICIES = 1_000
MAX_DETAILS = 10_000
MAX_TEXT = 300
NOT_DETAILED = "not-detailed"
"""Failures that the summary counts and no detail names; not a type of RFC 8460."""


def rows(data: bytes, name: str, tell: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """Rows of the table tls_reports: one of successes a policy, one a failure detail.

    Raises SourceError where the file is no report; `tell` gets one line for each thing that is wrong.
    """
    if len(data) > MAX_BYTES:
        raise SourceError(f"a TLS report of more than {MAX_BYTES // 1024 // 1024} MiB", where=name)
    try:
        report = json.loads(data.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError) as e:
        raise SourceError(f"not valid JSON: {str(e)[:100]}", where=name) from e
    if not isinstance(report, dict) or not isinstance(report.get("policies"), list):
        raise SourceError("JSON, but not a TLS report (no policies)", where=name)
    span = _object(report.get("date-range"))
    head = {
        "org": _text(report.get("organization-name")),
        "report_id": _text(report.get("report-id")),
        "begin": _moment(span.get("start-datetime")),
        "end": _moment(span.get("end-datetime")),
    }
    for key, value in head.items():
        if value is None:
            tell(f"the report does not say its {key}")
    for entry in report["policies"][:MAX_POLICIES]:
        yield from ({**head, **row} for row in _policy(_object(entry), tell))


def _policy(entry: dict[str, Any], tell: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    policy, summary = _object(entry.get("policy")), _object(entry.get("summary"))
    shared = {
        "policy_domain": (_text(policy.get("policy-domain")) or "").lower().rstrip(".") or None,
        "policy_type": _text(policy.get("policy-type")),
    }
    if shared["policy_domain"] is None:
        tell("a policy without policy-domain")
    failed = _count(summary.get("total-failure-session-count"))
    detailed = 0
    details = entry.get("failure-details")
    for raw in (details if isinstance(details, list) else [])[:MAX_DETAILS]:
        detail = _object(raw)
        count = _count(detail.get("failed-session-count"))
        detailed += count
        yield {
            **shared,
            "successes": 0,
            "failures": count,
            "result_type": (_text(detail.get("result-type")) or NOT_DETAILED).lower(),
            "sending_ip": _address(detail.get("sending-mta-ip")),
            "receiving_mx": (_text(detail.get("receiving-mx-hostname")) or "").lower().rstrip(".") or None,
            "receiving_ip": _address(detail.get("receiving-ip")),
        }
    if failed > detailed:
        yield {**shared, "successes": 0, "failures": failed - detailed, "result_type": NOT_DETAILED}
    yield {**shared, "successes": _count(summary.get("total-successful-session-count")), "failures": 0}


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return " ".join(value.split())[:MAX_TEXT] or None if isinstance(value, str) else None


def _count(value: Any) -> int:
    """A count, also where a reporter writes it as text; 0 for what is none."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 13:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**12 else 0


def _address(value: Any) -> str | None:
    text = _text(value)
    try:
        return str(ipaddress.ip_address(text)) if text else None
    except ValueError:
        return text


def _moment(value: Any) -> datetime | None:
    text = _text(value)
    try:
        when = datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None
    except ValueError:
        return None
    if when is None or not 1990 <= when.year <= 2100:
        return None
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
