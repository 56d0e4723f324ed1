"""Who may: by which mechanisms one signs in (RFC 4954, 4422), and what intrusive probes of our own hosts found."""

from __future__ import annotations

from collections.abc import Iterator

from smtplab.findings import Finding
from smtplab.servers.capabilities import Offer
from smtplab.servers.collect import ServerEvidence
from smtplab.servers.mechanisms import known
from smtplab.servers.probes.relay import WITHOUT_SIGN_IN
from smtplab.servers.probes.session import OPEN, Probe
from smtplab.servers.probes.smuggling import CONTROLS

_PROBED = {
    "relay": "to relay mail of strangers",
    "injection": "commands injected before TLS",
    "smuggling": "to end a message where the standard does not",
    "verify": "to tell which addresses exist",
}


def check(evidence: ServerEvidence) -> Iterator[Finding]:
    """Findings on sign-in of every service that was heard; a mark of a second factor counts for the whole host."""
    offered: dict[str, list[Offer]] = {}
    for session, offer in zip(evidence.sessions, evidence.offers, strict=True):
        if offer.heard:
            offered.setdefault(offer.host, []).append(offer)
            yield from _sign_in(offer, session.service, offer.host in evidence.mx)
    for host, offers in offered.items():
        found = known(tuple(dict.fromkeys(m for o in offers for m in o.mechanisms)))
        if found and not any(m.second_factor for m in found):
            seen = tuple(_seen(o) for o in offers if o.mechanisms)
            yield Finding("servers.auth.password_only", host, seen, host=host, mechanisms=[m.name for m in found])
    yield from judge_probes(evidence.probes)


def judge_probes(probes: tuple[Probe, ...]) -> Iterator[Finding]:
    """Findings on intrusive probes, one a host, port and question."""
    groups: dict[tuple[str, int, str], list[Probe]] = {}
    for probe in probes:
        groups.setdefault((probe.host, probe.port, probe.what), []).append(probe)
    for (host, port, what), rows in groups.items():
        found = [r for r in rows if r.verdict == OPEN]
        unknown = [r for r in rows if r.verdict.startswith("unknown")]
        where, facts = f"{host}:{port}", {"host": host, "port": port}
        seen = tuple(f"{what} {r.variant}: {r.said}"[:200] for r in found or rows)
        foreign = [r.variant for r in found if r.variant != WITHOUT_SIGN_IN]
        match what:
            case "relay" if foreign:
                yield Finding("servers.relay.open", where, seen, **facts, forms=foreign)
            case "relay" if found and port in (587, 465):
                yield Finding("servers.submission.open", where, seen, **facts)
            case "injection" if found:
                yield Finding("servers.starttls.injection", where, seen, **facts, said=found[0].said)
            case "smuggling" if bad := [r.variant for r in found if r.variant not in CONTROLS]:
                yield Finding("servers.smuggling", where, seen, **facts, forms=bad)
            case "verify" if found:
                yield Finding("servers.verify.open", where, seen, **facts, commands=[r.variant for r in found])
            case _ if len(unknown) < len(rows):
                yield Finding("servers.probe.closed", where, seen, **facts, what=_PROBED[what])
            case _:
                why = unknown[0].verdict
                yield Finding("servers.probe.unknown", where, seen, **facts, what=_PROBED[what], why=why)


def _seen(offer: Offer) -> str:
    return f"session with {offer.address} port {offer.port}"


def _sign_in(offer: Offer, service: str, mx: bool) -> Iterator[Finding]:
    where, seen = f"{offer.host}:{offer.port}", (_seen(offer),)
    facts = {"host": offer.host, "port": offer.port}
    offered = known(offer.mechanisms)
    if service == "submission" and offer.tls and not offer.auth_after:
        yield Finding("servers.submission.no_auth", where, seen, **facts)
    if service == "relay" and mx and offered:
        yield Finding("servers.auth.on_mx", where, seen, **facts, mechanisms=[m.name for m in offered])
    if any(m.strength == 0 for m in offered):
        yield Finding("servers.auth.anonymous", where, seen, **facts)
    if old := [m for m in offered if m.historic]:
        names = [m.name for m in old]
        yield Finding("servers.auth.historic", where, seen, **facts, mechanisms=names, reason=old[0].note)
