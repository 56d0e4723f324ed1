"""One file over HTTPS: bounded, without redirects, never from private addresses, its chain kept for judging."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from smtplab.net import Network, NetworkSettings
from smtplab.net.https import MAX_BODY, Fetched, fetch
from smtplab.tape import Recorder, Tape
from tests.authentication.dnsserver import serve
from tests.net.certs import AT, Authority
from tests.net.scripted import Handler, Line, Scripted, context

NAME = "mta-sts.test.example"
ZONE = {
    NAME: [("A", "127.0.0.1")],
    "private.test.example": [("A", "10.0.0.1"), ("A", "192.168.1.1")],
    "broken.test.example": [("*", "SERVFAIL")],
}
OK = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


@pytest.fixture(scope="module")
def resolver() -> Iterator[str]:
    with serve(ZONE) as address:
        yield address


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return Authority().issue(NAME).write(tmp_path_factory.mktemp("tls"))


def web(answer: str | bytes) -> Handler:
    async def handle(line: Line) -> None:
        with suppress(EOFError):
            while await line.hear():
                pass
        await line.say(answer)

    return handle


async def silent(line: Line) -> None:
    await asyncio.sleep(60)


async def speaks_first(line: Line) -> None:
    await line.say("220 this is SMTP\r\n")
    await line.reader.read(1000)


async def endless(line: Line) -> None:
    await line.say(OK + "\r\n")
    while True:
        await line.say("x" * 10_000)


def network(resolver: str, *public: str) -> Network:
    settings = NetworkSettings(resolver=resolver, timeout=0.5, public=public or ("127.0.0.0/8",))
    return Network(settings, live=True)


def get(net: Network, port: int, host: str = NAME) -> Fetched:
    return net.run(fetch(net, f"https://{host}:{port}/.well-known/mta-sts.txt"))


BODIES = {
    # the answer: status, body, error
    OK + "Content-Length: 5\r\n\r\nhello": (200, "hello", ""),
    OK + "\r\nuntil the end": (200, "until the end", ""),
    OK + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n": (200, "abc", ""),
    "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno": (404, "no", ""),
    "HTTP/1.1 301 Moved\r\nLocation: https://elsewhere.example/\r\nContent-Length: 0\r\n\r\n": (301, "", ""),
    OK + f"Content-Length: {MAX_BODY + 1}\r\n\r\n" + "x" * (MAX_BODY + 1): (200, "", "larger than 65,536 bytes"),
}


@pytest.mark.parametrize("answer", BODIES, ids=lambda a: a[:20])
def test_the_answer_is_taken_as_it_is(answer: str, resolver: str, tls: tuple[Path, Path]) -> None:
    with Scripted(web(answer), context(*tls), implicit=True) as server:
        got = get(network(resolver), server.port)
        assert f"Host: {NAME}:{server.port}" in server.lines[0].heard
    assert (got.status, got.body, got.error) == BODIES[answer]
    assert got.why == ""
    assert got.tls is not None
    assert len(got.tls.chain) == 2


@pytest.mark.parametrize(
    ("handler", "why", "error"),
    [
        (silent, "timeout", ""),
        (endless, "", "larger than"),
        (web("SMTP/1.0 what\r\n\r\n"), "RemoteProtocolError", ""),
        (web(OK + "X: " + "y" * 200_000 + "\r\n\r\n"), "RemoteProtocolError", ""),
        (web(""), "RemoteProtocolError", ""),
    ],
)
def test_a_hostile_server_is_survived(
    handler: Handler, why: str, error: str, resolver: str, tls: tuple[Path, Path]
) -> None:
    with Scripted(handler, context(*tls), implicit=True) as server:
        got = get(network(resolver), server.port)
    assert why in got.why
    assert bool(got.why) is bool(why)
    assert error in got.error
    assert bool(got.error) is bool(error)


def drip(text: str) -> Handler:
    """One byte every fifth of a second."""

    async def handle(line: Line) -> None:
        with suppress(EOFError):
            while await line.hear():
                pass
        for letter in text:
            await line.say(letter)
            await asyncio.sleep(0.2)

    return handle


def test_a_server_that_drips_costs_its_deadline(resolver: str, tls: tuple[Path, Path]) -> None:
    began = time.monotonic()
    with Scripted(drip(OK + "\r\n" + "x" * 100), context(*tls), implicit=True) as server:
        got = get(network(resolver), server.port)
    assert got.why == "timeout"
    assert time.monotonic() - began < 0.5 * 4 + 1


def test_a_redirect_is_an_answer_and_leads_nowhere(resolver: str, tls: tuple[Path, Path]) -> None:
    with Scripted(silent) as private:
        moved = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{private.port}/\r\nContent-Length: 0\r\n\r\n"
        with Scripted(web(moved), context(*tls), implicit=True) as server:
            net = network(resolver)
            got = get(net, server.port)
            assert (got.status, got.body) == (302, "")
            assert net.connections_used() == {f"127.0.0.1:{server.port}": 1}
        assert private.lines == []


def test_a_server_without_tls_is_an_answer(resolver: str) -> None:
    with Scripted(speaks_first) as server:
        asked = get(network(resolver), server.port)
        port = server.port
    assert asked.error.startswith("the TLS handshake failed")
    assert "refuses connections" in get(network(resolver), port).error


@pytest.mark.parametrize(
    ("host", "error", "why"),
    [
        ("private.test.example", "has only private addresses", ""),
        ("absent.test.example", "has no address", ""),
        ("broken.test.example", "", "SERVFAIL"),
    ],
)
def test_no_address_of_the_public_means_no_connection(host: str, error: str, why: str, resolver: str) -> None:
    net = network(resolver)
    got = get(net, 443, host)
    assert error in got.error
    assert why in got.why
    assert net.connections_used() == {}


def test_loopback_counts_as_private_unless_the_case_says_otherwise(resolver: str) -> None:
    assert "private" in get(network(resolver, "192.0.2.0/24"), 443).error


def test_a_replay_says_what_was_recorded(resolver: str, tls: tuple[Path, Path], tmp_path: Path) -> None:
    with (
        Scripted(web(OK + "Content-Length: 2\r\n\r\nhi"), context(*tls), implicit=True) as server,
        Recorder(tmp_path, started=AT, vantage="here") as recorder,
    ):
        net = network(resolver)
        net.recorder = recorder
        first = get(net, server.port)
    assert get(Network(tape=Tape.load(recorder.target)), server.port) == first
    assert get(Network(), server.port).why == "not recorded"
