"""The searchable table of all findings: plain HTML that DataTables, as itables carries it, makes sortable.

Without a script it is still a readable table; the page's script adds search, sorting and the filter by severity.
"""

from __future__ import annotations

import re
from html import escape
from importlib import resources

from smtplab import markup
from smtplab.errors import PublishError
from smtplab.findings import Finding, Findings

TABLE_ID = "findings-table"
_HEADS = ("Severity", "Finding", "What to do", "Area")
_EXPORTS = re.compile(r"export\s*\{([^}]*)\}\s*;?")


def searchable(findings: Findings) -> str:
    """Every finding as a row of one table; a sentence where there are none."""
    if not findings:
        return "<p>No findings.</p>"
    heads = "".join(f'<th scope="col">{h}</th>' for h in _HEADS)
    rows = "".join(map(_row, findings))
    return (
        f'<table id="{TABLE_ID}"><caption>{escape(markup.tally([str(f.severity) for f in findings]))}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _row(finding: Finding) -> str:
    fact = finding.as_dict()
    # data-order: severities sort by rank, not by letter.
    return (
        f'<tr data-severity="{finding.severity}">'
        f'<td data-order="{finding.severity.rank}">{markup.badge(str(finding.severity))}</td>'
        f"<td>{markup.what(fact)}</td><td>{markup.remedy(fact)}</td><td>{escape(finding.area)}</td></tr>"
    )


def datatables() -> str:
    """DataTables as one module script that leaves its class in `window.DataTable`.

    The bundle of itables is a module made to be imported by address; a page that forbids every request must hold
    it inline, where exports reach nobody. Raises PublishError where the bundle is not as expected.
    """
    bundle = (resources.files("itables") / "html" / "dt_bundle.js").read_text("utf-8")
    for exports in reversed(list(_EXPORTS.finditer(bundle))):
        if name := re.search(r"([\w$]+) as default", exports[1]):
            return f"{bundle[: exports.start()]}window.DataTable={name[1]};{bundle[exports.end() :]}"
    raise PublishError("its bundle of DataTables exports no default", where="itables", do="Install itables 2.7 to 2.9")
