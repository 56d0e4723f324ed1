"""The table of all findings, before its script runs."""

from __future__ import annotations

from smtplab.findings import Finding, Findings
from smtplab.publish.search import datatables, searchable


def test_without_findings_it_says_so() -> None:
    assert searchable(Findings()) == "<p>No findings.</p>"


def test_severities_sort_by_rank_and_are_told_in_words() -> None:
    html = searchable(Findings([Finding("logs.recipient_domain.null_mx", "a", recipient_domain="a", recipients=1)]))
    assert 'data-severity="' in html
    assert 'data-order="' in html
    assert html.count('scope="col"') == 4


def test_the_bundle_stands_inline_and_leaves_its_class_behind() -> None:
    code = datatables()
    assert "window.DataTable=" in code
    assert "export{" not in code
