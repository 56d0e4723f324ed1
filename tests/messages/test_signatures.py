"""Signatures of sample messages: ours that fail are told with their cause, lists and saving are nobody's fault."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

import smtplab
from smtplab import mail, messages
from smtplab.case import Case
from smtplab.findings import Findings
from smtplab.messages import SignatureEvidence
from tests.authentication.dnsserver import Zone, network, serve, txt
from tests.authentication.signing import DOMAIN, MESSAGE, key, seal, sign, zone

AT = datetime(2026, 11, 2, 10, 5, tzinfo=UTC)
GOOD = b"Authentication-Results: mx.example; dkim=pass header.d=corp.example\r\n"
BAD = b"Authentication-Results: mx.example; dkim=fail header.i=@corp.example\r\n"
LISTED = b"List-Id: Dev <dev.list.example>\r\nList-Post: <mailto:dev@list.example>\r\n"
OTHERS = b"From: x@elsewhere.example\r\nSubject: Hi\r\n\r\nHi\r\n"


def collected(folder: Path, raw: bytes, names: Zone | None = None) -> SignatureEvidence:
    (folder / "one.eml").write_bytes(raw)
    with network(names or zone(), timeout=0.5) as net:
        return messages.collect_paths(net, [folder], at=AT, domains=(DOMAIN,))


def judged(folder: Path, raw: bytes, names: Zone | None = None) -> Findings:
    signed = collected(folder, raw, names)
    found = messages.check(messages.read_paths([folder], domains=(DOMAIN,)), signed)
    return found.of("messages.signature") + found.of("messages.arc")


def changed(raw: bytes) -> bytes:
    return raw.replace(b"at ten. ", b"at nine. ")


CASES: list[tuple[bytes, Zone | None, list[str]]] = [
    (sign(), None, ["signature.ok"]),
    (MESSAGE, None, ["signature.none"]),
    (changed(sign()), None, ["signature.changed"]),
    (BAD + changed(sign()), None, ["signature.changed"]),
    (GOOD + changed(sign()), None, ["signature.saved"]),
    (LISTED + changed(sign()), None, ["signature.list"]),
    (sign(), zone(s1=key("rsa2048-other")[1]), ["signature.other_key"]),
    (GOOD + sign(), zone(s1=key("rsa2048-other")[1]), ["signature.replaced"]),
    (sign(selector="gone"), None, ["signature.key"]),
    (sign(), zone(s1="v=DKIM1; p="), ["signature.key"]),
    (sign(), {f"s1._domainkey.{DOMAIN}": [("*", "SERVFAIL")]}, []),
    (sign(a="rsa-sha1"), None, ["signature.sha1"]),
    (sign(x="1793600000", t=None), None, ["signature.time"]),
    (sign(t="1893600000"), None, ["signature.time"]),
    (sign(h="subject"), None, ["signature.invalid"]),
    (sign(v="2"), None, ["signature.invalid"]),
    (b"From: eve@evil.example\r\n" + sign(), None, ["signature.invalid"]),
    (sign(length=True), None, ["signature.length", "signature.ok"]),
    (sign(domain="vendor.example"), zone(domain="vendor.example"), ["signature.foreign"]),
    (sign(sign(), domain="vendor.example"), {**zone(), **zone(domain="vendor.example")}, ["signature.ok"]),
    (OTHERS, None, []),
    (sign(OTHERS, domain="elsewhere.example", headers=[b"from"]), None, []),
    (seal(sign(), 1, "list.example", "dkim=pass"), {**zone(), **zone(domain="list.example")}, ["signature.ok", "arc.pass"]),
    (seal(sign(), 1, "list.example", "dkim=pass"), None, ["signature.ok", "arc.fail"]),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(CASES)))
def test_each_message_has_its_findings(tmp_path: Path, number: int) -> None:
    raw, names, codes = CASES[number]
    # A name server that knows no further name says so, hence alignment and policies are known.
    found = judged(tmp_path, raw, {**(names or zone()), DOMAIN: []})
    assert sorted(f.code for f in found) == sorted(f"messages.{c}" for c in codes)


def test_what_a_list_or_a_saving_program_did_is_no_fault(tmp_path: Path) -> None:
    for raw in (LISTED + changed(sign()), GOOD + changed(sign())):
        assert [str(f.severity) for f in judged(tmp_path, raw)] == ["info"]


def test_a_finding_says_what_was_changed(tmp_path: Path) -> None:
    [found] = judged(tmp_path, sign() + b"--\r\nThis mail was scanned.\r\n")
    assert found.title == "The body was changed after corp.example had signed with selector s1"
    assert "This mail was scanned." in found.why


def test_the_table_shows_each_signature_beside_the_receivers_word(tmp_path: Path) -> None:
    evidence = collected(tmp_path, GOOD + sign(sign(), selector="gone"))
    table = evidence.table()
    assert table[["domain", "selector", "result", "cause", "receiver"]].to_numpy().tolist() == [
        [DOMAIN, "gone", "permerror", "key missing", "pass"],
        [DOMAIN, "s1", "pass", "verifies", "pass"],
    ]
    assert repr(evidence) == "SignatureEvidence(1 messages, 2 signatures)"
    assert collected(tmp_path, MESSAGE).table()["cause"].tolist() == ["no signature"]
    assert SignatureEvidence().table().columns.size == table.columns.size


def test_the_time_of_receipt_counts_not_that_of_reading(tmp_path: Path) -> None:
    day = b"Received: from a by b; Tue, 03 Nov 2026 10:00:00 +0000\r\n"
    raw = day + sign(x="1793700000")
    assert [f.code for f in judged(tmp_path, raw)] == ["messages.signature.ok"]
    late = day.replace(b"03 Nov", b"23 Nov") + sign(x="1793700000")
    assert [f.code for f in judged(tmp_path, late)] == ["messages.signature.time"]


def test_a_message_that_was_cut_is_not_judged(tmp_path: Path) -> None:
    evidence = collected(tmp_path, sign() + b"x" * mail.MAX_MESSAGE)
    assert evidence.table()["cause"].tolist() == ["it is too long to be read whole"]
    assert not messages.check(messages.read_paths([]), evidence).of("messages.signature")


def test_a_case_is_verified_again_from_its_recording(tmp_path: Path) -> None:
    published = {**zone(), f"_dmarc.{DOMAIN}": [("TXT", txt(b"v=DMARC1; p=reject"))]}
    with serve(published) as resolver:
        Case.create(tmp_path / "case", DOMAIN)
        (tmp_path / "case" / "case.toml").write_text(
            f'version = 1\ndomains = ["{DOMAIN}"]\n[sources]\nmessages = ["sources/messages/*.eml"]\n'
            f'[network]\nresolver = "{resolver}"\ntimeout = 0.5\n'
        )
        (tmp_path / "case" / "sources" / "messages" / "one.eml").write_bytes(sign())
        with Case.open(tmp_path / "case", live=True) as case:
            live = smtplab.examine(case)
            assert live.signatures.table()["result"].tolist() == ["pass"]
            assert len(live.authentication.dkim) == 1
    again = smtplab.examine(Case.open(tmp_path / "case"))
    assert again.signatures.table().equals(live.signatures.table())


def test_a_case_without_a_recording_knows_no_key_and_blames_nobody(tmp_path: Path) -> None:
    case = Case.create(tmp_path / "case", DOMAIN)
    (tmp_path / "case" / "sources" / "messages" / "one.eml").write_bytes(sign())
    exam = smtplab.examine(Case.open(tmp_path / "case"))
    assert exam.signatures.table()["cause"].tolist() == ["key unknown"]
    assert not messages.check(exam.messages, exam.signatures).of("messages.signature")
    assert case.domains == (DOMAIN,)


def test_meridians_samples_verify_as_their_story_says(meridian: Path) -> None:
    table = smtplab.examine(Case.open(meridian)).signatures.table().set_index("file")
    named = {f.rpartition("/")[2].removesuffix(".eml"): c for f, c in table["cause"].items()}
    assert named | {"crm-outlook": ""} == {
        "billing-outlook": "no signature",
        "crm-outlook": "",  # of a vendor, whose key the recording may or may not hold
        "newsletter-gmail-spam": "key missing",
        "newsletter-outlook-junk": "key missing",
        "ticket-gmail": "verifies",
        "winback-yahoo": "verifies",
    }
    after = smtplab.examine(Case.open(meridian, recording="20261117T060000Z-after")).signatures.table()
    assert after[after["selector"] == "pr1"]["result"].tolist() == ["pass", "pass"]


def test_the_figure_states_how_many_verify_and_why_others_do_not(tmp_path: Path) -> None:
    (tmp_path / "two.eml").write_bytes(sign())
    figure = messages.signature_checks(collected(tmp_path, changed(sign(selector="gone"))))
    assert figure.layout.title.text == "1 of 2 signatures verify; key missing (1)"
    assert figure.layout.meta["alt"].startswith(
        "one corp.example/gone #1: key missing; two corp.example/s1 #1: verifies"
    )
    assert [list(row) for row in figure.data[0].text] == [
        ["sound", "missing or unfit", "not known", "changed", "not known", "the same"],
        ["sound", "fits", "in time", "as signed", "as signed", "the same"],
    ]
    assert "There are no samples" in messages.signature_checks(SignatureEvidence()).layout.meta["alt"]
