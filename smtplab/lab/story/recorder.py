"""Sends every kind of message through the lab's real servers and keeps, message by message, what those wrote."""

from __future__ import annotations

import base64
import re
import smtplib
import ssl
import time
import tomllib
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from smtplab.errors import LabError
from smtplab.lab.laboratory import Lab
from smtplab.lab.story import samples

HERE = Path(__file__).parent
WATCHED = ("out1", "out2", "mail", "mx1", "mx2", "postrider", "crmvendor", "dovecot")
STAMP = re.compile(r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d (?:\S+ (?=postfix))?")


@dataclass(frozen=True)
class Scenario:
    """One message to send: its kind (a table of scenarios.toml) and the reply it is meant to get."""

    kind: str
    reply: str
    recipient: str
    instance: str
    sender: str
    user: str = ""
    source: str = ""

    @property
    def name(self) -> str:
        """Kind, reply and recipient domain: "ticket sent gmail.com"."""
        return f"{self.kind} {self.reply} {self.recipient.rpartition('@')[2]}"


@dataclass(frozen=True)
class Recorded:
    """What the servers wrote of one message: (host, line without stamp) in order, and the returned mail if any."""

    scenario: str
    sender: str
    recipient: str
    message_id: str
    lines: tuple[tuple[str, str], ...]
    returned: str = ""

    def as_json(self) -> dict[str, Any]:
        """For recorded.json."""
        return asdict(self)


def scenarios() -> list[Scenario]:
    """All of scenarios.toml, in its order."""
    data = tomllib.loads((HERE / "scenarios.toml").read_text("utf-8"))
    fixed = ("instance", "sender", "user", "source")
    return [
        Scenario(kind, reply, recipient, **{k: table[k] for k in fixed if k in table})
        for kind, table in data.items()
        for reply, recipients in table.items()
        if reply not in fixed
        for recipient in recipients
    ]


def record(lab: Lab, wanted: list[Scenario] | None = None) -> list[Recorded]:
    """Send them all, one after the other, each to its end (deferred ones are retried until sent or returned).

    `wanted`: send these alone, without the sessions that carry no message. Raises `LabError` when a server refuses
    what the story needs or writes nothing.
    """
    keys = {selector: lab.dkim_key(selector) for selector in ("mx2026", "pr1", "v1")}
    reader = _Reader(lab)
    made = []
    for number, one in enumerate(scenarios() if wanted is None else wanted, 48001):
        moment = datetime.now(UTC)
        ident = samples.message_id(one.kind, number, f"{int(moment.timestamp()):x}")
        message = samples.compose(one.kind, one.recipient, number, moment, ident, keys)
        reader.skip()
        _send(lab, one, message)
        lab.wait_idle(60, deferred=True)
        made.append(reader.collect(one.name, one.sender, one.recipient, ident))
    return made + (_sessions(lab, reader) if wanted is None else [])


def _send(lab: Lab, one: Scenario, message: bytes) -> None:
    if one.kind in ("inbound", "inbound2"):
        _deliver(lab, one, message)
        return
    lab.send(one.instance, one.sender, one.recipient, message, user=one.user or None, source=one.source or None)


def _deliver(lab: Lab, one: Scenario, message: bytes) -> None:
    """What other servers do at our MX: TLS without looking at the certificate where it is offered, then one message."""
    with smtplib.SMTP(lab.addresses[one.instance], 25, "mail.example", 30, (one.source, 0)) as smtp:
        smtp.ehlo()
        if smtp.has_extn("starttls"):
            smtp.starttls(context=_careless())
            smtp.ehlo()
        smtp.mail(one.sender)
        if smtp.rcpt(one.recipient)[0] == 250:
            smtp.data(message)


def _sessions(lab: Lab, reader: _Reader) -> list[Recorded]:
    """Sessions without a message: guessed passwords, mail programs signing in, a strict sender that turns away."""
    mail = lab.addresses["mail"]
    made = []

    def told(name: str) -> None:
        lab.wait_idle(20)
        time.sleep(0.3)
        made.append(reader.collect(name, "", "", ""))

    reader.skip()
    with smtplib.SMTP(mail, 587, "win-4f2a", 30, ("203.0.113.66", 0)) as smtp:
        smtp.ehlo()
        smtp.docmd("AUTH", "PLAIN " + base64.b64encode(b"\0jonas.keller\0summer2026").decode())
    told("guess submission")
    for user, source, name in (
        ("jonas.keller", "203.0.113.66", "guess imap"),
        ("anna.berg", lab.addresses["office"], "imap office"),
        ("anna.berg", lab.addresses["office"], "imap office tls"),
    ):
        reader.skip()
        password = "summer2026" if name.startswith("guess") else lab.world.users[user]
        _imap(mail, source, user, password, tls=name.endswith("tls"))
        told(name)
    reader.skip()
    with smtplib.SMTP(lab.addresses["mx1"], 25, "mail-sor-f41.google.com", 30, (lab.addresses["gmail"], 0)) as smtp:
        smtp.ehlo()
        smtp.starttls(context=_careless())
        smtp.quit()
    told("turned away mx1")
    reader.skip()
    with smtplib.SMTP(lab.addresses["mx2"], 25, "mail-sor-f41.google.com", 30, (lab.addresses["gmail"], 0)) as smtp:
        smtp.ehlo()
    told("turned away mx2")
    return made


def _imap(host: str, source: str, user: str, password: str, *, tls: bool) -> None:
    import imaplib
    import socket

    class From(imaplib.IMAP4):
        def _create_socket(self, timeout: float | None) -> socket.socket:
            return socket.create_connection((host, 143), 10, (source, 0))

    client = From(host)
    if tls:
        client.starttls(_careless())
    try:
        client.login(user, password)
        client.logout()
    except imaplib.IMAP4.error:
        client.shutdown()


def _careless() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class _Reader:
    """Reads what the lab's logs and its bounce mailbox gained since the last look."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.read: dict[str, int] = {}
        self.known: set[str] = set()

    def skip(self) -> None:
        """Forget what was written up to now."""
        time.sleep(0.15)
        self._lines()
        self._returned()

    def collect(self, scenario: str, sender: str, recipient: str, ident: str) -> Recorded:
        """What was written since `skip`."""
        time.sleep(0.25)
        lines = tuple(self._lines())
        if not lines:
            raise LabError("no server wrote a line", where=f"scenario {scenario}")
        return Recorded(scenario, sender, recipient, ident, lines, self._returned())

    def _lines(self) -> list[tuple[str, str]]:
        found = []
        for host in WATCHED:
            path = self.lab.log(host)
            if not path.exists():
                continue
            text = path.read_text("utf-8", "replace")
            new = text[self.read.get(host, 0) :]
            self.read[host] = len(text)
            found += [(host, STAMP.sub("", line)) for line in new.splitlines()]
        return found

    def _returned(self) -> str:
        folder = self.lab.maildir("bounces") / "new"
        new = [p for p in sorted(folder.iterdir()) if p.name not in self.known] if folder.is_dir() else []
        self.known |= {p.name for p in new}
        return new[-1].read_text("utf-8", "replace") if new else ""
