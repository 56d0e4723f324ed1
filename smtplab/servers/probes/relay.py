"""Would the server pass on mail of strangers to strangers, and does it tell which addresses exist? RFC 5321, 2505.

An envelope is named and taken back; no message is sent, so nothing leaves. Whether a server that accepts the
recipient would accept the message too is not tried.
"""

from __future__ import annotations

import secrets

from smtplab.net import Network
from smtplab.net.talk import Talk
from smtplab.servers.probes.session import CLOSED, OPEN, Probe, Target, ask, row

FOREIGN = "example.com"
"""RFC 2606: a real domain that takes no mail (null MX)."""
WITHOUT_SIGN_IN = "own recipient without sign-in"
"""As it should be on port 25; on a submission port nobody should be let in without a password."""
_SENDER = f"probe@{FOREIGN}"
_FORMS = {
    # name of the form: sender, recipient; those that name the host prove nothing where every local part is taken
    "foreign to foreign": (_SENDER, "probe@{foreign}"),
    "no sender": ("", "probe@{foreign}"),
    "own sender": ("postmaster@{host}", "probe@{foreign}"),
    "percent": (_SENDER, "probe%{foreign}@{host}"),
    "quoted": (_SENDER, '"probe@{foreign}"@{host}'),
    "source route": (_SENDER, "@{host}:probe@{foreign}"),
    "bang path": (_SENDER, "{foreign}!probe@{host}"),
    "two at signs": (_SENDER, "probe@{foreign}@{host}"),
}


async def ask_forms(talk: Talk, host: str) -> list[dict[str, str]]:
    """Each form of envelope in one session, after a control: an address of the host that cannot exist."""
    rows = []
    nobody = f"no-{secrets.token_hex(6)}@{host}"
    anything = await _accepted(talk, _SENDER, nobody)
    for name, (sender, recipient) in _FORMS.items():
        filled = [text.format(foreign=FOREIGN, host=host) for text in (sender, recipient)]
        said = await _accepted(talk, *filled)
        if not said[0]:
            verdict = CLOSED
        elif anything[0] and filled[1].endswith(f"@{host}"):
            verdict = "unknown (the server takes any address of its own domain)"
        else:
            verdict = OPEN
        rows.append(row(name, verdict, said[1]))
    rows.append(row(WITHOUT_SIGN_IN, OPEN if anything[0] else CLOSED, anything[1]))
    return rows


async def _accepted(talk: Talk, sender: str, recipient: str) -> tuple[bool, str]:
    reply = await talk.ask("mail", f"MAIL FROM:<{sender}>")
    if talk.positive(reply[-1]):
        reply = await talk.ask("rcpt", f"RCPT TO:<{recipient}>")
        await talk.ask("reset", "RSET")
        return talk.positive(reply[-1]), reply[-1]
    return False, reply[-1]


async def ask_names(talk: Talk) -> list[dict[str, str]]:
    """VRFY and EXPN: 250 or 251 tell that an address exists, 252 does not (RFC 5321 section 3.5.3)."""
    rows = []
    for command in ("VRFY", "EXPN"):
        reply = await talk.ask("verify", f"{command} postmaster")
        rows.append(row(command, OPEN if reply[-1][:3] in ("250", "251") else CLOSED, reply[-1]))
    return rows


async def ask_relay(network: Network, target: Target) -> tuple[Probe, ...]:
    """The relay forms alone."""
    return await ask(network, target, "relay", lambda talk: ask_forms(talk, target.host))


async def ask_verify(network: Network, target: Target) -> tuple[Probe, ...]:
    """VRFY and EXPN alone, in a session of their own: refusals count against a session at some servers."""
    return await ask(network, target, "verify", ask_names)


async def ask_all(network: Network, target: Target) -> tuple[Probe, ...]:
    """Both."""
    return (*await ask_relay(network, target), *await ask_verify(network, target))
