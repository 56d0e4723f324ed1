"""Whether what mail programs are told fits what the servers offer."""

from __future__ import annotations

from collections.abc import Iterator

from smtplab.findings import Finding
from smtplab.net.session import Transcript
from smtplab.servers.capabilities import Offer
from smtplab.servers.clients import Pointer
from smtplab.servers.collect import ServerEvidence

_WORDS = {"implicit": "TLS from the first byte", "starttls": "STARTTLS", "none": "no TLS"}


def check(evidence: ServerEvidence) -> Iterator[Finding]:
    """Findings on every pointer, and on domains that give none."""
    pairs = reversed(list(zip(evidence.sessions, evidence.offers, strict=True)))
    known = {(s.host, s.port): (s, o) for s, o in pairs}
    serves = any(s.port != 25 for s in evidence.sessions)
    # Users have addresses in one of the domains; the others need no pointers.
    if serves and evidence.clients and not any(c.pointers or c.unknown for c in evidence.clients):
        domain = evidence.clients[0].domain
        seen = (f"DNS SRV of {domain}", f"autoconfig of {domain}")
        yield Finding("servers.client.none", domain, seen, domain=domain)
    for client in evidence.clients:
        for pointer in client.pointers:
            yield from _pointer(pointer, *known.get((pointer.host, pointer.port), (None, None)))
        real = [(what, why) for what, why in client.unknown if why != "not recorded"]
        if not client.pointers and real:
            yield Finding("servers.client.unknown", client.domain, (real[0][0],), domain=client.domain, why=real[0][1])


def _pointer(pointer: Pointer, session: Transcript | None, offer: Offer | None) -> Iterator[Finding]:
    where = f"{pointer.host}:{pointer.port}"
    facts = {"host": pointer.host, "port": pointer.port, "source": pointer.source, "domain": pointer.domain}
    told = _WORDS[pointer.tls]
    if pointer.tls == "none":
        yield Finding("servers.client.no_tls", where, (pointer.where,), **facts)
    elif session and session.refused:
        yield Finding("servers.client.dead", where, (pointer.where,), **facts)
    elif offer and offer.heard:
        spoken = "implicit" if offer.implicit else "starttls" if offer.starttls else "none"
        if spoken != pointer.tls:
            facts |= {"told": told, "spoken": _WORDS[spoken]}
            yield Finding("servers.client.wrong_mode", where, (pointer.where,), **facts)
        else:
            yield Finding("servers.client.ok", where, (pointer.where,), **facts, told=told)
