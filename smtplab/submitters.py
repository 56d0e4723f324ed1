"""Who really hands in mail, against who may: the logs beside the configuration of the same host.

A network that may relay without sign-in and never does is a door left open for whoever gets into it (Postfix
BASIC_CONFIGURATION_README: mynetworks). Hosts of configuration and of logs are the same where their names agree, or
their first labels do and no other's does.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from smtplab.findings import Finding, Findings
from smtplab.servers.allowed import Allowance, Network, allowances
from smtplab.servers.collect import ServerEvidence

MIN_DAYS, MIN_MESSAGES = 7, 100
"""A log must be so long before it says that something never happens."""
WIDE = 16
"""So many times the addresses needed is wide; and fewer than `SMALL` are never worth a word."""
SMALL = 64
MAX_ADDRESSES = 20_000
"""Of one host, those that handed in most."""
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Use:
    """One address and what it handed in: messages, accounts (of sign-ins too), last seen."""

    address: Address
    sign_in: bool
    messages: int
    accounts: frozenset[str] = field(repr=False)
    last: pd.Timestamp


@dataclass(frozen=True)
class HostUse:
    """One host: what it allows, what `days` of its log show, and whether it is an MX, which takes mail from anybody."""

    host: str
    allowed: tuple[Allowance, ...]
    uses: tuple[Use, ...]
    mx: bool
    days: int

    def by(self, allowance: Allowance) -> list[Use]:
        """The uses that an allowance covers, and no narrower one."""
        return [u for u, a in self._covered if a is allowance]

    @cached_property
    def _covered(self) -> tuple[tuple[Use, Allowance | None], ...]:
        return tuple((u, self._covering(u)) for u in self.uses)

    def _covering(self, use: Use) -> Allowance | None:
        """The narrowest allowance that lets an address hand in so."""
        fits = [a for a in self.allowed if a.sign_in == use.sign_in and a.holds(use.address)]
        return min(fits, key=lambda a: min(n.num_addresses for n in a.networks if use.address in n), default=None)

    def outside(self) -> list[Use]:
        """Uses that nothing given allows; none where a line refers to what was not given, or strangers are expected."""
        judged = {kind for kind in (False, True) if self._known(kind)}
        return [u for u, a in self._covered if a is None and u.sign_in in judged]

    def _known(self, sign_in: bool) -> bool:
        kind = [a for a in self.allowed if a.sign_in == sign_in]
        if any(a.elsewhere for a in kind):
            return False
        return bool(kind) if sign_in else bool(self.allowed) and not self.mx

    @property
    def telling(self) -> bool:
        """Whether the log is long enough to say that something never happens."""
        return self.days >= MIN_DAYS and sum(u.messages for u in self.uses) >= MIN_MESSAGES


@dataclass(frozen=True)
class Submitters:
    """Every host with configuration and log."""

    hosts: tuple[HostUse, ...]

    def __repr__(self) -> str:
        return f"Submitters({len(self.hosts)} hosts with configuration and log)"

    def frame(self) -> pd.DataFrame:
        """A row a network: host, network, sign-in, allowed by, messages, accounts, addresses, last seen (UTC).

        Addresses that nothing given allows stand last, each in a row of its own.
        """
        rows = [_row(h.host, a.text, a.sign_in, _short(h.host, a.seen), h.by(a)) for h in self.hosts for a in h.allowed]
        rows += [_row(h.host, str(u.address), u.sign_in, "nothing given", [u]) for h in self.hosts for u in h.outside()]
        columns = ["host", "network", "sign-in", "allowed by", "messages", "accounts", "addresses", "last seen"]
        return pd.DataFrame(rows, columns=columns)


def _short(host: str, seen: str) -> str:
    """File, line and setting, without what stands in the columns beside: host and networks."""
    file, colon, line = seen.partition(": ")
    return file.rpartition("/")[2].removeprefix(f"{host}.") + colon + line.partition(" = ")[0]


def _row(host: str, network: str, sign_in: bool, by: str, uses: list[Use]) -> tuple[object, ...]:
    accounts = len(frozenset[str]().union(*(u.accounts for u in uses)))
    last = max((u.last.date() for u in uses), default=None)
    told = "needed" if sign_in else "none"
    return host, network, told, by, sum(u.messages for u in uses), accounts, len(uses), last


def gather(servers: ServerEvidence, messages: pd.DataFrame, connections: pd.DataFrame) -> Submitters:
    """Join configuration with the tables messages and connections."""
    allowed = allowances(servers.configuration)
    named = list(dict.fromkeys(c.host for c in servers.configuration))
    logged = list(dict.fromkeys([*messages["host"].dropna(), *connections["host"].dropna()]))
    made = []
    for host in named:
        own = _own([a for a in allowed if a.host == host])
        same = [name for name in logged if _same(name, host, named)]
        mail, seen = messages[messages["host"].isin(same)], connections[connections["host"].isin(same)]
        times = pd.concat([mail["time"], seen["time"]])
        if own and len(times):
            uses = tuple(_uses(mail, seen))
            made.append(HostUse(host, own, uses, host in servers.mx, (times.max() - times.min()).days))
    return Submitters(tuple(made))


def _own(allowed: list[Allowance]) -> tuple[Allowance, ...]:
    """Where Dovecot limits the networks of a sign-in, Postfix on the same host asks it, and its own "any" is void."""
    limited = any(a.program == "dovecot" for a in allowed)
    return tuple(a for a in allowed if not (limited and a.sign_in and a.program == "postfix"))


def _same(logged: str, host: str, named: Sequence[str]) -> bool:
    label = logged.partition(".")[0]
    alike = [n for n in named if n.partition(".")[0] == label]
    return logged == host or (host in alike and (len(alike) == 1) and logged in (label, host))


def _uses(messages: pd.DataFrame, connections: pd.DataFrame) -> Iterator[Use]:
    mail = messages.dropna(subset=["client_ip"])
    handed = pd.DataFrame(
        {"ip": mail["client_ip"], "user": mail["sasl_user"], "time": mail["time"], "signed": mail["sasl_user"].notna()}
    )
    handed["messages"] = 1
    entered = connections[connections["auth_ok"].fillna(False)].dropna(subset=["client_ip"])
    signed = pd.DataFrame({"ip": entered["client_ip"], "user": entered["auth_user"], "time": entered["time"]})
    both = pd.concat([handed, signed.assign(signed=True, messages=0)], ignore_index=True)
    groups = both.groupby(["ip", "signed"])
    told = groups.agg(messages=("messages", "sum"), last=("time", "max"))
    people = both.dropna(subset=["user"]).groupby(["ip", "signed"])["user"].agg(lambda names: frozenset(names))
    for (ip, sign_in), row in told.sort_values("messages", ascending=False).head(MAX_ADDRESSES).iterrows():
        try:
            address = ipaddress.ip_address(str(ip))
        except ValueError:
            continue
        accounts = people.get((ip, sign_in), frozenset())
        yield Use(address, bool(sign_in), int(row["messages"]), accounts, row["last"])


def check(evidence: Submitters) -> Findings:
    """Networks that are allowed and silent or too wide, and who hands in from elsewhere."""
    return Findings(f for h in evidence.hosts for f in _judge(h, evidence.hosts))


def _judge(here: HostUse, everywhere: Sequence[HostUse]) -> Iterator[Finding]:
    found = [*_outside(here), *(_unneeded(here, everywhere) if here.telling else ())]
    yield from found
    whole = not any(a.elsewhere for a in here.allowed)
    if not found and here.uses and here.telling and whole:
        seen = tuple(dict.fromkeys(a.seen for a in here.allowed))
        yield Finding("servers.submitters.as_allowed", here.host, seen, host=here.host, days=here.days)


def _outside(here: HostUse) -> Iterator[Finding]:
    outside = here.outside()
    lines = tuple(dict.fromkeys(a.seen for a in here.allowed))
    for uses in ([u for u in outside if u.sign_in is kind] for kind in (False, True)):
        if not uses:
            continue
        facts = {
            "host": here.host,
            "addresses": [str(u.address) for u in uses[:10]],
            "count": len(uses),
            "messages": sum(u.messages for u in uses),
            "last": f"{max(u.last for u in uses):%Y-%m-%d}",
        }
        if uses[0].sign_in:
            yield Finding("servers.submitters.sign_in_outside", here.host, lines, **facts)
        else:
            yield Finding("servers.submitters.outside", here.host, lines, **facts)


def _unneeded(here: HostUse, everywhere: Sequence[HostUse]) -> Iterator[Finding]:
    """Networks of a line that could go or be narrower; hosts that are kept alike are judged by what all of them got."""
    lines: dict[str, list[Allowance]] = {}
    for a in here.allowed:
        if not a.sign_in and a.networks and not any(n.is_loopback or n.num_addresses > 2**120 for n in a.networks):
            lines.setdefault(a.setting, []).append(a)
    for setting, allowed in lines.items():
        whole = [a.text for a in here.allowed if a.setting == setting]
        twins = [h for h in everywhere if [a.text for a in h.allowed if a.setting == setting] == whole]
        used = {
            a.text: [u.address for h in twins for b in h.allowed if b.text == a.text for u in h.by(b)] for a in allowed
        }
        silent = [text for text, addresses in used.items() if not addresses]
        narrower = {t: n for a in allowed if (n := _narrower(a, used[t := a.text]))}
        facts = {"host": here.host, "days": here.days}
        if silent and setting in ("mynetworks", "relay_from_hosts"):
            kept = [text for text in whole if text not in silent]
            line = _line(setting, kept)
            yield Finding(
                "servers.submitters.silent", here.host, (allowed[0].seen,), **facts, networks=silent, line=line
            )
        if narrower and setting in ("mynetworks", "relay_from_hosts"):
            line = _line(setting, [narrower.get(text, text) for text in whole if text not in silent])
            told = {"networks": list(narrower), "needed": list(narrower.values()), "line": line}
            yield Finding("servers.submitters.wide", here.host, (allowed[0].seen,), **facts, **told)


def _line(setting: str, kept: list[str]) -> str:
    if setting == "mynetworks":
        return f"mynetworks = {', '.join(kept)}".rstrip()
    return f"hostlist relay_from_hosts = <; {' ; '.join(kept)}".rstrip()


def _narrower(allowance: Allowance, addresses: Sequence[Address]) -> str:
    """The smallest network that holds all that was used, where that is far smaller; "" otherwise."""
    network = allowance.networks[0]
    addresses = [a for a in addresses if a.version == network.version]
    if not addresses or network.num_addresses < SMALL:
        return ""
    needed: Network = ipaddress.ip_network(addresses[0])
    while not all(a in needed for a in addresses):
        needed = needed.supernet()
    if network.num_addresses < WIDE * needed.num_addresses:
        return ""
    return f"[{needed.network_address}]/{needed.prefixlen}" if needed.version == 6 else str(needed)
