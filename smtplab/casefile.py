"""case.toml: what a case is about, where its sources lie, what may be probed and how hard.

Every key is known here; an unknown one is an error that names the nearest known key, because a misspelt key
would otherwise silently switch something off.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import Path, PurePosixPath
from typing import Any
from zoneinfo import ZoneInfo

import dns.exception
import dns.name

from smtplab.errors import CaseError
from smtplab.net import endpoint
from smtplab.tape import YEARS

VERSION = 1
SOURCE_KINDS = ("logs", "bounces", "dmarc", "tls_reports", "events", "messages", "configuration")
FOLDER_KINDS = ("bounces", "dmarc", "tls_reports", "messages")
"""Sources that may lie as a folder: a maildir, or a file a report."""
ROLES = ("outbound", "mx", "submission", "imap", "pop3", "sieve")
SET_KEYS = ("source_ip", "header_from", "dkim_domain", "dkim_selector")
SUPPRESSION_RULES = ("hard", "gone", "soft", "unreachable", "complaint")
SUPPRESSION_KEYS = {"times": 1, "within_days": 0, "over_days": 0, "expires_days": 0}
"""Numbers a case may set for a rule of suppression.toml, and the least of each."""
MATCH_KEYS = ("sender", "sender_domain", "source_ip", "category", "message_id", "dkim_domain")
_LABEL = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"^(?=.{{1,253}}$)({_LABEL}\.)+(?!\d+$)[a-z0-9]([a-z0-9-]{{0,61}}[a-z0-9])?$")
_SPAN = re.compile(r"^(\d{1,6})\s*(s|m|h|d)$")


@dataclass(frozen=True)
class Host:
    """A server of the organisation; `own` allows probes that could be taken for an attack."""

    name: str
    addresses: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    own: bool = False


@dataclass(frozen=True)
class Stream:
    """A kind of mail and how to know it; `late_after` seconds, None where lateness does not matter.

    `source` is where its addresses come from: a form, a shop, a list.
    `sets` fills in what no log line tells of it, in lower case: source_ip, header_from, dkim_domain, dkim_selector.
    """

    name: str
    match: Mapping[str, str] = field(default_factory=dict)
    campaign: str = ""
    source: str = ""
    late_after: float | None = None
    sets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Mark:
    """A moment at which something changed, drawn on every timeline."""

    time: datetime
    text: str


@dataclass(frozen=True)
class NetworkSection:
    """[network] of case.toml."""

    resolver: str = ""
    resolvers: tuple[str, ...] = ()
    vantage: str = "here"
    connections: int = 12
    timeout: float = 5.0
    public: tuple[str, ...] = ()
    trust: str = ""
    trust_anchor: str = ""
    probe: bool = True
    intrusive: bool = False


@dataclass(frozen=True)
class CaseFile:
    """case.toml, read and checked."""

    name: str
    domains: tuple[str, ...]
    as_of: datetime | None = None
    zone: str = "UTC"
    lab: bool = False
    recording: str = ""
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    hosts: tuple[Host, ...] = ()
    selectors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    network: NetworkSection = NetworkSection()
    streams: tuple[Stream, ...] = ()
    marks: tuple[Mark, ...] = ()
    suppression: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    generated: tuple[str, ...] = ()
    generated_note: str = ""


def load(path: Path) -> CaseFile:
    """Read case.toml; raises CaseError naming the key."""
    if not path.is_file():
        raise CaseError(
            "there is no case.toml here", where=path.parent, do="Make a case with `smtplab new DIR --domain D`"
        )
    try:
        return parse(tomllib.loads(path.read_text("utf-8")))
    except CaseError as e:
        raise CaseError(e.what, where=path, do=e.do) from e
    except (ValueError, OverflowError, RecursionError) as e:
        # Numbers of thousands of digits, brackets within brackets: no file of a human.
        raise CaseError(f"not valid TOML: {e}", where=path) from e


def parse(raw: dict[str, Any]) -> CaseFile:
    """The case file of a TOML document."""
    top = _Section(raw, "")
    version = top.take("version", int, 0)
    if version != VERSION:
        raise CaseError(
            f"version is {version or 'missing'}, this smtplab reads {VERSION}", do=f"Write `version = {VERSION}`"
        )
    domains = tuple(domain_name(d) for d in top.texts("domains"))
    if not domains:
        raise CaseError("`domains` is empty", do="Name at least the domain of the From address")
    zone = top.take("timezone", str, "UTC")
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError) as e:
        raise CaseError(f"timezone {zone!r} is not known", do='Use a name such as "Europe/Berlin"') from e
    generated = top.section("generated")
    result = CaseFile(
        name=top.take("name", str, domains[0]),
        domains=domains,
        as_of=_moment(top.take("as_of", date, None)),
        zone=zone,
        lab=top.take("lab", bool, False),
        recording=top.take("recording", str, ""),
        sources=_sources(top.section("sources")),
        hosts=tuple(_host(s) for s in top.sections("hosts")),
        selectors=_selectors(top.section("dkim")),
        network=_network(top.section("network")),
        streams=tuple(_stream(s) for s in top.sections("streams")),
        marks=tuple(_mark(s) for s in top.sections("marks")),
        suppression=_suppression(top.section("suppression")),
        generated=generated.texts("paths"),
        generated_note=generated.take("note", str, ""),
    )
    generated.done()
    top.done()
    return result


class _Section:
    """A TOML table that knows which of its keys were taken, so that the rest can be refused."""

    def __init__(self, raw: dict[str, Any], name: str) -> None:
        self.raw, self.name, self.known = raw, name, set[str]()

    def take(self, key: str, kind: type, default: Any) -> Any:
        self.known.add(key)
        value = self.raw.get(key, default)
        fine = isinstance(value, kind) or (kind is float and isinstance(value, int))
        if value is not default and (not fine or (isinstance(value, bool) and kind is not bool)):
            raise CaseError(f"`{self._path(key)}` must be a {kind.__name__}, not {type(value).__name__}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        values = self.take(key, list, [])
        if not all(isinstance(v, str) for v in values):
            raise CaseError(f"`{self._path(key)}` must be a list of texts")
        return tuple(values)

    def section(self, key: str) -> _Section:
        return _Section(self.take(key, dict, {}), self._path(key))

    def sections(self, key: str) -> list[_Section]:
        values = self.take(key, list, [])
        if not all(isinstance(v, dict) for v in values):
            raise CaseError(f"`{self._path(key)}` must be tables: [[{key}]]")
        return [_Section(v, f"{self._path(key)}[{i}]") for i, v in enumerate(values)]

    def done(self) -> None:
        for key in self.raw:
            if key not in self.known:
                near = difflib.get_close_matches(key, self.known, 1)
                known = f"Did you mean `{near[0]}`?" if near else f"Known keys: {', '.join(sorted(self.known))}"
                raise CaseError(f"unknown key `{self._path(key)}`", do=known)

    def _path(self, key: str) -> str:
        return f"{self.name}.{key}" if self.name else key


def _sources(section: _Section) -> dict[str, tuple[str, ...]]:
    sources = {kind: section.texts(kind) for kind in SOURCE_KINDS}
    section.done()
    for kind, patterns in sources.items():
        for pattern in patterns:
            # A case that someone sends must not make us read the rest of the disk.
            path = PurePosixPath(pattern)
            if not pattern.isprintable() or not path.parts:
                raise CaseError(f"sources.{kind}: {pattern!r} names no file")
            if path.is_absolute() or ".." in path.parts:
                raise CaseError(
                    f"sources.{kind}: {pattern!r} leaves the case", do="Copy or link the files into sources/"
                )
    return sources


def _host(section: _Section) -> Host:
    host = Host(
        name=domain_name(section.take("name", str, "")),
        addresses=tuple(_address(a) for a in section.texts("addresses")),
        roles=section.texts("roles"),
        own=section.take("own", bool, False),
    )
    section.done()
    if wrong := [r for r in host.roles if r not in ROLES]:
        raise CaseError(f"host {host.name} has the unknown role {wrong[0]!r}", do=f"Roles: {', '.join(ROLES)}")
    return host


def _selectors(section: _Section) -> dict[str, tuple[str, ...]]:
    inner = section.section("selectors")
    section.done()
    return {domain_name(d): inner.texts(d) for d in inner.raw}


def _network(section: _Section) -> NetworkSection:
    blank = NetworkSection()
    made = NetworkSection(
        resolver=section.take("resolver", str, ""),
        resolvers=section.texts("resolvers"),
        vantage=section.take("vantage", str, blank.vantage),
        connections=section.take("connections", int, blank.connections),
        timeout=float(section.take("timeout", float, blank.timeout)),
        public=section.texts("public"),
        trust=section.take("trust", str, ""),
        trust_anchor=section.take("trust_anchor", str, ""),
        probe=section.take("probe", bool, True),
        intrusive=section.take("intrusive", bool, False),
    )
    section.done()
    if not re.fullmatch(r"[A-Za-z0-9-]{1,40}", made.vantage):
        raise CaseError(f"network.vantage {made.vantage!r} must be letters, digits and hyphens")
    for each in made.resolvers:
        try:
            ipaddress.ip_address(endpoint(each)[0])
        except ValueError as e:
            raise CaseError(f"network.resolvers: {e}", do='Write "192.0.2.53" or "192.0.2.53:53"') from e
    for net in made.public:
        try:
            ipaddress.ip_network(net)
        except ValueError as e:
            raise CaseError(f"network.public: {e}") from e
    return made


def _stream(section: _Section) -> Stream:
    match = section.section("match")
    keys = {k: match.take(k, str, "") for k in MATCH_KEYS}
    match.done()
    sets = section.section("sets")
    fills = {k: v.lower() for k in SET_KEYS if (v := sets.take(k, str, ""))}
    sets.done()
    late = section.take("late_after", str, "")
    stream = Stream(
        name=section.take("name", str, ""),
        match={k: v for k, v in keys.items() if v},
        campaign=section.take("campaign", str, ""),
        source=section.take("source", str, ""),
        late_after=_span(late) if late else None,
        sets=fills,
    )
    section.done()
    if not stream.name or not stream.match:
        raise CaseError(f"{section.name} needs a name and a match")
    return stream


def _mark(section: _Section) -> Mark:
    moment = _moment(section.take("time", date, None))
    mark_text = section.take("text", str, "")
    section.done()
    if moment is None:
        raise CaseError(f"{section.name} has no time")
    return Mark(moment, mark_text)


def _suppression(section: _Section) -> dict[str, dict[str, int]]:
    made = {}
    for name in SUPPRESSION_RULES:
        one = section.section(name)
        made[name] = {k: v for k in SUPPRESSION_KEYS if (v := one.take(k, int, None)) is not None}
        one.done()
        for key, value in made[name].items():
            if not SUPPRESSION_KEYS[key] <= value <= 3_650:
                raise CaseError(f"`{one.name}.{key}` is {value}; from {SUPPRESSION_KEYS[key]} to 3650 is possible")
    section.done()
    return {name: numbers for name, numbers in made.items() if numbers}


def _moment(value: date | None) -> datetime | None:
    if value is None:
        return None
    if value.year not in YEARS:
        raise CaseError(f"{value} lies outside the years {YEARS[0]} to {YEARS[-1]}")
    if not isinstance(value, datetime):
        return datetime.combine(value, time(), UTC)
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def _span(text: str) -> float:
    if not (m := _SPAN.match(text)):
        raise CaseError(f"{text!r} is not a length of time", do='Write "30m", "2h" or "5d"')
    return int(m[1]) * {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}[m[2]]


def domain_name(text: str) -> str:
    """A domain as it is asked for: A-labels (IDNA 2008) in lower case; raises CaseError for what is none."""
    try:
        asked = dns.name.from_text(text.strip(), idna_codec=dns.name.IDNA_2008_Practical)
        name = asked.to_text(omit_final_dot=True).lower()
    except (dns.exception.DNSException, UnicodeError):
        name = ""
    if not _NAME.match(name):
        hint = "Leave away what stands before and after the domain, as in example.org" if {"@", "/"} & {*text} else ""
        raise CaseError(f"{text[:80]!r} is not a domain name", do=hint)
    return name


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as e:
        raise CaseError(str(e)) from e


def template(domain: str) -> str:
    """The case.toml of a new case, with every section explained."""
    return f'''version = 1
name = "{domain}"
domains = ["{domain}"]
timezone = "UTC"                    # of log lines that carry no zone of their own
# as_of = 2026-11-16T06:00:00Z      # the clock of every judgement; default: when the recording was made

[sources]                           # paths and globs within this folder
logs = ["sources/logs/*"]
bounces = ["sources/bounces/*"]
dmarc = ["sources/dmarc/*"]
tls_reports = ["sources/tlsrpt/*"]
events = ["sources/events/*"]       # webhook events of a sending provider
messages = ["sources/messages/*.eml"]
configuration = ["sources/configuration/*"]   # NAME.postconf, NAME.doveconf: output of postconf -n, doveconf -n

[network]
connections = 12                    # at most so many connections to one address and port
timeout = 5.0                       # seconds
# resolver = "127.0.0.1:53"         # default: this machine's
# resolvers = ["192.0.2.53"]        # others to ask whether a change has reached them
# intrusive = true                  # record relay, injection and smuggling tests of hosts with own = true
# trust_anchor = "sources/root.key" # DNSSEC keys (DNSKEY or DS) to check signatures with; default: believe the resolver

# [[hosts]]                         # your servers; own = true allows probes that look like an attack
# name = "mx1.{domain}"
# roles = ["mx"]                    # outbound, mx, submission, imap, pop3, sieve
# own = true

# [dkim.selectors]
# "{domain}" = ["s1"]

# [suppression.soft]                # when to stop writing to whom: hard, gone, soft, unreachable, complaint
# times = 3
# within_days = 30
# expires_days = 180                # 0: for good

# [[streams]]                       # kinds of mail: the first that matches wins
# name = "invoices"
# late_after = "30m"                # later than this counts as late
# source = "shop"                   # where its addresses come from: a form, a shop, a list
# match = {{ sender = "billing@{domain}" }}
'''
