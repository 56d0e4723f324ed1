"""BIMI, draft-brand-indicators-for-message-identification: which logo does a domain ask for, and would it be shown?

A logo is shown only under an enforced DMARC policy; most providers also ask for a mark certificate. To publish none
is no fault.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlsplit

import pandas as pd

from smtplab.authentication import dkim, logo, mark
from smtplab.authentication.dmarc import Dmarc
from smtplab.authentication.dmarc_record import DmarcRecord, Policy, ascii_name
from smtplab.authentication.logo import Logo
from smtplab.authentication.mark import Mark
from smtplab.net import Network
from smtplab.net.dns import State, query
from smtplab.net.https import Fetched, fetch

DEFAULT = "default"
_VERSION = re.compile(r"v[ \t]*=[ \t]*BIMI1[ \t]*(;|$)")


@dataclass(frozen=True)
class Bimi:
    """The record of a domain and selector, and what stands at its addresses.

    `place` is the name at which the record was found, the domain's or its organization's; `location` and
    `authority` the addresses of l= and a=; `error` why the record cannot be used, `why` why it is unknown.
    `forbidden` names what in the DMARC policy keeps every logo from being shown (None: unknown). A logo or
    certificate that could not be had has its reason in `logo_error` or `mark_error`; an empty reason and no logo mean
    that nothing is known.
    """

    domain: str
    selector: str
    state: State
    place: str = ""
    record: str = ""
    location: str = ""
    authority: str = ""
    avatar: str = "brand"
    error: str = ""
    why: str = ""
    forbidden: tuple[str, ...] | None = None
    logo: Logo | None = None
    logo_error: str = ""
    mark: Mark | None = None
    mark_error: str = ""

    @property
    def name(self) -> str:
        """Where the record is looked up first."""
        return f"{self.selector}._bimi.{self.domain}"

    @property
    def declined(self) -> bool:
        """The domain says that it wants no logo (section 4.3.1)."""
        return bool(self.record) and not (self.location or self.authority or self.error)

    def table(self) -> pd.DataFrame:
        """A row a rule of the logo: rule, ok, must, found; empty where there is none."""
        return (self.logo or Logo(0, ())).table()


def parse(record: str) -> Bimi | None:
    """Read a record; None for what is no BIMI record, such as an SPF record at a wildcard."""
    if not _VERSION.match(record):
        return None
    found = dkim.tags(record)
    location, authority = found.get("l", ""), found.get("a", "")
    error = "it has no l=" if "l" not in found else ""
    for tag, address in (("l", location), ("a", authority)):
        if not error and address and not _https(address):
            error = f"{tag}= is not one https address"
    avatar = found.get("avp", "").lower()
    avatar = avatar if avatar in ("brand", "personal") else "brand"
    return Bimi("", "", State.PRESENT, "", record, location, authority, avatar, error)


def _https(address: str) -> bool:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return False
    host = parts.hostname or ""
    plain = not re.search(r"[\s,]", address) and len(address) <= 1_000 and parts.username is None
    return parts.scheme == "https" and plain and "." in host and bool(ascii_name(host)) and port != 0


async def collect(network: Network, policy: Dmarc, at: datetime, selector: str = DEFAULT) -> Bimi:
    """The record that holds for mail from the domain of a policy, its logo and its certificate, judged at a time."""
    domain = policy.domain
    forbidden = None if policy.why else tuple(_forbidden(policy))
    for place in dict.fromkeys(p for p in (domain, policy.org) if p):
        answer = await query(network, f"{selector}._bimi.{place}", "TXT")
        if answer.state is State.UNKNOWN:
            return Bimi(domain, selector, State.UNKNOWN, place, why=answer.why, forbidden=forbidden)
        records = [r for t in answer.records if (r := parse(t))]
        if not records:
            continue
        found = replace(records[0], domain=domain, selector=selector, place=place, forbidden=forbidden)
        if len(records) > 1:
            return replace(found, error=f"{len(records)} records stand at the name, so receivers take none")
        return found if found.error or found.declined else await _fetched(network, found, at)
    # The organization may hold one; which that is, an unanswered question of the walk hides.
    state, why = (State.ABSENT, "") if policy.org else (State.UNKNOWN, policy.why)
    return Bimi(domain, selector, state, why=why, forbidden=forbidden)


def _forbidden(policy: Dmarc) -> Iterator[str]:
    """What keeps receivers from showing any logo (section 7.1), in the domain's and its organization's record."""
    if policy.record is None:
        yield "there is no DMARC record"
    above = next((s.record for s in policy.steps if s.name == policy.org and s.record), None)
    for record in {r.domain: r for r in (policy.record, above) if r}.values():
        yield from _mild(record)


def _mild(record: DmarcRecord) -> Iterator[str]:
    p, sp, _ = record.asked()
    at = f"at _dmarc.{record.domain}"
    if p not in (Policy.QUARANTINE, Policy.REJECT):
        yield f"p={p} {at}"
    elif sp not in (Policy.QUARANTINE, Policy.REJECT):
        yield f"sp={sp} {at}"
    if p is Policy.QUARANTINE and record.pct < 100:
        yield f"pct={record.pct} {at}"
    if record.testing:
        yield f"t=y {at}"


async def _fetched(network: Network, found: Bimi, at: datetime) -> Bimi:
    wanted = [u for u in (found.location, found.authority) if u]
    got = dict(zip(wanted, await asyncio.gather(*(fetch(network, u) for u in wanted)), strict=True))
    answer = got.get(found.location)
    made, error = None, ""
    if answer and not (error := _refused(network, answer, at)) and not answer.why:
        made = logo.examine(answer.body.encode("utf-8", "replace"))
    found = replace(found, logo=made, logo_error=error)
    evidence = got.get(found.authority)
    if evidence is None or evidence.why:
        return found
    if error := _refused(network, evidence, at):
        return replace(found, mark_error=error)
    shown = answer.body.encode("utf-8", "replace") if made and answer else b""
    # Loading the checker and its authorities takes a moment, which the network's loop has not.
    return replace(found, mark=await asyncio.to_thread(mark.examine, evidence.body.encode(), found.domain, at, shown))


def _refused(network: Network, got: Fetched, at: datetime) -> str:
    """Why a receiver cannot use what was fetched; "" for what it can, or where nothing is known."""
    if got.why:
        return ""
    if refused := got.refused(at, network.settings.trust):
        return refused
    if 300 <= got.status < 400:
        return f"HTTP status {got.status}: not every receiver follows a redirect"
    return "" if got.status == 200 else f"HTTP status {got.status}"
