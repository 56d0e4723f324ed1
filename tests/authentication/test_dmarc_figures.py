"""Figures of forged mail and of alignment: they say in words what they draw, and show what strangers wrote as text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

import smtplab
from smtplab.authentication import AuthEvidence, figures
from smtplab.authentication.figures.alignment import MAX_SOURCES, REST
from smtplab.authentication.spoofing import Target
from smtplab.tables import Sighting
from tests.authentication.dnsserver import Zone, network
from tests.authentication.test_spoofing import AUTHOR, MISSING, NEWS, targets, zone

NOTHING = AuthEvidence((), (), (), (), (), pd.DataFrame(), {})


def of(names: Zone, *more: Sighting) -> tuple[Target, ...]:
    with network(names, timeout=5) as net:
        return targets(net, *more)


def test_the_spoofing_table_states_how_many_names_are_open() -> None:
    figure = figures.spoofing_table(replace(NOTHING, forgeable=of(zone("p=quarantine; sp=none; np=reject"), AUTHOR)))
    assert figure.layout.title.text == "Forged mail is delivered under 2 of 3 names of ours"
    alt = figure.layout.meta["alt"]
    assert f"{NEWS} (a subdomain in use): delivered by RFC 9989, delivered by RFC 7489" in alt
    assert f"{MISSING} (a subdomain that does not exist): refused by RFC 9989, delivered by RFC 7489" in alt
    closed = figures.spoofing_table(replace(NOTHING, forgeable=of(zone("p=reject"))))
    assert "refused or goes to spam under every name" in closed.layout.title.text


def test_a_case_without_an_answer_says_so() -> None:
    silent = targets(smtplab.net.Network())
    assert "could not be determined" in figures.spoofing_table(replace(NOTHING, forgeable=silent)).layout.title.text
    assert "Nothing is known" in figures.spoofing_table(NOTHING).layout.title.text


def test_more_names_than_a_page_holds_are_counted() -> None:
    many = [Sighting("author", f"x{i}.corp.example", "", "reports") for i in range(30)]
    figure = figures.spoofing_table(replace(NOTHING, forgeable=of(zone("p=reject"), *many)))
    assert len(figure.data[0].z) == 20
    assert figure.layout.xaxis.title.text == "13 more names are in the table"


ROWS = pd.DataFrame(
    [
        ("192.0.2.1", 90, "corp.example/s1=pass", "corp.example=pass", "both"),
        ("192.0.2.2", 30, "vendor.example/v=pass", "vendor.example=pass", "none"),
        ("192.0.2.3", 20, pd.NA, "<b>=fail", "none"),
        (pd.NA, 10, "corp.example/s1=pass", pd.NA, "dkim"),
    ],
    columns=["source_ip", "count", "dkim_results", "spf_results", "alignment"],
)


def flow(rows: pd.DataFrame) -> tuple[list[tuple[str, str, int]], str]:
    (sankey,) = (figure := figures.alignment_flow(rows)).data
    names = sankey.node.label
    ends = zip(sankey.link.source, sankey.link.target, sankey.link.value, strict=True)
    return [(names[a], names[b], n) for a, b, n in ends], str(figure.layout.title.text)


def test_the_flow_leads_from_the_source_over_the_voucher_to_the_verdict() -> None:
    links, title = flow(ROWS)
    assert title == "67% of 150 messages are aligned; most of the rest comes from 192.0.2.2"
    assert ("192.0.2.1", "corp.example (DKIM, SPF)", 90) in links
    assert ("corp.example (DKIM, SPF)", "aligned by both", 90) in links
    assert ("vendor.example (DKIM, SPF)", "not aligned: fails", 30) in links
    assert ("192.0.2.3", "nothing passed", 20) in links
    assert ("unknown address", "corp.example (DKIM)", 10) in links


def test_a_source_may_have_a_name_and_is_shown_as_text() -> None:
    named = ROWS.assign(source=["tickets", "<script>x</script>", "forged", "relay"])
    links, _ = flow(named)
    assert ("tickets", "corp.example (DKIM, SPF)", 90) in links
    assert ("&lt;script&gt;x&lt;/script&gt;", "vendor.example (DKIM, SPF)", 30) in links


def test_many_sources_are_put_together_and_none_is_lost() -> None:
    many = pd.concat([ROWS.iloc[[0]].assign(source_ip=f"198.51.100.{i}", count=i + 1) for i in range(200)])
    links, title = flow(many)
    begins = {a: n for a, b, n in links if b.startswith("corp")}
    assert len(begins) == MAX_SOURCES + 1
    assert sum(begins.values()) == sum(range(1, 201))
    assert REST in begins
    assert title == "All 20,100 messages are aligned"


def test_no_report_is_said() -> None:
    assert figures.alignment_flow(ROWS[:0]).layout.title.text == "No flow to show"


def test_meridian_shows_whose_mail_is_not_aligned(meridian: Path) -> None:
    aggregate = smtplab.examine(smtplab.open(meridian)).reports.aggregate
    links, title = flow(aggregate)
    assert title.endswith("most of the rest comes from 203.0.113.100")
    assert any(a == "203.0.113.110" and b == "crm-vendor.example (DKIM, SPF)" for a, b, _ in links)
