"""Intrusive questions: each has a server that can be abused and one that cannot; strangers are never asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from smtplab.errors import NotAllowed
from smtplab.net import Network, NetworkSettings
from smtplab.servers.check.access import judge_probes
from smtplab.servers.probes import Probe, Target, injection, may, probe, relay, smuggling
from tests.net.certs import HOST, Authority
from tests.net.scripted import (
    IMAP,
    IMAP_INSIDE,
    POP3,
    POP3_INSIDE,
    SMTP,
    SMTP_INSIDE,
    Handler,
    Line,
    Scripted,
    context,
    dialogue,
    live,
)
from tests.servers.taped import MAIL, Answers, smtp, spoke
from tests.servers.test_check import collect

YES = {"MAIL": "250 ok\r\n", "RSET": "250 ok\r\n", "RCPT": "250 ok\r\n", "VRFY": "252 try\r\n", "EXPN": "502 no\r\n"}
NO = YES | {"RCPT": "554 5.7.1 relay access denied\r\n"}
BARE = {"EHLO": "250-hi\r\n250 SIZE 10\r\n", "QUIT": "221 bye\r\n"}


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return Authority().issue(HOST).write(tmp_path_factory.mktemp("tls"))


def target(server: Scripted, like: int = 25) -> Target:
    return Target(HOST, "127.0.0.1", server.port, like)


def relayed(answers: Mapping[str, str]) -> dict[str, str]:
    with Scripted(dialogue("220 hi\r\n", BARE | answers)) as server:
        network = live()
        return {p.variant: p.verdict for p in network.run(relay.ask_relay(network, target(server)))}


def test_a_server_that_takes_all_is_open_and_its_own_addresses_prove_nothing() -> None:
    verdicts = relayed(YES)
    assert {n for n, v in verdicts.items() if v == "open"} == {
        "foreign to foreign", "no sender", "own sender", "source route", "own recipient without sign-in",
    }  # fmt: skip
    assert "takes any address" in verdicts["percent"]


def test_a_server_that_relays_the_percent_hack_alone_is_open() -> None:
    percent = NO | {"RCPT TO:<PROBE%": "250 ok\r\n"}
    ordered = {k: percent[k] for k in sorted(percent, reverse=True)}
    assert [n for n, v in relayed(ordered).items() if v == "open"] == ["percent"]


def test_a_server_that_refuses_is_closed() -> None:
    assert set(relayed(NO).values()) == {"closed"}
    assert set(relayed(NO | {"MAIL": "530 5.7.0 sign in\r\n"}).values()) == {"closed"}


@pytest.mark.parametrize(("vrfy", "expn", "found"), [("252 x", "502 x", []), ("250 jo", "250 an", ["VRFY", "EXPN"])])
def test_252_tells_nothing(vrfy: str, expn: str, found: list[str]) -> None:
    answers = BARE | {"VRFY": f"{vrfy}\r\n", "EXPN": f"{expn}\r\n"}
    with Scripted(dialogue("220 hi\r\n", answers)) as server:
        network = live()
        told = network.run(relay.ask_verify(network, target(server)))
    assert [p.variant for p in told if p.verdict == "open"] == found


def vulnerable(greeting: str, plain: Mapping[str, str], injected: str, inside: Mapping[str, str]) -> Handler:
    """Keeps what came behind STARTTLS, and answers it inside TLS."""

    async def handle(line: Line) -> None:
        await line.say(greeting)
        said = await line.hear()
        await line.say(next(a for start, a in plain.items() if said.upper().startswith(start)))
        start = await line.hear()
        rest = await line.hear()
        assert rest
        await line.say(next(a for begin, a in plain.items() if start.upper().startswith(begin)))
        await line.start_tls()
        await line.say(injected)
        await dialogue("", inside)(line)

    return handle


INJECTED = [
    (25, "220 hi\r\n", SMTP, "250 2.0.0 ok\r\n", SMTP_INSIDE),
    (143, "* OK hi\r\n", IMAP, "a3 OK noop\r\n", IMAP_INSIDE),
    (110, "+OK hi\r\n", POP3, "+OK\r\nTOP\r\n.\r\n", POP3_INSIDE),
]


@pytest.mark.parametrize(("like", "greeting", "plain", "answer", "inside"), INJECTED)
@pytest.mark.parametrize("kept", [True, False])
def test_a_command_kept_over_starttls_is_seen(
    like: int, greeting: str, plain: dict[str, str], answer: str, inside: dict[str, str], kept: bool,
    tls: tuple[Path, Path],
) -> None:  # fmt: skip
    handler = vulnerable(greeting, plain, answer if kept else "", inside)
    with Scripted(handler, context(*tls)) as server:
        network = live()
        (found,) = network.run(injection.run(network, target(server, like)))
    assert found.verdict == ("open" if kept else "closed")
    assert not kept or found.said == answer.splitlines()[0]


def test_without_starttls_nothing_is_known_of_injection() -> None:
    with Scripted(dialogue("220 hi\r\n", BARE)) as server:
        network = live()
        (found,) = network.run(injection.run(network, target(server)))
    assert found.verdict == "unknown (no STARTTLS)"
    assert network.run(injection.run(network, Target(HOST, "127.0.0.1", 1, 465))) == ()


def takes(ends: tuple[bytes, ...], refuse: str = "", hang_up: bool = False) -> Handler:
    """Ends a message at any of these forms; with `refuse`, bare line feeds get that answer instead."""

    async def data(line: Line) -> None:
        got = b""
        while True:
            got += await line.reader.read(4096) or b""
            if line.reader.at_eof():
                raise EOFError
            if refuse and b"\n" in got.replace(b"\r\n", b""):
                await line.say(refuse)
                if hang_up:
                    raise EOFError
                return
            if any(e in got for e in ends):
                await line.say("250 queued\r\n")
                return

    async def handle(line: Line) -> None:
        await line.say("220 hi\r\n")
        while True:
            said = await line.hear()
            if said == "DATA":
                await line.say("354 go\r\n")
                await data(line)
            else:
                await line.say("250 ok\r\n")

    return handle


LEGAL = b"\r\n.\r\n"
SMUGGLED: list[tuple[str, Handler, set[str]]] = [
    ("strict", takes((LEGAL,)), set()),
    ("bare line feeds", takes((LEGAL, b"\n.\n", b"\n.\r\n", b"\r\n.\n")), {"LF.LF", "LF.CRLF", "CRLF.LF"}),
    ("a carriage return too many", takes((LEGAL, b"\r\n.\r\r\n")), {"CRLF.CRCRLF"}),
    ("refuses bare line feeds", takes((LEGAL,), "550 5.5.2 bare LF\r\n"), set()),
    ("hangs up on bare line feeds", takes((LEGAL,), "521 5.5.2 bare LF\r\n", hang_up=True), set()),
]


@pytest.mark.parametrize(("name", "handler", "expected"), SMUGGLED, ids=[s[0] for s in SMUGGLED])
def test_each_end_of_data_that_is_taken_is_named(name: str, handler: Handler, expected: set[str]) -> None:
    with Scripted(handler) as server:
        network = live(timeout=1.0, connections=20)
        found = network.run(smuggling.run(network, target(server), HOST))
    assert [p.variant for p in found] == list(smuggling.FORMS)
    assert {p.variant for p in found if p.verdict == "open"} - smuggling.CONTROLS == expected
    assert {p.variant for p in found if p.verdict == "open"} >= smuggling.CONTROLS
    assert {p.verdict for p in found} <= {"open", "closed"}


def test_where_no_message_is_taken_nothing_is_known() -> None:
    with Scripted(dialogue("220 hi\r\n", BARE | NO)) as server:
        network = live()
        found = network.run(smuggling.run(network, target(server), HOST))
    assert len(found) == 13
    assert all(p.verdict.startswith("unknown (554") for p in found)


def test_what_the_budget_prevents_is_unknown() -> None:
    with Scripted(dialogue("220 hi\r\n", BARE | NO)) as server:
        network = live(connections=2)
        found = network.run(probe(network, target(server)))
    assert [p.verdict for p in found if p.what == "verify"] == ["unknown (budget)"]
    assert network.connections_used() == {f"127.0.0.1:{server.port}": 2}


ALLOWED = [
    ("mx.test.example", "127.0.0.1", True),
    ("mx.test.example", "::1", True),
    ("mx.test.example", "192.0.2.1", False),
    ("Own.test.example", "192.0.2.1", True),
    ("mx.test.example", "192.0.2.9", True),
    ("mx.test.example", "", False),
]


@pytest.mark.parametrize(("host", "address", "allowed"), ALLOWED)
def test_only_loopback_and_hosts_of_ones_own_are_asked(host: str, address: str, allowed: bool) -> None:
    settings = NetworkSettings(own=frozenset({"own.test.example", "192.0.2.9"}))
    assert may(settings, host, address) is allowed


def test_the_host_of_a_stranger_is_refused_before_any_packet() -> None:
    network = Network.without_case()
    with pytest.raises(NotAllowed, match="not listed as your own"):
        network.run(probe(network, Target("mx.test.example", "192.0.2.1", 25, 25)))
    assert network.connections_used() == {}


@pytest.mark.parametrize(
    ("own", "intrusive", "asked"), [(True, True, True), (False, True, False), (True, False, False)]
)
def test_a_recording_asks_only_if_the_case_says_so_and_the_host_is_its_own(
    own: bool, intrusive: bool, asked: bool, tmp_path: Path
) -> None:
    sessions = {(MAIL, 587): spoke(587, smtp("STARTTLS"), smtp("AUTH PLAIN"))}
    evidence = collect(tmp_path / "case", Answers(sessions, own=own, intrusive=intrusive))
    assert bool(evidence.probes) is asked
    assert {p.host for p in evidence.probes} <= {MAIL}


def one(what: str, variant: str, verdict: str, port: int = 25) -> Probe:
    return Probe(HOST, port, what, variant, verdict, "said")


JUDGED = [
    ((one("relay", "percent", "open"),), "servers.relay.open"),
    ((one("relay", relay.WITHOUT_SIGN_IN, "open"),), "servers.probe.closed"),
    ((one("relay", relay.WITHOUT_SIGN_IN, "open", 587),), "servers.submission.open"),
    ((one("relay", "percent", "open", 587),), "servers.relay.open"),
    ((one("injection", "STARTTLS", "open"),), "servers.starttls.injection"),
    ((one("smuggling", "CRLF.CRLF", "open"), one("smuggling", "LF.LF", "open")), "servers.smuggling"),
    ((one("smuggling", "CRLF.CRLF", "open"), one("smuggling", "LF.LF", "closed")), "servers.probe.closed"),
    ((one("verify", "VRFY", "open"),), "servers.verify.open"),
    ((one("verify", "", "unknown (budget)"),), "servers.probe.unknown"),
]


@pytest.mark.parametrize(("rows", "code"), JUDGED)
def test_probes_are_judged(rows: tuple[Probe, ...], code: str) -> None:
    assert [f.code for f in judge_probes(rows)] == [code]
