"""Static, escaped HTML for tables: the one place where evidence becomes markup.

No script and no style sheet, so that a chapter's output is the same at each run and safe anywhere; class names
(`smtplab-…`) are styled by the report, and the few inline styles serve JupyterLab.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape as _escaped
from typing import Any

import pandas as pd

from smtplab.visible import visible

BADGES = {
    # severity: (ink, ground), each readable on its own ground in light and dark
    "critical": ("#ffffff", "#b3261e"),
    "high": ("#ffffff", "#b34d00"),
    "medium": ("#1f2430", "#f0b429"),
    "low": ("#ffffff", "#0067a3"),
    "info": ("#ffffff", "#5b6270"),
    "ok": ("#ffffff", "#00734f"),
}
_MOST_EVIDENCE, _ROOM_FOR_EVIDENCE = 4, 160
_LONGEST = 400
_LONGEST_WORDING = 4_000
_SHARES = ("_share", "_rate", "_low", "_high")
"""What the names of columns end in that hold shares and the bounds of their intervals."""
_CODE = re.compile(r"`([^`\n]+)`")
"""A command or setting in the wording of a fix, between backticks."""
_CAPTION = "caption-side:top;text-align:left"
_TOP = "vertical-align:top"
_LEFT = f"text-align:left;{_TOP}"


def escape(text: str) -> str:
    """The same as HTML."""
    return _escaped(visible(text))


def badge(severity: str) -> str:
    """The severity in words on its colour."""
    ink, ground = BADGES.get(severity, BADGES["info"])
    style = f"color:{ink};background-color:{ground};padding:1px 8px;border-radius:9px;font-size:85%;white-space:nowrap"
    return f'<span class="smtplab-badge smtplab-{escape(severity)}" style="{style}">{escape(severity)}</span>'


def tally(severities: Iterable[str]) -> str:
    """How many findings of which severity, in words: `3 findings: 1 critical, 2 ok`."""
    count = Counter(severities)
    total = count.total()
    parts = ", ".join(f"{count[s]} {s}" for s in BADGES if count[s])
    return f"{total} finding{'' if total == 1 else 's'}" + (f": {parts}" if parts else "")


def findings_table(findings: Sequence[Mapping[str, Any]]) -> str:
    """A table of findings given as plain values (`Finding.as_dict`); the record stands in a copyable block."""
    if not findings:
        return '<p class="smtplab-none">No findings.</p>'
    head = "".join(
        f'<th scope="col" style="text-align:left">{h}</th>' for h in ("severity", "what is wrong", "what to do")
    )
    return (
        '<table class="smtplab-findings">'
        f'<caption style="{_CAPTION}">{tally(str(f["severity"]) for f in findings)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(map(_finding, findings))}</tbody></table>"
    )


def _finding(finding: Mapping[str, Any]) -> str:
    severity = str(finding["severity"])
    return (
        f'<tr data-severity="{escape(severity)}"><td style="{_TOP}">{badge(severity)}</td>'
        f'<td style="{_LEFT}">{what(finding)}</td><td style="{_LEFT}">{remedy(finding)}</td></tr>'
    )


def what(finding: Mapping[str, Any]) -> str:
    """What is wrong: title, why it matters, code, subject, standard and where it was seen."""
    source = " · ".join(
        [f"<code>{_text(finding['code'])}</code>"] + [_text(finding[k]) for k in ("subject", "standard") if finding[k]]
    )
    evidence = [str(e) for e in finding.get("evidence", ())]
    fits = [n for n in range(1, _MOST_EVIDENCE + 1) if len("; ".join(evidence[:n])) <= _ROOM_FOR_EVIDENCE]
    shown = max(fits, default=1)
    seen = "; ".join(map(_text, evidence[:shown]))
    if len(evidence) > shown:
        seen += f" and {len(evidence) - shown} more"
    return (
        f"<strong>{_text(finding['title'])}</strong><div>{_text(finding['why'], _LONGEST_WORDING)}</div>"
        f'<div class="smtplab-code"><small>{source}</small></div>'
        + (f'<div class="smtplab-evidence"><small>seen in {seen}</small></div>' if seen else "")
    )


def _code(quoted: re.Match[str]) -> str:
    return f"<code>{quoted[1]}</code>"


def remedy(finding: Mapping[str, Any]) -> str:
    """What to do, and the literal line in full: a record cut short would be a wrong record."""
    fix = f"<div>{_CODE.sub(_code, _text(finding['fix'], _LONGEST_WORDING))}</div>" if finding["fix"] else ""
    if record := str(finding.get("record", "")):
        fix += (
            '<pre class="smtplab-record" style="white-space:pre-wrap;overflow-wrap:anywhere;margin:4px 0">'
            f"<code>{escape(record)}</code></pre>"
        )
    return fix


def frame_table(frame: pd.DataFrame, caption: str | None = None, limit: int = 60) -> str:
    """A DataFrame as a plain table with its caption; rows beyond `limit` are counted, never silently cut."""
    shown = frame.head(limit)
    numeric = [pd.api.types.is_numeric_dtype(t) and not pd.api.types.is_bool_dtype(t) for t in frame.dtypes]
    head = "".join(
        f'<th scope="col" style="text-align:{_side(n)}">{_text(str(c).replace("_", " "))}</th>'
        for c, n in zip(frame, numeric, strict=True)
    )
    body = "".join(
        "<tr>" + "".join(_cell(str(c), v, n) for c, v, n in zip(frame, row, numeric, strict=True)) + "</tr>"
        for row in shown.itertuples(index=False, name=None)
    )
    title = f'<caption style="{_CAPTION}">{_text(caption)}</caption>' if caption else ""
    more = f"<p><small>and {len(frame) - limit:,} more rows</small></p>" if len(frame) > limit else ""
    return f'<table class="smtplab-table">{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}'


@dataclass(frozen=True)
class Shown:
    """A frame for reading, its texts whole: pandas cuts them at fifty characters, and half a record is a wrong one."""

    frame: pd.DataFrame
    caption: str | None = None

    def __repr__(self) -> str:
        return visible(self.frame.to_string(index=False, max_colwidth=_LONGEST, max_rows=60))

    def _repr_html_(self) -> str:
        return frame_table(self.frame, self.caption)


def show(frame: pd.DataFrame, *columns: str, caption: str | None = None) -> Shown:
    """Show some columns of a frame (all, where none is named) in a notebook, without cutting their texts."""
    return Shown(frame[list(columns)] if columns else frame, caption)


def _cell(column: str, value: Any, numeric: bool) -> str:
    if column == "severity":
        inner = badge(str(value))
    elif _absent(value):
        inner = "–"
    else:
        inner = _number(column, value) if numeric else _text(value)
    return f'<td style="text-align:{_side(numeric)};{_TOP}">{inner}</td>'


def _number(column: str, value: Any) -> str:
    if column == "share" or column.endswith(_SHARES):
        return f"{value:.2%}" if 0 < value < 0.001 else f"{value:.1%}"
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() or abs(value) >= 1_000 else f"{value:.4g}"
    return f"{value:,}"


def _absent(value: Any) -> bool:
    missing = pd.isna(value)
    return isinstance(missing, bool) and missing


def _side(numeric: bool) -> str:
    return "right" if numeric else "left"


def _text(value: Any, longest: int = _LONGEST) -> str:
    if isinstance(value, pd.Timestamp):
        value = f"{value:%Y-%m-%d %H:%M:%S}{' UTC' if value.tzinfo else ''}"
    text = str(value)
    return escape(text if len(text) <= longest else f"{text[: longest - 1]}…")
