"""From which networks does a server take mail for others, by its own configuration?

Postfix: who is permitted in smtpd_relay_restrictions (SMTPD_ACCESS_README), by all services or by one of which
`postconf -P` tells; Dovecot: allow_nets of a passdb, from where an account may sign in; Exim: relay_from_hosts, which
its documentation and every packager use. What a line refers to and was not given (tables, files, lists) is unknown.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice

from smtplab.servers.configuration import Configuration

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
ANYWHERE = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
MAX_NETWORKS = 200
"""Of one configuration; what a longer list names is unknown."""
RELAY = "smtpd_relay_restrictions"
_RELAY_DEFAULT = "permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination"
_CLIENT = "smtpd_client_restrictions"
_DECIDING = (RELAY, "smtpd_recipient_restrictions", _CLIENT, "mynetworks")
_NAMED = re.compile(r"\$\{?(\w+)\}?", re.ASCII)
_INLINE = re.compile(r"inline:\{([^{}]*)\}")


@dataclass(frozen=True)
class Allowance:
    """A network that may hand in mail; `networks` is empty where the line refers to `elsewhere`, which was not given.

    `sign_in` whether it must sign in, `text` the network as the line writes it, `seen` the line as evidence.
    """

    host: str
    program: str
    setting: str
    text: str
    networks: tuple[Network, ...]
    sign_in: bool
    seen: str
    elsewhere: str = ""

    def holds(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        """Whether an address lies in it."""
        return any(address in n for n in self.networks)


def allowances(configurations: Iterable[Configuration]) -> tuple[Allowance, ...]:
    """What every host allows; none for a host of which nothing is known."""
    readers = {"postfix": _postfix, "dovecot": _dovecot, "exim": _exim}
    made: list[Allowance] = []
    for config in configurations:
        found = list(islice(readers[config.program](config), MAX_NETWORKS + 1))
        if len(found) > MAX_NETWORKS:
            found[-1] = replace(found[-1], text="and more", networks=(), elsewhere="the rest of a long list")
        made += found
    return tuple(made)


def _seen(config: Configuration, setting: str, value: str) -> str:
    return next(iter(config.seen(setting)), f"{config.file}: {setting} is not set, so it is {value}")


def _network(text: str) -> tuple[Network, ...]:
    with suppress(ValueError):
        return (ipaddress.ip_network(text.replace("[", "").replace("]", ""), strict=False),)
    return ()


@dataclass(frozen=True)
class _Service:
    """A service of Postfix: what master.cf overrides ("submission/inet"), else the settings of all ("")."""

    config: Configuration
    place: str

    def name(self, setting: str) -> str:
        own = f"{self.place}/{setting}"
        return own if own in self.config.settings else setting

    def value(self, setting: str, default: str = "") -> str:
        told = self.config.value(self.name(setting), default)
        return _NAMED.sub(lambda found: self.config.value(found[1], found[0]), told)

    def seen(self, setting: str, default: str = "") -> str:
        return _seen(self.config, self.name(setting), default)


def _postfix(config: Configuration) -> Iterator[Allowance]:
    """Of each service, for one of them may let in whom the others do not."""
    places = {name.rpartition("/")[0] for name in config.settings if name.rpartition("/")[2] in _DECIDING}
    known = set[tuple[str, str, bool]]()
    for place in sorted(places | {""}):
        for found in _service(_Service(config, place)):
            key = (found.setting, found.text, found.sign_in)
            if key not in known:
                known.add(key)
                yield found


def _service(service: _Service) -> Iterator[Allowance]:
    host = service.config.host
    words = _words(service.value(RELAY, _RELAY_DEFAULT)) or _words(service.value("smtpd_recipient_restrictions"))
    client = _words(service.value(_CLIENT))
    for number, word in enumerate(words):
        # A list of clients that ends so lets in nobody whom it does not permit.
        if client[-1:] == ["reject"] and word.startswith("permit") and word not in client:
            continue
        match word:
            case "permit_mynetworks":
                yield from _mynetworks(service)
            case "permit_sasl_authenticated" | "permit":
                told = (host, "postfix", service.name(RELAY), "any address", ANYWHERE)
                yield Allowance(*told, word == "permit_sasl_authenticated", service.seen(RELAY, _RELAY_DEFAULT))
            case "check_client_access":
                yield from _table(service, " ".join(words[number + 1 : number + 2]))


def _mynetworks(service: _Service) -> Iterator[Allowance]:
    config, setting = service.config, service.name("mynetworks")
    if setting not in config.settings:
        style = config.value("mynetworks_style", "host")
        seen = f"{config.file}: {setting} is not set, so mynetworks_style = {style} decides"
        told = (config.host, "postfix", setting, "its own addresses" if style == "host" else f"its own {style}")
        yield Allowance(*told, (), False, seen, "the interfaces of the machine")
        return
    for word in _words(service.value("mynetworks")):
        networks = _network(word)
        told = (config.host, "postfix", setting, word)
        yield Allowance(*told, networks, False, service.seen("mynetworks"), "" if networks else word)


def _table(service: _Service, table: str) -> Iterator[Allowance]:
    """Networks that an access table permits: those of one written inline, else unknown."""
    told = (service.config.host, "postfix", service.name(RELAY))
    seen = service.seen(RELAY, _RELAY_DEFAULT)
    inline = _INLINE.match(table)
    if not inline:
        yield Allowance(*told, table, (), False, seen, table or "no table is named")
        return
    for pair in inline[1].split(","):
        key, _, action = (p.strip() for p in pair.partition("="))
        if action.upper().split(" ")[0] in ("OK", "PERMIT"):
            # access(5): 192.0.2 stands for all that begins so.
            octets = key.split(".")
            short = len(octets) < 4 and all(o.isdigit() for o in octets)
            networks = _network(".".join([*octets, "0", "0", "0"][:4]) + f"/{8 * len(octets)}" if short else key)
            yield Allowance(*told, key, networks, False, seen, "" if networks else key or table)


def _words(value: str) -> list[str]:
    """The members of a list of Postfix; braces keep one together."""
    return re.findall(r"[^\s,{]*\{[^}]*\}|[^\s,]+", value)


def _dovecot(config: Configuration) -> Iterator[Allowance]:
    for setting in ("passdb/default_fields", "passdb/override_fields"):
        fields = config.value(setting).split()
        for field in (f.partition("=")[2] for f in fields if f.startswith("allow_nets=")):
            for text in field.split(","):
                networks = _network(text)
                seen = _seen(config, setting, "")
                if text not in ("", "local"):
                    rest = "" if networks else text
                    yield Allowance(config.host, "dovecot", setting, text, networks, True, seen, rest)


def _exim(config: Configuration) -> Iterator[Allowance]:
    setting = "relay_from_hosts"
    for text in exim_list(config.value(setting)):
        networks = ANYWHERE if text == "*" else _network(text)
        seen = _seen(config, setting, "")
        yield Allowance(config.host, "exim", setting, text, networks, False, seen, "" if networks else text)


def exim_list(value: str) -> list[str]:
    """The members of a list of Exim: parted by colons, of which two stand for one, or by what follows a "<"."""
    mark = ":"
    if value.startswith("<") and len(value) > 1:
        mark, value = value[1], value[2:]
    parts = value.replace(mark * 2, "\0").split(mark)
    return [p for part in parts if (p := part.replace("\0", mark).strip())]
