"""Command server: diagnose mail services, each step with its time, and the likely causes of the first that fails."""

from __future__ import annotations

import json as jsonlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smtplab.cli.app import app
from smtplab.cli.network import Resolver
from smtplab.cli.output import FailOn, Json, leave, one_line, table, tell_findings
from smtplab.errors import SmtplabError

if TYPE_CHECKING:
    from smtplab.findings import Findings
    from smtplab.net import Network
    from smtplab.net.session import Errand
    from smtplab.net.tls import Survey
    from smtplab.servers import Diagnosis, Endpoint

SECRET = "SMTPLAB_PASSWORD"


@app.command(epilog="Example: smtplab server mx1.example.org mail.example.org:587 mail.example.org:993 --json")
def server(
    services: Annotated[list[str], typer.Argument(metavar="HOST[:PORT[:PROTOCOL]]...", help="Port 25 by default")],
    starttls: Annotated[str, typer.Option(help="auto, never or implicit (TLS from the first byte)")] = "auto",
    resolver: Resolver = "",
    connections: Annotated[int, typer.Option(min=1, max=1000, help="At most so many to one address and port")] = 12,
    timeout: Annotated[float, typer.Option(min=0.1, max=60, help="Seconds to wait for each reply")] = 5.0,
    user: Annotated[str, typer.Option(help=f"Sign in once; the password is asked for, or taken from {SECRET}")] = "",
    token: Annotated[bool, typer.Option("--token", help="The password is an OAuth 2 access token")] = False,
    sender: Annotated[str, typer.Option(help="Name this sender (MAIL FROM); no message is sent")] = "",
    recipient: Annotated[str, typer.Option(help="And this recipient (RCPT TO)")] = "",
    case: Annotated[Path | None, typer.Option(help="A case whose settings and own hosts count", metavar="DIR")] = None,
    intrusive: Annotated[bool, typer.Option("--intrusive", help="Relay, injection, smuggling: own hosts only")] = False,
    fail_on: FailOn = "",
    json: Json = False,
) -> None:
    """Which step towards a server fails, and why most likely.

    Name, route, port, greeting, capabilities, TLS, sign-in, envelope.
    """
    from smtplab import servers
    from smtplab.findings import Findings

    network = _network(case, resolver, connections, timeout)
    found = servers.diagnose_all(
        _endpoints(services, starttls),
        errand=_errand(user, token, sender, recipient),
        network=network,
        intrusive=intrusive,
    )
    raised = Findings()
    for made in found:
        told, findings = _judged(network, made)
        raised += findings
        if json:
            print(jsonlib.dumps(told))
        else:
            _show(made, told, findings)
    leave(raised, fail_on)


def _endpoints(services: list[str], starttls: str) -> list[Endpoint]:
    from smtplab.servers import Endpoint

    if starttls not in ("auto", "never", "implicit"):
        raise SmtplabError(f"{starttls!r} is no way", where="--starttls", do="One of: auto, never, implicit")
    try:
        return [Endpoint.parse(text, starttls) for text in services]
    except ValueError as e:
        raise SmtplabError(str(e), where="server", do="Write HOST, HOST:587, HOST:4465:smtp or [2001:db8::1]:25") from e


def _errand(user: str, token: bool, sender: str, recipient: str) -> Errand:
    from smtplab.net.session import Errand

    secret = ""
    if user:
        # Not an option: the command line can be read by every user of the machine.
        secret = os.environ.get(SECRET) or typer.prompt(f"Password of {user}", hide_input=True, err=True)
    named = sender or ("" if recipient else None)
    try:
        return Errand(user=user, secret=secret, token=token, sender=named, recipient=recipient)
    except ValueError as e:
        raise SmtplabError(str(e), where="--user, --sender or --recipient") from e


def _network(case: Path | None, resolver: str, connections: int, timeout: float) -> Network:
    from dataclasses import replace

    from smtplab.net import Network, NetworkSettings

    if case is None:
        return Network.without_case(NetworkSettings(resolver=resolver, connections=connections, timeout=timeout))
    from smtplab.case import Case

    settings = Case.open(case).network.settings
    chosen = replace(settings, connections=connections, timeout=timeout, resolver=resolver or settings.resolver)
    return Network.without_case(chosen)


def _judged(network: Network, made: Diagnosis) -> tuple[dict[str, Any], Findings]:
    """The object of the contract, and all findings: those of the session, then those of TLS and the certificate."""
    from smtplab import servers, transport

    at, trust = network.clock(), network.settings.trust
    surveyed = _surveyed(network, made)
    findings = made.findings
    for survey in surveyed:
        findings += transport.check_endpoint(survey, at, trust)
    told = servers.as_dict(made)
    told["tls"] = surveyed[0].as_dict(at, trust) if surveyed else None
    told["connections_used"] = _used(network, made)
    told["findings"] = [f.as_dict() for f in findings]
    return told, findings


def _surveyed(network: Network, made: Diagnosis) -> list[Survey]:
    """TLS of the address that was followed; of the second family only where it shows another certificate."""
    from smtplab.net.tls import survey

    session, other, e = made.session, made.other, made.endpoint
    if session is None or session.tls is None:
        return []
    asked = [(session, True)]
    if other and other.tls and other.tls.chain != session.tls.chain:
        asked.append((other, False))
    return [
        network.run(survey(network, e.host, s.address, e.port, seen=s.tls, like=e.like, whole=whole))
        for s, whole in asked
    ]


def _used(network: Network, made: Diagnosis) -> int:
    addresses = [s.address for s in (made.session, made.other) if s]
    return sum(network.connections_used().get(f"{a}:{made.endpoint.port}", 0) for a in addresses)


def _show(made: Diagnosis, told: dict[str, Any], findings: Findings) -> None:
    e = made.endpoint
    print(f"\n{e.host} port {e.port}")
    table(made.frame())
    for number, cause in enumerate(made.causes, 1):
        print(f"{number}. {one_line(cause.title)}{' (confirmed)' if cause.confirmed else ''}")
        print(f"   Tell apart: {one_line(cause.tell)}\n   Do: {one_line(cause.fix)} ({cause.who})")
    if made.offer and made.offer.heard:
        before, after = made.offer.before, made.offer.after
        print(f"Announced before TLS: {one_line(', '.join(before)) or 'nothing'}")
        print(f"Announced inside TLS: {one_line(', '.join(after)) or 'nothing'}")
    if versions := (told["tls"] or {}).get("versions"):
        words = {True: "yes", False: "no", None: "unknown"}
        print("TLS versions: " + ", ".join(f"{v} {words[accepted]}" for v, accepted in versions.items()))
        groups = told["tls"]["groups"]
        more = "" if groups["complete"] else f" (and perhaps more: {one_line(groups['why'])})"
        print(f"TLS groups: {', '.join(groups['names']) or 'unknown'}{more}")
    for probe in made.probes:
        print(f"{probe.what} {probe.variant}: {one_line(probe.verdict)}")
    tell_findings(findings)
    print(f"\nConnections used: {told['connections_used']}")
