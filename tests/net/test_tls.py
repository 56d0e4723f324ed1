"""What a service accepts, found by hellos of our own, without a library that speaks the version or the group."""

from __future__ import annotations

import asyncio
import json
import ssl
import struct
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL

from smtplab.net.hello import VERSIONS, Answer, client_hello
from smtplab.net.session import converse
from smtplab.net.tls import Choice, Listing, Survey, ask, survey
from tests.net.certs import AT, HOST, Authority, Issued
from tests.net.scripted import SMTP, SMTP_INSIDE, Handler, Line, Scripted, context, dialogue, live
from tests.net.tlsserver import serve


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def chains(authority: Authority) -> dict[str, Issued]:
    return authority.all()


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
    answer = Answer(version)
    for at in range(0, len(data), step):
        answer.feed(data[at : at + step])
    assert (answer.verdict, answer.why) == (verdict, why)


@given(st.sampled_from(sorted(VERSIONS)), st.binary(max_size=300), st.booleans())
def test_any_answer_is_read_or_refused(version: str, noise: bytes, framed: bool) -> None:
    answer = Answer(version)
    with suppress(ValueError):
        answer.feed(record(0x0301, noise) if framed else noise)


@given(st.text(max_size=300), st.sampled_from(sorted(VERSIONS)))
def test_a_hello_is_one_record_whatever_the_name(host: str, version: str) -> None:
    hello = client_hello(host, version)
    assert struct.unpack("!H", hello[3:5])[0] == len(hello) - 5
    assert int.from_bytes(hello[6:9], "big") == len(hello) - 9


def only(issued: Issued, folder: Path, low: ssl.TLSVersion, high: ssl.TLSVersion) -> ssl.SSLContext:
    made = context(*issued.write(folder))
    made.minimum_version, made.maximum_version = low, high
    return made


def choice(port: int, version: str) -> Choice:
    network = live()
    return network.run(ask(network, HOST, "127.0.0.1", port, version, like=25))


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
        assert [choice(server.port, v).accepted for v in VERSIONS] == expected


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
        assert choice(server.port, "TLSv1") == Choice(True, "", "AES128-SHA")
        assert choice(server.port, "TLSv1.2") == Choice(False, "answered with 0x0301")


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
        said = choice(server.port, "TLSv1")
    assert said.accepted is None
    assert why in said.why


def test_a_server_too_busy_for_a_handshake_is_throttled() -> None:
    """Exim with `smtp_accept_max` reached says so in plain text, where TLS is due from the first byte."""
    with Scripted(dialogue("421 Too many concurrent SMTP connections\r\n", {})) as server:
        network = live()
        said = network.run(ask(network, HOST, "127.0.0.1", server.port, "TLSv1.2", like=465))
    assert said == Choice(None, "throttled")


def surveyed(port: int, *, like: int = 465, connections: int = 12, timeout: float = 2.0) -> tuple[Survey, int]:
    """The survey, and the connections that it took together with the session before it."""
    network = live(timeout, connections=connections)
    session = network.run(converse(network, HOST, "127.0.0.1", port, like))
    made = network.run(survey(network, HOST, "127.0.0.1", port, seen=session.tls, like=like))
    return made, sum(network.connections_used().values())


def test_post_quantum_groups_are_found_where_a_real_library_has_them(chains: dict[str, Issued], tmp_path: Path) -> None:
    with serve(*chains["good"].write(tmp_path)) as (port, completed):
        found, used = surveyed(port, connections=30)
    assert dict(found.versions) == {"TLSv1": False, "TLSv1.1": False, "TLSv1.2": True, "TLSv1.3": True}
    assert {"X25519MLKEM768", "SecP256r1MLKEM768", "x25519", "secp256r1", "x448", "ffdhe3072"} <= set(
        found.groups.names
    )
    assert not {"X25519Kyber768Draft00", "brainpoolP256r1tls13", "ffdhe8192"} & set(found.groups.names)
    assert found.groups.complete
    assert found.post_quantum
    # The completed handshake is the independent witness: the server's end names the group too.
    assert found.negotiated is not None
    assert completed == [found.negotiated.group] == ["X25519MLKEM768"]
    # A session, three versions, the weak suites, and each group but the negotiated one until the refusal.
    assert used == 1 + 3 + 1 + len(found.groups.names)


def test_a_server_without_post_quantum_groups_is_not_said_to_have_one(
    chains: dict[str, Issued], tmp_path: Path
) -> None:
    issued = context(*chains["good"].write(tmp_path))
    issued.set_ecdh_curve("prime256v1")
    with Scripted(dialogue("220 hi\r\n", SMTP, SMTP_INSIDE), issued) as server:
        found, used = surveyed(server.port, like=25)
    assert found.groups == Listing(("secp256r1",))
    assert found.post_quantum is False
    assert used == 7


def test_what_the_budget_prevents_is_unknown_and_what_was_found_stays(
    chains: dict[str, Issued], tmp_path: Path
) -> None:
    with serve(*chains["good"].write(tmp_path)) as (port, _):
        full, used = surveyed(port)
        poor, few = surveyed(port, connections=3)
        poorest, one = surveyed(port, connections=1)
    assert (used, few, one) == (12, 3, 1)
    assert full.groups.names[0] == "X25519MLKEM768"
    assert (full.groups.complete, full.groups.why) == (False, "budget")
    assert "perhaps more: budget" in str(full.groups)
    assert dict(poor.versions) == {"TLSv1": None, "TLSv1.1": False, "TLSv1.2": True, "TLSv1.3": True}
    assert poor.weak is None
    assert dict(poorest.versions) == {"TLSv1": None, "TLSv1.1": None, "TLSv1.2": None, "TLSv1.3": True}
    assert poorest.groups == Listing(("X25519MLKEM768",), "budget")
    assert dict(full.ciphers)["TLSv1.3"] == Listing(("TLS_AES_256_GCM_SHA384",), "budget")


def test_a_brief_survey_lists_nothing_one_by_one(chains: dict[str, Issued], tmp_path: Path) -> None:
    network = live(2.0)
    with serve(*chains["good"].write(tmp_path)) as (port, _):
        made = network.run(survey(network, HOST, "127.0.0.1", port, like=465, whole=False))
    assert (made.post_quantum, made.groups) == (True, Listing(("X25519MLKEM768",), "not asked"))
    assert network.connections_used() == {f"127.0.0.1:{port}": 6}


TWO = ("ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-GCM-SHA256")


def test_with_sixty_connections_every_suite_is_listed(chains: dict[str, Issued], tmp_path: Path) -> None:
    chain = chains["good"].write(tmp_path)
    with serve(*chain, high=SSL.TLS1_2_VERSION, ciphers=":".join(TWO).encode()) as (port, _):
        found, used = surveyed(port, connections=60)
    assert set(dict(found.ciphers)) == {"TLSv1.2"}
    assert dict(found.ciphers)["TLSv1.2"].complete
    assert set(dict(found.ciphers)["TLSv1.2"].names) == set(TWO)
    assert found.weak == ""
    assert used < 20
    # The curve of an ECDSA certificate cannot be taken away below TLS 1.3, so the list is a lower bound.
    assert (set(found.groups.names) >= {"x25519"}, found.groups.why) == (True, "asked with TLSv1.2")


def test_a_suite_without_encryption_is_found(chains: dict[str, Issued], tmp_path: Path) -> None:
    chain = chains["good"].write(tmp_path)
    with serve(*chain, ciphers=b"ECDHE-ECDSA-NULL-SHA:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0") as (port, _):
        assert surveyed(port)[0].weak == "ECDHE-ECDSA-NULL-SHA"


def test_what_a_program_prints_holds_every_part(chains: dict[str, Issued], tmp_path: Path) -> None:
    with serve(*chains["expired"].write(tmp_path)) as (port, _):
        printed = surveyed(port)[0].as_dict(AT)
    assert set(printed) == {"versions", "ciphers", "weak_cipher", "post_quantum", "groups", "negotiated", "certificate"}
    assert printed["certificate"]["days_left"] == -18
    assert printed["negotiated"]["group"] == "X25519MLKEM768"
    assert json.loads(json.dumps(printed)) == printed


def hostile(answer: bytes, *, forever: bool = False, pause: float = 0.0) -> Handler:
    """Takes STARTTLS, and answers the hello with this."""

    async def handle(line: Line) -> None:
        await line.say("220 hi\r\n")
        await line.hear()
        await line.say(SMTP["EHLO"])
        await line.hear()
        await line.say("220 go\r\n")
        await line.reader.read(1000)
        for piece in [answer[i : i + 1] for i in range(len(answer))] if pause else [answer]:
            await line.say(piece)
            await asyncio.sleep(pause)
        while forever:
            await line.say(answer)
        await asyncio.sleep(5)

    return handle


HOSTILE = [
    (hostile(b"\x00" * 5000), "not TLS"),
    (hostile(bytes(range(256)) * 20), "not TLS"),
    (hostile(record(0x0303, b"\x0b\xff\xff\xff" + b"x" * 1000), forever=True), "too long"),
    (hostile(record(0x0303, b""), forever=True), "too long"),
    (hostile(record(0x0303, b"\x02\x00\x00\x03abc")), "ServerHello is too short"),
    (hostile(record(0x0303, b"\x02" * 100), pause=0.2), "timeout"),
    (hostile(b""), "timeout"),
]


@pytest.mark.parametrize(("handler", "why"), HOSTILE)
def test_a_hostile_answer_costs_its_deadline_once(handler: Handler, why: str) -> None:
    began = time.monotonic()
    with Scripted(handler) as server:
        network = live(0.3)
        made = network.run(survey(network, HOST, "127.0.0.1", server.port, like=25))
    assert time.monotonic() - began < 0.3 * 4 + 1
    # The first question met it; no other was asked.
    assert network.connections_used() == {f"127.0.0.1:{server.port}": 1}
    assert {accepted for _, accepted in made.versions} == {None}
    assert why in made.groups.why
    assert made.weak is None


def test_a_server_that_chooses_what_was_not_offered_is_not_asked_for_ever() -> None:
    retry = server_hello(0x0303, b"\x00\x0c" + THIRTEEN[2:] + b"\x00\x33\x00\x02\x00\x1d")
    with Scripted(hostile(record(0x0303, retry))) as server:
        made, used = surveyed(server.port, like=25, timeout=0.3, connections=20)
    assert made.groups == Listing(("x25519",), "it chose what was not offered")
    assert used <= 8
