"""Certificates judged at the case's time, and TLS versions found without a library that speaks them."""

from __future__ import annotations

import ssl
import struct
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.net.hello import VERSIONS, Answer, client_hello
from smtplab.net.tls import Certificate, accepts, read_leaf, verify
from tests.net.certs import AT, DAY, HOST, Authority, Issued
from tests.net.scripted import SMTP, SMTP_INSIDE, Handler, Line, Scripted, context, dialogue, live

VERDICTS = {
    # chain: OpenSSL's code, part of what the strict validator says ("" valid)
    "good": (0, ""),
    "wildcard": (0, ""),
    "ending": (0, ""),
    "expired": (10, "not valid at"),
    "not-yet": (9, "not valid at"),
    "wrong-host": (0, "subjectAltName"),
    "self-signed": (18, "candidates exhausted"),
    "incomplete": (20, "candidates exhausted"),
    "nameless": (0, "subjectAltName"),
}


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def chains(authority: Authority) -> dict[str, Issued]:
    return authority.all()


@pytest.mark.parametrize("name", VERDICTS)
def test_each_broken_chain_gets_its_own_verdict(
    name: str, authority: Authority, chains: dict[str, Issued], tmp_path: Path
) -> None:
    code, strict = VERDICTS[name]
    verdict = verify(chains[name].der, HOST, AT, authority.pem(tmp_path / "ca.pem"))
    assert verdict.code == code, verdict
    assert strict in verdict.strict
    assert bool(verdict.strict) is bool(strict)


def test_the_same_chain_is_judged_at_the_time_given(
    authority: Authority, chains: dict[str, Issued], tmp_path: Path
) -> None:
    trust = authority.pem(tmp_path / "ca.pem")
    assert verify(chains["expired"].der, HOST, AT - 20 * DAY, trust).code == 0
    assert verify(chains["not-yet"].der, HOST, AT + 2 * DAY, trust).code == 0


def test_another_trust_store_knows_no_issuer(chains: dict[str, Issued], tmp_path: Path) -> None:
    stranger = Authority().pem(tmp_path / "other.pem")
    assert verify(chains["good"].der, HOST, AT, stranger).code == 20
    assert verify(chains["good"].der, HOST, AT, None).code == 20


@pytest.mark.parametrize("chain", [(), (b"",), (b"not a certificate",)])
def test_what_is_no_certificate_cannot_be_judged(chain: tuple[bytes, ...], tmp_path: Path) -> None:
    assert verify(chain, HOST, AT, None).code == -1
    assert verify(chain, HOST, AT, tmp_path / "absent.pem").code == -1


@given(st.binary(max_size=200))
def test_reading_a_certificate_never_raises(noise: bytes) -> None:
    assert read_leaf(noise) is None


def test_the_facts_of_a_leaf(chains: dict[str, Issued]) -> None:
    leaf = read_leaf(chains["good"].der[0])
    assert leaf is not None
    assert (leaf.names, leaf.key, leaf.bits, leaf.hash) == ((HOST,), "EC", 256, "sha256")
    assert leaf.not_after - leaf.not_before == timedelta(days=90)
    assert not leaf.self_issued
    assert leaf.issuer == "CN=Test Issuer"


COVERS = [
    (("mx.test.example",), "mx.test.example", True),
    (("mx.test.example",), "MX.test.example.", True),
    (("*.test.example",), "mx.test.example", True),
    (("*.test.example",), "a.mx.test.example", False),
    (("*.test.example",), "test.example", False),
    (("*",), "example", False),
    (("m*.test.example",), "mx.test.example", False),
    ((), "mx.test.example", False),
]


@pytest.mark.parametrize(("names", "host", "covered"), COVERS)
def test_a_wildcard_stands_for_one_label(names: tuple[str, ...], host: str, covered: bool) -> None:
    assert Certificate("", "", names, AT, AT, "", 0, "", False).covers(host) is covered


def record(version: int, body: bytes, kind: int = 22) -> bytes:
    return struct.pack("!BHH", kind, version, len(body)) + body


def server_hello(version: int, more: bytes = b"") -> bytes:
    body = struct.pack("!H", version) + bytes(32) + b"\x00" + b"\x00\x2f" + b"\x00" + more
    return b"\x02" + struct.pack("!I", len(body))[1:] + body


DONE = b"\x0e\x00\x00\x00"
THIRTEEN = b"\x00\x06\x00\x2b\x00\x02\x03\x04"
ANSWERS = [
    # the version offered, what comes back, the verdict, why not
    ("TLSv1", record(0x0301, server_hello(0x0301) + DONE), True, ""),
    ("TLSv1.1", record(0x0302, server_hello(0x0302)) + record(0x0302, DONE), True, ""),
    ("TLSv1.2", record(0x0303, server_hello(0x0303) + DONE), True, ""),
    ("TLSv1.3", record(0x0303, server_hello(0x0303, THIRTEEN)), True, ""),
    ("TLSv1.3", record(0x0303, server_hello(0x0303) + DONE), False, "answered with 0x0303"),
    ("TLSv1.1", record(0x0301, server_hello(0x0301) + DONE), False, "answered with 0x0301"),
    ("TLSv1", record(0x0301, b"\x02\x46", 21), False, "alert 70"),
    ("TLSv1", record(0x0301, server_hello(0x0301)), None, ""),
]


@pytest.mark.parametrize(("version", "data", "verdict", "why"), ANSWERS)
@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_a_version_counts_only_when_the_server_has_done_its_part(
    version: str, data: bytes, verdict: bool | None, why: str, step: int
) -> None:
    answer = Answer(VERSIONS[version])
    for at in range(0, len(data), step):
        answer.feed(data[at : at + step])
    assert (answer.verdict, answer.why) == (verdict, why)


@given(st.sampled_from(sorted(VERSIONS)), st.binary(max_size=300), st.booleans())
def test_any_answer_is_read_or_refused(version: str, noise: bytes, framed: bool) -> None:
    answer = Answer(VERSIONS[version])
    with suppress(ValueError):
        answer.feed(record(0x0301, noise) if framed else noise)


@given(st.text(max_size=300), st.sampled_from(sorted(VERSIONS)))
def test_a_hello_is_one_record_whatever_the_name(host: str, version: str) -> None:
    hello = client_hello(host, VERSIONS[version])
    assert struct.unpack("!H", hello[3:5])[0] == len(hello) - 5
    assert int.from_bytes(hello[6:9], "big") == len(hello) - 9


def only(issued: Issued, folder: Path, low: ssl.TLSVersion, high: ssl.TLSVersion) -> ssl.SSLContext:
    made = context(*issued.write(folder))
    made.minimum_version, made.maximum_version = low, high
    return made


def ask(port: int, version: str) -> tuple[bool | None, str]:
    network = live()
    return network.run(accepts(network, HOST, "127.0.0.1", port, version, 25))


RANGES = [
    (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3, [False, False, True, True]),
    (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2, [False, False, True, False]),
    (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3, [False, False, False, True]),
]


@pytest.mark.parametrize(("low", "high", "expected"), RANGES)
def test_versions_are_what_a_real_library_was_told_to_accept(
    low: ssl.TLSVersion, high: ssl.TLSVersion, expected: list[bool], chains: dict[str, Issued], tmp_path: Path
) -> None:
    with Scripted(dialogue("220-a\r\n220 b\r\n", SMTP), only(chains["good"], tmp_path, low, high)) as server:
        assert [ask(server.port, v)[0] for v in VERSIONS] == expected


async def old_server(line: Line) -> None:
    """Speaks TLS 1.0 as far as ServerHelloDone; needs no library for it."""
    await line.say("220 old\r\n")
    await line.hear()
    await line.say(SMTP["EHLO"])
    await line.hear()
    await line.say("220 go\r\n")
    await line.reader.read(1000)
    await line.say(record(0x0301, server_hello(0x0301) + DONE))


def test_tls_1_0_is_found_whatever_this_machine_speaks() -> None:
    with Scripted(old_server) as server:
        assert ask(server.port, "TLSv1") == (True, "")
        assert ask(server.port, "TLSv1.2") == (False, "answered with 0x0301")


async def no_tls(line: Line) -> None:
    await line.say("220 hi\r\n")
    await line.hear()
    await line.say(SMTP["EHLO"])
    await line.hear()
    await line.say("220 go\r\n")
    await line.reader.read(1000)
    await line.say("HTTP/1.1 400 Bad Request\r\n")


UNKNOWN: list[tuple[Handler, str]] = [
    (dialogue("421 busy\r\n", {}), "throttled"),
    (dialogue("554 no\r\n", {}), "the greeting is a refusal"),
    (dialogue("220 hi\r\n", SMTP_INSIDE), "no STARTTLS"),
    (no_tls, "not TLS"),
]


@pytest.mark.parametrize(("handler", "why"), UNKNOWN)
def test_without_a_handshake_a_version_is_unknown(handler: Handler, why: str) -> None:
    with Scripted(handler) as server:
        accepted, said = ask(server.port, "TLSv1")
    assert accepted is None
    assert why in said
