"""What a service offers in TLS: versions, cipher suites and key-exchange groups, each found by one connection.

RFC 8996 (TLS 1.0 and 1.1 deprecated), 9325 (recommendations for TLS), 8446. What a server supports is found by
offering everything and taking away what it chose, until it refuses. The budget of the network bounds it: what it
prevents is unknown. A server that is busy or falls silent is not asked again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from smtplab.net import NOT_RECORDED, Network, Unknown
from smtplab.net.certificates import judge
from smtplab.net.channel import Channel
from smtplab.net.hello import LEGACY, VERSIONS, offer
from smtplab.net.session import TlsFacts, endpoint
from smtplab.net.suites import POST_QUANTUM, ciphers, groups, post_quantum, weak
from smtplab.net.talk import Flood, Talk

__all__ = ["LEGACY", "VERSIONS", "Choice", "Listing", "Survey", "ask", "survey"]

BRIEF = "not asked"
"""Why a listing may go on where nobody asked."""
CIPHER_BUDGET = 60
"""Connections that an endpoint must be allowed before its cipher suites are listed one by one."""
WEAK, QUANTUM = "weak", "post-quantum"
"""Offers of their own: only suites that protect nothing, only groups that a quantum computer does not break."""


@dataclass(frozen=True)
class Choice:
    """What a server chose of an offer; `accepted` None where that is unknown, `why` the reason of that or of a no."""

    accepted: bool | None
    why: str = ""
    cipher: str = ""
    group: str = ""


@dataclass(frozen=True)
class Listing:
    """Names found, in the order in which the server chose them; `why` there may be more, "" where there are none."""

    names: tuple[str, ...] = ()
    why: str = ""

    @property
    def complete(self) -> bool:
        """Nothing is missing."""
        return not self.why

    def __str__(self) -> str:
        named = ", ".join(self.names) or ("none" if self.complete else "unknown")
        return named if self.complete else f"{named} (and perhaps more: {self.why})"


@dataclass(frozen=True)
class Survey:
    """TLS of one endpoint.

    `versions` and `ciphers` by version ("TLSv1" to "TLSv1.3"; accepted None: unknown); `weak` is a suite it accepts
    that protects nothing any more, "" none, None unknown; `post_quantum` whether it has a group that a quantum
    computer does not break; `negotiated` what a completed handshake used.
    """

    host: str
    address: str
    port: int
    negotiated: TlsFacts | None
    versions: tuple[tuple[str, bool | None], ...]
    ciphers: tuple[tuple[str, Listing], ...]
    groups: Listing
    weak: str | None
    post_quantum: bool | None

    def as_dict(self, at: datetime, trust: Path | None = None) -> dict[str, Any]:
        """Plain values: versions, ciphers, groups, negotiated, certificate (judged at a time)."""
        seen = self.negotiated
        return {
            "versions": dict(self.versions),
            "ciphers": {v: {"names": list(c.names), "complete": c.complete, "why": c.why} for v, c in self.ciphers},
            "weak_cipher": self.weak,
            "post_quantum": self.post_quantum,
            "groups": {"names": list(self.groups.names), "complete": self.groups.complete, "why": self.groups.why},
            "negotiated": {"version": seen.version, "cipher": seen.cipher, "group": seen.group} if seen else None,
            "certificate": judge(seen.chain, self.host, at, trust).as_dict(self.host, at) if seen else None,
        }


async def survey(
    network: Network,
    host: str,
    address: str,
    port: int,
    *,
    seen: TlsFacts | None = None,
    like: int | None = None,
    whole: bool = True,
) -> Survey:
    """Find out what an endpoint supports, within the network's budget; never raises for what the server does.

    `seen` is the handshake of a session with it, which spares connections; `like` the well-known port whose protocol
    is spoken, for services on other ports. Without `whole` nothing is listed one by one: six connections at most.
    """
    asking = _Asking(network, host, address, port, like)
    versions = await asking.versions(seen)
    accepted = [v for v in reversed(VERSIONS) if versions[v].accepted]
    old = next((v for v in accepted if v != "TLSv1.3"), "")
    feeble = await asking.ask(old, suites=WEAK) if old else Choice(False if _all_known(versions) else None)
    first = [seen.group] if seen and seen.version in accepted[:1] and seen.group else []
    quantum = await asking.post_quantum(versions["TLSv1.3"], first)
    first += [quantum.group] if quantum.group not in ("", *first) else []
    if not accepted:
        found = Listing(why=asking.over or "no version is known")
    elif not whole:
        found = Listing(tuple(first), BRIEF)
    else:
        found = await asking.groups(accepted[0], first)
    suites = {v: await asking.ciphers(v, versions[v].cipher, whole) for v in accepted}
    return Survey(
        host,
        address,
        port,
        seen,
        tuple((v, versions[v].accepted) for v in VERSIONS),
        tuple(suites.items()),
        found,
        feeble.cipher or "unnamed" if feeble.accepted else None if feeble.accepted is None else "",
        quantum.accepted,
    )


def _all_known(versions: Mapping[str, Choice]) -> bool:
    return all(c.accepted is not None for c in versions.values())


class _Asking:
    """The questions to one endpoint; `over` says why no more are asked."""

    def __init__(self, network: Network, host: str, address: str, port: int, like: int | None) -> None:
        self.network, self.host, self.address, self.port, self.like = network, host, address, port, like
        self.over = ""

    async def ask(self, version: str, suites: str = "", without: tuple[int, ...] = ()) -> Choice:
        if self.over:
            return Choice(None, self.over)
        choice = await ask(
            self.network, self.host, self.address, self.port, version, suites=suites, without=without, like=self.like
        )
        # Whatever cost us this answer would cost the next one too; only a replay goes on for nothing.
        if choice.accepted is None and choice.why != NOT_RECORDED:
            self.over = choice.why
        return choice

    async def versions(self, seen: TlsFacts | None) -> dict[str, Choice]:
        """What the session has shown needs no connection; one after the other, for the server's peace."""
        made = {seen.version: Choice(True, cipher=seen.cipher, group=seen.group)} if seen else {}
        return made | {v: await self.ask(v) for v in reversed(VERSIONS) if v not in made}

    async def post_quantum(self, thirteen: Choice, first: list[str]) -> Choice:
        """Asked apart, so that a short budget answers it: the only groups whose lack matters. TLS 1.2 has none."""
        if not thirteen.accepted:
            return Choice(thirteen.accepted, thirteen.why)
        return Choice(True) if any(map(post_quantum, first)) else await self.ask("TLSv1.3", QUANTUM)

    async def groups(self, version: str, first: list[str]) -> Listing:
        known = {g.name.lower(): n for n, g in groups(version).items()}
        # Certificates on a curve are refused with their curve (RFC 8422 section 5.1), so 1.2 never tells the whole.
        end = "" if version == "TLSv1.3" else f"asked with {version}"
        return await self._list(version, "groups", known, [g for g in first if g.lower() in known], end)

    async def ciphers(self, version: str, first: str, whole: bool) -> Listing:
        if not whole or self.network.settings.connections < CIPHER_BUDGET:
            return Listing((first,) if first else (), "budget" if whole else BRIEF)
        known = {name.lower(): n for n, name in ciphers(version).items()}
        return await self._list(version, "ciphers", known, [first] if first.lower() in known else [])

    async def _list(
        self,
        version: str,
        what: Literal["groups", "ciphers"],
        known: Mapping[str, int],
        first: list[str],
        end: str = "",
    ) -> Listing:
        """Take away what was chosen until the server refuses."""
        names = list(first)
        while len(names) < len(known):
            without = tuple(known[n.lower()] for n in names)
            choice = await self.ask(version, what, without)
            name = choice.group if what == "groups" else choice.cipher
            if not choice.accepted:
                return Listing(tuple(names), choice.why or "unknown" if choice.accepted is None else end)
            if name.lower() not in known or name in names:
                return Listing(tuple(names), "it chose what was not offered")
            names.append(name)
        return Listing(tuple(names), end)


async def ask(
    network: Network,
    host: str,
    address: str,
    port: int,
    version: str,
    *,
    suites: str = "",
    without: tuple[int, ...] = (),
    like: int | None = None,
) -> Choice:
    """One hello of a version: everything, only the weak or post-quantum, or all groups or ciphers but some numbers.

    `suites` is "", "weak", "post-quantum", "groups" or "ciphers".
    """
    offered, curves = _offered(version, suites, without)

    async def perform() -> dict[str, Any]:
        async with network.slot(address, port):
            return await _offer(Talk(host, address, port, network.settings.timeout, like), version, offered, curves)

    params = {"name": host, "version": version, "of": suites, "without": " ".join(f"{n:04x}" for n in without)}
    entry = await network.ask("tls", endpoint(address, port), params, perform)
    if entry.value is None:
        return Choice(None, entry.unknown or "")
    texts = (str(entry.value.get(key, "")) for key in ("why", "cipher", "group"))
    return Choice(bool(entry.value["accepted"]), *texts)


def _offered(version: str, suites: str, without: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The numbers of suites and groups to offer; () for all."""
    if suites == WEAK:
        return tuple(weak()), ()
    if suites == QUANTUM:
        return (), tuple(n for n, g in groups(version).items() if g.kind in POST_QUANTUM)
    left = tuple(n for n in (groups if suites == "groups" else ciphers)(version) if n not in without)
    if suites == "groups":
        # Up to TLS 1.2 only a suite with ECDHE needs a group; any other would be accepted without one.
        curves = tuple(n for n, name in ciphers(version).items() if "ECDHE" in name)
        return curves if version != "TLSv1.3" else (), left
    return (left, ()) if suites == "ciphers" else ((), ())


async def _offer(talk: Talk, version: str, suites: tuple[int, ...], curves: tuple[int, ...]) -> dict[str, Any]:
    talk.channel = await Channel.connect(talk.address, talk.port, talk.timeout)
    try:
        if not talk.implicit:
            if not await talk.greet():
                busy = talk.steps[-1]["reply"][-1].startswith("421")
                raise Unknown("throttled" if busy else talk.ended)
            await talk.capabilities("capabilities")
            if not await talk.begin_tls():
                raise Unknown("no STARTTLS")
            talk.channel.buffer = b""
        answer = await offer(talk.channel, talk.host, version, talk.timeout, suites, curves)
    except Flood as e:
        raise Unknown(str(e)) from e
    finally:
        talk.channel.close()
    group = groups(version).get(answer.group)
    found = {"why": answer.why, "cipher": ciphers(version).get(answer.cipher, ""), "group": group.name if group else ""}
    refused = ("why",) if not answer.verdict else ("why", "cipher", "group")
    return {"accepted": bool(answer.verdict)} | {k: v for k, v in found.items() if v and k in refused}
