"""Sign-in and envelope: one mechanism once, nothing secret outside TLS or in a transcript, never a message."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from smtplab.net.session import PORTS, Errand, Transcript, converse
from smtplab.tape import Recorder
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
    Scripted,
    context,
    dialogue,
    live,
)

SECRET = "correct horse"
PLAIN = base64.b64encode(f"\0jo@test.example\0{SECRET}".encode()).decode()
MAIL = SMTP_INSIDE | {
    "AUTH PLAIN": "334 \r\n",
    PLAIN.upper(): "235 2.7.0 welcome\r\n",
    "MAIL": "250 2.1.0 ok\r\n",
    "RCPT": "250 2.1.5 ok\r\n",
    "RSET": "250 2.0.0 ok\r\n",
}
ME = Errand(user="jo@test.example", secret=SECRET, sender="jo@test.example", recipient="an@test.example")


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return Authority().issue(HOST).write(tmp_path_factory.mktemp("tls"))


def talk(server: Scripted, errand: Errand, like: int = 587) -> Transcript:
    network = live()
    return network.run(converse(network, HOST, "127.0.0.1", server.port, like, errand))


def phases(heard: Transcript) -> list[str]:
    return [s.phase for s in heard.steps][6:]


def test_an_errand_signs_in_and_names_an_envelope_and_sends_no_message(tls: tuple[Path, Path]) -> None:
    with Scripted(dialogue("220 hi\r\n", SMTP, MAIL), context(*tls)) as server:
        heard = talk(server, ME)
    assert phases(heard) == ["auth", "auth", "mail", "rcpt", "reset", "quit"]
    # How long a password is would be told by the length of what carries it.
    assert [s.bytes_out for s in heard.steps if s.phase == "auth"] == [len("AUTH PLAIN\r\n"), None]
    assert server.lines[0].heard[3:] == [
        "AUTH PLAIN", PLAIN, "MAIL FROM:<jo@test.example>", "RCPT TO:<an@test.example>", "RSET", "QUIT",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("like", "greeting", "outside", "inside"),
    [
        (587, "220 hi\r\n", SMTP, MAIL),
        (143, "* OK hi\r\n", IMAP, IMAP_INSIDE | {"A3": "+ \r\n", PLAIN.upper(): "a3 OK in\r\n"}),
        (110, "+OK hi\r\n", POP3, POP3_INSIDE | {"AUTH PLAIN": "+ \r\n", PLAIN.upper(): "+OK in\r\n"}),
        (4190, SIEVE_GREETING, SIEVE, SIEVE_INSIDE | {"AUTHENTICATE": 'OK "in"\r\n'}),
    ],
)
def test_every_protocol_signs_in_and_the_secret_stays_off_the_tape(
    like: int, greeting: str, outside: dict[str, str], inside: dict[str, str], tls: tuple[Path, Path], tmp_path: Path
) -> None:
    network = live()
    with (
        Scripted(dialogue(greeting, outside, inside), context(*tls)) as server,
        Recorder(tmp_path, started=AT, vantage="here") as recorder,
    ):
        network.recorder = recorder
        heard = network.run(converse(network, HOST, "127.0.0.1", server.port, like, ME))
        assert any(PLAIN in line for line in server.lines[0].heard)
    auth = [s for s in heard.steps if s.phase == "auth"]
    assert any(word in auth[-1].reply[0] for word in ("OK", "235"))
    tape = recorder.target.read_text()
    assert PLAIN not in tape
    assert SECRET not in tape + repr(ME) + heard.text()


def test_a_refused_sign_in_ends_the_errand_after_one_try(tls: tuple[Path, Path]) -> None:
    no = MAIL | {PLAIN.upper(): "535 5.7.8 no\r\n"}
    with Scripted(dialogue("220 hi\r\n", SMTP, no), context(*tls)) as server:
        heard = talk(server, ME)
    assert phases(heard) == ["auth", "auth", "quit"]
    assert sum(line.startswith("AUTH") for line in server.lines[0].heard) == 1


def test_no_secret_leaves_before_tls() -> None:
    bare = MAIL | {"EHLO": "250-hi\r\n250 AUTH PLAIN LOGIN\r\n"}
    with Scripted(dialogue("220 hi\r\n", bare)) as server:
        talk(server, ME)
    assert server.lines[0].heard[1:] == ["QUIT"]


def test_login_is_used_where_plain_is_not_offered(tls: tuple[Path, Path]) -> None:
    login = MAIL | {"EHLO": "250-hi\r\n250 AUTH CRAM-MD5 LOGIN\r\n", "AUTH LOGIN": "334 VXNlcm5hbWU6\r\n"}
    login |= {base64.b64encode(ME.user.encode()).decode().upper(): "334 UGFzc3dvcmQ6\r\n"}
    login |= {base64.b64encode(SECRET.encode()).decode().upper(): "235 in\r\n"}
    with Scripted(dialogue("220 hi\r\n", SMTP, login), context(*tls)) as server:
        heard = talk(server, ME)
    assert phases(heard)[:4] == ["auth", "auth", "auth", "mail"]


def test_no_mechanism_of_ours_means_no_try(tls: tuple[Path, Path]) -> None:
    only = MAIL | {"EHLO": "250-hi\r\n250 AUTH SCRAM-SHA-256\r\n"}
    with Scripted(dialogue("220 hi\r\n", SMTP, only), context(*tls)) as server:
        assert phases(talk(server, ME)) == ["quit"]


def test_the_error_of_xoauth2_is_fetched(tls: tuple[Path, Path]) -> None:
    def handler() -> dict[str, str]:
        token = MAIL | {"EHLO": "250-hi\r\n250 AUTH XOAUTH2\r\n", "AUTH XOAUTH2": "334 \r\n"}
        return token | {"DXNLCJ1": "334 eyJzdGF0dXMiOiI0MDAifQ==\r\n"}

    with Scripted(dialogue("220 hi\r\n", SMTP, handler()), context(*tls)) as server:
        heard = talk(server, Errand(user="jo@test.example", secret="t", token=True))
    assert [s.phase for s in heard.steps][-1] in ("auth", "quit")
    assert "eyJzdGF0dXMiOiI0MDAifQ==" in heard.text()


def test_starttls_is_left_alone_where_that_is_asked(tls: tuple[Path, Path]) -> None:
    with Scripted(dialogue("220 hi\r\n", SMTP, MAIL), context(*tls)) as server:
        heard = talk(server, Errand(upgrade=False))
    assert heard.tls is None
    assert server.lines[0].heard[1:] == ["QUIT"]


@pytest.mark.parametrize("text", ["a\r\nRSET", "a>", "\0"])
def test_no_command_hides_in_an_address(text: str) -> None:
    for field in ("user", "sender", "recipient"):
        with pytest.raises(ValueError, match="is no address"):
            Errand(**{field: text})


def test_a_blank_errand_asks_the_question_of_old_recordings() -> None:
    assert not any(Errand().params().values())
    assert Errand(sender="").params()["sender"] == "<>"
    assert 4190 in PORTS
