from pathlib import Path

import pytest

from smtplab import authentication, inventory, names, servers, transport
from smtplab.case import Case
from smtplab.errors import CaseError
from smtplab.lab.recording import record
from tests.mailservers import inside

CASE = """
version = 1
name = "Meridian"
domains = ["meridian.example"]
lab = true
[[hosts]]
name = "out2.meridian.example"
addresses = ["198.51.100.12"]
roles = ["outbound"]
own = true
[[hosts]]
name = "mail.meridian.example"
addresses = ["192.0.2.20"]
roles = ["submission", "imap", "pop3"]
own = true
[network]
resolver = "192.0.2.53:53"
public = ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"]
trust = "sources/lab-ca.pem"
"""
MENDED = {
    "spf.lookups.exceeded",
    "names.fcrdns.mismatch",
    "transport.certificate.expired",
    "servers.starttls.missing",
    "dmarc.policy.none",
}
STILL = {
    "names.propagation.disagree",
    "transport.mta_sts.mx_not_listed",
    "servers.auth.before_tls",
    "servers.imap.plaintext_login",
    "dmarc.report.unauthorised",
    "transport.tls.legacy",
}


def codes(folder: Path, recording: str) -> set[str]:
    """Codes of medium or worse that the network half of a recording shows."""
    with Case.open(folder, recording=recording) as case:
        known = inventory.gather(case)
        found = [
            finding.code
            for area in (authentication, names, servers, transport)
            for finding in area.check(area.collect(case, known)).at_least("medium")
        ]
    return set(found)


@pytest.fixture(scope="module")
def case(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "case.toml").write_text(CASE)
    inside("tests.lab.mended", str(folder), timeout=300)
    return folder


@pytest.mark.servers
@pytest.mark.xdist_group("lab")
def test_mending_the_planted_lines_and_recording_again_removes_their_findings(case) -> None:
    before, after = codes(case, "20261116T060000Z-before"), codes(case, "20261117T060000Z-after")
    assert before == MENDED | STILL
    assert after == STILL


@pytest.mark.servers
@pytest.mark.xdist_group("lab")
def test_a_recording_takes_the_authority_and_the_configuration_of_the_servers_along(case) -> None:
    names = {path.name for path in (case / "sources" / "configuration").iterdir()}
    assert {"out1.meridian.example.postconf", "mail.meridian.example.doveconf"} <= names
    assert "BEGIN CERTIFICATE" in (case / "sources" / "lab-ca.pem").read_text()


@pytest.mark.servers
@pytest.mark.xdist_group("lab")
def test_one_message_was_sent_read_and_taken_and_no_password_is_on_the_tape(case) -> None:
    address = "support@meridian.example"
    with Case.open(case, recording="20261116T060000Z-before") as opened:
        shown = servers.side_by_side(
            opened.network, "mail.meridian.example", user="support", sender=address, recipient=address
        )
    assert shown.mailbox()["messages"].tolist() == [1, 1, 0]
    assert "\\Seen" in shown.mailbox()["flags"][1]
    assert not any("lab-support" in tape.read_text() for tape in (case / "tape").iterdir())


def test_a_folder_that_holds_no_case_is_refused_before_anything_starts(tmp_path) -> None:
    with pytest.raises(CaseError, match=r"no case\.toml"):
        record(tmp_path)
