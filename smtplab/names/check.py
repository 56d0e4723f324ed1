"""What is good or bad about names."""

from __future__ import annotations

from collections.abc import Iterator

from smtplab.findings import Finding, Findings
from smtplab.names.collect import NULL_MX, MailHost, NamesEvidence, OutboundAddress
from smtplab.names.propagation import Zone
from smtplab.net.dns import DnsAnswer, State

LOW_TTL = 300
"""Seconds; below it a planned move is likelier than a habit."""


def check(evidence: NamesEvidence) -> Findings:
    """Findings on MX, reverse DNS and propagation."""
    mx = (f for a in evidence.mx for f in _mx(a, [h for h in evidence.hosts if h.domain == a.name]))
    outbound = (f for o in evidence.outbound for f in _outbound(o))
    zones = (f for z in evidence.zones for f in _zone(z))
    return Findings((*mx, *outbound, *zones, *_recipients(evidence)))


def _recipients(evidence: NamesEvidence) -> Iterator[Finding]:
    for answer in evidence.recipients:
        if answer.records == NULL_MX:
            yield Finding("names.recipient.null_mx", answer.name, (f"DNS MX {answer.name}",), domain=answer.name)
        elif answer.rcode == "NXDOMAIN":
            yield Finding("names.recipient.no_domain", answer.name, (f"DNS MX {answer.name}",), domain=answer.name)


def _mx(answer: DnsAnswer, hosts: list[MailHost]) -> Iterator[Finding]:
    domain, seen = answer.name, (f"DNS MX {answer.name}",)
    if answer.state is State.UNKNOWN:
        yield Finding("names.unknown", domain, seen, what=f"MX of {domain}", why=answer.why)
    elif answer.records == NULL_MX:
        yield Finding("names.mx.null", domain, seen, domain=domain)
    elif answer.absent:
        yield Finding("names.mx.missing", domain, seen, domain=domain)
    else:
        broken = list(_broken(hosts))
        yield from broken
        if not broken:
            yield Finding("names.mx.ok", domain, seen, domain=domain, hosts=[h.name for h in hosts])


def _broken(hosts: list[MailHost]) -> Iterator[Finding]:
    for host in hosts:
        seen = (f"DNS MX {host.domain}",)
        facts = {"domain": host.domain, "host": host.name}
        if host.literal:
            yield Finding("names.mx.invalid", host.name, seen, **facts, what="an address stands where a name must")
        elif host.alias:
            yield Finding("names.mx.alias", host.name, seen, **facts, target=host.alias)
        elif host.hidden and not host.addresses:
            hidden = ", ".join(host.hidden)
            yield Finding("names.mx.invalid", host.name, seen, **facts, what=f"only private addresses: {hidden}")
        elif not host.addresses and host.why:
            yield Finding("names.unknown", host.name, seen, what=f"the address of {host.name}", why=host.why)
        elif not host.addresses:
            yield Finding("names.mx.invalid", host.name, seen, **facts, what="the name has no address")


def _outbound(out: OutboundAddress) -> Iterator[Finding]:
    seen = (f"DNS PTR {out.address}",)
    names = [n for n, _ in out.forward]
    if out.confirmed:
        yield Finding("names.fcrdns.ok", out.address, seen, address=out.address, ptr=names)
        if out.helo and out.helo not in names:
            yield Finding("names.helo.differs", out.address, seen, address=out.address, ptr=names, helo=out.helo)
    elif out.unknown:
        yield Finding("names.unknown", out.address, seen, what=f"reverse DNS of {out.address}", why=out.unknown)
    else:
        ptr = names[0] if names else "none"
        forward = list(dict.fromkeys(ip for _, ips in out.forward for ip in ips)) or ["no address"]
        yield Finding(
            "names.fcrdns.mismatch",
            out.address,
            (*seen, *(f"DNS A {n}" for n in names)),
            address=out.address,
            ptr=ptr,
            forward=forward,
            name=out.helo or "the host's name",
        )


def _zone(zone: Zone) -> Iterator[Finding]:
    seen = tuple(f"DNS at {name} ({ip})" for name, ip in zone.servers)
    differing = zone.differing()
    serials = zone.serials()
    for rtype in differing:
        yield Finding(
            "names.propagation.disagree",
            f"{zone.domain} {rtype}",
            seen,
            domain=zone.domain,
            rtype=rtype,
            servers=[n for n, _ in zone.servers],
            serials=[f"{n}: {s}" for n, s in serials.items()],
            stale=zone.stale() or ["one of the servers"],
            missing_networks=zone.missing_networks() if rtype == "TXT" else [],
        )
    if not differing and len(serials) > 1:
        yield Finding("names.propagation.ok", zone.domain, seen, domain=zone.domain, count=len(serials))
    low = [f"{t} {ttl} s" for t in ("TXT", "MX", "A") if (ttl := zone.ttl(t)) is not None and ttl < LOW_TTL]
    if low:
        yield Finding("names.ttl.low", zone.domain, seen, domain=zone.domain, ttls=low)
