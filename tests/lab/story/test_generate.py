"""The sources that the case ships are those that its recording and the story give."""

import gzip
import json
import re
import shutil
import zipfile
from pathlib import Path

import dkim
import pytest
from lxml import etree

from smtplab.lab.keys import dkim_record
from smtplab.lab.story import regenerate

CASE = Path(__file__).parents[3] / "data" / "cases" / "meridian"
MADE = ("logs", "events", "bounces", "dmarc", "tlsrpt", "messages")


def content(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


@pytest.mark.slow
def test_the_story_gives_the_shipped_sources_word_for_word(tmp_path: Path) -> None:
    shutil.copy(CASE / "recorded.json.gz", tmp_path)
    regenerate(tmp_path)
    assert (tmp_path / "truth.json").read_text() == (CASE / "truth.json").read_text()
    for folder in MADE:
        ours, shipped = (
            {p.name: p for p in sorted((root / "sources" / folder).iterdir())} for root in (tmp_path, CASE)
        )
        assert list(ours) == list(shipped)
        # Compressed bytes depend on the zlib at hand, their content does not.
        assert [name for name in ours if name[-4:] != ".zip" and content(ours[name]) != content(shipped[name])] == []


def test_the_case_is_smaller_than_ten_megabytes() -> None:
    files = [p for p in CASE.rglob("*") if p.is_file() and "cache" not in p.parts]
    assert sum(p.stat().st_size for p in files) < 10_000_000


def test_nothing_of_the_machine_that_recorded_is_in_the_case() -> None:
    folder = re.compile(rb"""(?:^|[\s"'=<>(,;:])(/[A-Za-z0-9_.-]+)/""")
    for path in sorted(p for p in (CASE / "sources").rglob("*") if p.is_file()):
        text = content(path)
        # Where mail programs live on any host; every other absolute path would be the recording machine's.
        assert {m[1] for m in folder.finditer(text)} <= {b"/var", b"/etc"}, path
        if path.suffix == ".gz":
            assert b"\x01" not in text, path


def test_signed_samples_verify_with_the_published_key_and_the_newsletter_with_the_one_never_published() -> None:
    names = {"ticket-gmail.eml": "mx2026", "newsletter-gmail-spam.eml": "pr1", "crm-outlook.eml": "v1"}
    for name, selector in names.items():
        raw = (CASE / "sources" / "messages" / name).read_bytes()
        record = "".join(dkim_record(selector).strip('"').split('" "')).encode()
        assert dkim.verify(raw, dnsfunc=lambda asked, timeout=5, r=record: r), name


def test_aggregate_reports_are_well_formed_and_googles_declare_the_namespace_of_rfc_9990() -> None:
    spaces = {}
    for path in sorted((CASE / "sources" / "dmarc").iterdir()):
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                text = archive.read(archive.namelist()[0])
        else:
            text = content(path)
        spaces.setdefault(path.name.partition("!")[0], set()).add(etree.QName(etree.fromstring(text)).namespace)
    assert spaces["google.com"] == {"urn:ietf:params:xml:ns:dmarc-2.0"}
    assert spaces["yahoo.com"] == {None}


def test_tls_reports_count_the_sessions_that_the_logs_of_the_mx_hold() -> None:
    failed = {"certificate-expired": 0, "validation-failure": 0}
    for path in sorted((CASE / "sources" / "tlsrpt").iterdir()):
        for policy in json.loads(content(path))["policies"]:
            for detail in policy.get("failure-details", []):
                failed[detail["result-type"]] += detail["failed-session-count"]
    lines = {mx: content(CASE / "sources" / "logs" / f"{mx}.log.gz").decode().splitlines() for mx in ("mx1", "mx2")}
    # The report of the last day, which is not over, has not been sent.
    away = [x for x in lines["mx1"] if x.endswith("ehlo=1 starttls=1 quit=1 commands=3") and not x.startswith("Nov 16")]
    assert failed["certificate-expired"] == len(away)
    assert failed["validation-failure"] >= failed["certificate-expired"]
