"""What a signed zone says not to have, proved against NSD: zones signed by ldns-signzone with NSEC and with NSEC3."""

from __future__ import annotations

import base64
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.lab.processes import Processes, program, until
from smtplab.net import Network, NetworkSettings
from smtplab.net.denial import Unproved, check
from smtplab.net.dnssec import Proof, Security, prove, read_anchors
from smtplab.tape import Entry, Question, Tape

ZONE = """$ORIGIN {name}
$TTL 300
@ IN SOA ns.{name} hostmaster.{name} 1 7200 3600 1209600 300
@ IN NS ns.{name}
@ IN MX 10 mx
ns IN A 192.0.2.1
mx IN A 192.0.2.2
tlsa IN A 192.0.2.3
_25._tcp.tlsa IN TLSA 3 1 1 {digest}
only IN TXT "no address"
alias IN CNAME mx
*.wild IN TXT "any"
sub IN NS ns.elsewhere.example.
zz IN A 192.0.2.9
"""
SIGNED = {
    "nsec.example": [],
    "nsec3.example": ["-n", "-t", "5", "-s", "aabb"],
    "optout.example": ["-n", "-p", "-t", "0"],
}
pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("servers")]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, Path]]]:
    """The name server as HOST:PORT, and the anchor of each zone."""
    home = tmp_path_factory.mktemp("nsd")
    anchors = {}
    for zone, options in SIGNED.items():
        (home / zone).write_text(ZONE.format(name=f"{zone}.", digest="ab" * 32))
        keys = []
        for role in ([], ["-k"]):
            made = subprocess.run(
                [program("ldns-keygen"), "-r", "/dev/urandom", "-a", "ECDSAP256SHA256", *role, zone],
                cwd=home, capture_output=True, text=True, check=True, timeout=60,
            )  # fmt: skip
            keys.append(made.stdout.strip())
        now = datetime.now(UTC)
        span = [(now + timedelta(days=d)).strftime("%Y%m%d%H%M%S") for d in (-5, 20)]
        sign = [program("ldns-signzone"), "-i", span[0], "-e", span[1], *options, "-f", zone, zone, *keys]
        subprocess.run(sign, cwd=home, check=True, timeout=60, capture_output=True)
        anchors[zone] = home / f"{keys[1]}.key"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    lines = [
        "server:", f"  ip-address: 127.0.0.1@{port}", '  username: ""', '  chroot: ""', f'  zonesdir: "{home}"',
        '  database: ""', f'  pidfile: "{home}/pid"', f'  xfrdfile: "{home}/xfrd"', f'  zonelistfile: "{home}/list"',
        "  server-count: 1", "remote-control:", "  control-enable: no",
    ]  # fmt: skip
    lines += [line for zone in SIGNED for line in ("zone:", f'  name: "{zone}"', f'  zonefile: "{zone}"')]
    (home / "nsd.conf").write_text("\n".join(lines) + "\n")
    processes = Processes()
    processes.start("nsd", "nsd", "-d", "-c", home / "nsd.conf", output=home / "nsd.log")
    try:
        until("NSD answers", lambda: answers(port), processes=processes)
        yield f"127.0.0.1:{port}", anchors
    finally:
        processes.stop()


def answers(port: int) -> bool:
    try:
        dns.query.udp(dns.message.make_query("nsec.example", "SOA"), "127.0.0.1", port=port, timeout=0.5)
    except (OSError, dns.exception.DNSException):
        return False
    return True


def proved(served: tuple[str, dict[str, Path]], name: str, rtype: str, zone: str, anchor: str = "") -> Proof:
    network = Network(NetworkSettings(resolver=served[0]), live=True)
    return network.run(prove(network, name, rtype, read_anchors(served[1][anchor or zone]), datetime.now(UTC)))


DENIED = [
    # the name below the zone and the type; what the zone proves of it, with opt-out
    ("_25._tcp.mx", "TLSA", True, False),
    ("mx", "TLSA", True, True),
    ("_tcp.tlsa", "TLSA", True, True),
    ("nothing", "A", True, False),
    ("aaa.nothing", "A", True, False),
    ("zzz", "A", True, False),
    ("only", "A", True, True),
    ("x.wild", "TLSA", True, False),
    ("@", "TLSA", True, True),
    # There it is.
    ("_25._tcp.tlsa", "TLSA", True, True),
    ("mx", "A", True, True),
    # Another zone's to tell: an unsigned delegation, so nothing below it is proved.
    ("_25._tcp.mx.sub", "TLSA", False, False),
]


@pytest.mark.parametrize("zone", SIGNED)
@pytest.mark.parametrize(("name", "rtype", "secure", "opt_out"), DENIED)
def test_what_a_real_zone_denies_is_proved(
    served: tuple[str, dict[str, Path]], zone: str, name: str, rtype: str, secure: bool, opt_out: bool
) -> None:
    found = proved(served, zone if name == "@" else f"{name}.{zone}", rtype, zone)
    expected = opt_out if zone == "optout.example" else secure
    assert (found.security is Security.SECURE) is expected, found
    assert found.security is not Security.BOGUS


def message(served: tuple[str, dict[str, Path]], name: str, rtype: str) -> dns.message.Message:
    host, _, port = served[0].partition(":")
    return dns.query.udp(dns.message.make_query(name, rtype, want_dnssec=True), host, port=int(port), timeout=2)


def replayed(served: tuple[str, dict[str, Path]], zone: str, told: dict[tuple[str, str], dns.message.Message]) -> Proof:
    told = {(zone, "DNSKEY"): message(served, zone, "DNSKEY")} | told
    entries = {}
    now = datetime.now(UTC)
    for (name, rtype), said in told.items():
        question = Question.of("dnssec", name, {"rtype": rtype})
        entries[question] = Entry(question, now, 1.0, {"message": base64.b64encode(said.to_wire()).decode()})
    network = Network(tape=Tape(Path("x.jsonl"), now, "here", entries))
    name, rtype = next(k for k in told if k[1] != "DNSKEY")
    return network.run(prove(network, name, rtype, read_anchors(served[1][zone]), now))


@pytest.mark.parametrize("zone", ["nsec.example", "nsec3.example"])
def test_a_part_of_the_proof_proves_nothing(served: tuple[str, dict[str, Path]], zone: str) -> None:
    """The name beyond the last is denied by one record, and the wildcard beside it by another."""
    name = f"zzz.{zone}"
    whole = message(served, name, "TLSA")
    assert replayed(served, zone, {(name, "TLSA"): whole}).security is Security.SECURE
    owners = {r.name for r in whole.authority if r.rdtype in (dns.rdatatype.NSEC, dns.rdatatype.NSEC3)}
    assert len(owners) > 1
    for kept in owners:
        said = message(served, name, "TLSA")
        said.authority = [r for r in said.authority if r.name == kept]
        assert replayed(served, zone, {(name, "TLSA"): said}).security is not Security.SECURE


@pytest.mark.parametrize("zone", ["nsec.example", "nsec3.example"])
def test_the_denial_of_another_name_proves_nothing(served: tuple[str, dict[str, Path]], zone: str) -> None:
    """The certificate's record is there; a forger shows what denies its neighbours."""
    name = f"_25._tcp.tlsa.{zone}"
    for other in ("only", "nothing", "zzz", "aaa.nothing", "mx"):
        said = message(served, f"{other}.{zone}", "TLSA")
        found = replayed(served, zone, {(name, "TLSA"): said})
        assert found.security is not Security.SECURE, (other, found)


@pytest.mark.parametrize("zone", ["nsec.example", "nsec3.example"])
@pytest.mark.parametrize("change", ["unsigned", "forged"])
def test_a_denial_without_a_good_signature_is_bogus(
    served: tuple[str, dict[str, Path]], zone: str, change: str
) -> None:
    name = f"_25._tcp.mx.{zone}"
    said = message(served, name, "TLSA")
    if change == "unsigned":
        said.authority = [r for r in said.authority if r.rdtype != dns.rdatatype.RRSIG]
    else:
        said.authority = [
            dns.rrset.from_rdata(r.name, 1, *(x.replace(windows=[]) for x in r))
            if r.rdtype in (dns.rdatatype.NSEC, dns.rdatatype.NSEC3)
            else r
            for r in said.authority
        ]
    assert replayed(served, zone, {(name, "TLSA"): said}).security is Security.BOGUS


def test_names_hashed_too_often_are_not_worked_on() -> None:
    zone = dns.name.from_text("example")
    text = "1 0 2500 aabb 2t7b4g4vsa5smi47k61mv5bv1a22bojr A"
    rrset = dns.rrset.from_text(f"0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.{zone}", 300, "IN", "NSEC3", text)
    with pytest.raises(Unproved, match="9276"):
        check(dns.name.from_text("x.example"), dns.rdatatype.TLSA, zone, [(rrset.name, rrset[0])])


LABEL = st.text("abz*_09", min_size=1, max_size=3)


@given(st.lists(st.tuples(LABEL, LABEL), max_size=4), LABEL)
def test_any_records_are_judged_without_an_error_of_another_kind(pairs: list[tuple[str, str]], asked: str) -> None:
    zone = dns.name.from_text("example")
    records = [
        (dns.name.from_text(f"{a}.example"), dns.rrset.from_text("x", 1, "IN", "NSEC", f"{b}.example. A")[0])
        for a, b in pairs
    ]
    with suppress(Unproved):
        check(dns.name.from_text(f"{asked}.example"), dns.rdatatype.TLSA, zone, records)
