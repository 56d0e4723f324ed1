"""Who sends in our name, concluded from reports: tables of cases, decoys among them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from smtplab import reports
from smtplab.errors import SourceError
from smtplab.findings import Finding
from tests.reports.making import evidence, feedback, record, tls

OURS = record("198.51.100.11", 50, dkim="meridian.example/mx2026=pass", spf="meridian.example=pass", passed="both")
VENDOR = record("203.0.113.110", 9, dkim="crm-vendor.example/v1=pass", spf="crm-vendor.example=pass")
FORWARDED = record("203.0.113.200", 2, dkim="meridian.example/mx2026=pass", spf="forwarder.example=pass", passed="dkim")
LIST = record(
    "203.0.113.201", 2, dkim="meridian.example/mx2026=fail list.example/l=pass", spf="list.example=pass"
)  # fmt: skip
BROKEN = record("203.0.113.100", 40, dkim="meridian.example/pr1=permerror", spf="bounce.meridian.example=permerror")
FORGED = record("203.0.113.66", 5, spf="meridian.example=fail")
UNSIGNED = record("198.51.100.12", 8, spf="meridian.example=fail")


def weeks(*records: str, days: int = 30) -> list[str]:
    return [feedback(*records, day=day) for day in range(days)]


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (OURS, "ours"),
        (VENDOR, "vendor"),
        (FORWARDED, "forwarded"),
        (LIST, "mailing list"),
        (BROKEN, "ours, failing"),
        (FORGED, "forged or unknown"),
        (UNSIGNED, "ours, failing"),
        (record("203.0.113.7", 3, reason="mailing_list"), "mailing list"),
        (record("203.0.113.7", 3, reason="trusted_forwarder"), "forwarded"),
        (record("203.0.113.8", 9, dkim="meridian.example/esp=pass", spf="esp.example=pass", passed="dkim"), "ours"),
    ],
)
def test_a_row_is_known_by_its_signatures_and_address(tmp_path: Path, row: str, kind: str) -> None:
    # Our two servers pass for us elsewhere in the reports.
    home = record("198.51.100.12", 4, spf="meridian.example=pass", passed="spf")
    got = reports.classified(evidence(tmp_path, *weeks(OURS, home, row)))
    ip = row.partition("<source_ip>")[2].partition("<")[0]
    here = got[(got["source_ip"] == ip) & (got["alignment"] != "spf")]
    assert set(here["kind"]) == {kind}


def codes(found: reports.ReportEvidence) -> dict[str, Finding]:
    return {f.code: f for f in reports.check(found)}


def test_a_vendor_that_signs_as_itself_for_weeks_is_found_with_its_facts(tmp_path: Path) -> None:
    found = codes(evidence(tmp_path, *weeks(OURS, VENDOR)))["reports.alignment.vendor"]
    assert found.facts["dkim_domain"] == "crm-vendor.example"
    assert found.facts["domain"] == "meridian.example"
    assert found.facts["source_ips"] == ["203.0.113.110"]
    assert found.facts["count"] == 270
    assert found.record == "v1._domainkey.meridian.example. CNAME v1._domainkey.crm-vendor.example."


def test_a_forger_with_a_signature_of_its_own_is_no_vendor(tmp_path: Path) -> None:
    burst = [feedback(OURS, *([VENDOR] if 10 <= day < 13 else []), day=day) for day in range(30)]
    assert "reports.alignment.vendor" not in codes(evidence(tmp_path, *burst))


def test_forwarders_and_lists_are_told_as_facts_only(tmp_path: Path) -> None:
    found = codes(evidence(tmp_path, *weeks(OURS, FORWARDED, LIST)))
    assert found["reports.sources.forwarder"].severity == "info"
    assert found["reports.sources.mailing_list"].severity == "info"
    assert not reports.check(evidence(tmp_path)).at_least("low")


def test_forgery_is_counted_as_exposure_and_our_own_failing_mail_is_not_forgery(tmp_path: Path) -> None:
    found = codes(evidence(tmp_path, *weeks(OURS, FORGED, BROKEN)))
    assert found["reports.forgery.seen"].facts["count"] == 150
    assert found["reports.forgery.seen"].direction == "exposure"
    assert found["reports.sources.failing"].facts["source_ips"] == ["203.0.113.100"]
    assert found["reports.alignment.share"].facts["share"] == "52.6%"


def test_a_regular_reporter_that_fell_silent_is_told_against_the_cases_clock(tmp_path: Path) -> None:
    once = feedback(OURS, org="rare.example")
    later = evidence(tmp_path, *weeks(OURS), once, as_of=datetime(2026, 11, 16, tzinfo=UTC))
    [found] = reports.check(later).of("reports.stopped")
    assert (found.subject, found.facts["last"], found.facts["days"]) == ("google.com", "2026-10-30", 16)
    soon = evidence(tmp_path, as_of=datetime(2026, 11, 1, tzinfo=UTC))
    assert "reports.stopped" not in codes(soon)


def test_tls_failures_are_told_by_type_and_success_as_ok(tmp_path: Path) -> None:
    found = codes(evidence(tmp_path, tls(90, ("certificate-expired", 10))))["reports.tls.failures"]
    assert found.subject == "meridian.example certificate-expired"
    assert found.facts["share"] == "10.0%"
    (tmp_path / "000.json").write_text(tls(90), "utf-8")
    assert "reports.tls.ok" in codes(evidence(tmp_path))


def test_nothing_to_read_is_said_and_so_is_what_could_not_be_read(tmp_path: Path) -> None:
    empty = evidence(tmp_path)
    assert [f.code for f in reports.check(empty)] == ["reports.missing"]
    for draw in (reports.volume_by_source, reports.alignment_over_time, reports.tls_failures):
        assert "holds no" in draw(empty).layout.meta["alt"]
    (tmp_path / "x.xml").write_text("<nothing/>", "utf-8")
    with pytest.raises(SourceError, match=r"x\.xml: XML, but not a DMARC aggregate report"):
        evidence(tmp_path)
    assert "reports.unreadable" in codes(evidence(tmp_path, feedback(OURS)))


def test_sightings_hold_selectors_often_seen_and_only_addresses_that_passed_for_us(tmp_path: Path) -> None:
    once = feedback(record("203.0.113.66", 1, dkim="meridian.example/forged=fail"), day=40)
    seen = reports.sightings(evidence(tmp_path, *weeks(OURS, BROKEN, FORGED), once))
    assert {(s.value, s.of) for s in seen if s.kind == "selector"} == {
        ("mx2026", "meridian.example"),
        ("pr1", "meridian.example"),
    }
    # The end of the last of the thirty daily reports that name them.
    assert {s.last for s in seen if s.kind == "selector"} == {datetime(2026, 10, 30, 23, 59, 59, tzinfo=UTC)}
    assert [s.value for s in seen if s.kind == "outbound"] == ["198.51.100.11"]
    assert {s.value for s in seen if s.kind == "author"} == {"meridian.example"}
    # Who vouches for our mail is told by what passed, not by what a forger wrote.
    assert {(s.kind, s.value, s.of) for s in seen if s.kind in ("signer", "envelope")} == {
        ("signer", "meridian.example", "meridian.example"),
        ("envelope", "meridian.example", "meridian.example"),
    }


def test_a_picture_of_mail_that_all_passes_says_so(tmp_path: Path) -> None:
    title = reports.alignment_over_time(evidence(tmp_path, feedback(OURS))).layout.title.text
    assert title == "All mail that receivers saw in our name passed DMARC"


def test_figures_say_in_words_what_they_draw_and_escape_what_strangers_wrote(tmp_path: Path) -> None:
    found = evidence(tmp_path, *weeks(OURS, VENDOR, FORGED), tls(1, ("<script>", 2)))
    assert "vendor 270" in reports.volume_by_source(found).layout.meta["alt"]
    assert len(reports.alignment_over_time(found).data) == 3
    assert reports.alignment_over_time(found).layout.title.text.startswith("14 messages in our name failed")
    assert "<script>" not in reports.tls_failures(found).layout.title.text
    assert list(reports.senders(found)["messages"]) == [1500, 270, 150]
