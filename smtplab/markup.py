"""Static, escaped HTML for tables: the one place where evidence becomes markup.

No script and no style sheet, so that a chapter's output is the same at each run and safe anywhere; class names
(`smtplab-…`) are styled by the report, and the few inline styles serve JupyterLab.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd

BADGES = {
    # severity: (ink, ground), each readable on its own ground in light and dark
    "critical": ("#ffffff", "#b3261e"),
    "high": ("#ffffff", "#b34d00"),
    "medium": ("#1f2430", "#f0b429"),
    "low": ("#ffffff", "#0067a3"),
    "info": ("#ffffff", "#5b6270"),
    "ok": ("#ffffff", "#00734f"),
}
_MOST_EVIDENCE = 4
_LONGEST = 400


def badge(severity: str) -> str:
    """The severity in words on its colour."""
    ink, ground = BADGES.get(severity, BADGES["info"])
    style = f"color:{ink};background:{ground};padding:1px 8px;border-radius:9px;font-size:85%;white-space:nowrap"
    return f'<span class="smtplab-badge smtplab-{escape(severity)}" style="{style}">{escape(severity)}</span>'


def findings_table(findings: Sequence[Mapping[str, Any]]) -> str:
    """A table of findings given as plain values (`Finding.as_dict`); the record stands in a copyable block."""
    if not findings:
        return '<p class="smtplab-none">No findings.</p>'
    rows = "".join(_finding(f) for f in findings)
    head = "".join(
        f'<th scope="col" style="text-align:left">{h}</th>' for h in ("severity", "what is wrong", "what to do")
    )
    return f'<table class="smtplab-findings"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _finding(finding: Mapping[str, Any]) -> str:
    record = str(finding.get("record", ""))
    fix = f"<div>{_text(finding['fix'])}</div>" if finding["fix"] else ""
    if record:
        fix += (
            '<pre class="smtplab-record" style="white-space:pre-wrap;overflow-wrap:anywhere;margin:4px 0">'
            f"<code>{escape(record)}</code></pre>"
        )
    evidence = [str(e) for e in finding.get("evidence", ())]
    shown = "; ".join(map(_text, evidence[:_MOST_EVIDENCE]))
    if len(evidence) > _MOST_EVIDENCE:
        shown += f" and {len(evidence) - _MOST_EVIDENCE} more"
    seen = f'<div class="smtplab-evidence"><small>seen in {shown}</small></div>' if shown else ""
    return (
        f'<tr data-severity="{escape(str(finding["severity"]))}">'
        f'<td style="vertical-align:top">{badge(str(finding["severity"]))}</td>'
        f'<td style="text-align:left;vertical-align:top"><strong>{_text(finding["title"])}</strong>'
        f"<div>{_text(finding['why'])}</div>"
        f'<div class="smtplab-code"><small><code>{_text(finding["code"])}</code> · '
        f"{_text(finding['standard'])}</small></div>"
        f'{seen}</td><td style="text-align:left;vertical-align:top">{fix}</td></tr>'
    )


def frame_table(frame: pd.DataFrame, caption: str | None = None, limit: int = 60) -> str:
    """A DataFrame as a plain table with its caption; rows beyond `limit` are counted, never silently cut."""
    shown = frame.head(limit)
    numeric = [pd.api.types.is_numeric_dtype(t) and not pd.api.types.is_bool_dtype(t) for t in frame.dtypes]
    head = "".join(
        f'<th scope="col" style="text-align:{_side(n)}">{_text(c)}</th>' for c, n in zip(frame, numeric, strict=True)
    )
    body = "".join(
        "<tr>" + "".join(_cell(str(c), v, n) for c, v, n in zip(frame, row, numeric, strict=True)) + "</tr>"
        for row in shown.itertuples(index=False, name=None)
    )
    title = f'<caption style="caption-side:top;text-align:left">{_text(caption)}</caption>' if caption else ""
    more = f"<p><small>and {len(frame) - limit:,} more rows</small></p>" if len(frame) > limit else ""
    return f'<table class="smtplab-table">{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}'


def _cell(column: str, value: Any, numeric: bool) -> str:
    if column == "severity":
        inner = badge(str(value))
    elif numeric:
        inner = _number(column, value)
    else:
        inner = "" if _absent(value) else _text(value)
    return f'<td style="text-align:{_side(numeric)};vertical-align:top">{inner}</td>'


def _number(column: str, value: Any) -> str:
    if _absent(value):
        return ""
    if column == "share" or column.endswith("_share"):
        return f"{value:.1%}"
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}"


def _absent(value: Any) -> bool:
    missing = pd.isna(value)
    return isinstance(missing, bool) and missing


def _side(numeric: bool) -> str:
    return "right" if numeric else "left"


def _text(value: Any) -> str:
    text = str(value)
    return escape(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…")
