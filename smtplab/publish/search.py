"""The searchable table of all findings: DataTables through itables, bound into the page without a request."""

from __future__ import annotations

from html import escape
from importlib import resources
from pathlib import Path

import itables
import pandas as pd
from itables.javascript import generate_init_offline_itables_html

from smtplab import markup
from smtplab.findings import Findings

TABLE_ID = "findings-table"


def searchable(findings: Findings) -> str:
    """All findings as a table with search, sorting and a filter by severity; "" text where there are none."""
    if not len(findings):
        return "<p>No findings.</p>"
    rows = [
        {
            # The rank makes the column sort by severity, not by letter; every value is escaped here.
            "Severity": f'<span hidden="">{f.severity.rank}</span>{markup.badge(str(f.severity))}',
            "Finding": f"<strong>{escape(f.title)}</strong><br><small><code>{escape(f.code)}</code></small>",
            "What to do": _fix(f.fix, f.record),
            "Area": escape(f.area),
            "Standard": escape(f.standard),
        }
        for f in findings
    ]
    bundle = Path(str(resources.files("itables") / "html" / "dt_bundle.js"))
    return generate_init_offline_itables_html(bundle) + itables.to_html_datatable(
        pd.DataFrame(rows),
        table_id=TABLE_ID,
        connected=False,
        allow_html=True,
        showIndex=False,
        maxBytes=0,
        paging=False,
        classes="display wrap",
        style="width:100%",
        autoWidth=False,
        layout={"topStart": "search", "topEnd": None, "bottomStart": "info", "bottomEnd": None},
        display_logo_when_loading=False,
    )


def _fix(fix: str, record: str) -> str:
    block = f'<pre class="smtplab-record"><code>{escape(record)}</code></pre>' if record else ""
    return escape(fix) + block
