"""Collect certificates from the sessions, what TLS each service accepts, policies, TLSA and TLS-RPT records."""

from __future__ import annotations

import asyncio

from smtplab import servers
from smtplab.case import Case
from smtplab.names.routing import NULL_MX
from smtplab.net.certificates import judge
from smtplab.net.dns import query
from smtplab.net.dnssec import Anchors, read_anchors
from smtplab.net.session import TlsFacts, Transcript
from smtplab.net.tls import survey
from smtplab.servers.collect import mail_exchangers
from smtplab.tables import Inventory
from smtplab.transport import dane, mta_sts, tlsrpt
from smtplab.transport.evidence import HostTls, TransportEvidence, refused


def collect(case: Case, inventory: Inventory) -> TransportEvidence:
    """Judge every chain at the case's time; survey the TLS of each service; ask for policies and TLSA records.

    Raises NotRecorded when the case has a recording that holds no session at all, CaseError for a trust anchor that
    cannot be read.
    """
    anchor = case.network.settings.anchor
    anchors = read_anchors(anchor) if anchor else None
    sessions = servers.collect(case, inventory)
    return case.network.run(_collect(case, inventory.domains(), sessions, anchors))


async def _collect(
    case: Case, domains: tuple[str, ...], evidence: servers.ServerEvidence, anchors: Anchors | None
) -> TransportEvidence:
    network, at = case.network, case.as_of
    policies = await asyncio.gather(*(mta_sts.collect(network, d, at) for d in domains))
    reporting = await asyncio.gather(*(tlsrpt.collect(network, d) for d in domains))
    mx = [(d, name) for d in domains for name in await mail_exchangers(network, d)]
    spoken = [(s, s.tls) for s in evidence.sessions if s.tls]
    by_address: dict[str, list[tuple[Transcript, TlsFacts]]] = {}
    for session, facts in spoken:
        by_address.setdefault(session.address, []).append((session, facts))
    found_tls = await asyncio.gather(*(_hosts(case, each, evidence.mx) for each in by_address.values()))
    hosts = [h for group in found_tls for h in group]
    offers = [o for o in evidence.offers if o.port == 25 and o.host in evidence.mx]
    chains = {(h.host, h.address): h.facts.chain for h in hosts if h.port == 25}
    shown: dict[str, list[dane.Shown]] = {}
    for o in offers:
        chain = chains.get((o.host, o.address), ())
        known = o.heard and (bool(chain) or not o.starttls or refused(o))
        shown.setdefault(o.host, []).append((o.starttls if known else None, chain))
    found = await dane.collect(network, mx, shown, anchors, at)
    return TransportEvidence(
        tuple(hosts),
        tuple(policies),
        tuple(reporting),
        found,
        tuple(offers),
        tuple(mx),
        at,
        network.connections_used(),
        tuple([d for d in domains if (await query(network, d, "MX")).records == NULL_MX]),
    )


async def _hosts(case: Case, spoken: list[tuple[Transcript, TlsFacts]], mx: tuple[str, ...]) -> list[HostTls]:
    """The ports of one address, one after the other, for the server's peace."""
    return [await _host(case, session, facts, session.host in mx) for session, facts in spoken]


async def _host(case: Case, session: Transcript, facts: TlsFacts, mx: bool) -> HostTls:
    host, address, port = session.host, session.address, session.port
    judged = judge(facts.chain, host, case.as_of, case.network.settings.trust)
    own = case.network.settings.own
    # What others run is their affair: of an MX at a provider we ask what decides, and list nothing.
    surveyed = await survey(case.network, host, address, port, seen=facts, whole=bool(own & {host, address}))
    return HostTls(host, address, port, judged.certificate, judged.chain, judged.verdict, facts, surveyed, mx)
