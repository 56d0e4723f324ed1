"""What are SMTP, IMAP and POP3 for? One message, sent and read, as three conversations side by side.

Submission (RFC 6409) hands it in; IMAP (9051) shows it where it lies, with flags that a second client sees; POP3
(1939) takes it away. For a host of one's own, because a message is sent and a mailbox changed.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pandas as pd

from smtplab.case import Case
from smtplab.net import Network
from smtplab.net.dns import addresses
from smtplab.net.session import PORTS, Errand, Transcript, converse
from smtplab.servers.probes import permit
from smtplab.servers.transcripts import Transcripts

PURPOSE = (
    # protocol, ports, what it is for, where the message is afterwards
    ("SMTP relay", "25", "from server to server, for everybody's mail", "in the recipient's mailbox"),
    ("SMTP submission", "587, 465", "from a program to its own server, with sign-in", "on its way"),
    ("IMAP", "143, 993", "reading from several programs: folders and flags lie on the server", "still there"),
    ("POP3", "110, 995", "fetching to one program", "gone from the server"),
)
MESSAGE = "From: <{sender}>\r\nTo: <{recipient}>\r\nSubject: One message, three protocols\r\n\r\nHello.\r\n.dot\r\n"


@dataclass(frozen=True)
class SideBySide:
    """The sessions in their order: submission, IMAP twice (the second client), POP3, IMAP once more."""

    submission: Transcript
    imap: Transcript
    second: Transcript
    pop3: Transcript
    after: Transcript

    def transcripts(self) -> Transcripts:
        """Submission, IMAP and POP3 beside each other."""
        named = (("Submission", self.submission), ("IMAP", self.imap), ("POP3", self.pop3))
        return Transcripts(tuple((f"{name}, port {t.port}: {t.host}", t.text()) for name, t in named))

    def mailbox(self) -> pd.DataFrame:
        """A row a session that looked: what it saw of the message (messages in the mailbox, flags)."""
        seen = (("first IMAP client", self.imap), ("second IMAP client", self.second), ("IMAP after POP3", self.after))
        rows = [(name, _count(t), _flags(t)) for name, t in seen]
        return pd.DataFrame(rows, columns=["session", "messages", "flags"]).astype({"messages": "Int64"})


def purposes() -> pd.DataFrame:
    """A row a protocol: its ports, what it is for, where the message is afterwards."""
    return pd.DataFrame(PURPOSE, columns=["protocol", "ports", "for", "the message is then"])


def side_by_side(
    network: Network,
    host: str,
    *,
    user: str,
    secret: str = "",
    sender: str,
    recipient: str,
    ports: tuple[int, int, int] = (587, 143, 110),
    pause: float = 2.0,
) -> SideBySide:
    """Send a message through `host` and read it there, or replay that; `secret` is needed live alone.

    `pause` seconds are given to the delivery. Raises NotAllowed for the host of somebody else.
    """
    return network.run(_talk(network, host, Errand(user=user, secret=secret), sender, recipient, ports, pause))


def recorded(case: Case) -> SideBySide:
    """What a recording holds of it, whoever's mailbox it was; without any, five sessions that are not recorded."""
    held = case.tape.entries if case.tape else {}
    told = [(q.target, dict(q.params)) for q in held if q.kind == "session"]
    sent = next(((t, p) for t, p in told if "message" in p.get("errand", "").split()), ("", {}))
    host, user = sent[1].get("name", f"mail.{case.domains[0]}"), sent[1].get("user", "postmaster")
    looked = {p["protocol"]: int(t.rpartition(":")[2]) for t, p in told if p.get("user") == user and p["name"] == host}
    return side_by_side(
        case.network,
        host,
        user=user,
        sender=sent[1].get("sender", "").strip("<>"),
        recipient=sent[1].get("recipient", ""),
        ports=(int(sent[0].rpartition(":")[2] or 587), looked.get("imap", 143), looked.get("pop3", 110)),
    )


async def _talk(
    network: Network, host: str, me: Errand, sender: str, recipient: str, ports: tuple[int, int, int], pause: float
) -> SideBySide:
    ips, v4, v6 = await addresses(network, host)
    address = ips[0] if ips else ""
    if network.live:
        permit(network.settings, host, ips)

    async def session(port: int, errand: Errand) -> Transcript:
        if not address:
            protocol, implicit, _ = PORTS[port]
            return Transcript(host, "", port, protocol, implicit, why=v4.why or v6.why or "it has no address")
        return await converse(network, host, address, port, None, errand)

    def signed_in(label: str) -> Errand:
        return Errand(user=me.user, secret=me.secret, mailbox=True, label=label)

    text = MESSAGE.format(sender=sender, recipient=recipient)
    handed_in = Errand(user=me.user, secret=me.secret, sender=sender, recipient=recipient, message=text)
    submission = await session(ports[0], handed_in)
    if network.live:
        await asyncio.sleep(pause)
    first = await session(ports[1], signed_in("first"))
    second = await session(ports[1], signed_in("second"))
    taken = await session(ports[2], signed_in(""))
    return SideBySide(submission, first, second, taken, await session(ports[1], signed_in("after")))


def _count(session: Transcript) -> int | None:
    counts = [line.split()[1] for line in session.lines("select") if line.upper().endswith(" EXISTS")]
    return int(counts[0]) if counts and counts[0].isdigit() else None


def _flags(session: Transcript) -> str:
    lines = [line for line in session.lines("fetch") if "FLAGS (" in line.upper()]
    return lines[0].partition("FLAGS (")[2].partition(")")[0] or "none" if lines else ""
