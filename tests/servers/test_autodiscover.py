"""Autodiscover asked of a real HTTPS server on loopback: redirects, hostile answers, certificates, and the tape."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.net import Network
from smtplab.net.https import Fetched
from smtplab.servers.autodiscover import MAX_STEPS, PATH, Discovered, _further, discover
from smtplab.tape import Recorder, Tape
from tests.authentication.dnsserver import serve
from tests.net.certs import AT, DAY, Authority
from tests.net.scripted import Handler, Line, Scripted, context, live
from tests.servers.test_clients import AUTODISCOVER

DOMAIN, WEB, OTHER = "test.example", "web.test.example", "other.example"
AUTHORITY = Authority()
POSTED = "postmaster@{}</EMailAddress>"
REDIRECT = (
    '<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006">'
    "<Response><Account><Action>{action}</Action><{name}>{value}</{name}></Account></Response></Autodiscover>"
)


def url(value: str) -> str:
    return REDIRECT.format(action="redirectUrl", name="RedirectUrl", value=value)


def answer(body: str = "", status: str = "200 OK", location: str = "") -> str:
    more = f"Location: {location}\r\n" if location else ""
    return f"HTTP/1.1 {status}\r\nContent-Type: text/xml\r\n{more}Content-Length: {len(body.encode())}\r\n\r\n{body}"


def web(answers: dict[str, str], heard: list[str]) -> Handler:
    """Answers each path; `heard` gets what was posted. {port} in an answer is the server's own."""

    async def handle(line: Line) -> None:
        with suppress(EOFError):
            while await line.hear():
                pass
        size = next((int(h.partition(":")[2]) for h in line.heard if h.lower().startswith("content-length:")), 0)
        heard.append((await line.reader.readexactly(size)).decode())
        path = line.heard[0].split(" ")[1]
        port = str(line.writer.get_extra_info("sockname")[1])
        body = answers.get(path, answer(status="404 Not Found")).replace("{port}", port)
        head, _, rest = body.partition("\r\n\r\n")
        lines = [
            f"Content-Length: {len(rest.encode())}" if x.startswith("Content-Length") else x for x in head.split("\r\n")
        ]
        await line.say("\r\n".join(lines) + "\r\n\r\n" + rest)

    return handle


def ask(
    answers: dict[str, str],
    tmp_path: Path,
    *,
    names: tuple[str, ...] = (WEB,),
    change: Callable[[Network], None] = lambda _: None,
    handler: Handler | None = None,
    **options: object,
) -> tuple[Discovered, list[str], Network]:
    chain = AUTHORITY.issue(*names, **options).write(tmp_path / "tls")  # type: ignore[arg-type]
    heard: list[str] = []
    with Scripted(handler or web(answers, heard), context(*chain), implicit=True) as server:
        zone = {
            f"_autodiscover._tcp.{DOMAIN}": [("SRV", f"0 0 {server.port} {WEB}.")],
            WEB: [("A", "127.0.0.1")],
            "inner.test.example": [("A", "10.0.0.1")],
        }
        with serve(zone) as resolver:
            network = live(1.0, resolver=resolver, trust=AUTHORITY.pem(tmp_path / "ca.pem"))
            change(network)
            return network.run(discover(network, DOMAIN, AT)), heard, network


def servers(found: Discovered) -> list[tuple[str, int]]:
    return [(p.protocol, p.port) for p in found.pointers]


GOOD = [("imap", 993), ("smtp", 587), ("pop3", 110)]
SERVED = [
    # what the server answers, by path, and the servers found
    ("at once", {PATH: answer(AUTODISCOVER)}, GOOD),
    ("after a redirect", {PATH: answer(status="302 Found", location="/there"), "/there": answer(AUTODISCOVER)}, GOOD),
    ("after one in XML", {PATH: answer(url(f"https://{WEB}:{{port}}/x")), "/x": answer(AUTODISCOVER)}, GOOD),
    ("a sign-in is demanded", {PATH: answer(AUTODISCOVER, "401 Unauthorized")}, []),
    ("a redirect to plain HTTP", {PATH: answer(status="302 Found", location=f"http://{WEB}:{{port}}/x"), "/x": answer(AUTODISCOVER)}, []),
    ("a redirect to a private address", {PATH: answer(status="302 Found", location="https://inner.test.example/")}, []),
    ("a redirect to a literal", {PATH: answer(status="302 Found", location="https://127.0.0.1:{port}/x"), "/x": answer(AUTODISCOVER)}, []),
    ("a web page", {PATH: answer("<html><body>Hello</body></html>")}, []),
    ("entities", {PATH: answer('<!DOCTYPE a [<!ENTITY b "c">]>' + AUTODISCOVER.partition("?>")[2])}, []),
    ("an error in XML", {PATH: answer("<Autodiscover><Response><Error><ErrorCode>500</ErrorCode></Error></Response></Autodiscover>")}, []),
    ("too large", {PATH: answer(AUTODISCOVER + " " * 70_000)}, []),
    ("no such URL", {PATH: answer(status="302 Found", location="https://[::1/")}, []),
]  # fmt: skip


@pytest.mark.parametrize(("answers", "expected"), [r[1:] for r in SERVED], ids=[r[0] for r in SERVED])
def test_what_a_server_answers(answers: dict[str, str], expected: list[tuple[str, int]], tmp_path: Path) -> None:
    found, heard, _ = ask(answers, tmp_path)
    assert servers(found) == expected
    assert all(p.source == "autodiscover" and p.where.startswith("https://") for p in found.pointers)
    assert POSTED.format(DOMAIN) in heard[0]


def test_a_server_that_leads_to_itself_is_left(tmp_path: Path) -> None:
    again = {f"{PATH}{'x' * n}": answer(status="307 Go", location=f"{PATH}{'x' * (n + 1)}") for n in range(30)}
    found, heard, _ = ask(again, tmp_path)
    assert found.pointers == ()
    assert "redirects that do not end" in dict(found.unknown).popitem()[1]
    assert len(heard) == MAX_STEPS
    found, heard, _ = ask({PATH: answer(status="302 Found", location=PATH)}, tmp_path)
    assert len(heard) == 1


def test_another_address_is_asked_for_elsewhere(tmp_path: Path) -> None:
    body = REDIRECT.format(action="redirectAddr", name="RedirectAddr", value=f"jo@{OTHER}")
    found, _, network = ask({PATH: answer(body)}, tmp_path)
    assert found.pointers == ()
    asked = [q.target for q in network._answers if q.kind == "dns"]
    assert f"autodiscover.{OTHER}" in asked


@pytest.mark.parametrize("options", [{"end": AT - DAY}, {"names": ("elsewhere.example",)}, {"self_signed": True}])
def test_a_server_without_a_valid_certificate_is_not_believed(options: dict[str, object], tmp_path: Path) -> None:
    found, _, _ = ask({PATH: answer(AUTODISCOVER)}, tmp_path, **options)  # type: ignore[arg-type]
    assert found.pointers == ()
    assert "certificate" in found.unknown[-1][1]


def test_a_silent_server_is_unknown(tmp_path: Path) -> None:
    async def silent(line: Line) -> None:
        await line.reader.read()

    found, _, _ = ask({}, tmp_path, handler=silent)
    assert found.unknown[-1][1] == "timeout"


def test_a_replay_says_the_same(tmp_path: Path) -> None:
    (tmp_path / "tape").mkdir()
    with Recorder(tmp_path / "tape", started=AT, vantage="here") as recorder:
        found, _, network = ask(
            {PATH: answer(AUTODISCOVER)}, tmp_path, change=lambda n: setattr(n, "recorder", recorder)
        )
    again = Network(network.settings, tape=Tape.load(recorder.target))
    assert again.run(discover(again, DOMAIN, AT)) == found
    bare = Network(network.settings)
    assert {why for _, why in bare.run(discover(bare, DOMAIN, AT)).unknown} == {"not recorded"}


@given(st.text(max_size=200), st.text(max_size=200))
def test_no_answer_leads_anywhere_but_to_https(location: str, body: str) -> None:
    for text in (body, url(body), url(location)):
        further, _ = _further(Fetched("https://web.test.example/", 302, text, location=location), DOMAIN)
        assert further == "" or further.startswith("https://")
