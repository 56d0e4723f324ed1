"""What the area promises, through the command as a script calls it: hostile servers, certificates, post-quantum groups."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.authentication.dnsserver import serve as resolve
from tests.net.certs import DAY, HOST, Authority, Issued
from tests.net.scripted import SMTP, Handler, Line, Scripted, dialogue
from tests.net.test_session import closes_in_ehlo, endless_greeting, endless_line, no_handshake, silent
from tests.net.tlsserver import serve
from tests.servers.test_commands import smtplab

NOW = datetime.now(UTC)
Told = dict[str, Any]
CERTIFICATES: dict[str, tuple[Callable[[Authority], Issued], str]] = {
    # how it is issued, the finding
    "good": (lambda a: a.issue(HOST, begin=NOW - DAY, end=NOW + 60 * DAY), "ok"),
    "expired": (lambda a: a.issue(HOST, begin=NOW - 90 * DAY, end=NOW - DAY), "expired"),
    "not yet valid": (lambda a: a.issue(HOST, begin=NOW + DAY, end=NOW + 60 * DAY), "not_yet_valid"),
    "wrong host": (lambda a: a.issue("other.example", begin=NOW - DAY, end=NOW + 60 * DAY), "name"),
    "self-signed": (lambda a: a.issue(HOST, begin=NOW - DAY, end=NOW + 60 * DAY, self_signed=True), "self_signed"),
    "no intermediate": (lambda a: a.issue(HOST, begin=NOW - DAY, end=NOW + 60 * DAY, bare=True), "chain_incomplete"),
    "common name only": (lambda a: a.issue(HOST, begin=NOW - DAY, end=NOW + 60 * DAY, nameless=True), "common_name"),
    "short key": (
        lambda a: a.issue(
            HOST,
            begin=NOW - DAY,
            end=NOW + 60 * DAY,
            key=rsa.generate_private_key(public_exponent=65537, key_size=1024),
        ),
        "weak",
    ),
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Told]:
    """Every chain shown by a real TLS server with X25519MLKEM768, and what the command says."""
    folder, authority = tmp_path_factory.mktemp("tls"), Authority()
    trust = authority.pem(folder / "ca.pem")
    with ExitStack() as stack:
        resolver = stack.enter_context(resolve({HOST: [("A", "127.0.0.1")]}))
        ports = {}
        for name, (issue, _) in CERTIFICATES.items():
            # A key too short is refused by the server itself at its usual level.
            options = {"ciphers": b"ALL:@SECLEVEL=0"} if name == "short key" else {}
            chain = issue(authority).write(folder / name)
            ports[name] = stack.enter_context(serve(*chain, **options))[0]  # type: ignore[arg-type]
        ends = [f"{HOST}:{port}:smtp" for port in ports.values()]
        done = smtplab(
            "server", *ends, "--starttls", "implicit", "--json", "--resolver", resolver, SSL_CERT_FILE=str(trust)
        )
    assert done.returncode == 0, done.stderr
    return dict(zip(ports, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("name", CERTIFICATES)
def test_each_certificate_is_named_rightly(judged: dict[str, Told], name: str) -> None:
    found = {f["code"] for f in judged[name]["findings"] if f["code"].startswith("transport.certificate.")}
    expected = f"transport.certificate.{CERTIFICATES[name][1]}"
    assert found in ({expected}, {expected, "transport.certificate.ok"}, {expected, "transport.certificate.invalid"})
    fine = [s["ok"] for s in judged[name]["steps"] if s["phase"] == "certificate"]
    # A short key is no fault of the path: programs differ in whether they take it.
    assert fine == [name in ("good", "short key")]


def test_a_server_with_a_post_quantum_group_is_the_positive_control(judged: dict[str, Told]) -> None:
    told = judged["good"]
    assert told["tls"]["negotiated"]["group"] == "X25519MLKEM768"
    assert told["tls"]["post_quantum"] is True
    assert "X25519MLKEM768" in told["tls"]["groups"]["names"]
    assert "transport.tls.post_quantum" in {f["code"] for f in told["findings"]}
    assert told["connections_used"] <= 12


def drip(text: str) -> Handler:
    async def handle(line: Line) -> None:
        for letter in text:
            await line.say(letter)
            await asyncio.sleep(1)

    return handle


async def drips_the_handshake(line: Line) -> None:
    await line.say("220 hi\r\n")
    await line.hear()
    await line.say(SMTP["EHLO"])
    await line.hear()
    await line.say("220 go\r\n")
    for byte in b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc" + bytes(1000):
        await line.say(bytes([byte]))
        await asyncio.sleep(1)


class Counted:
    """A line of a gigabyte; `sent` is what was really taken."""

    sent = 0

    async def __call__(self, line: Line) -> None:
        while self.sent < 2**30:
            await line.say(b"220" + b"x" * 65_533)
            self.sent += 65_536


GIGABYTE = Counted()
HOSTILE: dict[str, tuple[Handler, str]] = {
    # the server, the finding
    "endless greeting": (endless_greeting, "servers.unknown"),
    "a line without end": (endless_line, "servers.unknown"),
    "a line of a gigabyte": (GIGABYTE, "servers.unknown"),
    "a byte a second": (drip("220 hello, how are you today?\r\n"), "servers.unknown"),
    "silence": (silent, "servers.unknown"),
    "two codes in one reply": (dialogue("220-hi\r\n550 no\r\n", SMTP), "servers.unknown"),
    "two codes in the reply to EHLO": (dialogue("220 hi\r\n", {"EHLO": "250-a\r\n550 b\r\n"}), "servers.unknown"),
    "a reply that never ends": (dialogue("220 hi\r\n", {"EHLO": "250-a\r\n250-b\r\n"}), "servers.unknown"),
    "two replies to one command": (
        dialogue("220 hi\r\n", SMTP | {"EHLO": "250 a\r\n250 b\r\n"}), "servers.tls.missing",
    ),
    "cut in mid-reply": (closes_in_ehlo, "servers.unknown"),
    "garbage for a handshake": (no_handshake, "servers.starttls.broken"),
    "a handshake a byte a second": (drips_the_handshake, "servers.starttls.broken"),
}  # fmt: skip
SECONDS = 0.5


@pytest.fixture(scope="module")
def survived() -> tuple[dict[str, Told], float]:
    with ExitStack() as stack:
        servers = [stack.enter_context(Scripted(handler)) for handler, _ in HOSTILE.values()]
        ends = [f"127.0.0.1:{s.port}:smtp" for s in servers]
        began = time.monotonic()
        done = smtplab("server", *ends, "--json", "--timeout", str(SECONDS))
        took = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return dict(zip(HOSTILE, map(json.loads, done.stdout.splitlines()), strict=True)), took


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_server_yields_a_finding(survived: tuple[dict[str, Told], float], name: str) -> None:
    told = survived[0][name]
    assert HOSTILE[name][1] in {f["code"] for f in told["findings"]}, told["steps"]
    # The session is bounded as a whole, whatever is dripped: four timeouts, each phase within its own.
    assert sum(s["ms"] for s in told["steps"]) < SECONDS * 4_000
    assert told["connections_used"] <= 12


def test_hostile_servers_cost_their_deadline_and_no_more(survived: tuple[dict[str, Told], float]) -> None:
    # Sessions, then one question about the other mode of TLS, side by side; the rest is Python starting.
    assert survived[1] < 2 * 4 * SECONDS + 10
    assert GIGABYTE.sent < 2**25
