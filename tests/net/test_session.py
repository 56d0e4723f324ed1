"""Sessions: what each protocol says is understood, live and in replay; nothing hostile crashes or is believed."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.net import Network
from smtplab.net.session import PORTS, Step, Transcript, converse, gather_sessions, like_port
from smtplab.net.talk import MAX_BYTES, Talk, keywords
from smtplab.tape import Recorder, Tape
from tests.net.certs import AT, HOST, Authority
from tests.net.scripted import (
    IMAP,
    IMAP_INSIDE,
    POP3,
    POP3_INSIDE,
    SIEVE,
    SIEVE_GREETING,
    SIEVE_INSIDE,
    SMTP,
    SMTP_INSIDE,
    Handler,
    Line,
    Scripted,
    context,
    dialogue,
    live,
)

POLITE = {
    # like: greeting, answers, answers inside TLS, what is announced before and only inside TLS
    25: ("220 mx ESMTP\r\n", SMTP, SMTP_INSIDE, "STARTTLS", "AUTH PLAIN LOGIN"),
    587: ("220-two\r\n220 lines\r\n", SMTP, SMTP_INSIDE, "STARTTLS", "AUTH PLAIN LOGIN"),
    143: ("* OK ready\r\n", IMAP, IMAP_INSIDE, "LOGINDISABLED", "AUTH=PLAIN"),
    110: ("+OK ready\r\n", POP3, POP3_INSIDE, "STLS", "SASL PLAIN"),
    4190: (SIEVE_GREETING, SIEVE, SIEVE_INSIDE, "STARTTLS", "SASL PLAIN LOGIN"),
}


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return Authority().issue(HOST).write(tmp_path_factory.mktemp("tls"))


def session(port: int, like: int = 25, network: Network | None = None) -> Transcript:
    network = network or live()
    return network.run(converse(network, HOST, "127.0.0.1", port, like))


def listen(handler: Handler, like: int = 25, tls: tuple[Path, Path] | None = None) -> Scripted:
    return Scripted(handler, context(*tls) if tls else None, implicit=PORTS[like][1])


@pytest.mark.parametrize("like", POLITE)
def test_capabilities_are_read_before_and_after_starttls(like: int, tls: tuple[Path, Path]) -> None:
    greeting, outside, inside, before, after = POLITE[like]
    with listen(dialogue(greeting, outside, inside), like, tls) as server:
        heard = session(server.port, like)
    assert heard.ended == ""
    assert heard.greeted
    assert before in (heard.capabilities("capabilities") or ())
    assert before not in (heard.capabilities("capabilities-tls") or ())
    assert after in (heard.capabilities("capabilities-tls") or ())
    assert heard.tls is not None
    assert heard.tls.version.startswith("TLSv1.")
    assert heard.tls.group
    assert len(heard.tls.chain) == 2
    phases = ["connect", "greeting", "capabilities", "starttls", "tls", "capabilities-tls", "quit"]
    assert [s.phase for s in heard.steps] == phases
    assert all(s.ms >= 0 for s in heard.steps)


def test_bytes_are_counted_by_phase(tls: tuple[Path, Path]) -> None:
    with listen(dialogue("220 hi\r\n", SMTP, SMTP_INSIDE), tls=tls) as server:
        heard = session(server.port)
    told = {s.phase: (s.bytes_out, s.bytes_in) for s in heard.steps}
    hello = len("EHLO probe.smtplab.invalid\r\n")
    out, into = told.pop("tls")
    assert told == {
        "connect": (0, 0),
        "greeting": (0, len("220 hi\r\n")),
        "capabilities": (hello, len(SMTP["EHLO"])),
        "starttls": (len("STARTTLS\r\n"), len("220 go\r\n")),
        "capabilities-tls": (hello, len(SMTP_INSIDE["EHLO"])),
        "quit": (len("QUIT\r\n"), len("221 bye\r\n")),
    }
    # A hello and a chain of two certificates: hundreds of bytes, and no megabyte.
    assert heard.tls is not None
    assert out is not None
    assert into is not None
    assert 200 < out < 5_000
    assert sum(map(len, heard.tls.chain)) < into < 10_000


def test_a_recording_without_counts_has_none() -> None:
    said = {"phase": "greeting", "sent": "", "reply": ["220 hi"], "ms": 1.0}
    assert (Step.parse(said).bytes_out, Step.parse(said).bytes_in) == (None, None)


@pytest.mark.parametrize(("like", "of"), [(465, 25), (993, 143), (995, 110)])
def test_implicit_tls_comes_before_the_greeting(like: int, of: int, tls: tuple[Path, Path]) -> None:
    greeting, _, inside, _, after = POLITE[of]
    with listen(dialogue(greeting, inside), like, tls) as server:
        heard = session(server.port, like)
    assert [s.phase for s in heard.steps] == ["connect", "tls", "greeting", "capabilities", "quit"]
    assert after in (heard.capabilities("capabilities") or ())


def test_a_replay_says_what_was_recorded(tls: tuple[Path, Path], tmp_path: Path) -> None:
    with (
        listen(dialogue("220 <script>\xff hi\r\n", SMTP, SMTP_INSIDE), tls=tls) as server,
        Recorder(tmp_path, started=AT, vantage="here") as recorder,
    ):
        network = live()
        network.recorder = recorder
        first = session(server.port, network=network)
        again = session(server.port, network=network)
        assert len(server.lines) == 1
    tape = Tape.load(recorder.target)
    replay = session(server.port, network=Network(tape=tape))
    assert replay == first == again
    assert replay.text() == first.text()
    assert "<script>" in replay.text()


async def silent(line: Line) -> None:
    await asyncio.sleep(60)


async def early(line: Line) -> None:
    """Notes what a client says before it is greeted."""
    try:
        line.heard.append(str(await asyncio.wait_for(line.reader.read(1), 0.3)))
    except TimeoutError:
        await dialogue("220 now\r\n", SMTP_INSIDE)(line)


async def endless_line(line: Line) -> None:
    while True:
        await line.say(b"220" + b"x" * 60_000)


async def endless_greeting(line: Line) -> None:
    while True:
        await line.say("220-still talking\r\n" * 1000)


async def slow_greeting(line: Line) -> None:
    while True:
        await line.say("220-wait\r\n")
        await asyncio.sleep(0.1)


async def closes(line: Line) -> None:
    return


async def closes_in_ehlo(line: Line) -> None:
    await line.say("220 hi\r\n")
    await line.hear()
    await line.say("250-half\r\n250-of an ans")


async def no_handshake(line: Line) -> None:
    await line.say("220 hi\r\n")
    await line.hear()
    await line.say(SMTP["EHLO"])
    await line.hear()
    await line.say("220 go\r\n")
    await line.reader.read(100)
    await line.say("500 what is this?\r\n" * 20)


HOSTILE: dict[str, tuple[Handler, str, bool]] = {
    # what the server does: its handler, how the session ends, whether it counts as greeted
    "silence": (silent, "the server fell silent", False),
    "endless line": (endless_line, "more than a reply may hold in phase greeting", False),
    "endless greeting": (endless_greeting, "more than a reply may hold in phase greeting", True),
    "a line now and then": (slow_greeting, "the server fell silent", True),
    "closes at once": (closes, "the server closed the connection", False),
    "closes in mid-reply": (closes_in_ehlo, "the server closed the connection", True),
    "HTTP": (dialogue("HTTP/1.1 400 Bad Request\r\n\r\n", {}), "the greeting is not SMTP", True),
    "binary": (dialogue("\x00\x01\x02\xff\r\n", {}), "the greeting is not SMTP", True),
    "POP3 on an SMTP port": (dialogue("+OK ready\r\n", {}), "the greeting is not SMTP", True),
    "refusal": (dialogue("554 go away\r\n", {}), "the greeting is a refusal", True),
    "no TLS after STARTTLS": (no_handshake, "TLS handshake failed", True),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_server_is_survived_and_named(name: str) -> None:
    handler, ended, greeted = HOSTILE[name]
    with listen(handler) as server:
        began = time.monotonic()
        heard = session(server.port)
        assert time.monotonic() - began < 3
    assert ended in heard.ended
    assert heard.greeted is greeted
    assert heard.capabilities("capabilities-tls") is None
    assert len(heard.text()) < MAX_BYTES


def test_the_client_never_talks_before_the_greeting() -> None:
    with listen(early) as server:
        heard = session(server.port)
    assert server.lines[0].heard[0].startswith("EHLO ")
    assert heard.capabilities("capabilities")


def test_no_credentials_are_ever_sent(tls: tuple[Path, Path]) -> None:
    sent = []
    for like, (greeting, outside, inside, _, _) in POLITE.items():
        with listen(dialogue(greeting, outside, inside), like, tls) as server:
            sent += [s.sent for s in session(server.port, like).steps]
    assert {s.split(" ")[-1 if s[:1] == "a" else 0] for s in sent} == {
        "", "EHLO", "STARTTLS", "QUIT", "CAPABILITY", "LOGOUT", "CAPA", "STLS",
    }  # fmt: skip


def test_a_closed_port_is_an_answer_and_a_lost_packet_is_not() -> None:
    with listen(closes) as server:
        port = server.port
    heard = session(port)
    assert heard.refused
    assert not heard.why
    assert not heard.greeted


@pytest.mark.parametrize(
    "handler", [dialogue("421 too many\r\n", {}), dialogue("220 hi\r\n", {"EHLO": "421 later\r\n"})]
)
def test_421_to_our_probe_is_throttling_and_nothing_else(handler: Handler) -> None:
    with listen(handler) as server:
        heard = session(server.port)
    assert heard.throttled
    assert not heard.greeted
    assert heard.capabilities("capabilities") is None


def test_plain_bytes_behind_starttls_never_count_as_said_inside_tls(tls: tuple[Path, Path]) -> None:
    inject = SMTP | {"STARTTLS": "220 go\r\n250-mx\r\n250 AUTH EVIL\r\n"}

    async def handle(line: Line) -> None:
        await line.say("220 hi\r\n")
        for _ in range(2):
            said = await line.hear()
            await line.say(inject[said.split(" ")[0]])
        await asyncio.sleep(0.1)
        await line.start_tls()
        await dialogue("", SMTP_INSIDE)(line)

    with listen(handle, tls=tls) as server:
        heard = session(server.port)
    assert "AUTH EVIL" not in str(heard.capabilities("capabilities-tls"))
    assert "plain bytes behind it" in heard.text()


def test_the_budget_of_connections_is_kept() -> None:
    with listen(dialogue("220 hi\r\n", SMTP_INSIDE)) as server:
        network = live(connections=2)
        asked = [(f"h{i}.example", "127.0.0.1", server.port) for i in range(4)]

        async def talk() -> list[Transcript]:
            return [await converse(network, *a, 25) for a in asked]

        heard = network.run(talk())
    assert [h.why for h in heard] == ["", "", "budget", "budget"]
    assert network.connections_used() == {f"127.0.0.1:{server.port}": 2}


def test_nothing_recorded_is_unknown() -> None:
    network = Network()
    heard = network.run(gather_sessions(network, [(HOST, "192.0.2.1", 25), (HOST, "2001:db8::1", 143)]))
    assert [h.why for h in heard] == ["not recorded"] * 2
    assert {q.target for q in network.missed} == {"192.0.2.1:25", "[2001:db8::1]:143"}


KEYWORDS = [
    ("smtp", ("250-mx", "250-SIZE 10", "250 DSN"), ("SIZE 10", "DSN")),
    ("smtp", ("250 mx",), ()),
    ("smtp", ("502 no EHLO here",), ()),
    ("smtp", ("550 not you",), None),
    ("smtp", ("250-half",), None),
    ("smtp", (), None),
    ("imap", ("* CAPABILITY IMAP4rev2 IDLE", "a1 OK"), ("IMAP4rev2", "IDLE")),
    ("imap", ("a1 BAD what",), None),
    ("pop3", ("+OK", "TOP", "SASL PLAIN", "."), ("TOP", "SASL PLAIN")),
    ("pop3", ("-ERR no CAPA",), ()),
    ("pop3", ("+OK", "TOP"), None),
    ("sieve", ('"SIEVE" "fileinto"', '"SASL" "PLAIN"', 'OK "ready"'), ("SIEVE fileinto", "SASL PLAIN")),
    ("sieve", ("OK",), ()),
    ("sieve", ('"SIEVE" "fileinto"', "BYE"), None),
    ("sieve", ('"SIEVE" "fileinto"',), None),
]


@pytest.mark.parametrize(("protocol", "reply", "expected"), KEYWORDS)
def test_no_list_is_unknown_and_an_empty_list_is_an_answer(
    protocol: str, reply: tuple[str, ...], expected: tuple[str, ...] | None
) -> None:
    assert keywords(protocol, reply) == expected


@given(st.sampled_from(["smtp", "imap", "pop3", "sieve"]), st.lists(st.text(max_size=30), max_size=6))
def test_reading_capabilities_never_raises(protocol: str, reply: list[str]) -> None:
    found = keywords(protocol, tuple(reply))
    assert found is None or all(isinstance(c, str) for c in found)


ENHANCED = [
    # the last line of a reply: SMTP code, enhanced code, response code
    ("550 5.7.1 no", 550, (5, 7, 1), ""),
    ("550-5.7.1 no", 550, (5, 7, 1), ""),
    ("250 2.1.0", 250, (2, 1, 0), ""),
    ("250 2.1.0000 no code", 250, None, ""),
    ("550 see section 5.7.1", 550, None, ""),
    ("a3 NO [AUTHENTICATIONFAILED] sorry", None, None, "AUTHENTICATIONFAILED"),
    ("-ERR [SYS/TEMP] later", None, None, "SYS/TEMP"),
    ('NO (ENCRYPT-NEEDED) "TLS first"', None, None, "ENCRYPT-NEEDED"),
    ("+OK ready", None, None, ""),
    ("٣٣٤ arabic digits", None, None, ""),
]


@pytest.mark.parametrize(("line", "code", "enhanced", "response"), ENHANCED)
def test_codes_of_a_reply_are_numbers(
    line: str, code: int | None, enhanced: tuple[int, int, int] | None, response: str
) -> None:
    step = Step("mail", "", ("250-first", line), 1)
    assert (step.code, step.enhanced, step.response_code) == (code, enhanced, response)


def test_two_replies_in_one_packet_are_two_replies() -> None:
    """The answer to QUIT has come along with the one to EHLO."""
    both = {"EHLO": SMTP_INSIDE["EHLO"] + "221 bye\r\n"}
    with listen(dialogue("220 hi\r\n", both)) as server:
        heard = session(server.port)
    assert heard.capabilities("capabilities")
    assert heard.lines("quit") == ("221 bye",)


def test_only_standard_ports_have_a_like() -> None:
    assert [like_port(p) for p in ("smtp", "imap", "pop3", "sieve")] == [25, 143, 110, 4190]
    assert [like_port(p, True) for p in ("smtp", "imap", "pop3")] == [465, 993, 995]
    with pytest.raises(KeyError):
        like_port("sieve", True)


@given(st.sampled_from(sorted(PORTS)), st.binary(max_size=400))
def test_any_greeting_leads_to_a_transcript(like: int, noise: bytes) -> None:
    class Fed:
        buffer = b""
        rest = noise

        async def line(self, limit: int, timeout: float) -> bytes:
            if not self.rest:
                raise EOFError
            end = self.rest.find(b"\n") + 1 or len(self.rest)
            made, self.rest = self.rest[:end], self.rest[end:]
            return made

        async def write(self, data: bytes, timeout: float) -> None:
            return None

    talk = Talk(HOST, "127.0.0.1", like, 1)
    talk.channel = Fed()  # type: ignore[assignment]

    async def run() -> None:
        with suppress(EOFError):
            if await talk.greet():
                await talk.capabilities("capabilities")
                await talk.begin_tls()

    asyncio.run(run())
    assert talk.steps[0]["phase"] == "greeting"
