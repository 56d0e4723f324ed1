"""Where does a connection fail, and why most likely? From the name to the recipient, a step at a time (RFC 5321).

The session is the one that every chapter shows; where it stops, a few more questions tell neighbouring causes apart,
and diagnoses.toml ranks what is left.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

from smtplab.casefile import domain_name
from smtplab.errors import SmtplabError
from smtplab.findings import Finding, Findings
from smtplab.net import Network
from smtplab.net.dns import State, addresses
from smtplab.net.session import PORTS, Errand, Transcript, converse, endpoint, like_port
from smtplab.servers.capabilities import Offer, read_offer
from smtplab.servers.check.access import judge_probes
from smtplab.servers.check.sessions import judge
from smtplab.servers.collect import ServerEvidence
from smtplab.servers.hints import Hint, about_name, about_port, about_tls
from smtplab.servers.likely import Cause, causes
from smtplab.servers.probes import Probe, Target, permit, probe
from smtplab.servers.steps import Step, certificate, spoken

STARTTLS = ("auto", "never", "implicit")


@dataclass(frozen=True)
class Endpoint:
    """What to diagnose: `protocol` smtp, imap, pop3 or sieve, `starttls` auto, never or implicit.

    Both follow from a well-known port. Raises ValueError for what cannot be spoken.
    """

    host: str
    port: int = 25
    protocol: str = ""
    starttls: str = "auto"

    def __post_init__(self) -> None:
        named = self.host and not any(c.isspace() or not c.isprintable() for c in self.host)
        if not named or not 0 < self.port < 65536:
            raise ValueError(f"{self.host or 'nothing'!r}:{self.port} is no host and port")
        if self.starttls not in STARTTLS:
            raise ValueError(f"{self.starttls!r} is not one of {', '.join(STARTTLS)}")
        _ = self.like

    @property
    def like(self) -> int:
        """The well-known port whose protocol is spoken."""
        usual = PORTS.get(self.port, ("smtp", False, ""))
        protocol = self.protocol or usual[0]
        implicit = self.starttls == "implicit" or (self.starttls == "auto" and protocol == usual[0] and usual[1])
        try:
            return like_port(protocol, implicit)
        except KeyError:
            raise ValueError(f"{protocol!r}{' with TLS from the first byte' * implicit} is not spoken here") from None

    @classmethod
    def parse(cls, text: str, starttls: str = "auto") -> Endpoint:
        """From HOST[:PORT[:PROTOCOL]]; an IPv6 address stands in brackets, a name may be written in any letters."""
        if text.startswith("["):
            host, _, rest = text[1:].partition("]")
            rest = rest.removeprefix(":")
        else:
            host, _, rest = text.partition(":")
        port, _, protocol = rest.partition(":")
        if port and not (port.isascii() and port.isdigit()):
            raise ValueError(f"{text!r}: {port!r} is no port")
        if not host.isascii():
            try:
                # What DNS, TLS and certificates know is the name in A-labels (RFC 5890).
                host = domain_name(host)
            except SmtplabError as e:
                raise ValueError(str(e)) from e
        return cls(host.lower().rstrip("."), int(port or 25), protocol.lower(), starttls)


def services(evidence: ServerEvidence) -> list[Endpoint]:
    """The services that were spoken to, for a diagnosis of each."""
    return [Endpoint(host, port) for host, port in dict.fromkeys((s.host, s.port) for s in evidence.sessions)]


def mistakes(domain: str, host: str) -> list[Endpoint]:
    """What is mistaken most when a program is set up: the name, the port, and how TLS begins."""
    return [Endpoint(f"smtp.{domain}", 587), Endpoint(host, 25), Endpoint(host, 587, starttls="implicit")]


@dataclass(frozen=True)
class Diagnosis:
    """The steps in order, and at the first that failed the likely causes, likeliest first.

    `other` is the session over the second address family, `used` the connections made to the endpoint.
    """

    endpoint: Endpoint
    steps: tuple[Step, ...]
    causes: tuple[Cause, ...]
    session: Transcript | None = None
    other: Transcript | None = None
    probes: tuple[Probe, ...] = ()
    used: int = 0
    hints: frozenset[Hint] = frozenset()

    @property
    def failed(self) -> Step | None:
        """The first step that failed; None where all is well or nothing is known."""
        return next((s for s in self.steps if s.ok is False), None)

    @property
    def offer(self) -> Offer | None:
        """What the server announced."""
        return read_offer(self.session) if self.session else None

    @property
    def findings(self) -> Findings:
        """What is wrong with the service itself, as in a case."""
        found: list[Finding] = list(judge_probes(self.probes))
        for session in (self.session, self.other):
            if session:
                found += judge(session, read_offer(session))
        return Findings(found)

    def frame(self) -> pd.DataFrame:
        """A row a step: step, result, ms, bytes sent and received, reply."""
        rows = [(s.phase, s.word, s.ms, s.bytes_out, s.bytes_in, s.reply) for s in self.steps]
        made = pd.DataFrame(rows, columns=["step", "result", "ms", "sent", "received", "reply"])
        return made.astype({"sent": "Int64", "received": "Int64"})

    def likely(self) -> pd.DataFrame:
        """A row a cause, likeliest first: cause, confirmed, tell apart, what to do, who."""
        rows = [(c.title, "yes" if c.confirmed else "", c.tell, c.fix, c.who) for c in self.causes]
        return pd.DataFrame(rows, columns=["cause", "confirmed", "tell apart", "what to do", "who"])

    def __repr__(self) -> str:
        e, failed = self.endpoint, self.failed
        blind = next((s for s in self.steps if s.ok is None and s.phase != "certificate"), None)
        how = f"{blind.phase} unknown ({blind.reply})" if blind else "no step failed"
        how = f"fails at {failed.phase}: {failed.reply}" if failed else how
        return "\n".join([f"{e.host} port {e.port}: {how}", *(f"  {n}. {c}" for n, c in enumerate(self.causes, 1))])


def diagnose(
    host: str,
    port: int = 25,
    protocol: str = "",
    *,
    starttls: str = "auto",
    errand: Errand | None = None,
    network: Network | None = None,
) -> Diagnosis:
    """Diagnose one service; live and without a tape unless a case's `network` is given.

    `errand` signs in and names an envelope, never a message. Raises ValueError for an endpoint that makes no sense.
    """
    return diagnose_all([Endpoint(host, port, protocol, starttls)], errand=errand, network=network)[0]


def diagnose_all(
    endpoints: Sequence[Endpoint],
    *,
    errand: Errand | None = None,
    network: Network | None = None,
    intrusive: bool = False,
) -> list[Diagnosis]:
    """Diagnose several services, side by side; what they have in common tells a blocked port 25 from a dead server.

    Raises NotAllowed where `intrusive` probes would go to a host of somebody else.
    """
    network = network or Network.without_case()
    return network.run(_all(network, endpoints, errand or Errand(), intrusive))


async def _all(network: Network, endpoints: Sequence[Endpoint], errand: Errand, intrusive: bool) -> list[Diagnosis]:
    found = await asyncio.gather(*(_one(network, e, errand, intrusive) for e in endpoints))
    relay = [d for d in found if d.endpoint.port == 25]
    silent = [d for d in relay if d.failed and d.failed.phase == "port" and "timeout" in d.failed.reply]
    alive = any(d.session and d.session.greeted for d in found if d.endpoint.port != 25)
    alive = alive or any(Hint.OTHER_PORTS in d.hints for d in silent)
    if len({d.endpoint.host for d in relay}) > 1 and len(silent) == len(relay) and alive:
        found = [_ranked(replace(d, hints=d.hints | {Hint.EVERY_25_DEAD})) if d in silent else d for d in found]
    return list(found)


async def _one(network: Network, e: Endpoint, errand: Errand, intrusive: bool) -> Diagnosis:
    errand = replace(errand, upgrade=e.starttls != "never")
    step, ips = await _name(network, e.host)
    if intrusive:
        permit(network.settings, e.host, ips)
    if not ips:
        hints = await about_name(network, e.host) if step.ok is False else frozenset()
        return _ranked(Diagnosis(e, (step,), (), hints=hints))
    sessions = await asyncio.gather(*(converse(network, e.host, ip, e.port, e.like, errand) for ip in ips))
    # The family that came furthest is the one to follow; the other is told beside it.
    main = max(sessions, key=lambda s: (bool(s.tls), s.greeted, s.refused, not s.why))
    other = next((s for s in sessions if s is not main), None)
    steps = [step, *spoken(main, errand), *certificate(main, network)]
    made = Diagnosis(e, tuple(steps), (), main, other, hints=await _hints(network, e, main, steps))
    if intrusive and main.greeted:
        target = Target(e.host, main.address, e.port, e.like)
        made = replace(made, probes=await probe(network, target))
    used = sum(network.connections_used().get(f"{ip}:{e.port}", 0) for ip in ips)
    return _ranked(replace(made, used=used))


async def _name(network: Network, host: str) -> tuple[Step, list[str]]:
    if host == "localhost" or host.endswith(".localhost"):
        # RFC 6761 section 6.3: never a question for DNS.
        return Step("name", True, 0.0, "this machine"), ["127.0.0.1"]
    try:
        return Step("name", True, 0.0, "an address was given"), [str(ipaddress.ip_address(host))]
    except ValueError:
        ips, a, aaaa = await addresses(network, host)
    families = {":" in ip: ip for ip in reversed(ips)}
    chosen = [families[six] for six in (False, True) if six in families]
    ms = round(max(a.ms, aaaa.ms), 1)
    if chosen:
        return Step("name", True, ms, ", ".join(ips[:8])), chosen
    if State.UNKNOWN in (a.state, aaaa.state):
        # Without an answer the name may well exist: a resolver that fails is a failure of its own.
        why = a.why or aaaa.why
        return Step("name", None if why == "not recorded" else False, ms, f"no answer: {why}"), []
    return Step("name", False, ms, f"no address ({a.rcode or aaaa.rcode})"), []


async def _hints(network: Network, e: Endpoint, session: Transcript, steps: list[Step]) -> frozenset[Hint]:
    failed = next((s for s in steps if s.ok is False), None)
    if failed is None:
        return frozenset()
    if failed.phase == "port":
        return await about_port(network, e.host, session.address, e.port)
    if failed.phase in ("greeting", "tls"):
        return await about_tls(network, session)
    return frozenset()


def _ranked(made: Diagnosis) -> Diagnosis:
    if made.failed is None:
        return made
    session = made.session
    six = bool(session and ":" in session.address)
    found = causes(made.failed, made.endpoint.port, made.hints | ({Hint.IPV6} if six else set()))
    return replace(made, causes=found)


def as_dict(made: Diagnosis) -> dict[str, Any]:
    """Plain values: host, port, protocol, steps, causes, capabilities, connections_used, findings."""
    offer, session = made.offer, made.session
    told = {"before": offer.before, "after": offer.after} if offer and offer.heard else {"before": None, "after": None}
    extensions = offer.extensions if offer else None
    return {
        "host": made.endpoint.host,
        "port": made.endpoint.port,
        "protocol": PORTS[made.endpoint.like][0],
        "address": session.address if session else None,
        "steps": [asdict(s) for s in made.steps],
        "causes": [c.as_dict() for c in made.causes],
        "capabilities": {**told, "extensions": extensions.as_dict() if extensions else None},
        "probes": [{"what": p.what, "variant": p.variant, "verdict": p.verdict} for p in made.probes],
        "connections_used": made.used,
        "endpoint": endpoint(session.address, session.port) if session else None,
        "findings": [f.as_dict() for f in made.findings],
    }
