"""Does the server end a message where the standard does not? SMTP smuggling, RFC 5321 section 4.1.1.4.

Only CRLF.CRLF ends a message. A server that takes another form for it can be made to see a second message, with a
sender of the attacker's choice, in what an honest server passed on as one. Thirteen forms are sent in messages to
the host's own postmaster: on one's own hosts only.
"""

from __future__ import annotations

from dataclasses import replace

from smtplab.net import Network
from smtplab.net.talk import Talk
from smtplab.servers.probes.session import CLOSED, OPEN, Probe, Target, ask, row

FORMS = {
    "CRLF.CRLF": b"\r\n.\r\n",
    "LF.LF": b"\n.\n",
    "LF.CRLF": b"\n.\r\n",
    "CRLF.LF": b"\r\n.\n",
    "LF.CRCRLF": b"\n.\r\r\n",
    "CRLF.CRCRLF": b"\r\n.\r\r\n",
    "CR.LF": b"\r.\n",
    "LF.CR": b"\n.\r",
    "CR.CR": b"\r.\r",
    "CR.CRLF": b"\r.\r\n",
    "CRLF.CR": b"\r\n.\r",
    "CRLF NUL.CRLF": b"\r\n\0.\r\n",
    "CRCRLF.CRLF": b"\r\r\n.\r\n",
}
CONTROLS = frozenset({"CRLF.CRLF", "CRCRLF.CRLF"})
"""They hold the legal end, so every server must stop there."""
PART = 5
"""Forms in one session: a session has a deadline, and silence is the usual answer."""


async def run(network: Network, target: Target, domain: str) -> tuple[Probe, ...]:
    """All thirteen forms, in three sessions, or more where the server hangs up."""
    found: list[Probe] = []
    while len(found) < len(FORMS):
        part = list(FORMS)[len(found) : len(found) + PART]

        async def question(talk: Talk, part: list[str] = part) -> list[dict[str, str]]:
            return await send(talk, part, domain)

        # A session that came to nothing stands for its first form, so that the rest is still asked.
        told = await ask(network, target, f"smuggling {len(found) + 1}", question)
        found += [replace(p, what="smuggling", variant=p.variant or part[0]) for p in told]
    control = found[0]
    if control.verdict == OPEN:
        return tuple(found)
    # A server that takes no message at all refuses the forms for another reason than their end.
    why = f"unknown (a regular message was refused: {control.said})" if control.said else control.verdict
    return tuple(replace(p, verdict=why) for p in found)


async def send(talk: Talk, forms: list[str], domain: str) -> list[dict[str, str]]:
    """One message a form; what the server answers to it before the legal end comes is the verdict."""
    rows: list[dict[str, str]] = []
    for form in forms:
        try:
            refused = await _envelope(talk, domain)
            rows.append(row(form, f"unknown ({refused})") if refused else await _message(talk, form))
        except (EOFError, ConnectionError):
            # Some servers refuse a message and hang up; the next form gets a new session.
            return rows or [row(form, CLOSED, "(the server hung up)")]
    return rows


async def _envelope(talk: Talk, domain: str) -> str:
    for command in ("MAIL FROM:<>", f"RCPT TO:<postmaster@{domain}>", "DATA"):
        reply = await talk.ask("envelope", command)
        if reply[-1][:1] not in ("2", "3"):
            return reply[-1]
    return ""


async def _message(talk: Talk, form: str) -> dict[str, str]:
    head = f"From: postmaster\r\nSubject: smtplab end-of-data test {form}\r\n\r\nfirst"
    await talk.channel.write(head.encode() + FORMS[form], talk.timeout)
    early = await _heard(talk, talk.timeout / 8)
    # After an end that was taken, the rest would be commands; after one that was not, it must still be ended.
    if not early:
        await talk.channel.write(b"rest\r\n.\r\n", talk.timeout)
        late = await _heard(talk, talk.timeout)
        return row(form, CLOSED if late else "unknown (no answer)", late)
    verdict = OPEN if early[:1] == "2" else CLOSED
    return row(form, verdict, early)


async def _heard(talk: Talk, timeout: float) -> str:
    try:
        return (await talk.channel.line(8_192, timeout)).decode("utf-8", "backslashreplace").strip()
    except TimeoutError:
        return ""
