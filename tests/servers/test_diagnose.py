"""From a failing connection to its cause: each way to fail on loopback, and the cause that must come first."""

from __future__ import annotations

import asyncio
import json
import tomllib
from importlib import resources
from pathlib import Path

import pytest

from smtplab.case import Case
from smtplab.net import Network, NetworkSettings
from smtplab.net.session import Errand
from smtplab.servers.diagnose import Diagnosis, Endpoint, as_dict, diagnose, diagnose_all
from smtplab.servers.figures import failing_steps
from smtplab.servers.hints import Hint
from smtplab.servers.likely import causes, rules
from smtplab.servers.steps import Step
from smtplab.tape import Entry, Question, Tape
from tests.authentication.dnsserver import serve
from tests.net.certs import AT, HOST, Authority
from tests.net.scripted import SMTP, SMTP_INSIDE, Handler, Line, Scripted, context, dialogue, live

RULES = tomllib.loads((resources.files("smtplab") / "data" / "diagnoses.toml").read_text("utf-8"))["diagnosis"]


@pytest.mark.parametrize("row", RULES, ids=[r["id"] for r in RULES])
def test_a_rule_knows_its_example_and_not_its_neighbour(row: dict[str, object]) -> None:
    rule = next(r for r in rules() if r.id == row["id"])
    assert rule.text.search(row["example"])
    assert not rule.text.search(row["miss"])
    assert row["source"]
    assert row["date"]


def first(phase: str, reply: str, port: int = 587, *hints: Hint) -> list[str]:
    return [c.id for c in causes(Step(phase, False, 0, reply), port, set(hints))]


RANKED = [
    # step, what happened, port, hints, the causes in order
    ("port", "timeout", 25, [Hint.OTHER_PORTS], ["port-25-blocked-here", "port-filtered", "port-host-dead"]),
    ("port", "timeout", 25, [Hint.NO_OTHER_PORTS], ["port-host-dead"]),
    ("port", "timeout", 587, [Hint.OTHER_PORTS], ["port-filtered", "port-host-dead"]),
    ("port", "connection refused", 587, [Hint.OTHER_PORTS], ["port-not-served", "port-refused"]),
    ("port", "connection refused", 587, [Hint.NO_OTHER_PORTS, Hint.HAS_MX], ["name-is-a-domain", "port-refused"]),
    ("name", "no address (NXDOMAIN)", 25, [Hint.AUTHORITATIVE_KNOWS], ["name-propagating"]),
    ("name", "no answer: SERVFAIL", 25, [], ["name-dnssec", "name-resolver"]),
    ("greeting", "the server fell silent", 465, [Hint.EXPECTS_TLS], ["greeting-expects-tls", "greeting-delayed"]),
    (
        "tls",
        "TLS handshake failed: wrong version number",
        587,
        [Hint.EXPECTS_PLAIN],
        ["tls-expects-plain", "tls-fails"],
    ),
    ("auth", "535 5.7.8 Error: authentication failed", 587, [], ["auth-wrong"]),
    ("auth", "534-5.7.9 Application-specific password required", 587, [], ["auth-application-password"]),
    ("rcpt", "450 4.2.2 mailbox full", 25, [], ["mailboxfull"]),
    ("greeting", "something new", 25, [], []),
]


@pytest.mark.parametrize(("step", "reply", "port", "hints", "expected"), RANKED)
def test_causes_come_in_order(step: str, reply: str, port: int, hints: list[Hint], expected: list[str]) -> None:
    assert first(step, reply, port, *hints) == expected


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[tuple[Path, Path], Path]:
    folder, authority = tmp_path_factory.mktemp("tls"), Authority()
    return authority.issue(HOST).write(folder), authority.pem(folder / "ca.pem")


ZONE = {HOST: [("A", "127.0.0.1")], "domain.example": [("MX", f"10 {HOST}.")]}


def network(resolver: str, trust: Path | None = None) -> Network:
    made = live(resolver=resolver, trust=trust)
    made.clock = lambda: AT
    return made


def run(
    handler: Handler,
    tls: tuple[tuple[Path, Path], Path] | None = None,
    *,
    implicit: bool = False,
    starttls: str = "auto",
    errand: Errand | None = None,
    trust: bool = True,
) -> Diagnosis:
    chain = context(*tls[0]) if tls else None
    with serve(ZONE) as dns, Scripted(handler, chain, implicit=implicit) as server:
        net = network(dns, tls[1] if tls and trust else None)
        return diagnose(HOST, server.port, "smtp", starttls=starttls, errand=errand, network=net)


def test_all_steps_of_a_healthy_server(tls: tuple[tuple[Path, Path], Path]) -> None:
    mail = SMTP_INSIDE | {
        "AUTH": "334 \r\n",
        "A": "235 in\r\n",
        "MAIL": "250 ok\r\n",
        "RCPT": "250 ok\r\n",
        "RSET": "250\r\n",
    }
    errand = Errand(user="jo", secret="x", sender="jo@test.example", recipient="an@test.example")
    made = run(dialogue("220 hi\r\n", SMTP, mail), tls, errand=errand)
    assert made.failed is None, made
    assert [s.phase for s in made.steps] == [
        "name", "route", "port", "greeting", "capabilities", "starttls", "tls", "capabilities-tls",
        "auth", "auth", "mail", "rcpt", "certificate",
    ]  # fmt: skip
    assert made.causes == ()
    assert made.used == 1
    assert "no step failed" in repr(made)
    told = json.loads(json.dumps(as_dict(made)))
    assert {"host", "port", "protocol", "steps", "capabilities", "connections_used", "findings"} <= told.keys()
    assert told["capabilities"]["extensions"]["size"] == 1000
    assert set(told["steps"][0]) == {"phase", "ok", "ms", "reply", "bytes_out", "bytes_in"}


async def silent(line: Line) -> None:
    await asyncio.sleep(60)


async def hangs_up(line: Line) -> None:
    return


WRONG = "535 5.7.8 authentication failed\r\n"
FAILURES: list[tuple[str, Handler, dict[str, object], str, str]] = [
    # what: handler, options, the step that fails, the first cause
    ("silence", silent, {}, "greeting", "greeting-delayed"),
    ("hung up", hangs_up, {}, "greeting", "greeting-hung-up"),
    ("refusal", dialogue("554 5.7.1 you are listed\r\n", {}), {}, "greeting", "greeting-refused-address"),
    ("HTTP", dialogue("HTTP/1.1 400 Bad\r\n", {}), {}, "greeting", "greeting-other-service"),
    ("EHLO", dialogue("220 hi\r\n", {"EHLO": "504 need a name\r\n"}), {}, "capabilities", "ehlo-refused-name"),
    ("no TLS", dialogue("220 hi\r\n", {"EHLO": "250 hi\r\n", "QUIT": "221\r\n"}), {}, "starttls", "starttls-missing"),
    ("plain, not TLS", dialogue("220 hi\r\n", SMTP), {"starttls": "implicit"}, "tls", "tls-expects-plain"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "handler", "options", "step", "cause"), FAILURES, ids=[f[0] for f in FAILURES])
def test_each_failure_has_its_first_cause(
    what: str, handler: Handler, options: dict[str, str], step: str, cause: str
) -> None:
    made = run(handler, **options)  # type: ignore[arg-type]
    assert made.failed is not None
    assert (made.failed.phase, made.causes[0].id) == (step, cause), made
    assert made.causes[0].tell
    assert made.causes[0].fix
    assert len(made.frame()) == len(made.steps)
    assert len(made.likely()) == len(made.causes)


def test_a_port_that_expects_tls_is_told_from_one_that_is_slow(tls: tuple[tuple[Path, Path], Path]) -> None:
    made = run(dialogue("220 hi\r\n", SMTP_INSIDE), tls, implicit=True)
    assert made.causes[0].id == "greeting-expects-tls"
    assert made.causes[0].confirmed


@pytest.mark.parametrize(
    ("answers", "cause"),
    [
        ({"AUTH": WRONG}, "auth-wrong"),
        ({"EHLO": "250-hi\r\n250 AUTH XOAUTH2\r\n"}, "auth-mechanism"),
        ({"AUTH": "534-5.7.9 Application-specific\r\n534 5.7.9 password required\r\n"}, "auth-application-password"),
        (
            {"AUTH": "235 in\r\n", "MAIL": "553 5.7.1 <jo>: Sender address rejected: not owned by user jo\r\n"},
            "sender-not-allowed",
        ),
        ({"AUTH": "235 in\r\n", "MAIL": "550 5.4.5 Daily user sending limit exceeded\r\n"}, "sending-cap"),
        ({"AUTH": "235 in\r\n", "MAIL": "250 ok\r\n", "RCPT": "554 5.7.1 Relay access denied\r\n"}, "relay-denied"),
    ],
)
def test_sign_in_and_envelope_have_their_causes(
    answers: dict[str, str], cause: str, tls: tuple[tuple[Path, Path], Path]
) -> None:
    errand = Errand(user="jo", secret="x", sender="jo@test.example", recipient="an@test.example")
    inside = SMTP_INSIDE | {"RSET": "250 ok\r\n"} | answers
    made = run(dialogue("220 hi\r\n", SMTP, inside), tls, errand=errand)
    assert made.causes[0].id == cause, made


def test_a_password_without_tls_is_not_sent_and_said_so() -> None:
    bare = {"EHLO": "250-hi\r\n250 AUTH PLAIN\r\n", "QUIT": "221 bye\r\n"}
    made = run(dialogue("220 hi\r\n", bare), starttls="never", errand=Errand(user="jo", secret="x"))
    assert made.failed is not None
    assert made.failed.reply == "not tried: there is no TLS to hide the password"
    assert made.causes[0].id == "auth-needs-tls"


def test_a_certificate_of_an_unknown_authority_fails_a_program(tls: tuple[tuple[Path, Path], Path]) -> None:
    made = run(dialogue("220 hi\r\n", SMTP, SMTP_INSIDE), tls, trust=False)
    assert made.failed is not None
    assert made.failed.phase == "certificate"
    assert made.causes[0].id == "certificate-chain"


@pytest.mark.parametrize("starttls", ["auto", "implicit"])
def test_421_is_no_failure(starttls: str) -> None:
    made = run(dialogue("421 4.7.0 too many\r\n", {}), starttls=starttls)
    assert made.failed is None
    assert [f.code for f in made.findings] == ["servers.throttled"]


def test_a_closed_port_beside_an_open_one_is_the_wrong_port() -> None:
    with Scripted(dialogue("220 hi\r\n", {})) as server:
        port = server.port
    with serve(ZONE) as dns:
        made = diagnose(HOST, port, "smtp", network=network(dns))
    assert made.failed is not None
    assert made.failed.reply == "connection refused"
    assert made.causes[0].id in ("port-refused", "port-not-served")


def taped(*entries: Entry) -> Network:
    return Network(tape=Tape(Path("x.jsonl"), AT, "here", {e.question: e for e in entries}))


def dns(name: str, rtype: str, *records: str, server: str = "") -> Entry:
    question = Question.of("dns", name, {"rtype": rtype, "server": server})
    return Entry(question, AT, 1.0, {"rcode": "NOERROR" if records else "NXDOMAIN", "records": list(records)})


@pytest.mark.parametrize(("fresh", "first"), [(["192.0.2.9"], "name-propagating"), ([], "name-wrong")])
def test_a_name_that_only_its_own_servers_know_is_on_its_way(fresh: list[str], first: str) -> None:
    name = "new.test.example"
    resolver = [dns(name, t) for t in ("A", "AAAA", "MX", "NS")]
    zone = [dns("test.example", "NS", "ns1.test.example"), dns("ns1.test.example", "A", "192.0.2.53")]
    zone += [dns("ns1.test.example", "AAAA"), dns(name, "A", *fresh, server="192.0.2.53")]
    made = diagnose(name, 25, network=taped(*resolver, *zone))
    assert made.failed == Step("name", False, 1.0, "no address (NXDOMAIN)")
    assert [c.id for c in made.causes if c.confirmed] == [first] * bool(fresh)
    assert first in [c.id for c in made.causes]


def test_a_domain_is_told_from_a_host() -> None:
    with serve(ZONE) as dns:
        made = diagnose("domain.example", 25, network=network(dns))
    assert made.causes[0].id == "name-is-a-domain"
    assert made.causes[0].confirmed


def test_a_silent_resolver_is_told_from_a_missing_name() -> None:
    settings = NetworkSettings(resolver="127.0.0.1:9", timeout=0.2)
    made = diagnose(HOST, 25, network=Network.without_case(settings))
    assert made.failed is not None
    assert made.failed.reply.startswith("no answer")
    assert made.causes[0].id == "name-resolver"


def test_a_replay_without_the_session_knows_nothing_and_fails_nothing() -> None:
    made = diagnose("192.0.2.1", 25, network=Network())
    assert made.failed is None
    assert made.steps[-1] == Step("port", None, 0.0, "unknown (not recorded)")


GREETED: list[tuple[str, list[str]]] = [("connect", []), ("greeting", ["220 hi"])]
ENDPOINTS = [
    ("mx.example", ("mx.example", 25, 25)),
    ("MX.example.:587", ("mx.example", 587, 25)),
    ("mx.example:465", ("mx.example", 465, 465)),
    ("mx.example:4465:smtp", ("mx.example", 4465, 25)),
    ("mx.example:9143:imap", ("mx.example", 9143, 143)),
    ("[2001:db8::1]:993", ("2001:db8::1", 993, 993)),
    ("[2001:db8::1]", ("2001:db8::1", 25, 25)),
    ("mx.example:4190", ("mx.example", 4190, 4190)),
    ("MÜNCHEN.example:587", ("xn--mnchen-3ya.example", 587, 25)),
]


@pytest.mark.parametrize(("text", "expected"), ENDPOINTS)
def test_an_endpoint_is_read(text: str, expected: tuple[str, int, int]) -> None:
    made = Endpoint.parse(text)
    assert (made.host, made.port, made.like) == expected


@pytest.mark.parametrize("text", ["", ":25", "mx:0", "mx:x", "mx:99999", "mx:25:http", "\u2603\u2603 x"])
def test_no_endpoint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Endpoint.parse(text)


def test_the_mode_of_tls_overrules_the_port() -> None:
    assert Endpoint("mx", 587, "", "implicit").like == 465
    assert Endpoint("mx", 465, "", "never").like == 25
    with pytest.raises(ValueError, match="TLS from the first byte"):
        Endpoint("mx", 4190, "", "implicit")


def test_every_25_dead_and_587_alive_is_a_block_here() -> None:
    def session(address: str, port: int, value: dict[str, object] | None) -> Entry:
        question = Question.of("session", f"{address}:{port}", {"protocol": "smtp", "name": address})
        return Entry(question, AT, 1.0, value, None if value else "timeout")

    steps = [{"phase": phase, "sent": "", "reply": reply, "ms": 1} for phase, reply in GREETED]
    alive = session("192.0.2.2", 587, {"steps": steps, "tls": None, "ended": ""})
    entries = [session("192.0.2.1", 25, None), session("192.0.2.2", 25, None), alive]
    ends = [Endpoint("192.0.2.1"), Endpoint("192.0.2.2"), Endpoint("192.0.2.2", 587)]
    found = diagnose_all(ends, network=taped(*entries))
    assert [d.causes[0].id for d in found[:2]] == ["port-25-blocked-here"] * 2
    assert all(d.causes[0].confirmed for d in found[:2])
    assert not any(c.confirmed for c in diagnose_all(ends[:1], network=taped(*entries))[0].causes)


def test_the_figure_names_the_step_at_which_each_fails() -> None:
    steps = [{"phase": phase, "sent": "", "reply": reply, "ms": 40} for phase, reply in GREETED]
    said = {"steps": steps, "tls": None, "ended": "the server fell silent"}
    question = Question.of("session", "192.0.2.1:25", {"protocol": "smtp", "name": "192.0.2.1"})
    network = taped(Entry(question, AT, 1.0, said))
    figure = failing_steps([diagnose("192.0.2.1", 25, network=network), diagnose("192.0.2.9", 25, network=network)])
    assert figure.layout.title.text.startswith("1 of 2 fail: 192.0.2.1:25 fails at greeting")
    assert "port 40 ms, greeting FAILED" in figure.layout.meta["alt"]
    assert "port unknown, greeting not reached" in figure.layout.meta["alt"]
    assert "Nothing was diagnosed" in failing_steps([]).layout.title.text


def test_a_recording_is_diagnosed_at_its_own_time(meridian: Path) -> None:
    """On the bundled case: the expired certificate of mx1, and mx2 without TLS."""
    network = Case.open(meridian).network
    ends = [Endpoint("mx1.meridian.example"), Endpoint("mx2.meridian.example"), Endpoint("mail.meridian.example", 587)]
    first, second, third = diagnose_all(ends, network=network)
    assert [s.reply for s in first.steps if s.phase == "certificate"] == ["certificate has expired"]
    assert second.causes[0].id == "starttls-missing"
    assert third.failed is None
