"""Reports in every wrapping and dialect, against what other readers get, and hostile ones."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from email.message import EmailMessage
from pathlib import Path

import pytest

from smtplab import archives, reports
from smtplab.errors import SourceError
from tests.reports.making import evidence, feedback, record, tls

ROW = ["source_ip", "count", "disposition", "dkim", "spf", "header_from"]
MISTAKEN = {
    # Where the reference is wrong, and what is right: it reads only the first file of a zip, and drops a value.
    "dmarc-report__multiple_reports.zip": 4,
    "parsedmarc__aggregate__invalid_xml.xml": 1,
    "dmarc-report__multiple-invalid-directory-with-valid.zip": 4,
}
BROKEN = {
    # The reference fails on these; what we say instead.
    "dmarc-report__dmarc-invalid-1.xml": "not well-formed XML",
    "dmarc-report__dmarc-invalid-1.xml.zip": "not well-formed XML",
    "dmarc-report__dmarc-invalid-2.xml": "a record without <row>",
    "dmarc-report__dmarc-invalid-2.xml.gz": "a record without <row>",
    "dmarc-report__dmarc-invalid-3.xml.gz": "count is 'not-a-number'",
    "dmarc-report__dmarc-invalid-3.xml.zip": "count is 'not-a-number'",
    "dmarc-report__dmarc-invalid-4.xml": "text without a mail header",
    "dmarc-report__multiple-invalid.zip": "not well-formed XML",
    "mail-auth-tlsrpt__rpt03.json": "a policy without policy-domain",
}


def test_every_public_report_gives_the_rows_of_the_reference_or_says_why_not(corpora: Path) -> None:
    folder = corpora / "reports"
    wrong = []
    for line in (folder / "expected.jsonl").read_text("utf-8").splitlines():
        want = json.loads(line)
        name = want["file"]
        try:
            got = reports.read_paths([folder / "files" / name])
        except SourceError as e:
            # Nothing in it can be understood: refused at once.
            if BROKEN.get(name, "no reason expected") not in e.what:
                wrong.append((name, e.what, 0, 0))
            continue
        told = " / ".join(got.problems["what"])
        if name in MISTAKEN:
            right = len(got.aggregate) == MISTAKEN[name]
        elif name in BROKEN:
            right = BROKEN[name] in told
        elif want["type"] == "aggregate":
            have = [tuple(map(str, r)) for r in got.aggregate[ROW].itertuples(index=False)]
            rows = [tuple(str(r[c]) for c in ROW) for r in want["rows"]]
            right = sorted(have) == sorted(rows)
        elif want["type"] == "smtp_tls":
            wanted = [(p["domain"], p["type"], p["success"], p["failure"]) for p in want["policies"]]
            grouped = got.tls.groupby(["policy_domain", "policy_type"])[["successes", "failures"]].sum()
            have = [(*k, *v) for k, v in zip(grouped.index, grouped.to_numpy().tolist(), strict=True)]
            kinds = sorted(k for p in want["policies"] for k in p["failure_types"])
            right = sorted(have) == sorted(wanted) and sorted(got.tls["result_type"].dropna()) == kinds
        else:
            # Failure reports; one that the reference cannot read is one, too; and a TLS report mail it cannot.
            right = got.failures == 1 or len(got.tls) == 2
        if not right:
            wrong.append((name, told, len(got.aggregate), len(got.tls)))
    assert wrong == []


def test_the_row_holds_what_the_record_says(tmp_path: Path) -> None:
    text = feedback(
        record("2001:db8::1", 7, dkim="Meridian.example./MX2026=pass a.example/x=fail", spf="b.example=softfail"),
        record(passed="dkim", reason="Mailing_List"),
        record(passed="spf"),
        record(passed="both"),
    )
    table = evidence(tmp_path, text).aggregate.sort_values("source_ip", kind="stable", ignore_index=True)
    assert list(table["alignment"]) == ["dkim", "spf", "both", "none"]
    last = table.iloc[3]
    assert last["dkim_results"] == "meridian.example/mx2026=pass a.example/x=fail"
    assert last["spf_results"] == "b.example=softfail"
    assert (last["source_ip"], last["count"], last["org"], last["domain"]) == (
        "2001:db8::1",
        7,
        "google.com",
        "meridian.example",
    )
    assert table.iloc[0]["overrides"] == "mailing_list"
    assert str(last["begin"]) == "2026-10-01 00:00:00+00:00"


@pytest.mark.parametrize(
    "namespace",
    ["", ' xmlns="urn:ietf:params:xml:ns:dmarc-2.0"', ' xmlns="http://dmarc.org/dmarc-xml/0.1"'],
)
def test_the_namespace_changes_nothing(tmp_path: Path, namespace: str) -> None:
    assert len(evidence(tmp_path, feedback(record(), namespace=namespace)).aggregate) == 1


def _zip(*members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, data in enumerate(members):
            archive.writestr(f"{number}.xml", data)
    return buffer.getvalue()


def _mail(data: bytes, kind: str, name: str) -> bytes:
    message = EmailMessage()
    message["From"], message["Subject"] = "noreply@google.com", "Report domain: meridian.example"
    message.set_content("see attachment")
    main, _, sub = kind.partition("/")
    message.add_attachment(data, maintype=main, subtype=sub, filename=name)
    return bytes(message)


ONE, TWO = feedback(record()).encode(), feedback(record(), day=1).encode()


@pytest.mark.parametrize(
    ("name", "data", "rows"),
    [
        ("r.xml", ONE, 1),
        ("r.xml", b"\xef\xbb\xbf" + ONE, 1),
        ("r.xml.gz", gzip.compress(ONE), 1),
        ("r.gz with mail's line end", gzip.compress(ONE) + b"\r\n", 1),
        ("r.zip", _zip(ONE, TWO), 2),
        ("zip of gz", _zip(gzip.compress(ONE), TWO), 2),
        ("r.eml", _mail(gzip.compress(ONE), "application/gzip", "r.xml.gz"), 1),
        ("r.eml", _mail(_zip(ONE, TWO), "application/octet-stream", "r.zip"), 2),
        ("crlf.eml", _mail(ONE, "text/xml", "r.xml").replace(b"\n", b"\r\n"), 1),
        ("mbox", b"".join(b"From a@b Mon Nov  2 06:00:00 2026\n" + _mail(x, "text/xml", "r.xml") + b"\n" for x in (ONE, TWO)), 2),
    ],
)  # fmt: skip
def test_a_report_is_found_in_any_wrapping(tmp_path: Path, name: str, data: bytes, rows: int) -> None:
    (tmp_path / name).write_bytes(data)
    got = reports.read_paths([tmp_path / name])
    assert len(got.aggregate) == rows
    assert got.problems.empty


def test_the_same_report_in_two_files_counts_once(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(ONE)
    (tmp_path / "b.xml.gz").write_bytes(gzip.compress(ONE))
    got = reports.read_paths([tmp_path])
    assert len(got.aggregate) == 1
    assert "counts once" in got.problems["what"].iloc[0]


LAUGHS = '<!DOCTYPE f [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;">]>'


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("laughs.xml", feedback(record(header="&c;"), head=LAUGHS).encode(), "DOCTYPE"),
        ("file.xml", feedback(record(), head='<!DOCTYPE f SYSTEM "file:///etc/passwd">').encode(), "DOCTYPE"),
        ("broken-and-doctype.xml", feedback(record(), head=LAUGHS).encode() + b"<", "DOCTYPE"),
        ("deep.xml", b"<feedback>" + b"<a>" * 50_000, "not well-formed"),
        ("bomb.json.gz", gzip.compress(b'{"a": "' + b" " * 30_000_000), "-fold"),
        ("bomb.zip", _zip(b'{"a": "' + b" " * 30_000_000), "-fold"),
        ("idle.xml", b"<feedback>" + b"<a/>" * 2_000_000, "without a record"),
        ("other.xml", b"<html></html>", "no <feedback>"),
        ("list.json", b'{"policies": 7}', "no policies"),
        ("cut.json", b'{"policies": [', "not valid JSON"),
        ("paper.pdf", b"%PDF-1.7\n\x00\x00", "a PDF document"),
        ("photo.zip", b"PK\x03\x04 nothing", "not a readable zip"),
        ("nothing.xml", b"", "empty"),
        ("letter.eml", b"From: a@b.example\nSubject: hi\n\nhello\n", "carries no report"),
    ],
)
def test_what_is_hostile_or_no_report_costs_only_itself(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(data)
    (tmp_path / "good.xml").write_bytes(ONE)
    got = reports.read_paths([tmp_path])
    assert len(got.aggregate) == 1
    assert said in " ".join(got.problems["what"])
    assert name in " ".join(got.problems["file"])


def test_a_report_cut_short_keeps_its_rows_and_says_so(tmp_path: Path) -> None:
    text = feedback(*[record(f"198.51.100.{n}", n + 1) for n in range(200)])
    (tmp_path / "cut.xml").write_text(text[: len(text) // 2], "utf-8")
    packed = gzip.compress(text.encode())
    (tmp_path / "cut.xml.gz").write_bytes(packed[: len(packed) // 2])
    for name in ("cut.xml", "cut.xml.gz"):
        got = reports.read_paths([tmp_path / name])
        assert len(got.aggregate) > 20
        assert "could be recovered" in " ".join(got.problems["what"])


def test_gzip_members_one_after_another_are_one_file() -> None:
    packed = gzip.compress(b"one ") + gzip.compress(b"two")
    [member] = archives.members(packed, "x.gz", lambda *_: None)
    assert member.read() == b"one two"


def test_tls_rows_add_up_to_the_summary(tmp_path: Path) -> None:
    got = evidence(tmp_path, tls(100, ("certificate-expired", 7), ("validation-failure", 3)))
    assert int(got.tls["successes"].sum()) == 100
    assert int(got.tls["failures"].sum()) == 10
    assert sorted(got.tls["result_type"].dropna()) == ["certificate-expired", "validation-failure"]


def test_failures_without_detail_are_kept_as_such(tmp_path: Path) -> None:
    text = json.loads(tls(1, ("certificate-expired", 2)))
    text["policies"][0]["summary"]["total-failure-session-count"] = "5"
    got = evidence(tmp_path, json.dumps(text))
    assert dict(zip(got.tls["result_type"].dropna(), got.tls["failures"], strict=False))["not-detailed"] == 3
