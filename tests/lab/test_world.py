import tomllib
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.x509 import verification

from smtplab.errors import LabError
from smtplab.lab.certificates import issue
from smtplab.lab.dns import zones
from smtplab.lab.keys import dkim_record, ec_key, private_pem
from smtplab.lab.processes import require
from smtplab.lab.replies import CONTINUE, Envelope, Refusals
from smtplab.lab.world import World, standing

FAULTS_IN_FILES = {1, 2, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15, 16, 17, 19, 20}


@pytest.mark.parametrize(
    ("line", "without", "at", "kept"),
    [
        ("a", set(), "", "a"),
        ("a ; fault=1", set(), "", "a"),
        ("a ; fault=1", {1}, "", None),
        ("a # fixed=1", {1}, "", "a"),
        ("a # fixed=1", set(), "", None),
        ("a ; at=ns2 fault=9", set(), "ns2", "a"),
        ("a ; at=ns2 fault=9", set(), "ns1", None),
        ("a ; at=ns2 fault=1 fixed=9", {9}, "ns2", "a"),
        ("a ; a plain comment", {1}, "", "a ; a plain comment"),
    ],
)
def test_a_line_stands_while_its_conditions_hold(line: str, without: set[int], at: str, kept: str | None) -> None:
    assert standing(line, frozenset(without), at) == ("" if kept is None else kept) + "\n"


def everything(without: set[int]) -> str:
    world = World.load("meridian", frozenset(without))
    files = sorted(p for p in world.folder.rglob("*") if p.is_file() and "story" not in p.parts)
    text = "".join(world.read(str(p.relative_to(world.folder)), at) for p in files for at in ("ns1", "ns2"))
    return text + repr(Refusals(world).rules) + repr(world.certificates)


@pytest.mark.parametrize("fault", sorted(FAULTS_IN_FILES))
def test_mending_one_fault_changes_the_files_of_the_world(fault: int) -> None:
    assert everything({fault}) != everything(set())


def test_a_damaged_or_missing_world_is_one_clear_error(tmp_path) -> None:
    with pytest.raises(LabError, match="no such world"):
        World.load(tmp_path)
    (tmp_path / "world.toml").write_text("clock = ")
    with pytest.raises(LabError, match="cannot be read"):
        World.load(tmp_path)


def test_a_file_of_zones_is_cut_at_each_origin_and_given_a_soa() -> None:
    found = zones("; head\n$ORIGIN a.example\n@ IN MX 0 .\n$ORIGIN b.example\n@ IN SOA x. y. 1 2 3 4 5\n")
    assert list(found) == ["a.example", "b.example"]
    assert found["a.example"].count(" SOA ") == found["b.example"].count(" SOA ") == 1


def test_keys_are_the_same_each_time_and_their_record_fits_dns_strings() -> None:
    assert private_pem(ec_key("x")) == private_pem(ec_key("x")) != private_pem(ec_key("y"))
    strings = dkim_record("mx2026").split('" "')
    assert len(strings) == 2
    assert max(map(len, strings)) <= 256


def test_only_the_certificate_of_mx1_has_expired_when_the_case_is_judged(tmp_path) -> None:
    world = World.load("meridian")
    ca = issue(tmp_path, list(world.certificates), world.clock)
    store = verification.Store([x509.load_pem_x509_certificate(ca.read_bytes())])
    verifier = verification.PolicyBuilder().store(store).time(world.clock)
    failed = set()
    for wanted in world.certificates:
        leaf, issuer = x509.load_pem_x509_certificates((tmp_path / f"{wanted.name}.pem").read_bytes())
        try:
            verifier.build_server_verifier(x509.DNSName(wanted.hosts[0])).verify(leaf, [issuer])
        except verification.VerificationError:
            failed.add((wanted.name, leaf.not_valid_after_utc))
    assert failed == {("mx1", datetime(2026, 10, 29, 12, tzinfo=UTC))}


@pytest.mark.parametrize(
    ("provider", "client", "sender", "recipient", "code"),
    [
        ("gmail", "198.51.100.11", "tickets@meridian.example", "anna@gmail.com", ""),
        ("gmail", "198.51.100.12", "tickets@meridian.example", "anna@gmail.com", "550-5.7.25"),
        ("gmail", "203.0.113.100", "news@bounce.meridian.example", "anna@gmail.com", "550-5.7.26"),
        ("gmail", "198.51.100.11", "winback@meridian.example", "rl7@gmail.com", "421-4.7.28"),
        ("gmail", "203.0.113.110", "meridian@crm-vendor.example", "anna@gmail.com", "550-5.7.32"),
        ("gmail", "198.51.100.11", "winback@meridian.example", "unknown7@gmail.com", "550-5.1.1"),
        ("gmail", "198.51.100.11", "winback@meridian.example", "full7@gmail.com", "452-4.2.2"),
        ("microsoft", "203.0.113.100", "news@bounce.meridian.example", "a@outlook.com", "550 5.7.515"),
        ("microsoft", "198.51.100.12", "jonas.keller@meridian.example", "s3150a@outlook.com", "550 5.7.1"),
        ("yahoo", "198.51.100.11", "tickets@meridian.example", "busy1@yahoo.com", "421 4.7.0"),
        ("goodpost", "198.51.100.11", "tickets@meridian.example", "quota1@goodpost.example", "552 5.2.2"),
        ("grey", "198.51.100.11", "tickets@meridian.example", "a@grey.example", "450 4.2.0"),
        ("strictmail", "198.51.100.12", "billing@meridian.example", "a@strictmail.example", "550 5.7.23"),
        ("strictmail", "198.51.100.12", "billing@meridian.example", "ok1@strictmail.example", ""),
        ("corporate", "198.51.100.11", "tickets@meridian.example", "a@nordbank.example", ""),
    ],
)
def test_a_provider_answers_by_client_sender_and_recipient(
    provider: str, client: str, sender: str, recipient: str, code: str
) -> None:
    milter = Refusals(World.load("meridian"))
    envelope = Envelope(provider, client, sender)
    answers = [milter.answer(stage, envelope, recipient) for stage in ("mail", "rcpt", "data")]
    first = next((answer for answer in answers if answer != CONTINUE), b"y")
    assert first[1:].decode().startswith(code)
    assert (first == b"y") == (code == "")


def test_every_reply_is_one_that_postfix_passes_on() -> None:
    rules = tomllib.loads(World.load("meridian").read("replies.toml"))["reply"]
    for rule in rules:
        lines = rule["text"].strip().split("\n")
        assert {line[:3] for line in lines} == {lines[0][:3]}
        assert [line[3] for line in lines] == ["-"] * (len(lines) - 1) + [" "]


def test_a_missing_server_is_named_with_its_package(monkeypatch) -> None:
    monkeypatch.setattr("smtplab.lab.processes.SEARCH", "/nonexistent")
    with pytest.raises(LabError, match="nsd, dovecot not installed") as caught:
        require("nsd", "dovecot")
    assert "apt-get install nsd dovecot-core" in str(caught.value)
    assert "\n" not in str(caught.value)
