"""What is good or bad about names: where mail to a domain goes, and what receivers learn of the addresses it leaves."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from smtplab.findings import Finding, Findings
from smtplab.names import check_propagation
from smtplab.names.collect import NamesEvidence
from smtplab.names.reverse import OutboundAddress
from smtplab.names.routing import NULL_MX, MailHost
from smtplab.net.dns import DnsAnswer, State

PUBLISHED = ("authentication", "names", "transport")
"""Areas that judge what a domain publishes."""


def check(evidence: NamesEvidence) -> Findings:
    """Findings on MX, reverse DNS and propagation."""
    hosts = (*evidence.hosts, *evidence.implicit)
    mx = (f for a in evidence.mx for f in _mx(a, [h for h in hosts if h.domain == a.name]))
    outbound = (f for o in evidence.outbound for f in _outbound(o))
    zones = (f for z in evidence.zones for f in check_propagation.check(z, evidence.as_of))
    return Findings((*mx, *outbound, *zones, *_recipients(evidence), *_listed(evidence)))


def _listed(evidence: NamesEvidence) -> Iterator[Finding]:
    for one in evidence.listed:
        if one.why:
            what, seen = f"Whether the SPF record of {one.domain} names more addresses", (f"DNS TXT {one.domain}",)
            yield Finding("names.unknown", f"SPF of {one.domain}", seen, what=what, why=one.why)


def _recipients(evidence: NamesEvidence) -> Iterator[Finding]:
    for answer in evidence.recipients:
        if answer.records == NULL_MX:
            yield Finding("names.recipient.null_mx", answer.name, (f"DNS MX {answer.name}",), domain=answer.name)
        elif answer.rcode == "NXDOMAIN":
            yield Finding("names.recipient.no_domain", answer.name, (f"DNS MX {answer.name}",), domain=answer.name)


def settled(found: Findings) -> Findings:
    """Findings without those on the DNS of a domain that does not exist, but for the one that says so."""
    gone = {f.subject for f in found if f.code == "names.domain.missing"}

    def stands(f: Finding) -> bool:
        # What logs and reports tell of it stays: it happened.
        told = f.code == "names.domain.missing" or f.area not in PUBLISHED
        return told or not gone & {f.subject, str(f.facts.get("domain", ""))}

    return Findings(f for f in found if stands(f)) if gone else found


def _mx(answer: DnsAnswer, hosts: list[MailHost]) -> Iterator[Finding]:
    domain, seen = answer.name, (f"DNS MX {answer.name}",)
    if answer.state is State.UNKNOWN:
        yield Finding("names.unknown", domain, seen, what=f"MX of {domain}", why=answer.why)
    elif answer.records == NULL_MX:
        yield Finding("names.mx.null", domain, seen, domain=domain)
    elif answer.rcode == "NXDOMAIN":
        yield Finding("names.domain.missing", domain, seen, domain=domain)
    elif answer.loop:
        yield Finding("names.alias.loop", domain, seen, name=domain)
    elif answer.absent:
        yield from _without_mx(domain, hosts, seen)
    else:
        yield from _with_mx(answer, hosts, seen)


def _without_mx(domain: str, hosts: list[MailHost], seen: tuple[str, ...]) -> Iterator[Finding]:
    ips = [ip for h in hosts for ip in h.addresses]
    if ips:
        yield Finding("names.mx.implicit", domain, (*seen, f"DNS A {domain}"), domain=domain, addresses=ips)
    else:
        yield Finding("names.mx.missing", domain, seen, domain=domain)


def _with_mx(answer: DnsAnswer, hosts: list[MailHost], seen: tuple[str, ...]) -> Iterator[Finding]:
    domain = answer.name
    bad = list(_broken(domain, hosts, seen))
    if null := [r for r in answer.records if r.endswith(" .")]:
        others = [h.name for h in hosts]
        bad.append(Finding("names.mx.null_beside", domain, seen, domain=domain, null=null[0], hosts=others))
    reachable = [h for h in hosts if h.addresses and not h.fault]
    if reachable and not any(h.ipv4 or h.why for h in hosts):
        bad.append(Finding("names.mx.no_ipv4", domain, seen, domain=domain, hosts=[h.name for h in hosts]))
    yield from bad
    if len(hosts) == 1 and len(hosts[0].addresses) == 1 and not bad:
        yield Finding("names.mx.single", domain, seen, domain=domain, host=hosts[0].name)
    if reachable and not bad:
        yield Finding("names.mx.ok", domain, seen, domain=domain, hosts=[h.name for h in hosts])


def _broken(domain: str, hosts: list[MailHost], seen: tuple[str, ...]) -> Iterator[Finding]:
    faulty = {h.name: h.fault for h in hosts if h.fault}
    if faulty and len(faulty) == len({h.name for h in hosts}):
        yield Finding(
            "names.mx.none_usable", domain, seen, domain=domain, what=[f"{n}: {f}" for n, f in faulty.items()]
        )
        faulty = {}
    some_ipv4 = any(h.ipv4 for h in hosts)
    for host in hosts:
        facts = {"domain": domain, "host": host.name}
        if host.name in faulty:
            yield Finding("names.mx.invalid", host.name, seen, **facts, what=host.fault)
        if host.fault:
            continue
        if host.alias:
            yield Finding("names.mx.alias", host.name, seen, **facts, target=host.alias)
        if host.hidden and host.addresses:
            yield Finding("names.mx.private_beside", host.name, seen, **facts, hidden=list(host.hidden))
        if host.addresses and not host.ipv4 and not host.why and some_ipv4:
            yield Finding("names.mx.ipv6_only", host.name, seen, **facts)
        if not host.addresses:
            yield Finding("names.unknown", host.name, seen, what=f"the address of {host.name}", why=host.why)


def _outbound(out: OutboundAddress) -> Iterator[Finding]:
    seen = (f"DNS PTR {out.address}", *([out.seen] if out.seen else []))
    if out.confirmed:
        yield Finding("names.fcrdns.ok", out.address, seen, address=out.address, ptr=out.names)
    elif out.unknown:
        yield Finding("names.unknown", out.address, seen, what=f"reverse DNS of {out.address}", why=out.unknown)
    else:
        yield _mismatch(out, seen)
    if len(out.names) > 1:
        facts = {"address": out.address, "ptr": out.names, "stray": out.stray or ["none"]}
        yield Finding("names.ptr.several", out.address, seen, **facts)
    if out.confirmed and out.generic:
        name = out.helo or "a name of your own domain"
        yield Finding("names.ptr.generic", out.address, seen, address=out.address, ptr=out.generic, name=name)
    yield from _helo(out, seen)


def _mismatch(out: OutboundAddress, seen: tuple[str, ...]) -> Finding:
    forward = list(dict.fromkeys(ip for _, ips in out.forward for ip in ips)) or ["no address"]
    return Finding(
        # A web server that the record permits and that never sends is nobody's loss.
        "names.fcrdns.permitted" if out.permitted else "names.fcrdns.mismatch",
        out.address,
        (*seen, *(f"DNS A {n}" for n in out.names)),
        address=out.address,
        ptr=out.names[0] if out.names else "none",
        forward=forward,
        name=out.helo if out.helo and not out.helo_fault else "<name of the host>",
        reverse=ipaddress.ip_address(out.address).reverse_pointer,
        rtype="AAAA" if ":" in out.address else "A",
    )


def _helo(out: OutboundAddress, seen: tuple[str, ...]) -> Iterator[Finding]:
    facts = {"address": out.address, "helo": out.helo, "ptr": out.names or ["none"]}
    if out.helo_fault:
        name = out.names[0] if out.confirmed else "HOST.YOUR-DOMAIN"
        yield Finding("names.helo.invalid", out.address, seen, **facts, what=out.helo_fault, name=name)
    elif out.helo and out.greets is None:
        what = f"Whether {out.helo}, with which {out.address} greets, leads to it"
        yield Finding("names.unknown", out.address, seen, what=what, why=f"The addresses of {out.helo} are not known")
    elif out.helo_elsewhere:
        yield Finding("names.helo.elsewhere", out.address, seen, **facts, greets=list(out.greets or ()))
    elif out.confirmed and out.helo and out.helo not in out.names:
        yield Finding("names.helo.differs", out.address, seen, **facts)
