"""What mail programs are told: SRV, autoconfig and autodiscover, against what the servers offer."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab import servers
from smtplab.servers.clients import Pointer, read
from tests.servers.taped import DOMAIN, MAIL, Answers, Value, imap, smtp, spoke
from tests.servers.test_check import CERT, collect

AUTOCONFIG = f"""<?xml version="1.0"?>
<clientConfig version="1.1"><emailProvider id="{DOMAIN}"><domain>{DOMAIN}</domain>
<incomingServer type="imap"><hostname>{MAIL}</hostname><port>993</port><socketType>SSL</socketType></incomingServer>
<incomingServer type="pop3"><hostname>pop.%EMAILDOMAIN%</hostname><port>110</port><socketType>STARTTLS</socketType></incomingServer>
<outgoingServer type="smtp"><hostname>{MAIL}</hostname><port>587</port><socketType>plain</socketType></outgoingServer>
<outgoingServer type="exchange"><hostname>{MAIL}</hostname><port>443</port></outgoingServer>
<outgoingServer type="smtp"><hostname>bad name</hostname><port>x</port></outgoingServer>
</emailProvider></clientConfig>"""
AUTODISCOVER = f"""<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006">
<Response xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"><Account>
<Protocol><Type>IMAP</Type><Server>{MAIL}</Server><Port>993</Port><SSL>on</SSL></Protocol>
<Protocol><Type>SMTP</Type><Server>{MAIL}</Server><Port>587</Port><SSL>on</SSL><Encryption>TLS</Encryption></Protocol>
<Protocol><Type>POP3</Type><Server>{MAIL}</Server><Port>110</Port><SSL>off</SSL></Protocol>
</Account></Response></Autodiscover>"""


def points(text: str) -> list[tuple[str, str, int, str]]:
    return [(p.protocol, p.host, p.port, p.tls) for p in read(text, DOMAIN, "x")]


def test_an_autoconfig_file_is_read() -> None:
    assert points(AUTOCONFIG) == [
        ("imap", MAIL, 993, "implicit"), ("pop3", f"pop.{DOMAIN}", 110, "starttls"), ("smtp", MAIL, 587, "none"),
    ]  # fmt: skip


def test_an_autodiscover_file_is_read() -> None:
    assert points(AUTODISCOVER) == [
        ("imap", MAIL, 993, "implicit"), ("smtp", MAIL, 587, "starttls"), ("pop3", MAIL, 110, "none"),
    ]  # fmt: skip


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><clientConfig><b>&b;</b></clientConfig>'


@pytest.mark.parametrize("text", ["", "<html><body>404</body></html>", "<clientConfig", BOMB, "{}", "\0"])
def test_what_is_no_such_file_names_no_server(text: str) -> None:
    assert points(text) == []


@given(st.text(max_size=300))
def test_reading_any_text_never_raises(text: str) -> None:
    assert isinstance(read(text, DOMAIN, "x"), tuple)
    assert isinstance(read(AUTOCONFIG.replace(MAIL, text), DOMAIN, "x"), tuple)


IMPLICIT = spoke(993, imap("AUTH=PLAIN"), None, CERT)
STARTTLS = spoke(587, smtp("STARTTLS"), smtp("AUTH PLAIN"), CERT)
CLOSED: Value = {"steps": [], "ended": "connection refused"}
POINTED = [
    # SRV records, sessions, the findings of client settings
    ({"_imaps": f"0 1 993 {MAIL}"}, {(MAIL, 993): IMPLICIT}, {"ok"}),
    ({"_imaps": f"0 1 993 {MAIL}"}, {(MAIL, 993): CLOSED}, {"dead"}),
    ({"_submissions": f"0 1 587 {MAIL}"}, {(MAIL, 587): STARTTLS}, {"wrong_mode"}),
    ({"_submission": f"0 1 587 {MAIL}"}, {(MAIL, 587): STARTTLS}, {"ok"}),
    ({"_imaps": f"0 1 993 {MAIL}"}, {(MAIL, 993): "timeout"}, set()),
    ({"_imap": "0 0 0 ."}, {(MAIL, 993): IMPLICIT}, {"none"}),
    ({}, {(MAIL, 993): IMPLICIT}, {"none"}),
    ({"_imaps": "0 1 993 imap.elsewhere.example"}, {}, set()),
    ({"_imaps": "nonsense"}, {(MAIL, 993): IMPLICIT}, {"none"}),
]


@pytest.mark.parametrize(("srv", "sessions", "codes"), POINTED)
def test_pointers_are_held_against_the_servers(
    srv: dict[str, str], sessions: dict[tuple[str, int], Value], codes: set[str], tmp_path: Path
) -> None:
    evidence = collect(tmp_path / "case", Answers(sessions, srv=srv))
    found = servers.check(evidence).of("servers.client.")
    assert {f.code.rpartition(".")[2] for f in found} == codes


def test_nothing_recorded_is_no_finding_and_a_failure_is_unknown(tmp_path: Path) -> None:
    sessions = {(MAIL, 993): IMPLICIT}
    assert not servers.check(collect(tmp_path / "a", Answers(sessions))).of("servers.client.")
    evidence = collect(tmp_path / "b", Answers(sessions, srv={}, autoconfig="timeout"))
    assert [f.code for f in servers.check(evidence).of("servers.client.")] == ["servers.client.unknown"]


def test_a_file_of_the_domain_counts(tmp_path: Path) -> None:
    file = {"status": 200, "body": AUTOCONFIG, "type": "text/xml"}
    evidence = collect(tmp_path / "case", Answers({(MAIL, 993): IMPLICIT}, srv={}, autoconfig=file))
    assert [p.source for p in evidence.clients[0].pointers] == ["autoconfig"] * 3
    codes = {f.code: f.subject for f in servers.check(evidence).of("servers.client.")}
    assert codes == {"servers.client.ok": f"{MAIL}:993", "servers.client.no_tls": f"{MAIL}:587"}
    assert len(evidence.pointers()) == 3


def test_a_file_among_the_sources_counts(tmp_path: Path) -> None:
    files = {"autodiscover.xml": AUTODISCOVER, "other.xml": "<x/>"}
    evidence = collect(tmp_path / "case", Answers({(MAIL, 993): IMPLICIT}, configuration=files))
    assert [(p.source, p.where) for p in evidence.clients[0].pointers][:1] == [
        ("autodiscover", "sources/configuration/autodiscover.xml")
    ]
    assert evidence.problems["file"].tolist() == ["sources/configuration/other.xml"]
    assert isinstance(evidence.clients[0].pointers[0], Pointer)


@pytest.mark.parametrize("port", ["\u00b2", "9" * 5_000, "-1", "0x10"])
def test_a_port_that_is_no_number_is_no_pointer(port: str, tmp_path: Path) -> None:
    evidence = collect(tmp_path / "case", Answers({(MAIL, 993): IMPLICIT}, srv={"_imaps": f"0 1 {port} {MAIL}"}))
    assert evidence.clients[0].pointers == ()
