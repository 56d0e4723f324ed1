"""The record that a finding proposes: worked out by hand, published, and judged again."""

from __future__ import annotations

from pathlib import Path

import dns.rdata
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab import authentication
from smtplab.authentication import spf_edit
from tests.authentication.dnsserver import Zone, txt
from tests.authentication.test_check import DOMAIN, collect, published


def own(text: str) -> Zone:
    return {DOMAIN: [("TXT", txt(text.encode()))]}


BARE, HOST = (
    {"bare.example": [("TXT", txt(b"hello")), ("TXT", txt(b"v=spf1 -all")), ("TXT", txt(b"v=spf1 ~all"))]},
    {"h.example": [("A", "192.0.2.1")]},
)
LONG = " ".join(f"ip4:192.0.2.{i}" for i in range(20))
# The record as published, other names, the code, and the record that mends just that.
MENDED: list[tuple[str, Zone, str, str]] = [
    ("v=spf1 ip4:192.0.2.1 ?all", {}, "spf.all.neutral", "v=spf1 ip4:192.0.2.1 ~all"),
    ("v=spf1 ip4:192.0.2.1 ?ALL exp=x.example", {}, "spf.all.neutral", "v=spf1 ip4:192.0.2.1 ~all exp=x.example"),
    ("v=spf1", {}, "spf.all.missing", "v=spf1 ~all"),
    ("v=spf1 ra=a ip4:192.0.2.1 exp=x.example", {}, "spf.all.missing", "v=spf1 ra=a ip4:192.0.2.1 ~all exp=x.example"),
    (f"v=spf1 {LONG}", {}, "spf.all.missing", f"v=spf1 {LONG} ~all"),
    ("v=spf1 ip4:192.0.2.1 all", {}, "spf.all.pass", "v=spf1 ip4:192.0.2.1 ~all"),
    ("v=spf1 ip4:0.0.0.0/0 ip4:192.0.2.1 ?all", {}, "spf.all.pass", "v=spf1 ip4:192.0.2.1 ~all"),
    ("v=spf1 exists:h.example a:h.example", HOST, "spf.all.pass", "v=spf1 a:h.example ~all"),
    ("v=spf1 ip4:0.0.0.0/0 redirect=h.example", HOST, "spf.all.pass", "v=spf1 redirect=h.example"),
    (" v=spf1 mx -all", {}, "spf.record.malformed", "v=spf1 mx -all"),
    ('"v=spf1 mx" " -all"', {}, "spf.record.malformed", "v=spf1 mx -all"),
    ("v=spf1; mx; +ALL;", {}, "spf.record.malformed", "v=spf1 mx ~all"),
    ("v = spf1.0 mx -all", {}, "spf.record.malformed", "v=spf1 mx -all"),
    ("spf1:mx -all", {}, "spf.record.malformed", "v=spf1 mx -all"),
    ("v=spf1-all", {}, "spf.record.malformed", "v=spf1 -all"),
    ("v=spf1, something, else", {}, "spf.record.malformed", ""),
    ("v=spf1 -all ip4:192.0.2.2 ~all", {}, "spf.term.unreached", "v=spf1 ip4:192.0.2.2 -all"),
    ("v=spf1 +all ip4:192.0.2.2 exp=x.example", {}, "spf.term.unreached", "v=spf1 ip4:192.0.2.2 ~all exp=x.example"),
    (
        "v=spf1 include=h.example ip=192.0.2.1 -all",
        {},
        "spf.modifier.mistyped",
        "v=spf1 include:h.example ip4:192.0.2.1 -all",
    ),
    ("v=spf1 redirct=h.example", {}, "spf.modifier.mistyped", "v=spf1 redirect=h.example"),
    ("v=spf1 redirct=h.example -all", {}, "spf.modifier.mistyped", "v=spf1 -all"),
    ("v=spf1 ip4=nonsense -all", {}, "spf.modifier.mistyped", ""),
    (f"v=spf1 include={'x' * 60}.{'x' * 60}.{'x' * 60}.{'x' * 30}.example -all", {}, "spf.modifier.mistyped", ""),
    ("v=spf1 ?include:gone.example ip4:192.0.2.1 -all", {}, "spf.include.gone", "v=spf1 ip4:192.0.2.1 -all"),
    ("v=spf1 ip4:192.0.2.1 redirect=gone.example", {}, "spf.include.gone", "v=spf1 ip4:192.0.2.1 ~all"),
    (f"v=spf1 include:{'x' * 60}.{'x' * 60}.{'x' * 60}.{'x' * 30}.example ~all", {}, "spf.include.gone", "v=spf1 ~all"),
    ("v=spf1 include:h.example -all", HOST, "spf.include.norecord", "v=spf1 -all"),
    (
        "v=spf1 include:bare.example a:h.example ~all",
        {**BARE, **HOST},
        "spf.include.multiple",
        "v=spf1 a:h.example ~all",
    ),
    ("v=spf1 include:%{d} ip4:192.0.2.1 -all", {}, "spf.include.loop", "v=spf1 ip4:192.0.2.1 -all"),
    ("v=spf1 a:no1.example mx a a:h.example -all", HOST, "spf.voids.exceeded", "v=spf1 a:h.example -all"),
    # An exchanger that exists stays, by its address.
    (
        "v=spf1 ~mx:m.example a:no1.example -all",
        {"m.example": [("MX", f"{i} {h}.example.") for i, h in enumerate(("no1", "h", "no2"))], **HOST},
        "spf.voids.exceeded",
        "v=spf1 ~ip4:192.0.2.1 -all",
    ),
    (
        "v=spf1 a:h.example a:h.example/24 mx:h.example a:h.example ip6:2001:db8::/48 -all",
        HOST,
        "spf.voids.family",
        "v=spf1 ip4:192.0.2.1 ip4:192.0.2.0/24 ip6:2001:db8::/48 -all",
    ),
    ("v=spf1 a mx ~all", {}, "spf.void.terms", "v=spf1 ~all"),
    ("v=spf1 a:no1.example a:h.example ~all", HOST, "spf.void.terms", "v=spf1 a:h.example ~all"),
]


@pytest.mark.parametrize(
    ("record", "others", "code", "mended"), MENDED, ids=[f"{i}-{c}" for i, (_, _, c, _) in enumerate(MENDED)]
)
def test_a_record_is_proposed_with_just_the_fault_mended(
    tmp_path: Path, record: str, others: Zone, code: str, mended: str
) -> None:
    (found,) = authentication.check(collect(tmp_path / "case", {**others, **own(record)})).of(code)
    if not mended:
        assert found.record == ""
        return
    name, _, strings = found.record.partition(". TXT ")
    assert (name, "".join(strings.split('"')[1::2])) == (DOMAIN, mended)
    assert all(len(s) <= 255 for s in strings.split('"')[1::2])
    after = authentication.check(collect(tmp_path / "after", {**others, **published(found.record)}))
    assert not after.of(code)


@given(st.text(max_size=80), st.sampled_from(["v=spf1 ", "v=spf", "spf1;", ""]))
def test_any_text_becomes_a_line_that_a_name_server_reads_as_it_was(text: str, head: str) -> None:
    made = spf_edit.edited(f"v=spf1 {head}{text}", {text: "a", head: ""}, "~all")
    strings = dns.rdata.from_text("IN", "TXT", spf_edit.line(DOMAIN, made).partition(" TXT ")[2]).strings
    assert b"".join(strings).decode() == made
    assert (restored := spf_edit.restored(head + text)) == "" or spf_edit.valid(restored)


# What stands in another record is that one's to mend.
ELSEWHERE: list[tuple[str, str, str]] = [
    ("v=spf1 include:s.example -all", "v=spf1 +all", "spf.all.pass"),
    ("v=spf1 redirect=s.example", "v=spf1 ip4:192.0.2.1 ?all", "spf.all.neutral"),
    ("v=spf1 redirect=s.example", "v=spf1 ip4:192.0.2.1", "spf.all.missing"),
    ("v=spf1 redirect=s.example", "v=spf1 -all ip4:192.0.2.1", "spf.term.unreached"),
    ("v=spf1 redirect=s.example", "v=spf1 include=h.example -all", "spf.modifier.mistyped"),
    ("v=spf1 redirect=s.example", "v=spf1 a ip4:192.0.2.1 -all", "spf.void.terms"),
    ("v=spf1 include:s.example -all", "v=spf1 include:gone.example -all", "spf.include.gone"),
    ("v=spf1 include:s.example -all", "v=spf1 include:h.example -all", "spf.include.norecord"),
    ("v=spf1 include:s.example -all", "v=spf1 include:bare.example -all", "spf.include.multiple"),
    ("v=spf1 include:s.example -all", "v=spf1 include:corp.example -all", "spf.include.loop"),
    ("v=spf1 include:s.example -all", "v=spf1 a:no1.example a:no2.example a:no3.example -all", "spf.voids.exceeded"),
    (
        "v=spf1 include:s.example ip6:2001:db8::/48 -all",
        "v=spf1 a:h.example a:h.example a:h.example ?all",
        "spf.voids.family",
    ),
]


@pytest.mark.parametrize(("record", "theirs", "code"), ELSEWHERE, ids=[c for _, _, c in ELSEWHERE])
def test_a_fault_of_another_record_names_it_and_proposes_none(
    tmp_path: Path, record: str, theirs: str, code: str
) -> None:
    names = {**own(record), "s.example": [("TXT", txt(theirs.encode()))], **HOST, **BARE}
    (found,) = authentication.check(collect(tmp_path / "case", names)).of(code)
    assert (found.record, "The record of s.example has it" in found.fix) == ("", True)


@pytest.mark.parametrize(
    ("rows", "proposed"),
    [
        ([("MX", "0 .")], "v=spf1 -all"),
        ([("TXT", '"unrelated"')], "v=spf1 -all"),
        ([("MX", "10 h.example.")], "v=spf1 mx ~all"),
        ([("MX", "0 ."), ("MX", "10 h.example.")], "v=spf1 mx ~all"),
        ([("TXT", '"unrelated"'), ("*", "SERVFAIL")], "v=spf1 mx ~all"),
    ],
)
def test_a_domain_that_takes_no_mail_is_told_to_send_none(
    tmp_path: Path, rows: list[tuple[str, str]], proposed: str
) -> None:
    (found,) = authentication.check(collect(tmp_path / "case", {DOMAIN: rows, **HOST})).of("spf.")
    assert (found.code, found.record) == ("spf.record.missing", f'{DOMAIN}. TXT "{proposed}"')
