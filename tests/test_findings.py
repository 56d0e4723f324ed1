"""Findings: the catalogue words them, the worst come first, and hostile subjects stay text."""

from __future__ import annotations

import json

import pytest

from smtplab.errors import CatalogueError
from smtplab.findings import Finding, Findings, Severity, catalogue

HOSTILE = "<script>alert(1)</script>.example"


def null_mx(domain: str) -> Finding:
    return Finding("logs.recipient_domain.null_mx", domain, recipient_domain=domain, recipients=3)


def test_an_unknown_code_is_refused() -> None:
    with pytest.raises(CatalogueError, match="not in the catalogue"):
        Finding("no.such.code", "x")


def test_a_finding_without_the_facts_its_text_needs_is_refused() -> None:
    with pytest.raises(CatalogueError, match="lacks the facts"):
        Finding("spf.lookups.exceeded", "x.example")


@pytest.mark.parametrize("code", sorted(catalogue()))
def test_every_entry_says_why_how_and_by_which_standard(code: str) -> None:
    entry = catalogue()[code]
    assert all((entry.title, entry.why, entry.standard, entry.area))
    assert entry.fix or entry.severity in (Severity.OK, Severity.INFO)
    assert code.split(".")[0].isidentifier()
    assert not entry.title.endswith(".")


def test_worst_first_and_the_same_finding_counts_once() -> None:
    findings = Findings([null_mx("b.example"), null_mx("a.example"), null_mx("b.example")])
    assert [f.subject for f in findings] == ["a.example", "b.example"]
    ranks = [f.severity.rank for f in findings]
    assert ranks == sorted(ranks)


def test_markup_in_a_subject_is_shown_as_text() -> None:
    html = Findings([null_mx(HOSTILE)])._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_json_lines_hold_one_object_a_finding() -> None:
    lines = Findings([null_mx("a.example"), null_mx("b.example")]).to_json_lines().splitlines()
    assert [json.loads(line)["subject"] for line in lines] == ["a.example", "b.example"]


def test_braces_in_a_fact_are_not_filled_in_again() -> None:
    assert "{0.__class__}" in null_mx("{0.__class__}").title


def test_counts_are_written_with_thousands_and_numbers_that_are_names_are_not() -> None:
    many = Finding("logs.recipient_domain.null_mx", "a.example", recipient_domain="a.example", recipients=3210)
    assert many.why.startswith("3,210 recipients")
    key = Finding("dkim.key.ok", "s._domainkey.a.example", domain="a.example", selector="s", kind="RSA", bits=2048)
    assert "2048" in key.title + key.why
