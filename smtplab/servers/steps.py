"""The steps of a session as a postmaster counts them: route, port, greeting, capabilities, TLS, sign-in, envelope."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from smtplab.net import Network, certificates
from smtplab.net.session import Errand, Transcript
from smtplab.net.session import Step as Exchange
from smtplab.net.talk import sasl

_ORDER = ("connect", "greeting", "capabilities", "starttls", "tls", "capabilities-tls", "auth", "mail", "rcpt")
_NO_ROUTE = ("unreachable", "No route to host")


@dataclass(frozen=True)
class Step:
    """One step: `ok` None where nothing is known of it; `reply` what the server said, or what happened instead.

    Bytes are None where nothing was sent or received that could be counted.
    """

    phase: str
    ok: bool | None
    ms: float = 0.0
    reply: str = ""
    bytes_out: int | None = None
    bytes_in: int | None = None

    @property
    def word(self) -> str:
        """The verdict for people; a certificate that only some senders ask for is in doubt."""
        if self.ok is None:
            return "in doubt" if self.phase == "certificate" else "unknown"
        return "ok" if self.ok else "FAILED"


def spoken(session: Transcript, errand: Errand) -> list[Step]:
    """The steps from the route on, up to the one at which the session ended."""
    if session.why and any(words in session.why for words in _NO_ROUTE):
        return [Step("route", False, 0.0, session.why)]
    if session.refused:
        return [Step("route", True), Step("port", False, 0.0, "connection refused")]
    if session.why:
        # Silence is a failure that the user sees; what our own budget or tape prevented is none of the server's.
        ours = session.why in ("budget", "not recorded")
        return [Step("port", None if ours else False, 0.0, f"unknown ({session.why})" if ours else session.why)]
    return [Step("route", True), *_said(session), *_left_out(session, errand)]


def _said(session: Transcript) -> Iterator[Step]:
    last = session.steps[-1] if session.steps else None
    for exchange in session.steps:
        if exchange.phase not in _ORDER:
            continue
        phase = "port" if exchange.phase == "connect" else exchange.phase
        ended = session.ended if exchange is last else ""
        size = exchange.bytes_out, exchange.bytes_in
        yield Step(phase, _fine(session, exchange, ended), exchange.ms, ended or _reply(session, exchange), *size)


def _reply(session: Transcript, exchange: Exchange) -> str:
    if exchange.phase == "connect":
        return f"{session.address} answers"
    if exchange.phase == "tls" and session.tls:
        return f"{session.tls.version}, {session.tls.cipher}, {session.tls.group or 'group unknown'}"
    return exchange.reply[-1] if exchange.reply else ""


def _fine(session: Transcript, exchange: Exchange, ended: str) -> bool | None:
    if exchange.reply and session.protocol == "smtp" and exchange.reply[-1].startswith("421"):
        # Throttled: nothing is known of the service, and that is no failure of this step.
        return None if exchange.phase in ("greeting", "capabilities") else False
    if ended:
        return False
    if exchange.phase.startswith("capabilities"):
        return session.capabilities(exchange.phase) is not None
    if not exchange.reply:
        return exchange.phase != "tls" or session.tls is not None
    return _positive(session.protocol, exchange.reply[-1])


def _positive(protocol: str, line: str) -> bool:
    if protocol == "smtp":
        return line[:1] in ("2", "3")
    if protocol == "imap":
        return line.upper().split(" ")[1:2] in (["OK"], ["PREAUTH"]) or line[:1] == "+"
    return line[:1] == "+" or line[:2].upper() == "OK"


def _left_out(session: Transcript, errand: Errand) -> Iterator[Step]:
    """What was asked for and could not even be tried."""
    heard = session.capabilities("capabilities")
    if heard is None or session.ended:
        return
    if errand.upgrade and not session.implicit and not session.step("starttls"):
        yield Step("starttls", False, 0.0, "STARTTLS is not offered")
    if errand.user and not session.step("auth"):
        offered = sasl(session.protocol, session.capabilities("capabilities-tls") or heard)
        if session.tls is None:
            yield Step("auth", False, 0.0, "not tried: there is no TLS to hide the password")
        else:
            yield Step("auth", False, 0.0, f"not tried: no mechanism of ours among {' '.join(offered) or 'none'}")


def certificate(session: Transcript, network: Network) -> Iterator[Step]:
    """Whether a mail program would accept the certificate; between servers (port 25) nobody asks unless told to."""
    if session.tls is None:
        return
    # A recording is judged at its own time, by whoever replays it and whenever.
    at = network.tape.started if network.tape and not network.live else network.clock()
    judged = certificates.judge(session.tls.chain, session.host, at, network.settings.trust)
    cert, verdict = judged.certificate, judged.verdict
    told = verdict.text if verdict.code else verdict.strict or "valid"
    if told == "valid" and cert and cert.leaves_open(session.host):
        told = f"valid for {', '.join(cert.names)[:200]}; whether that is this server needs its name"
    relay = session.service == "relay"
    fine = verdict.code == 0 and not verdict.strict
    yield Step("certificate", True if fine else None if relay or verdict.code < 0 else False, 0.0, told)
